// Why a delivery failed, from what the report says: codes, words, and who says them. The rules are
// data (rules.toml, and a file of the operator's own in front); docs/return-mail.md tells how they
// are weighed.
#pragma once

#include "base/result.h"
#include "policy/bounce.h"
#include "policy/classify/command.h"

#include <memory>
#include <string>
#include <string_view>

namespace postern::classify {

// UTF-8; any may be empty.
struct Evidence {
  std::string_view status{};      // enhanced status code of the report's field ("5.1.1")
  std::string_view diagnostic{};  // what was said, codes and all, may be several lines; the first
                                  // 16 KiB count
  std::string_view remote_mta{};  // the host that said it
  std::string_view reporting_mta{};
  std::string_view action{};           // of the report: "failed", ...
  std::string_view recipient{};        // the address that the mail went to
  Command command = Command::unknown;  // that it answers; unknown: as the diagnostic tells it
};

struct Judgement {
  policy::BounceReason reason = policy::BounceReason::undefined;
  policy::BounceClass bounce_class = policy::BounceClass::soft;
  std::string status;    // the code that counts: of the field, or the more specific one that stands
                         // in the diagnostic; empty: none
  std::string rule;      // name of the rule that decided; empty: none
  bool certain = false;  // what decided says something by itself: a phrase, or a specific code
  bool wants_command =
      false;  // were it known which command was refused, the reason might be another
};

class RuleSet;

// Immutable; from any thread.
class Classifier {
 public:
  static const Classifier& built_in();
  // The operator's rules in front of the built-in ones. Errc::invalid names file, line, key.
  static Result<Classifier> create(std::string_view own_rules, std::string_view file_name);

  // Linear in the text; bounded by 16 KiB of it.
  [[nodiscard]] Judgement judge(const Evidence& evidence) const;

 private:
  explicit Classifier(std::shared_ptr<const RuleSet> rules) : rules_(std::move(rules)) {}

  std::shared_ptr<const RuleSet> rules_;
};

}  // namespace postern::classify
