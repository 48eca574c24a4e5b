// What the tests of the store share: a directory that goes away, a store in it, and changes in few
// words.
#pragma once

#include "store/store.h"

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace postern::store::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "postern-store-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline constexpr std::uint64_t test_map_size = 1ULL << 30U;

inline std::unique_ptr<Store> open(const std::filesystem::path& path, Mode mode = Mode::create,
                                   std::uint64_t map_size = test_map_size) {
  auto store = Store::open({.path = path, .mode = mode, .map_size = map_size, .providers = {}});
  if (!store) FAIL(store.error().text);
  return std::move(*store);
}

inline Time day(int number) { return Time{std::chrono::days{20'000 + number}}; }

inline policy::CanonicalAddress contact(std::string_view text) {
  auto address = policy::parse_contact(text, true);
  if (!address) FAIL(address.error().text);
  return *address;
}

inline policy::Scope all() { return {policy::Scope::Kind::all, {}}; }
inline policy::Scope marketing() { return {policy::Scope::Kind::marketing, {}}; }
inline policy::Scope stream(std::string_view name) {
  return {policy::Scope::Kind::stream, std::string(name)};
}

inline PlaceHold hold(std::string_view address,
                      policy::HoldKind kind = policy::HoldKind::unsubscribed,
                      policy::Scope scope = marketing(), std::string_view note = "") {
  return {.address = contact(address),
          .kind = kind,
          .scope = std::move(scope),
          .date = {},
          .until = {},
          .known_as = {},
          .except = {},
          .origin = {"cli", std::string(note), "root, postern"}};
}

// The same as a row of an import, known by what it says.
inline PlaceHold imported(PlaceHold hold) {
  hold.known_as = {policy::imported_hold_id(hold.kind, hold.scope, hold.origin.source, hold.date)};
  return hold;
}

inline LiftHolds lift(std::string_view address, std::vector<policy::HoldKind> kinds,
                      policy::Scope scope, bool consent = false) {
  return {contact(address),
          std::move(kinds),
          std::move(scope),
          consent,
          {"cli", "asked by letter", "root, postern"}};
}

inline Outcome apply(Store& store, const Change& change, Time now = day(0)) {
  auto outcomes = store.change({&change, 1}, now);
  if (!outcomes) FAIL(outcomes.error().text);
  REQUIRE(outcomes->size() == 1);
  return outcomes->front();
}

inline Options options_at(const std::filesystem::path& path, Mode mode) {
  return {.path = path, .mode = mode, .map_size = test_map_size, .providers = {}};
}

inline policy::Contact contact_of(const Store& store, std::string_view address) {
  auto found = store.contact(contact(address));
  if (!found) FAIL(found.error().text);
  return *found;
}

inline std::vector<HistoryEntry> history_of(const Store& store, std::string_view address) {
  auto found = store.history(contact(address));
  if (!found) FAIL(found.error().text);
  return *found;
}

inline std::size_t found_by(policy::ContactReader& reader, std::string_view address) {
  policy::Findings findings;
  auto done = reader.find(contact(address), findings);
  if (!done) FAIL(done.error().text);
  return findings.size;
}

}  // namespace postern::store::test
