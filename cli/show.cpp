// `show`: the contact, its holds and consents, and its history, newest first.
#include "base/text.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/returned.h"
#include "cli/rule.h"
#include "cli/run.h"
#include "cli/standing.h"
#include "cli/verbs.h"
#include "store/digests.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace postern::cli {
namespace {

using policy::Scope;

struct Subject {
  policy::CanonicalAddress address;
  policy::Contact contact;
  std::vector<store::HistoryEntry> history;  // newest first
  policy::Findings findings;                 // under every form that covers the address
  std::vector<StandingHold> elsewhere;       // of them, those that stand under another form
};

// A hold or consent with what its event says beside it.
struct Told {
  std::string source;
  std::string note;
  std::optional<policy::ReturnEvidence> evidence{};  // of return mail that placed it
  store::MailDetails mail{};
};

// History holds every event of the contact, those of its holds included.
Told told(const std::vector<store::HistoryEntry>& history, const policy::EventId& event) {
  const auto entry =
      std::ranges::find(history, event, [](const auto& one) { return one.event.id; });
  if (entry == history.end()) return {};
  Told found{entry->source, entry->note};
  if (const auto* evidence = evidence_of(entry->event.facts)) found.evidence = *evidence;
  found.mail = entry->mail;
  return found;
}

std::string describe_report(const policy::Reported& fact) {
  using Weight = policy::Reported::Weight;
  if (fact.evidence.type == policy::ReturnType::unknown) return "a person answered";
  std::string text = std::string(to_string(fact.evidence.type)) + " reported";
  if (fact.weight == Weight::soft_bounce) text += ", counts as a soft bounce";
  return text;
}

// "" in force, "over", "lifted", or "lifted for stream a and stream b".
std::string state(const policy::Hold& hold, const policy::Contact& contact, Time now) {
  if (hold.until && *hold.until <= now) return "over";
  std::string lifted;
  for (const auto& lift : contact.lifts) {
    if (lift.hold != hold.id) continue;
    if (lift.scope.kind == Scope::Kind::all || lift.scope == hold.scope) return "lifted";
    lifted += (lifted.empty() ? "lifted for " : " and ") + describe(lift.scope);
  }
  return lifted;
}

std::string describe_event(const policy::Event& event) {
  struct {
    std::string operator()(const policy::HoldPlaced& fact) const {
      auto text = std::string(to_string(fact.kind)) + ", " + describe(fact.scope);
      if (fact.until) text += ", until " + format_time(*fact.until);
      return text;
    }
    std::string operator()(const policy::HoldsLifted& fact) const {
      return fmt::format("{} {} hold{} for {}",
                         fact.reactivation ? "reactivated, lifted" : "lifted", fact.holds.size(),
                         fact.holds.size() == 1 ? "" : "s", describe(fact.scope));
    }
    std::string operator()(const policy::ConsentGiven& fact) const {
      return "consented, " + describe(fact.scope);
    }
    std::string operator()(const policy::Forgotten& /*fact*/) const { return "forgotten"; }
    std::string operator()(const policy::Reported& fact) const { return describe_report(fact); }
  } text;
  return std::visit(text, event.facts);
}

// ", import shop-2026-11-22 by ann, postern import": where an event came from.
std::string where_from(const store::HistoryEntry& entry) {
  std::string text;
  if (!entry.import.empty()) text += ", import " + one_line(entry.import);
  if (!entry.by.empty()) text += (text.empty() ? ", by " : " by ") + one_line(entry.by);
  return text;
}

void print(const Subject& subject, const Context& context) {
  const auto& [address, contact, history, findings, elsewhere] = subject;
  const Time now = context.now;
  say(one_line(address.text));
  if (contact.holds.size() + elsewhere.size() != 0) say("holds");
  for (const auto& hold : contact.holds) {
    const auto said = told(history, hold.event);
    const auto how = state(hold, contact, now);
    say(fmt::format("  {}{}{}{}", describe(hold), how.empty() ? "" : ": ", how,
                    in_brackets(said.source, said.note)));
    if (said.evidence) say("    " + describe(*said.evidence, said.mail));
  }
  for (const auto& hold : elsewhere) say("  " + describe(hold, address));
  if (!contact.consents.empty()) say("consents");
  for (const auto& consent : contact.consents) {
    const auto said = told(history, consent.event);
    say(fmt::format("  {} to {}{}{}", format_date(consent.date), describe(consent.scope),
                    policy::withdrawn(consent, contact) ? ": withdrawn" : "",
                    in_brackets(said.source, said.note)));
  }
  say("rule");
  for (const auto& [stream, verdict, rule] : stream_rules(context, findings)) {
    say(fmt::format(
        "  stream {}: {}: {}", stream,
        verdict.allowed() ? "accepted" : "refused, " + std::string(to_string(verdict.reason)),
        rule));
  }
  say("history");
  for (const auto& entry : history) {
    say(fmt::format("  {} {}{}{}", format_time(entry.event.happened), describe_event(entry.event),
                    in_brackets(entry.source, entry.note), where_from(entry)));
    const auto* evidence = evidence_of(entry.event.facts);
    const auto more = evidence != nullptr ? describe(*evidence, entry.mail) : std::string();
    if (!more.empty()) say("    " + more);
  }
}

boost::json::object record(std::string_view what, const policy::CanonicalAddress& address) {
  return {{"record", what}, {"address", address.text}};
}

void add_told(boost::json::object& object, const Told& told) {
  object["source"] = told.source;
  object["note"] = told.note;
  if (told.evidence) add_return(object, *told.evidence, told.note, told.mail);
}

boost::json::object hold_record(const policy::CanonicalAddress& address, const policy::Hold& hold,
                                const std::string& how, const Told& told) {
  auto object = record("hold", address);
  object["status"] = to_string(hold.kind);
  add_scope(object, hold.scope);
  object["date"] = format_time(hold.date);
  if (hold.until) object["until"] = format_time(*hold.until);
  object["state"] = how.empty() ? "in force" : how;
  add_told(object, told);
  return object;
}

boost::json::object event_record(const policy::CanonicalAddress& address,
                                 const store::HistoryEntry& entry) {
  auto object = record("event", address);
  object["happened"] = format_time(entry.event.happened);
  object["recorded"] = format_time(entry.event.recorded);
  if (const auto* placed = std::get_if<policy::HoldPlaced>(&entry.event.facts)) {
    object["event"] = to_string(placed->kind);
    add_scope(object, placed->scope);
    if (placed->until) object["until"] = format_time(*placed->until);
  } else if (const auto* lifted = std::get_if<policy::HoldsLifted>(&entry.event.facts)) {
    object["event"] = lifted->reactivation ? "reactivated" : "lifted";
    object["holds"] = lifted->holds.size();
    add_scope(object, lifted->scope);
  } else if (const auto* given = std::get_if<policy::ConsentGiven>(&entry.event.facts)) {
    object["event"] = "consented";
    add_scope(object, given->scope);
  }
  if (std::holds_alternative<policy::Forgotten>(entry.event.facts)) object["event"] = "forgotten";
  if (const auto* reported = std::get_if<policy::Reported>(&entry.event.facts)) {
    using Weight = policy::Reported::Weight;
    object["event"] = "reported";
    if (reported->weight == Weight::soft_bounce) object["counts_as"] = "soft-bounce";
    if (reported->weight == Weight::sign_of_life) object["counts_as"] = "sign-of-life";
  }
  Told said{entry.source, entry.note};
  if (const auto* evidence = evidence_of(entry.event.facts)) said.evidence = *evidence;
  said.mail = entry.mail;
  add_told(object, said);
  if (!entry.by.empty()) object["by"] = entry.by;
  if (!entry.import.empty()) object["import"] = entry.import;
  return object;
}

void print_json(const Subject& subject, const Context& context) {
  const auto& [address, contact, history, findings, elsewhere] = subject;
  const Time now = context.now;
  for (const auto& hold : contact.holds) {
    say(hold_record(address, hold, state(hold, contact, now), told(history, hold.event)));
  }
  for (const auto& one : elsewhere) {
    say(hold_record(one.address, one.hold, "", {one.source, one.note}));
  }
  for (const auto& consent : contact.consents) {
    auto object = record("consent", address);
    add_scope(object, consent.scope);
    object["date"] = format_time(consent.date);
    object["state"] = policy::withdrawn(consent, contact) ? "withdrawn" : "given";
    add_told(object, told(history, consent.event));
    say(object);
  }
  for (const auto& [stream, verdict, rule] : stream_rules(context, findings)) {
    auto object = record("rule", address);
    object["stream"] = stream;
    object["accepted"] = verdict.allowed();
    if (!verdict.allowed()) object["reason"] = to_string(verdict.reason);
    object["rule"] = rule;
    say(object);
  }
  for (const auto& entry : history) say(event_record(address, entry));
}

// A mailbox, a domain pattern, or an entry of a hash list.
Result<policy::CanonicalAddress> parse_entry(const std::string& text) {
  const std::string digest = to_lower(trim(text));
  if (store::is_digest(digest)) return policy::CanonicalAddress{digest};
  return policy::parse_contact(text, true);
}

// What the gate would find; of a domain or a digest, its own entry.
Result<policy::Findings> find(const Context& context, const policy::CanonicalAddress& address,
                              const policy::Contact& own) {
  policy::Findings findings;
  if (address.is_domain() || address.is_digest()) {
    using Form = policy::Findings::Found::Form;
    findings.add(address.is_domain() ? Form::domain : Form::digest).contact = own;
    return findings;
  }
  auto reader = context.store->reader();
  if (!reader) return std::unexpected(reader.error());
  if (auto found = (*reader)->find(address, findings); !found) {
    return std::unexpected(found.error());
  }
  return findings;
}

Result<std::vector<StandingHold>> holds_elsewhere(const Context& context,
                                                  const policy::Findings& findings,
                                                  const policy::Contact& own) {
  auto standing = standing_holds(context, findings, context.streams.all(), context.now);
  if (!standing) return standing;
  std::erase_if(*standing, [&](const StandingHold& one) {
    return std::ranges::find(own.holds, one.hold.event, &policy::Hold::event) != own.holds.end();
  });
  return standing;
}

}  // namespace

int show(const ShowOptions& options) {
  const auto address = parse_entry(options.address);
  if (!address) return complain(address.error());
  const auto context = open_context(options.where, store::Mode::read_only);
  if (!context) return context.error();
  auto contact = context->store->contact(*address);
  if (!contact) return complain(contact.error());
  auto history = context->store->history(*address);
  if (!history) return complain(history.error());
  auto findings = find(*context, *address, *contact);
  if (!findings) return complain(findings.error());
  if (contact->empty() && history->empty() && findings->size == 0) {
    if (!options.json) say(one_line(address->text) + ": not known");
    return exit_no;
  }
  auto elsewhere = holds_elsewhere(*context, *findings, *contact);
  if (!elsewhere) return complain(elsewhere.error());
  std::ranges::sort(contact->holds, std::ranges::greater{}, &policy::Hold::date);
  std::ranges::sort(contact->consents, std::ranges::greater{}, &policy::Consent::date);
  const Subject subject{*address, *std::move(contact), *std::move(history), *std::move(findings),
                        *std::move(elsewhere)};
  options.json ? print_json(subject, *context) : print(subject, *context);
  return exit_done;
}

}  // namespace postern::cli
