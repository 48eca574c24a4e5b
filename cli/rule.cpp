#include "cli/rule.h"

#include <fmt/format.h>

namespace postern::cli {
namespace {

const policy::Hold* hold_of(const policy::Verdict& verdict, const policy::Findings& findings) {
  for (std::size_t i = 0; i < findings.size; ++i) {
    for (const auto& hold : findings.entries[i].contact.holds) {
      if (hold.event == verdict.event) return &hold;
    }
  }
  return nullptr;
}

std::string rule_of_unsubscription(const policy::Scope& scope, const policy::Streams& streams) {
  switch (scope.kind) {
    case policy::Scope::Kind::all:
      return "an unsubscription from everything holds for every stream";
    case policy::Scope::Kind::marketing:
      return "an unsubscription without a stream holds for every marketing stream";
    case policy::Scope::Kind::stream:
      break;
  }
  if (streams.find(scope.stream) == nullptr) {
    return fmt::format(
        "an unsubscription from {}, which is not configured, holds for every "
        "marketing stream",
        scope.stream);
  }
  return "an unsubscription from a stream holds for that stream";
}

std::string rule_of(const policy::Verdict& verdict, const policy::Findings& findings,
                    const policy::Stream& stream, const policy::Streams& streams) {
  const policy::Hold* hold = hold_of(verdict, findings);
  switch (verdict.reason) {
    case policy::Reason::none:
      return stream.consent == StreamConfig::ConsentRule::opt_in
                 ? "an opt-in is recorded, and nothing that stands is about this stream"
                 : "nothing that stands is about this stream";
    case policy::Reason::blocked:
      return verdict.domain_wide ? "a block of a domain holds for every stream"
                                 : "a block holds for every stream";
    case policy::Reason::complained:
      return "a complaint holds for every stream";
    case policy::Reason::bounced:
      return "a bounce hold is about every stream";
    case policy::Reason::unsubscribed:
      return rule_of_unsubscription(hold == nullptr ? policy::Scope{} : hold->scope, streams);
    case policy::Reason::no_consent:
      break;
  }
  return fmt::format("stream {} asks for a recorded opt-in", stream.name);
}

}  // namespace

std::vector<StreamRule> stream_rules(const Context& context, const policy::Findings& findings) {
  std::vector<StreamRule> rules;
  for (const auto& stream : context.streams.all()) {
    const auto verdict = policy::decide(findings, stream, context.streams, context.now);
    rules.push_back({stream.name, verdict, rule_of(verdict, findings, stream, context.streams)});
  }
  return rules;
}

}  // namespace postern::cli
