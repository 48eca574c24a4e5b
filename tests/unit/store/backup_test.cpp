// Backup and restore: what is in them, what is refused, and that nothing half done is left.
#include "store/backup.h"

#include "child.h"
#include "fixture.h"
#include "store/compaction.h"
#include "store/location.h"
#include "store/swap.h"
#include "store/tables.h"
#include "store/txn.h"

#include <csignal>
#include <fstream>
#include <iterator>
#include <sys/resource.h>
#include <sys/stat.h>

#include <unistd.h>

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;

namespace {

void fill(const std::filesystem::path& path, int many) {
  const auto store = open(path);
  std::vector<Change> changes;
  for (int i = 0; i < many; ++i) {
    changes.emplace_back(hold("reader" + std::to_string(i) + "@example.com",
                              policy::HoldKind::unsubscribed, marketing(), "told us"));
  }
  REQUIRE(store->change(changes, day(0)));
}

Error backup_error(const Store& store, const std::filesystem::path& to) {
  const auto done = store.backup(to);
  REQUIRE_FALSE(done);
  CHECK_MESSAGE(done.error().text.contains(to.string()), done.error().text);
  return done.error();
}

Error restore_error(const std::filesystem::path& from, const std::filesystem::path& to) {
  const auto done = restore(from, options_at(to, Mode::create));
  REQUIRE_FALSE(done);
  return done.error();
}

mode_t mode_of(const std::filesystem::path& file) {
  struct stat info{};
  REQUIRE(::stat(file.c_str(), &info) == 0);
  return info.st_mode & 0777U;
}

std::size_t files_in(const std::filesystem::path& directory) {
  std::size_t found = 0;
  for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(directory)) ++found;
  return found;
}

// Writes over a page of the file.
void damage(const std::filesystem::path& file, std::size_t page) {
  std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
  out.seekp(static_cast<std::streamoff>(page * 4096));
  out << std::string(4096, 'x');
}

}  // namespace

TEST_CASE("a backup is one file for its owner alone, and a restored one a store of a new epoch") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  const auto kept = directory.path() / "backups" / "monday";
  const auto again = directory.path() / "again";
  fill(path, 500);
  policy::EventId last;
  {
    const auto store = open(path, Mode::read_write);
    const auto done = store->backup(kept);
    if (!done) FAIL(done.error().text);
    CHECK(mode_of(kept) == 0700U);
    CHECK(mode_of(data_file(kept)) == 0600U);
    CHECK(files_in(kept) == 1);
    // Of the moment it was made.
    apply(*store, hold("later@example.com"));
    last = history_of(*store, "later@example.com")[0].event.id;
  }
  const auto done = restore(kept, options_at(again, Mode::read_write));
  if (!done) FAIL(done.error().text);
  CHECK(files_in(again) == 2);
  CHECK(mode_of(again) == 0700U);
  const auto store = open(again, Mode::read_write);
  CHECK(contact_of(*store, "reader499@example.com").holds.size() == 1);
  CHECK(contact_of(*store, "later@example.com").holds.empty());
  apply(*store, hold("other@example.com"));
  const auto id = history_of(*store, "other@example.com")[0].event.id;
  CHECK(id.origin != last.origin);
  CHECK(id.sequence == 1);
  CHECK(store->verify({})->wrong == 0);
}

TEST_CASE("a backup goes to a directory of its own") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  fill(path, 10);
  const auto store = open(path, Mode::read_only);
  const auto empty = directory.path() / "empty";
  std::filesystem::create_directory(empty);
  CHECK(store->backup(empty));
  CHECK(backup_error(*store, empty).code == Errc::exists);
  CHECK(files_in(empty) == 1);
  CHECK(backup_error(*store, path).code == Errc::exists);
  const auto file = directory.path() / "file";
  std::ofstream(file) << "here";
  CHECK_FALSE(store->backup(file));
  CHECK(std::filesystem::file_size(file) == 4);
}

TEST_CASE("a damaged store is not backed up nor compacted, a damaged backup not restored") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  const auto kept = directory.path() / "kept";
  const auto place = directory.path() / "place";
  fill(path, 500);
  REQUIRE(open(path, Mode::read_only)->backup(kept));
  damage(data_file(kept), 7);
  const auto refused = restore_error(kept, place);
  CHECK(refused.code == Errc::damaged);
  CHECK_MESSAGE(refused.text.contains(data_file(kept).string()), refused.text);
  CHECK_MESSAGE(refused.text.contains("page 7 of "), refused.text);
  CHECK_FALSE(std::filesystem::exists(place));

  std::filesystem::copy_file(data_file(kept), data_file(path),
                             std::filesystem::copy_options::overwrite_existing);
  auto env = Env::open({path, false, false, test_map_size});
  REQUIRE(env);
  const auto other = directory.path() / "other";
  const auto done = backup(**env, other);
  REQUIRE_FALSE(done);
  CHECK(done.error().code == Errc::damaged);
  CHECK_FALSE(std::filesystem::exists(other));
  const auto compacted = compact(**env);
  REQUIRE_FALSE(compacted);
  CHECK(compacted.error().code == Errc::damaged);
  CHECK(files_in(path) == 2);
}

TEST_CASE("a backup whose tables do not agree with its events is kept, and said to be so") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  const auto kept = directory.path() / "kept";
  fill(path, 10);
  {
    auto env = Env::open({path, false, false, test_map_size});
    REQUIRE(env);
    auto txn = Txn::write(**env);
    auto tables = open_tables(*txn, false);
    REQUIRE(tables);
    REQUIRE(txn->put(tables->texts, EventKey{}, octets_of("of no event")));
    REQUIRE(txn->commit());
  }
  const auto error = backup_error(*open(path, Mode::read_only), kept);
  CHECK(error.code == Errc::damaged);
  CHECK(std::filesystem::exists(data_file(kept)));
}

TEST_CASE("restore: over a store it refuses, of what is no backup it makes nothing") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  const auto kept = directory.path() / "kept";
  fill(path, 10);
  REQUIRE(open(path, Mode::read_only)->backup(kept));
  CHECK(restore_error(kept, path).code == Errc::exists);
  CHECK(restore_error(kept, path).text.contains("move it away"));
  CHECK(open(path, Mode::read_only)->stats(day(0))->contacts == 10);

  const auto place = directory.path() / "place";
  CHECK(restore_error(directory.path() / "none", place).code == Errc::not_found);
  std::filesystem::create_directory(directory.path() / "empty");
  CHECK(restore_error(directory.path() / "empty", place).code == Errc::not_found);
  std::ofstream(directory.path() / "text") << std::string(20'000, 'x');
  CHECK(restore_error(directory.path() / "text", place).code == Errc::damaged);
  CHECK_FALSE(std::filesystem::exists(place));
  // A data file by itself is as good; so is a directory in which a store was never finished.
  std::filesystem::create_directory(place);
  std::ofstream(data_file(place)).flush();
  CHECK(restore(data_file(kept), options_at(place, Mode::create)));
  CHECK(open(place, Mode::read_only)->stats(day(0))->contacts == 10);
}

TEST_CASE("restore: what is replayed is in the store before it is one, or there is none") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  const auto kept = directory.path() / "kept";
  const auto place = directory.path() / "place";
  fill(path, 10);
  REQUIRE(open(path, Mode::read_only)->backup(kept));
  const auto failed = restore(kept, options_at(place, Mode::create),
                              [](Store&) -> Result<void> { return fail(Errc::io, "not today"); });
  REQUIRE_FALSE(failed);
  CHECK(failed.error().text == "not today");
  CHECK_FALSE(std::filesystem::exists(place));
  // Killed in the middle of it; then done again.
  CHECK(in_child([&] {
          static_cast<void>(
              restore(kept, options_at(place, Mode::create), [](Store& store) -> Result<void> {
                apply(store, hold("replayed@example.com"));
                ::raise(SIGKILL);
                return {};
              }));
          return 0;
        }) == -1);
  CHECK_FALSE(Store::open(options_at(place, Mode::read_write)));
  REQUIRE(restore(kept, options_at(place, Mode::create), [&](Store& store) -> Result<void> {
    CHECK_FALSE(std::filesystem::exists(data_file(place)));
    apply(store, hold("replayed@example.com"));
    return {};
  }));
  const auto store = open(place, Mode::read_write);
  CHECK(contact_of(*store, "replayed@example.com").holds.size() == 1);
  CHECK_FALSE(std::filesystem::exists(workshop_of(place)));
  apply(*store, hold("later@example.com"));
  CHECK(history_of(*store, "later@example.com")[0].event.id.origin ==
        history_of(*store, "replayed@example.com")[0].event.id.origin);
}

TEST_CASE("a backup of the moment of a compaction can be restored, and written to") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  const auto kept = directory.path() / "kept";
  fill(path, 10);
  {
    auto env = Env::open({path, false, false, test_map_size});
    REQUIRE(env);
    CompactionOptions options;
    options.after_step = [&](std::string_view step) {
      if (step == "marked") REQUIRE(backup(**env, kept));
    };
    REQUIRE(compact(**env, options));
  }
  const auto place = directory.path() / "place";
  REQUIRE(restore(kept, options_at(place, Mode::create)));
  apply(*open(place, Mode::read_write), hold("later@example.com"));
}

TEST_CASE("without room nothing is left, and it is said: of a backup, a restore, a compaction") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  const auto kept = directory.path() / "kept";
  const auto other = directory.path() / "other";
  fill(path, 2000);
  REQUIRE(open(path, Mode::read_only)->backup(kept));
  const auto told = [](const Error& error) {
    return error.code == Errc::full && error.text.contains("ulimit -f");
  };
  const auto limited = [](std::uintmax_t octets) {
    const rlimit limit{octets, octets};
    return ::signal(SIGXFSZ, SIG_IGN) != SIG_ERR && ::setrlimit(RLIMIT_FSIZE, &limit) == 0;
  };
  CHECK(in_child([&] {
          auto store = Store::open(options_at(path, Mode::read_write));
          if (!store || !limited(100'000)) return 2;
          const auto made = (*store)->backup(other);
          const auto compacted = (*store)->compact();
          const auto restored = restore(kept, options_at(other, Mode::create));
          if (made || compacted || restored) return 3;
          return told(made.error()) && told(compacted.error()) && told(restored.error()) ? 0 : 1;
        }) == 0);
  CHECK_FALSE(std::filesystem::exists(other));
  CHECK(files_in(path) == 2);
  const auto store = open(path, Mode::read_write);
  apply(*store, hold("later@example.com"));
  CHECK(store->stats(day(0))->contacts == 2001);
}
