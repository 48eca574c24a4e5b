#include "cli/standing.h"

#include "cli/output.h"
#include "cli/suggestion.h"

#include <algorithm>
#include <iterator>
#include <tuple>

namespace postern::cli {
namespace {

using policy::CanonicalAddress;

constexpr std::size_t page = 1'000;

// The same contact, though it may have changed between two looks: an event is of one contact alone.
bool is_same(const policy::Contact& one, const policy::Contact& other) {
  const auto shares = [](const auto& these, const auto& those) {
    return std::ranges::any_of(these, [&](const auto& entry) {
      return std::ranges::any_of(those,
                                 [&](const auto& another) { return another.event == entry.event; });
    });
  };
  return shares(one.holds, other.holds) || shares(one.consents, other.consents);
}

// A contact found by the provider's rule stands under a spelling that cannot be computed: all are
// searched.
Result<CanonicalAddress> find_spelling(const store::Store& store, const policy::Contact& contact) {
  std::string after;
  do {
    auto found = store.contacts(after, page);
    if (!found) return std::unexpected(found.error());
    for (const auto& record : found->records) {
      if (is_same(record.contact, contact)) return record.address;
    }
    after = found->last_key;
  } while (!after.empty());
  return CanonicalAddress{};
}

Result<CanonicalAddress> where_it_stands(const store::Store& store, const CanonicalAddress& address,
                                         const policy::Contact& contact) {
  auto forms = policy::lookup_forms(address, store.providers());
  std::ranges::copy(forms.domains, std::back_inserter(forms.exact));
  for (const auto& form : forms.exact) {
    const auto known = store.contact(form);
    if (!known) return std::unexpected(known.error());
    if (is_same(*known, contact)) return form;
  }
  return find_spelling(store, contact);
}

bool binds_any(const policy::Hold& hold, const policy::Contact& contact,
               std::span<const policy::Stream> streams, const policy::Streams& all, Time at) {
  return std::ranges::any_of(streams, [&](const policy::Stream& stream) {
    return policy::binds(hold, contact, stream, all, at);
  });
}

}  // namespace

Result<std::vector<StandingHold>> standing_holds(const Context& context,
                                                 const CanonicalAddress& address,
                                                 const policy::Findings& findings,
                                                 std::span<const policy::Stream> streams, Time at,
                                                 const policy::EventId& first) {
  std::vector<StandingHold> standing;
  for (std::size_t i = 0; i < findings.size; ++i) {
    const auto& contact = findings.entries[i].contact;
    for (const auto& hold : contact.holds) {
      if (!binds_any(hold, contact, streams, context.streams, at)) continue;
      auto where = where_it_stands(*context.store, address, contact);
      if (!where) return std::unexpected(where.error());
      const auto entry = context.store->event(hold.event);
      if (!entry) return std::unexpected(entry.error());
      standing.push_back({*std::move(where), hold, entry->source, entry->note});
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

Result<void> go_back(const store::Store& store, const CanonicalAddress& address,
                     policy::Findings& findings, Time at) {
  for (std::size_t i = 0; i < findings.size; ++i) {
    auto& contact = findings.entries[i].contact;
    const auto where = where_it_stands(store, address, contact);
    if (!where) return std::unexpected(where.error());
    if (where->text.empty()) continue;  // its events cannot be found: the restriction wins
    const auto history = store.history(*where);
    if (!history) return std::unexpected(history.error());
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
    text += ", on another spelling of this mailbox";
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
  return "this build has no way to lift a bounce hold";
}

Result<void> say_what_stands(const Context& context, const CanonicalAddress& address) {
  auto reader = context.store->reader();
  if (!reader) return std::unexpected(reader.error());
  policy::Findings findings;
  if (auto found = (*reader)->find(address, findings); !found) {
    return std::unexpected(found.error());
  }
  const auto standing =
      standing_holds(context, address, findings, context.streams.all(), context.now);
  if (!standing) return std::unexpected(standing.error());
  for (const auto& one : *standing) {
    say("  still " + describe(one, address));
    say("  " + remedy(one));
  }
  return {};
}

}  // namespace postern::cli
