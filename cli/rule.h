// The rule that follows from what stands: for each stream what the gate would do, and by which rule
// of INTERFACE.md ("What a sender sees"). For `show`.
#pragma once

#include "cli/context.h"
#include "policy/decision.h"

#include <string>
#include <vector>

namespace postern::cli {

struct StreamRule {
  std::string stream;
  policy::Verdict verdict;
  std::string rule;
};
// Of every configured stream, at the context's time.
[[nodiscard]] std::vector<StreamRule> stream_rules(const Context& context,
                                                   const policy::Findings& findings);

}  // namespace postern::cli
