#include "cli/opt_out_writer.h"

#include "program.h"

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include <fmt/format.h>

using namespace postern;
using policy::HoldKind;
using policy::OptOuts;
using policy::PlacedHold;
using policy::Scope;
using postern::cli::OptOutWriter;
using std::chrono::milliseconds;

namespace {

const policy::CanonicalAddress jane{"jane@example.com"};
const Scope news{Scope::Kind::stream, "news"};
const Scope offers{Scope::Kind::stream, "offers"};

// A store that can be away.
class Place {
 public:
  explicit Place(const Folder& folder) : path(folder.file("store")) {
    auto made = store::Store::open(
        {.path = path, .mode = store::Mode::create, .map_size = 1ULL << 30U, .providers = {}});
    REQUIRE(made);
    store = *std::move(made);
  }
  [[nodiscard]] auto access() {
    return [this]() -> std::shared_ptr<store::Store> { return away ? nullptr : store; };
  }
  [[nodiscard]] std::size_t events(const policy::CanonicalAddress& address = jane) const {
    const auto history = store->history(address);
    REQUIRE(history);
    return history->size();
  }

  const std::filesystem::path path;
  std::atomic<bool> away = false;
  std::shared_ptr<store::Store> store;
};

OptOuts::Leave leaving(std::vector<Scope> scopes, policy::CanonicalAddress address = jane) {
  return {.address = std::move(address),
          .scopes = std::move(scopes),
          .way = "one-click",
          .campaign = "spring",
          .note = "Too many messages"};
}

// Waits for the answer.
Result<std::vector<PlacedHold>> leave(OptOutWriter& writer, OptOuts::Leave what) {
  std::promise<Result<std::vector<PlacedHold>>> answer;
  writer.leave(std::move(what), [&](auto done) { answer.set_value(std::move(done)); });
  return answer.get_future().get();
}
Result<void> undo(OptOutWriter& writer, OptOuts::Undo what) {
  std::promise<Result<void>> answer;
  writer.undo(std::move(what), [&](auto done) { answer.set_value(std::move(done)); });
  return answer.get_future().get();
}
Result<void> come_back(OptOutWriter& writer, OptOuts::ComeBack what) {
  std::promise<Result<void>> answer;
  writer.come_back(std::move(what), [&](auto done) { answer.set_value(std::move(done)); });
  return answer.get_future().get();
}
Result<void> probe(OptOutWriter& writer) {
  std::promise<Result<void>> answer;
  writer.probe([&](auto done) { answer.set_value(std::move(done)); });
  return answer.get_future().get();
}

constexpr OptOutWriter::Limits hasty{
    .waiting = 3, .patience = milliseconds{200}, .retry = milliseconds{1}};

}  // namespace

TEST_CASE("opt-out writer: the store has it when it is answered, once however often it is said") {
  const Folder folder;
  Place place(folder);
  OptOutWriter writer(place.access(), place.path);
  writer.start();
  const auto placed = leave(writer, leaving({news, offers}));
  REQUIRE(placed);
  REQUIRE(placed->size() == 2);
  CHECK((*placed)[0].scope == news);
  const auto contact = place.store->contact(jane);
  REQUIRE(contact);
  CHECK(contact->holds.size() == 2);
  const auto history = place.store->history(jane);
  REQUIRE(history);
  CHECK(history->front().source == "web");
  CHECK(history->front().by == "one-click");
  CHECK(history->front().note == "Too many messages");

  const auto again = leave(writer, leaving({news, offers}));
  REQUIRE(again);
  CHECK(again->empty());
  CHECK(place.events() == 2);
}

TEST_CASE("opt-out writer: undo lifts those holds alone") {
  const Folder folder;
  Place place(folder);
  OptOutWriter writer(place.access(), place.path);
  writer.start();
  REQUIRE(leave(writer, leaving({news})));
  const auto placed = leave(writer, leaving({news, offers, {Scope::Kind::marketing, {}}}));
  REQUIRE(placed);
  REQUIRE(placed->size() == 2);
  REQUIRE(undo(writer, {jane, *placed}));
  const auto contact = place.store->contact(jane);
  REQUIRE(contact);
  CHECK(contact->lifts.size() == 2);
  for (const auto& lift : contact->lifts) {
    CHECK((lift.hold == (*placed)[0].id || lift.hold == (*placed)[1].id));
  }
  CHECK(undo(writer, {jane, *placed}));
  CHECK(place.events() == 5);
}

TEST_CASE("opt-out writer: coming back lifts, and records one consent") {
  const Folder folder;
  Place place(folder);
  OptOutWriter writer(place.access(), place.path);
  writer.start();
  REQUIRE(leave(writer, leaving({{Scope::Kind::stream, "letters"}})));
  REQUIRE(come_back(writer, {jane, {news, {Scope::Kind::stream, "letters"}}, "asked"}));
  const auto contact = place.store->contact(jane);
  REQUIRE(contact);
  CHECK(contact->lifts.size() == 1);
  REQUIRE(contact->consents.size() == 1);
  CHECK(contact->consents[0].scope == news);
}

TEST_CASE("opt-out writer: a store that is away is waited for, within its patience") {
  const Folder folder;
  Place place(folder);
  place.away = true;
  {
    OptOutWriter writer(place.access(), place.path, hasty);
    writer.start();
    CHECK_FALSE(leave(writer, leaving({news})));
    CHECK_FALSE(probe(writer));
    CHECK_FALSE(writer.link_keys());
  }
  OptOutWriter writer(place.access(), place.path);
  writer.start();
  std::promise<bool> answer;
  writer.leave(leaving({news}), [&](const auto& done) { answer.set_value(done.has_value()); });
  place.away = false;
  CHECK(answer.get_future().get());
  CHECK(place.events() == 1);
  CHECK(probe(writer));
  CHECK(writer.link_keys());
}

TEST_CASE("opt-out writer: no more wait than may, and each is answered once") {
  const Folder folder;
  Place place(folder);
  place.away = true;
  std::atomic<int> good = 0;
  std::atomic<int> bad = 0;
  {
    OptOutWriter writer(place.access(), place.path, hasty);
    writer.start();
    for (int i = 0; i < 100; ++i) {
      writer.leave(leaving({news}), [&](const auto& done) { ++(done ? good : bad); });
    }
    CHECK(bad >= 100 - 2 * static_cast<int>(hasty.waiting));
  }
  CHECK(good == 0);
  CHECK(bad == 100);
  CHECK(place.events() == 0);
}

TEST_CASE("opt-out writer: many at a time share commits, and all are there") {
  const Folder folder;
  Place place(folder);
  std::atomic<int> good = 0;
  constexpr int people = 400;
  {
    OptOutWriter writer(place.access(), place.path);
    writer.start();
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < people / 4; ++i) {
          const policy::CanonicalAddress person{fmt::format("p{}-{}@example.com", t, i)};
          writer.leave(leaving({news}, person), [&](const auto& done) { good += done ? 1 : 0; });
        }
      });
    }
    threads.clear();
  }
  CHECK(good == people);
  const auto stats = place.store->stats(current_time());
  REQUIRE(stats);
  CHECK(stats->unsubscribed == people);
}
