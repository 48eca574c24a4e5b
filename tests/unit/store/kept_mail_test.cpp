// Return mail that was not understood.
#include "store/kept_mail.h"

#include "fixture.h"
#include "returns.h"
#include "store/backup.h"
#include "store/compaction.h"
#include "store/reactivation.h"

#include <string>

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;

namespace {

KeptMail mail_at(Time time, std::string_view message = "Subject: hm\r\n\r\nwhat\r\n") {
  KeptMail mail;
  mail.time = time;
  mail.stream = "news";
  mail.sender = "someone@y.example";
  mail.subject = "hm";
  mail.size = message.size();
  mail.message = message;
  return mail;
}

std::uint64_t keep(Store& store, const KeptMail& mail, Time now) {
  auto number = store.keep_return_mail(mail, now);
  if (!number) FAIL(number.error().text);
  return *number;
}

}  // namespace

TEST_CASE("kept mail: listed newest first, shown as it came, its first 64 KiB") {
  const TemporaryDirectory directory;
  auto store = open(directory.path());
  CHECK(store->return_mail()->empty());
  CHECK(keep(*store, mail_at(day(0)), day(0)) == 1);
  std::string large(200'000, '\xE9');
  large[5] = '\0';
  CHECK(keep(*store, mail_at(day(1), large), day(1)) == 2);
  store.reset();
  store = open(directory.path(), Mode::read_only);
  const auto list = store->return_mail();
  REQUIRE(list);
  REQUIRE(list->size() == 2);
  CHECK(list->at(0).number == 2);
  CHECK(list->at(0).size == 200'000);
  CHECK(list->at(0).message.empty());
  CHECK(list->at(1).subject == "hm");
  CHECK(store->return_mail(2)->message == large.substr(0, max_kept_octets));
  CHECK(store->return_mail(1)->message == "Subject: hm\r\n\r\nwhat\r\n");
  CHECK(store->return_mail(3).error().code == Errc::not_found);
  CHECK(store->stats(day(1))->return_mail == 2);
  CHECK(store->verify({})->wrong == 0);
}

TEST_CASE("kept mail: the oldest goes, by number and by age, and no number comes twice") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  for (int i = 0; i < 205; ++i) keep(*store, mail_at(day(0)), day(0));
  auto list = store->return_mail();
  REQUIRE(list->size() == max_kept_mail);
  CHECK(list->front().number == 205);
  CHECK(list->back().number == 6);
  keep(*store, mail_at(day(10)), day(10));
  REQUIRE(store->prune_report(day(31)));
  list = store->return_mail();
  REQUIRE(list->size() == 1);
  CHECK(list->front().number == 206);
  REQUIRE(store->prune_report(day(41)));
  CHECK(store->return_mail()->empty());
  CHECK(keep(*store, mail_at(day(41)), day(41)) == 207);
}

TEST_CASE("kept mail: what forgets a contact drops it, in a restored backup too") {
  const TemporaryDirectory directory;
  const auto ledger = directory.path() / "forgotten";
  const auto path = directory.path() / "store";
  const auto backup = directory.path() / "backup";
  auto store = open(path);
  auto theirs = mail_at(day(0), "secret");
  theirs.ref = ref_of(*store, "a@x.example");
  keep(*store, theirs, day(0));
  auto from_them = mail_at(day(0));
  from_them.sender = "A@X.example";
  keep(*store, from_them, day(0));
  keep(*store, mail_at(day(0)), day(0));
  REQUIRE(store->backup(backup));
  const auto forgotten = store->forget(contact("a@x.example"), ledger, {"cli", "", "root"}, day(1));
  REQUIRE(forgotten);
  CHECK(forgotten->texts == 2);
  CHECK(store->return_mail()->size() == 1);
  CHECK(store->owes_compaction()->has_value());

  const auto restored = directory.path() / "restored";
  REQUIRE(restore(backup, options_at(restored, Mode::create), {}));
  store = open(restored, Mode::read_write);
  CHECK(store->return_mail()->size() == 3);
  CHECK(*store->forget_again(ledger, day(2)) == 1);
  REQUIRE(store->return_mail()->size() == 1);
  CHECK(store->return_mail()->front().sender == "someone@y.example");
}

TEST_CASE(
    "what return mail left behind is in a backup, in what is salvaged of one, and compacted") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  const auto backup = directory.path() / "backup";
  auto store = open(path);
  const auto bounce = returned(*store, "a@x.example", policy::BounceReason::moved);
  REQUIRE(apply(*store, bounce, day(0)).placed);
  const auto address = contact("a@x.example");
  REQUIRE(store->reactivate(address, false, {"cli", "", "root"}, day(0)));
  keep(*store, mail_at(day(0)), day(0));
  REQUIRE(store->backup(backup));
  const auto has_all = [&](Store& one) {
    CHECK(one.return_mail()->size() == 1);
    CHECK(apply(one, bounce, day(1)).kind == Outcome::Kind::unchanged);
    const auto weighed = one.reactivation(address, false, day(0));
    REQUIRE(weighed);
    CHECK(weighed->used == 1);
    CHECK(weighed->before == day(0));
    CHECK(one.verify({})->wrong == 0);
  };
  for (const auto damage : {Damage::refused, Damage::salvaged}) {
    const auto again = directory.path() / (damage == Damage::refused ? "restored" : "salvaged");
    REQUIRE(restore(backup, options_at(again, Mode::create), {}, damage));
    has_all(*open(again, Mode::read_write));
  }
  REQUIRE(store->compact());
  REQUIRE(store->reopen());
  has_all(*store);
}

TEST_CASE("kept mail that names the forgotten in its text goes too") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path() / "store");
  keep(*store, mail_at(day(0), "To: <Jane@X.Example>\r\n\r\nhello"), day(0));
  keep(*store, mail_at(day(0), "To: <joe@x.example>\r\n\r\nhello"), day(0));
  const auto ledger = directory.path() / "ledger";
  const Origin origin{"cli", "", "root"};
  const auto domain = store->forget(contact("@x.example"), ledger, origin, day(1));
  REQUIRE(domain);
  CHECK(store->return_mail()->size() == 2);
  const auto done = store->forget(contact("jane@x.example"), ledger, origin, day(1));
  REQUIRE(done);
  CHECK(done->texts == 1);
  REQUIRE(store->return_mail()->size() == 1);
  CHECK(store->return_mail(store->return_mail()->front().number)->message.contains("joe"));
}
