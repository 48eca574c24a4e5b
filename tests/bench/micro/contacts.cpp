// What becomes of a recipient: its canonical form, its hash, and what the store knows of it.
#include "addresses.h"
#include "as_told.h"
#include "policy/address.h"
#include "store/keys.h"
#include "store/store.h"

#include <benchmark/benchmark.h>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace postern {
namespace {

constexpr std::uint32_t many = 1024;
constexpr std::uint32_t held = 1U << 14U;

policy::CanonicalAddress canonical(const std::string& text) {
  auto address = policy::parse_contact(text, false);
  if (!address) throw std::runtime_error(address.error().text);
  return *std::move(address);
}

void canonical_form(benchmark::State& state) {
  const auto mailboxes = bench::made(
      0, many, [](const std::string& text) { return policy::parse_mailbox(text).value(); });
  std::uint32_t next = 0;
  for ([[maybe_unused]] auto turn : state) {
    benchmark::DoNotOptimize(policy::canonical(mailboxes[next++ % many]));
  }
}
BENCHMARK(canonical_form)->Apply(bench::as_told);

void hash(benchmark::State& state) {
  const auto addresses = bench::made(0, many, canonical);
  const store::KeyHasher hasher({});
  std::uint32_t next = 0;
  for ([[maybe_unused]] auto turn : state) {
    benchmark::DoNotOptimize(hasher(addresses[next++ % many].text));
  }
}
BENCHMARK(hash)->Apply(bench::as_told);

// A store of `held` contacts in a folder that goes away.
class Contacts {
 public:
  Contacts() {
    std::string name = (std::filesystem::temp_directory_path() / "postern-micro-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
    store_ =
        store::Store::open(
            {.path = path_, .mode = store::Mode::create, .map_size = 1ULL << 30U, .providers = {}})
            .value();
    std::vector<store::Change> changes;
    for (std::uint32_t i = 0; i < held; ++i) {
      changes.emplace_back(store::PlaceHold{.address = canonical(bench::address(i)),
                                            .kind = policy::HoldKind::unsubscribed,
                                            .scope = {policy::Scope::Kind::marketing, {}},
                                            .date = {},
                                            .until = {},
                                            .known_as = {},
                                            .except = {},
                                            .origin = {"bench", "", "bench"}});
    }
    static_cast<void>(store_->change(changes, Time{}).value());
  }
  ~Contacts() {
    store_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Contacts(const Contacts&) = delete;
  Contacts& operator=(const Contacts&) = delete;
  [[nodiscard]] store::Store& store() { return *store_; }

 private:
  std::filesystem::path path_;
  std::unique_ptr<store::Store> store_;
};

void look_up(benchmark::State& state, std::uint32_t first) {
  Contacts contacts;
  while (!contacts.store().keep_filter()) {
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  const auto reader = contacts.store().reader().value();
  const auto addresses = bench::made(first, held, canonical);
  policy::Findings findings;
  std::uint32_t next = 0;
  for ([[maybe_unused]] auto turn : state) {
    next += 7919;
    benchmark::DoNotOptimize(reader->find(addresses[next % held], findings));
  }
}
void look_up_held(benchmark::State& state) { look_up(state, 0); }
BENCHMARK(look_up_held)->Apply(bench::as_told);
void look_up_absent(benchmark::State& state) { look_up(state, held); }
BENCHMARK(look_up_absent)->Apply(bench::as_told);

}  // namespace
}  // namespace postern
