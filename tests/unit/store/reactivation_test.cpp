// The operator's word that a contact takes mail again, and its limits.
#include "store/reactivation.h"

#include "fixture.h"
#include "returns.h"

#include <algorithm>

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;
using policy::BounceReason;
using policy::HoldKind;
using Answer = Reactivation::Answer;

namespace {

const Origin by_operator{"cli", "they called", "root, postern reactivate"};

Reactivation reactivate(Store& store, std::string_view address, Time now, bool seen = false) {
  auto done = store.reactivate(contact(address), seen, by_operator, now);
  if (!done) FAIL(done.error().text);
  return *done;
}

void bounce(Store& store, std::string_view address, BounceReason reason, Time now,
            std::uint8_t number = 1) {
  auto mail = returned(store, address, reason);
  mail.digest[0] = number;
  REQUIRE(apply(store, mail, now).placed);
}

bool is_held(const Store& store, std::string_view address) {
  const auto found = contact_of(store, address);
  return std::ranges::any_of(found.holds, [&](const auto& hold) {
    return std::ranges::find(found.lifts, hold.id, &policy::Lift::hold) == found.lifts.end();
  });
}

}  // namespace

TEST_CASE("reactivation: the month's number, of the contacts") {
  const std::pair<std::uint64_t, std::uint32_t> cases[] = {
      {0, 10},   {1, 10},     {500, 10},      {549, 10},
      {550, 11}, {5000, 100}, {50'000, 1000}, {9'000'000, 1000}};
  for (const auto& [contacts, limit] : cases) CHECK(reactivations_a_month(contacts) == limit);
}

TEST_CASE("reactivation: lifts bounce holds and nothing else, once a contact") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  CHECK(reactivate(*store, "a@x.example", day(0)).answer == Answer::nothing);
  bounce(*store, "a@x.example", BounceReason::not_accepting, day(0));
  auto import = imported(hold("a@x.example", HoldKind::bounced, all()));
  apply(*store, import);
  const auto before = store->reactivation(contact("a@x.example"), false, day(1));
  REQUIRE(before);
  CHECK(before->answer == Answer::allowed);
  CHECK(before->used == 0);
  CHECK(before->limit == 10);
  REQUIRE(before->holds.size() == 2);
  CHECK(std::ranges::any_of(before->holds, [](const auto& one) {
    return one.evidence && one.evidence->reason == BounceReason::not_accepting &&
           one.note == "550 no such user";
  }));
  CHECK(is_held(*store, "a@x.example"));

  const auto done = reactivate(*store, "a@x.example", day(1));
  CHECK(done.answer == Answer::allowed);
  CHECK(done.used == 1);
  CHECK_FALSE(is_held(*store, "a@x.example"));
  // The row that was lifted comes again: it stays lifted. A later bounce is another hold.
  CHECK(apply(*store, import, day(2)).kind == Outcome::Kind::returned);
  bounce(*store, "a@x.example", BounceReason::not_accepting, day(2), 2);
  const auto twice = reactivate(*store, "a@x.example", day(3), true);
  CHECK(twice.answer == Answer::once_already);
  CHECK(twice.before == day(1));
  CHECK(is_held(*store, "a@x.example"));

  for (const auto kind : {HoldKind::unsubscribed, HoldKind::complained, HoldKind::blocked}) {
    const std::string address = std::string(to_string(kind)) + "@x.example";
    apply(*store, hold(address, kind, all()));
    CHECK(reactivate(*store, address, day(3)).answer == Answer::nothing);
    bounce(*store, address, BounceReason::moved, day(3));
    CHECK(reactivate(*store, address, day(3)).answer == Answer::allowed);
    CHECK(is_held(*store, address));
  }
  CHECK(store->verify({})->wrong == 0);
}

TEST_CASE("reactivation: who is unknown there has to have been seen since") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  bounce(*store, "a@x.example", BounceReason::user_unknown, day(0));
  CHECK(reactivate(*store, "a@x.example", day(1)).answer == Answer::user_unknown);
  CHECK(is_held(*store, "a@x.example"));
  CHECK(reactivate(*store, "a@x.example", day(1), true).answer == Answer::allowed);
  CHECK_FALSE(is_held(*store, "a@x.example"));
}

TEST_CASE("reactivation: who is unknown there by a later report has to have been seen since, too") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  for (const std::string_view address : {"a@x.example", "b@x.example"}) {
    bounce(*store, address, BounceReason::not_accepting, day(0));
    auto later = returned(*store, address, BounceReason::user_unknown);
    later.digest[0] = 2;
    REQUIRE_FALSE(apply(*store, later, day(1)).placed);
  }
  CHECK(reactivate(*store, "a@x.example", day(2)).answer == Answer::user_unknown);
  CHECK(reactivate(*store, "a@x.example", day(2), true).answer == Answer::allowed);
  auto reply = returned(*store, "b@x.example", BounceReason::undefined);
  reply.evidence = {};
  reply.replied = true;
  reply.digest[0] = 3;
  apply(*store, reply, day(2));
  CHECK(reactivate(*store, "b@x.example", day(3)).answer == Answer::allowed);
}

TEST_CASE("reactivation: the counts survive forgetting, importing anew and a new process") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  const auto ledger = directory.path() / "forgotten";
  auto store = open(path);
  const Time march{std::chrono::sys_days{std::chrono::year{2026} / 3 / 31}};
  for (int i = 0; i < 12; ++i) {
    apply(*store, imported(hold(std::to_string(i) + "@x.example", HoldKind::bounced, all())),
          march);
  }
  for (int i = 0; i < 10; ++i) {
    CHECK(reactivate(*store, std::to_string(i) + "@x.example", march).answer == Answer::allowed);
  }
  REQUIRE(store->forget(contact("3@x.example"), ledger, by_operator, march));
  store.reset();
  store = open(path, Mode::read_write);
  const auto spent = reactivate(*store, "10@x.example", march + std::chrono::hours{23});
  CHECK(spent.answer == Answer::month_spent);
  CHECK(spent.used == 10);
  CHECK(is_held(*store, "10@x.example"));
  // April begins at midnight UTC.
  const Time april = march + std::chrono::days{1};
  const auto anew = reactivate(*store, "10@x.example", april);
  CHECK(anew.answer == Answer::allowed);
  CHECK(anew.used == 1);
  auto again = imported(hold("3@x.example", HoldKind::bounced, all()));
  again.known_as = {policy::imported_hold_id(HoldKind::bounced, all(), "other", april)};
  apply(*store, again, april);
  CHECK(is_held(*store, "3@x.example"));
  CHECK(reactivate(*store, "3@x.example", april).answer == Answer::once_already);
  CHECK(store->verify({})->wrong == 0);
}

TEST_CASE("reactivation: soft bounces of before count no more") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  auto mail = returned(*store, "a@x.example", BounceReason::mailbox_full);
  for (int on = 0; on < 5; ++on) {
    mail.digest[0] = static_cast<std::uint8_t>(on);
    apply(*store, mail, day(on));
  }
  REQUIRE(is_held(*store, "a@x.example"));
  CHECK(reactivate(*store, "a@x.example", day(5)).answer == Answer::allowed);
  for (int on = 6; on < 10; ++on) {
    mail.digest[0] = static_cast<std::uint8_t>(on);
    CHECK_FALSE(apply(*store, mail, day(on)).placed);
  }
  mail.digest[0] = 10;
  CHECK(apply(*store, mail, day(10)).placed);
}

TEST_CASE("reactivation: who was forgotten has no address again") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path() / "store");
  bounce(*store, "a@x.example", BounceReason::not_accepting, day(0));
  REQUIRE(store->forget(contact("a@x.example"), directory.path() / "ledger", by_operator, day(1)));
  CHECK(reactivate(*store, "a@x.example", day(2)).answer == Answer::allowed);
  CHECK(store->address(ref_of(*store, "a@x.example"))->text.empty());
  CHECK(store->verify({})->wrong == 0);
}
