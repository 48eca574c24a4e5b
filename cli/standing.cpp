#include "cli/standing.h"

#include "cli/output.h"

#include <algorithm>
#include <iterator>
#include <tuple>

#include <fmt/format.h>

namespace postern::cli {
namespace {

using policy::CanonicalAddress;

constexpr std::size_t page = 1'000;

bool has(const policy::Contact& contact, const policy::Hold& hold) {
  return std::ranges::find(contact.holds, hold.event, &policy::Hold::event) != contact.holds.end();
}

// A hold found by the provider's rule stands under a spelling that cannot be computed: the contacts
// are searched.
Result<CanonicalAddress> find_spelling(const store::Store& store, const policy::Hold& hold) {
  std::string after;
  do {
    auto found = store.contacts(after, page);
    if (!found) return std::unexpected(found.error());
    for (const auto& record : found->records) {
      if (has(record.contact, hold)) return record.address;
    }
    after = found->last_key;
  } while (!after.empty());
  return CanonicalAddress{};
}

Result<CanonicalAddress> where_it_stands(const store::Store& store, const CanonicalAddress& address,
                                         const policy::Hold& hold) {
  auto forms = policy::lookup_forms(address, store.providers());
  std::ranges::copy(forms.domains, std::back_inserter(forms.exact));
  for (const auto& form : forms.exact) {
    const auto contact = store.contact(form);
    if (!contact) return std::unexpected(contact.error());
    if (has(*contact, hold)) return form;
  }
  return find_spelling(store, hold);
}

bool binds_any(const policy::Hold& hold, const policy::Contact& contact,
               std::span<const policy::Stream> streams, const policy::Streams& all, Time at) {
  return std::ranges::any_of(streams, [&](const policy::Stream& stream) {
    return policy::binds(hold, contact, stream, all, at);
  });
}

// Fit for a shell: what people copy must mean what they read.
std::string shell_quoted(std::string_view text) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_";
  if (text.find_first_not_of(plain) == std::string_view::npos) return std::string(text);
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += "'\\'";
    quoted += c;
  }
  return quoted + "'";
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
      auto where = where_it_stands(*context.store, address, hold);
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
  const auto& scope = standing.hold.scope;
  const auto address =
      standing.address.text.empty() ? "ADDRESS" : shell_quoted(standing.address.text);
  switch (standing.hold.kind) {
    case policy::HoldKind::unsubscribed:
    case policy::HoldKind::complained:
      return fmt::format("lift it with: postern resubscribe {}{} --consent 'how we know'", address,
                         scope.kind == policy::Scope::Kind::stream
                             ? " --stream " + shell_quoted(scope.stream)
                             : std::string());
    case policy::HoldKind::blocked:
      return "lift it with: postern unblock " + address;
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
