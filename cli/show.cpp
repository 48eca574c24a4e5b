// `show`: the contact, its holds and consents, and its history, newest first.
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"

#include <algorithm>

#include <fmt/format.h>

namespace postern::cli {
namespace {

using policy::Scope;

// A hold or consent with what its event says beside it.
struct Told {
  std::string source;
  std::string note;
};

// History holds every event of the contact, those of its holds included.
Told told(const std::vector<store::HistoryEntry>& history, const policy::EventId& event) {
  const auto entry =
      std::ranges::find(history, event, [](const auto& one) { return one.event.id; });
  if (entry == history.end()) return {};
  return {entry->source, entry->note};
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
      return fmt::format("lifted {} hold{} for {}", fact.holds.size(),
                         fact.holds.size() == 1 ? "" : "s", describe(fact.scope));
    }
    std::string operator()(const policy::ConsentGiven& fact) const {
      return "consented, " + describe(fact.scope);
    }
  } text;
  return std::visit(text, event.facts);
}

void print(const policy::CanonicalAddress& address, const policy::Contact& contact,
           const std::vector<store::HistoryEntry>& history, Time now) {
  say(one_line(address.text));
  if (!contact.holds.empty()) say("holds");
  for (const auto& hold : contact.holds) {
    const auto [source, note] = told(history, hold.event);
    const auto how = state(hold, contact, now);
    say(fmt::format("  {}{}{}{}", describe(hold), how.empty() ? "" : ": ", how,
                    in_brackets(source, note)));
  }
  if (!contact.consents.empty()) say("consents");
  for (const auto& consent : contact.consents) {
    const auto [source, note] = told(history, consent.event);
    say(fmt::format("  {} to {}{}", format_date(consent.date), describe(consent.scope),
                    in_brackets(source, note)));
  }
  say("history");
  for (const auto& entry : history) {
    say(fmt::format("  {} {}{}", format_time(entry.event.happened), describe_event(entry.event),
                    in_brackets(entry.source, entry.note)));
  }
}

boost::json::object record(std::string_view what, const policy::CanonicalAddress& address) {
  return {{"record", what}, {"address", address.text}};
}

void add_told(boost::json::object& object, const Told& told) {
  object["source"] = told.source;
  object["note"] = told.note;
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
    object["event"] = "lifted";
    object["holds"] = lifted->holds.size();
    add_scope(object, lifted->scope);
  } else if (const auto* given = std::get_if<policy::ConsentGiven>(&entry.event.facts)) {
    object["event"] = "consented";
    add_scope(object, given->scope);
  }
  add_told(object, {entry.source, entry.note});
  return object;
}

void print_json(const policy::CanonicalAddress& address, const policy::Contact& contact,
                const std::vector<store::HistoryEntry>& history, Time now) {
  for (const auto& hold : contact.holds) {
    auto object = record("hold", address);
    object["status"] = to_string(hold.kind);
    add_scope(object, hold.scope);
    object["date"] = format_time(hold.date);
    if (hold.until) object["until"] = format_time(*hold.until);
    const auto how = state(hold, contact, now);
    object["state"] = how.empty() ? "in force" : how;
    add_told(object, told(history, hold.event));
    say(object);
  }
  for (const auto& consent : contact.consents) {
    auto object = record("consent", address);
    add_scope(object, consent.scope);
    object["date"] = format_time(consent.date);
    add_told(object, told(history, consent.event));
    say(object);
  }
  for (const auto& entry : history) say(event_record(address, entry));
}

}  // namespace

int show(const ShowOptions& options) {
  const auto address = policy::parse_contact(options.address, true);
  if (!address) return complain(address.error());
  const auto context = open_context(options.where, store::Mode::read_only);
  if (!context) return context.error();
  auto contact = context->store->contact(*address);
  if (!contact) return complain(contact.error());
  const auto history = context->store->history(*address);
  if (!history) return complain(history.error());
  if (contact->empty() && history->empty()) {
    if (!options.json) say(one_line(address->text) + ": not known");
    return exit_no;
  }
  std::ranges::sort(contact->holds, std::ranges::greater{}, &policy::Hold::date);
  std::ranges::sort(contact->consents, std::ranges::greater{}, &policy::Consent::date);
  options.json ? print_json(*address, *contact, *history, context->now)
               : print(*address, *contact, *history, context->now);
  return exit_done;
}

}  // namespace postern::cli
