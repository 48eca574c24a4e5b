// A text and a file of rules, up to a NUL between them: whatever they hold, the file is rules or
// one line of error, and the judgement is one of the rules' and says no code that does not stand
// there.
#include "policy/classify/classifier.h"
#include "policy/classify/normal_text.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace postern;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const classify::Classifier& classifier, std::string_view text) {
  const auto end = text.find('\n');
  const auto first = text.substr(0, end);
  const auto judgement = classifier.judge({.status = first.substr(0, 20),
                                           .diagnostic = text,
                                           .remote_mta = first,
                                           .reporting_mta = {},
                                           .action = {}});
  require(judgement.bounce_class == policy::class_of(judgement.reason));
  require(text.contains(judgement.status));
  require(!judgement.rule.empty() || judgement.reason == policy::BounceReason::undefined);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const auto between = all.find('\0');
  const auto text = all.substr(0, between);
  check(classify::Classifier::built_in(), text);
  const auto normal = classify::normal_text(text);
  require(normal.size() <= 3 * classify::max_text);
  if (between == all.npos) return 0;
  const auto own = classify::Classifier::create(all.substr(between + 1), "f");
  if (own) {
    check(*own, text);
  } else {
    require(own.error().text.starts_with("f") && !own.error().text.contains('\n'));
  }
  return 0;
}
