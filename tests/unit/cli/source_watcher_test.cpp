#include "cli/source_watcher.h"

#include "program.h"

#include <atomic>
#include <thread>

#include <fmt/format.h>

using namespace postern;
using namespace postern::cli;
using namespace std::chrono_literals;

namespace {

constexpr auto interval = 5ms;

class Gate {
 public:
  Gate() {
    auto store = store::Store::open({.path = folder_.file("store"),
                                     .mode = store::Mode::create,
                                     .map_size = 1ULL << 30U,
                                     .providers = std::nullopt});
    if (!store) FAIL(store.error().text);
    store_ = *std::move(store);
  }
  [[nodiscard]] std::function<std::shared_ptr<store::Store>()> keeper() {
    return [this] {
      ++asked_;
      return away_ ? nullptr : store_;
    };
  }
  [[nodiscard]] Config with(std::initializer_list<const char*> names) const {
    Config config;
    for (const auto* name : names) {
      auto& source = config.sources.emplace_back();
      source.name = name;
      source.folder = folder_.file(name);
      std::filesystem::create_directory(source.folder);
    }
    return config;
  }
  void drop(const std::string& name, const std::string& text) const {
    static_cast<void>(folder_.write(name, text));
  }
  [[nodiscard]] bool is_there(const std::string& name) const {
    return std::filesystem::exists(folder_.file(name));
  }
  template <class Condition>
  void await(Condition condition) const {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
      REQUIRE(std::chrono::steady_clock::now() < end);
      std::this_thread::sleep_for(1ms);
    }
  }
  void await_looks(std::uint64_t count) const {
    const auto wanted = asked_ + count;
    await([&] { return asked_ >= wanted; });
  }
  [[nodiscard]] store::Store& store() { return *store_; }
  std::atomic<bool> away_ = false;

 private:
  Folder folder_;
  std::shared_ptr<store::Store> store_;
  std::atomic<std::uint64_t> asked_ = 0;
};

const std::string list = "email,date\njane@example.com,2026-03-01\n";

}  // namespace

TEST_CASE("source watcher: every source is looked at, those of a reload too") {
  Gate gate;
  SourceWatcher watcher(gate.with({"a", "b"}), gate.keeper(), interval);
  gate.drop("a/list.csv", list);
  gate.drop("b/list.csv", list);
  gate.await([&] { return gate.is_there("a/done/list.csv"); });
  gate.await([&] { return gate.is_there("b/done/list.csv"); });

  watcher.reload(gate.with({"b", "c"}));
  gate.drop("c/list.csv", list);
  gate.await([&] { return gate.is_there("c/done/list.csv"); });
  gate.drop("a/more.csv", list);
  gate.await_looks(10);
  CHECK(gate.is_there("a/more.csv"));
  CHECK(gate.store().imports()->size() == 3);
}

TEST_CASE("source watcher: a store that is away is waited for") {
  Gate gate;
  gate.away_ = true;
  SourceWatcher watcher(gate.with({"a"}), gate.keeper(), interval);
  gate.drop("a/list.csv", list);
  gate.await_looks(5);
  CHECK(gate.is_there("a/list.csv"));
  gate.away_ = false;
  gate.await([&] { return gate.is_there("a/done/list.csv"); });
}

TEST_CASE("source watcher: an import is given up when its store is not the gate's any more") {
  Gate gate;
  const auto config = gate.with({"a"});
  std::string big = "email,date\n";
  for (int i = 0; i < 200'000; ++i) big += fmt::format("a{}@example.com,2026-03-01\n", i);
  gate.drop("a/big.csv", big);
  // The second look imports, and asks as it reads: the store goes away in the middle.
  std::atomic<int> asked = 0;
  std::atomic<bool> back = false;
  const auto keeper = gate.keeper();
  SourceWatcher watcher(
      config, [&] { return ++asked < 20 || back ? keeper() : nullptr; }, interval);
  gate.await([&] { return asked >= 25; });
  CHECK(gate.is_there("a/big.csv"));
  CHECK(gate.store().imports()->empty());
  back = true;
  gate.await([&] { return gate.is_there("a/done/big.csv"); });
  const auto imports = gate.store().imports();
  REQUIRE(imports->size() == 1);
  CHECK(imports->front().counts.added == 200'000);
}
