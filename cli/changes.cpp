#include "cli/changes.h"

#include "cli/output.h"
#include "cli/run.h"
#include "store/standing.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include <fmt/format.h>

namespace postern::cli {
namespace {

Result<std::string> what_stood(const Context& context, const policy::CanonicalAddress& address,
                               const store::PlaceHold& hold) {
  const auto contact = context.store->contact(address);
  if (!contact) return std::unexpected(contact.error());
  const auto stood = std::ranges::find_if(contact->holds, [&](const policy::Hold& standing) {
    return store::repeats(hold, standing, *contact);
  });
  if (stood == contact->holds.end()) return "already " + std::string(to_string(hold.kind));
  return "already " + describe(*stood);
}

}  // namespace

int place_holds(const Context& context, std::span<const policy::CanonicalAddress> addresses,
                const store::PlaceHold& hold, std::string_view done) {
  std::vector<store::Change> changes;
  for (const auto& address : addresses) {
    auto change = hold;
    change.address = address;
    changes.emplace_back(std::move(change));
  }
  const auto outcomes = context.store->change(changes, context.now);
  if (!outcomes) return complain(outcomes.error());
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    std::string what(done);
    if ((*outcomes)[i].kind == store::Outcome::Kind::unchanged) {
      auto stood = what_stood(context, addresses[i], hold);
      if (!stood) return complain(stood.error());
      what = *std::move(stood);
    }
    say(fmt::format("{}: {}", one_line(addresses[i].text), what));
  }
  return exit_done;
}

std::expected<std::vector<std::vector<policy::Hold>>, int> lift_holds(
    const Context& context, std::span<const policy::CanonicalAddress> addresses,
    std::span<const store::LiftHolds> lifts) {
  std::vector<store::Change> changes;
  for (const auto& address : addresses) {
    for (auto lift : lifts) {
      lift.address = address;
      lift.consent = lift.consent && !address.is_domain();
      changes.emplace_back(std::move(lift));
    }
  }
  auto outcomes = context.store->change(changes, context.now);
  if (!outcomes) return std::unexpected(complain(outcomes.error()));
  std::vector<std::vector<policy::Hold>> lifted(addresses.size());
  for (std::size_t i = 0; i < outcomes->size(); ++i) {
    std::ranges::move((*outcomes)[i].lifted, std::back_inserter(lifted[i / lifts.size()]));
  }
  return lifted;
}

}  // namespace postern::cli
