#include "cli/changes.h"

#include "cli/output.h"
#include "cli/run.h"
#include "store/standing.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <pwd.h>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::cli {
namespace {

// Who typed it, though by sudo.
std::string operator_name() {
  if (const char* name = std::getenv("SUDO_USER"); name != nullptr && *name != '\0') return name;
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found) {
    return entry.pw_name;
  }
  return fmt::format("uid {}", ::getuid());
}

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

store::Origin said_by_operator(std::string_view verb, std::string note) {
  return {.source = std::string(source_name),
          .note = std::move(note),
          .by = fmt::format("{}, postern {}", operator_name(), verb)};
}

int place_holds(const Context& context, std::span<const policy::CanonicalAddress> addresses,
                const store::PlaceHold& hold, std::string_view done) {
  std::vector<store::Change> changes;
  for (const auto& address : addresses) {
    auto change = hold;
    change.address = address;
    changes.emplace_back(std::move(change));
  }
  const auto outcomes =
      write_to(context, [&](store::Store& store) { return store.change(changes, context.now); });
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
      lift.consent = lift.consent && !address.is_domain() && !address.is_digest();
      changes.emplace_back(std::move(lift));
    }
  }
  auto outcomes =
      write_to(context, [&](store::Store& store) { return store.change(changes, context.now); });
  if (!outcomes) return std::unexpected(complain(outcomes.error()));
  std::vector<std::vector<policy::Hold>> lifted(addresses.size());
  for (std::size_t i = 0; i < outcomes->size(); ++i) {
    std::ranges::move((*outcomes)[i].lifted, std::back_inserter(lifted[i / lifts.size()]));
  }
  return lifted;
}

}  // namespace postern::cli
