#include "cli/standing.h"

#include "cli/output.h"
#include "cli/suggestion.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <variant>

namespace postern::cli {
namespace {

using policy::CanonicalAddress;

bool binds_any(const policy::Hold& hold, const policy::Contact& contact,
               std::span<const policy::Stream> streams, const policy::Streams& all, Time at) {
  return std::ranges::any_of(streams, [&](const policy::Stream& stream) {
    return policy::binds(hold, contact, stream, all, at);
  });
}

bool says_unknown(const policy::Facts& facts) {
  const auto* placed = std::get_if<policy::HoldPlaced>(&facts);
  return placed != nullptr && placed->evidence &&
         placed->evidence->reason == policy::BounceReason::user_unknown;
}

}  // namespace

Result<std::vector<StandingHold>> standing_holds(const Context& context,
                                                 const policy::Findings& findings,
                                                 std::span<const policy::Stream> streams, Time at,
                                                 const policy::EventId& first) {
  std::vector<StandingHold> standing;
  for (std::size_t i = 0; i < findings.size; ++i) {
    const auto& contact = findings.entries[i].contact;
    for (const auto& hold : contact.holds) {
      if (!binds_any(hold, contact, streams, context.streams, at)) continue;
      auto where = context.store->address(findings.entries[i].ref);
      if (!where) return std::unexpected(where.error());
      const auto entry = context.store->event(hold.event);
      // A hold binds though a damaged page took what was said of it.
      const bool lost = !entry && entry.error().code == Errc::not_found;
      if (!entry && !lost) return std::unexpected(entry.error());
      const auto told = entry.value_or(store::HistoryEntry{});
      standing.push_back({*std::move(where), hold, told.source, told.note, told.import,
                          says_unknown(told.event.facts)});
    }
  }
  std::ranges::sort(standing, [&](const StandingHold& a, const StandingHold& b) {
    const auto order = [&](const StandingHold& one) {
      return std::tuple(one.hold.event != first, one.hold.date, one.hold.event);
    };
    return order(a) < order(b);
  });
  return standing;
}

Result<void> go_back(const store::Store& store, policy::Findings& findings, Time at) {
  for (std::size_t i = 0; i < findings.size; ++i) {
    const auto history = store.history(findings.entries[i].ref);
    if (!history) return std::unexpected(history.error());
    auto& contact = findings.entries[i].contact;
    contact.clear();
    for (const auto& entry : *history) {
      if (entry.event.recorded <= at) policy::apply(contact, entry.event);
    }
  }
  return {};
}

std::string describe(const StandingHold& standing, const CanonicalAddress& address) {
  auto text = describe(standing.hold) + in_brackets(standing.source, standing.note);
  if (standing.address.text.empty()) {
    text += ", on an address that is not on record (forgotten, or known by its return mail alone)";
  } else if (standing.address != address) {
    text += ", on " + one_line(standing.address.text);
  }
  return text;
}

std::string remedy(const StandingHold& standing) {
  const std::string_view address =
      standing.address.text.empty() ? std::string_view("ADDRESS") : standing.address.text;
  switch (standing.hold.kind) {
    case policy::HoldKind::unsubscribed:
    case policy::HoldKind::complained:
      return "lift it with: " + resubscribe_command(address, standing.hold.scope.stream);
    case policy::HoldKind::blocked:
      return "lift it with: " + unblock_command(address);
    case policy::HoldKind::bounced:
      break;
  }
  // Which it takes only where mail came from the address since.
  constexpr std::string_view how = "how we know";
  return "lift it with: " +
         reactivate_command(address, standing.says_unknown ? how : std::string_view{});
}

Result<void> say_what_stands(const Context& context, const CanonicalAddress& address) {
  auto reader = context.store->reader();
  if (!reader) return std::unexpected(reader.error());
  policy::Findings findings;
  if (auto found = (*reader)->find(address, findings); !found) {
    return std::unexpected(found.error());
  }
  const auto standing = standing_holds(context, findings, context.streams.all(), context.now);
  if (!standing) return std::unexpected(standing.error());
  for (const auto& one : *standing) {
    say("  still " + describe(one, address));
    say("  " + remedy(one));
  }
  return {};
}

}  // namespace postern::cli
