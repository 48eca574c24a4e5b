#include "cli/returned.h"

#include "cli/output.h"

#include <initializer_list>
#include <utility>
#include <variant>

namespace postern::cli {
namespace {

// Other return mail than a bounce or a delay has none.
std::string_view reason_of(const policy::ReturnEvidence& evidence) {
  const bool bounce =
      evidence.type == policy::ReturnType::bounce || evidence.type == policy::ReturnType::delayed;
  return bounce || evidence.reason != policy::BounceReason::undefined ? to_string(evidence.reason)
                                                                      : std::string_view{};
}

}  // namespace

const policy::ReturnEvidence* evidence_of(const policy::Facts& facts) {
  if (const auto* reported = std::get_if<policy::Reported>(&facts)) return &reported->evidence;
  const auto* placed = std::get_if<policy::HoldPlaced>(&facts);
  return placed != nullptr && placed->evidence ? &*placed->evidence : nullptr;
}

std::string describe(const policy::ReturnEvidence& evidence, const store::MailDetails& mail) {
  std::string text;
  const auto add = [&](std::string_view before, std::string_view what) {
    if (what.empty()) return;
    if (!text.empty()) text += ", ";
    text += before;
    text += one_line(what);
  };
  add("", reason_of(evidence));
  add("", evidence.status);
  add("said by ", mail.remote_mta);
  add("reported by ", mail.reporting_mta);
  add("message ", mail.message_id);
  add("campaign ", mail.campaign);
  return text;
}

void add_return(boost::json::object& object, const policy::ReturnEvidence& evidence,
                std::string_view diagnostic, const store::MailDetails& mail) {
  object["type"] = to_string(evidence.type);
  for (const auto& [name, value] :
       std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"reason", reason_of(evidence)},
           {"code", evidence.status},
           {"diagnostic", diagnostic},
           {"remote_mta", mail.remote_mta},
           {"reporting_mta", mail.reporting_mta},
           {"message_id", mail.message_id},
           {"campaign", mail.campaign}}) {
    if (!value.empty()) object[name] = value;
  }
}

}  // namespace postern::cli
