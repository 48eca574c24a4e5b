// Stores of format 2, which knew no return mail.
#include "fixture.h"
#include "returns.h"
#include "store/env.h"
#include "store/event_record.h"
#include "store/kept_mail.h"
#include "store/side_record.h"
#include "store/tables.h"

#include <string>

#include <lmdb.h>

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;

namespace {

std::uint32_t schema_of(const std::filesystem::path& path) {
  auto env = Env::open({path, true, false, test_map_size});
  REQUIRE(env);
  auto txn = Txn::read(**env);
  REQUIRE(txn);
  auto meta = txn->open_table("meta", TableKind::plain, false);
  REQUIRE(meta);
  auto value = txn->get(*meta, octets_of("schema"));
  REQUIRE(value);
  OctetReader in(**value);
  return in.u32();
}

// What the program before left: without later tables, and marked as its own.
void make_old(const std::filesystem::path& path) {
  auto env = Env::open({path, false, false, test_map_size});
  REQUIRE(env);
  auto txn = Txn::write(**env);
  REQUIRE(txn);
  auto tables = open_tables(*txn, false);
  REQUIRE(tables);
  for (const auto& table : {tables->reports, tables->return_mail}) {
    REQUIRE(::mdb_drop(txn->handle(), *table, 1) == MDB_SUCCESS);
  }
  OctetWriter out;
  out.u32(2);
  REQUIRE(txn->put(tables->meta, octets_of("schema"), out.octets()));
  REQUIRE(txn->commit());
}

}  // namespace

TEST_CASE("a store of format 2 is read as it is, and marked when it is first written to") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  {
    const auto store = open(path);
    CHECK(apply(*store, hold("a@x.example", policy::HoldKind::bounced, all(), "550 gone")).placed);
    apply(*store, lift("b@x.example", {policy::HoldKind::unsubscribed}, marketing(), true));
  }
  CHECK(schema_of(path) == 3);
  make_old(path);
  {
    const auto store = open(path, Mode::read_only);
    CHECK(contact_of(*store, "a@x.example").holds.size() == 1);
    CHECK(history_of(*store, "a@x.example").at(0).note == "550 gone");
    CHECK(store->return_mail()->empty());
    CHECK(store->return_mail(1).error().code == Errc::not_found);
    CHECK(store->verify({})->wrong == 0);
    CHECK(store->stats(day(0))->return_mail == 0);
    REQUIRE(store->backup(directory.path() / "backup"));
  }
  CHECK(schema_of(path) == 2);
  {
    const auto store = open(path, Mode::read_write);
    CHECK(apply(*store, returned(*store, "b@x.example", policy::BounceReason::moved)).placed);
    CHECK(store->verify({})->wrong == 0);
  }
  CHECK(schema_of(path) == 3);
  CHECK(schema_of(directory.path() / "backup") == 2);
}

TEST_CASE("the octets of events and texts of format 2 are what they were") {
  // Version, contact, happened, recorded, source, by, import, tag, kind, scope, until, imported.
  std::string old("\x02", 1);
  old += std::string(15, '\0') + '\x07';
  old += std::string(7, '\0') + '\x05' + std::string(7, '\0') + '\x06';
  old += std::string("\0\0\0\x03", 4) + "cli" + std::string("\0\0\0\x04", 4) + "root";
  old += std::string(8, '\0');
  old += std::string("\x01\x03", 2) + std::string(5, '\0') + std::string(2, '\0');
  EventRecord record;
  REQUIRE(decode(octets_of(old), record));
  const auto* placed = std::get_if<policy::HoldPlaced>(&record.facts);
  REQUIRE(placed != nullptr);
  CHECK(placed->kind == policy::HoldKind::bounced);
  CHECK_FALSE(placed->evidence);
  CHECK(record.source == "cli");
  OctetWriter out;
  encode(record, out);
  CHECK(text_of(out.octets()) == old);

  SideRecord side;
  REQUIRE(decode(octets_of("550 gone"), side));
  CHECK(side.note == "550 gone");
  CHECK(side.mail.empty());
  out.clear();
  encode(side, out);
  CHECK(text_of(out.octets()) == "550 gone");
  side.mail = {"spring", "mx.example", "", "<1@x>"};
  out.clear();
  encode(side, out);
  const std::string whole(text_of(out.octets()));
  SideRecord read;
  REQUIRE(decode(octets_of(whole), read));
  CHECK(read.note == side.note);
  CHECK(read.mail == side.mail);
  for (std::size_t size = 1; size < whole.size(); ++size) {
    CHECK_FALSE(decode(octets_of(std::string_view(whole).substr(0, size)), read));
  }
}
