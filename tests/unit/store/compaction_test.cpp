// Compaction: what it gives back, what it keeps, and what whoever has the store open sees of it.
#include "store/compaction.h"

#include "child.h"
#include "fixture.h"
#include "store/cursor.h"
#include "store/env.h"
#include "store/location.h"
#include "store/swap.h"
#include "store/tables.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/stat.h>
#include <thread>

#include <unistd.h>

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;

namespace {

struct Opened {
  std::unique_ptr<Env> env;
  Tables tables;
};

Opened open_env(const std::filesystem::path& path) {
  auto env = Env::open({path, false, false, test_map_size});
  if (!env) FAIL(env.error().text);
  auto txn = Txn::read(**env);
  REQUIRE(txn);
  auto tables = open_tables(*txn, false);
  if (!tables) FAIL(tables.error().text);
  REQUIRE(txn->commit());
  return {*std::move(env), *tables};
}

Result<Compaction> compact_at(const std::filesystem::path& path,
                              const CompactionOptions& options = {}) {
  const auto opened = open_env(path);
  return compact(*opened.env, options);
}

void fill(const std::filesystem::path& path, int from, int to) {
  const auto store = open(path);
  std::vector<Change> changes;
  for (int i = from; i < to; ++i) {
    changes.emplace_back(hold("reader" + std::to_string(i) + "@example.com",
                              policy::HoldKind::unsubscribed, marketing(),
                              "told us " + std::to_string(i)));
  }
  REQUIRE(store->change(changes, day(0)));
}

std::string octets_in(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

ino_t inode_of(const std::filesystem::path& file) {
  struct stat info{};
  return ::stat(file.c_str(), &info) == 0 ? info.st_ino : 0;
}

// Every third text and address goes, as forget has them go.
void erase_every_third(const std::filesystem::path& path) {
  const auto opened = open_env(path);
  auto txn = Txn::write(*opened.env);
  REQUIRE(txn);
  for (const Table table : {opened.tables.texts, opened.tables.addresses}) {
    std::vector<std::vector<std::uint8_t>> gone;
    {
      auto cursor = Cursor::open(*txn, table);
      REQUIRE(cursor);
      for (auto more = cursor->first(); more && *more; more = cursor->next()) {
        const auto text = std::string(text_of(cursor->value()));
        const auto digits = text.find_first_of("0123456789");
        if (digits != std::string::npos && std::stoi(text.substr(digits)) % 3 == 0) {
          gone.emplace_back(cursor->key().begin(), cursor->key().end());
        }
      }
    }
    for (const auto& key : gone) REQUIRE(txn->remove(table, key));
  }
  REQUIRE(owe_compaction(*txn, opened.tables, day(3)));
  REQUIRE(txn->commit());
}

std::size_t remains_of(const std::filesystem::path& path) {
  const auto octets = octets_in(data_file(path));
  std::size_t found = 0;
  for (int i = 0; i < 3000; i += 3) {
    found += octets.contains("reader" + std::to_string(i) + "@example.com") ? 1 : 0;
    // With what comes behind the number: "told us 3" is in "told us 31".
    for (auto at = octets.find("told us " + std::to_string(i)); at != std::string::npos;
         at = octets.find("told us " + std::to_string(i), at + 1)) {
      const auto end = at + ("told us " + std::to_string(i)).size();
      // LMDB fills a value up to an even size with what lay there, be it a digit; how long it is
      // stands before its key.
      constexpr std::size_t head = 8 + sizeof(EventKey);
      if (at >= head && at + static_cast<unsigned char>(octets[at - head]) + 1 == end) continue;
      if (end >= octets.size() || octets[end] < '0' || octets[end] > '9') ++found;
    }
  }
  return found;
}

int compact_in_child(const std::filesystem::path& path, std::string_view killed_after = "") {
  auto env = Env::open({path, false, false, test_map_size});
  if (!env) return 2;
  CompactionOptions options;
  options.after_step = [&](std::string_view step) {
    if (step == killed_after) ::raise(SIGKILL);
  };
  const auto done = compact(**env, options);
  return done && done->readers_left == 0 ? 0 : 1;
}

void hold_each(const Store& store, int to) {
  int missing = 0;
  for (int i = 0; i < to; ++i) {
    missing += contact_of(store, "reader" + std::to_string(i) + "@example.com").holds.empty();
  }
  CHECK(missing == 0);
}

}  // namespace

TEST_CASE(
    "after a compaction no octet of what was erased is in the file, and nothing else is gone") {
  const TemporaryDirectory directory;
  const auto& path = directory.path();
  fill(path, 0, 3000);
  erase_every_third(path);
  CHECK(remains_of(path) > 0);
  {
    const auto opened = open_env(path);
    auto txn = Txn::read(*opened.env);
    CHECK(compaction_owed(*txn, opened.tables).value() == day(3));
  }
  const auto origin =
      history_of(*open(path, Mode::read_only), "reader1@example.com")[0].event.id.origin;
  const auto before = std::filesystem::file_size(data_file(path));
  const auto done = compact_at(path);
  if (!done) FAIL(done.error().text);
  CHECK(remains_of(path) == 0);
  CHECK(done->before == before);
  CHECK(done->after == std::filesystem::file_size(data_file(path)));
  CHECK(done->after < before);
  CHECK(done->readers_left == 0);
  CHECK_FALSE(std::filesystem::exists(workshop_of(path)));

  const auto store = open(path, Mode::read_write);
  hold_each(*store, 3000);
  CHECK(history_of(*store, "reader1@example.com")[0].note == "told us 1");
  // The same store: its numbers go on.
  apply(*store, hold("later@example.com"));
  const auto id = history_of(*store, "later@example.com")[0].event.id;
  CHECK(id.origin == origin);
  CHECK(id.sequence == 3001);
}

TEST_CASE("the new files belong to the directory's owner, even when root compacts") {
  if (::geteuid() != 0) return;
  const TemporaryDirectory directory;
  const auto& path = directory.path();
  fill(path, 0, 10);
  REQUIRE(::chown(path.c_str(), 12345, 12346) == 0);
  REQUIRE(compact_at(path));
  for (const auto& file : {data_file(path), lock_file(path)}) {
    struct stat info{};
    REQUIRE(::stat(file.c_str(), &info) == 0);
    CHECK(info.st_uid == 12345);
    CHECK(info.st_gid == 12346);
  }
}

TEST_CASE("what is owed is owed no more, files keep their mode, and the directory its two files") {
  const TemporaryDirectory directory;
  const auto& path = directory.path();
  fill(path, 0, 10);
  erase_every_third(path);
  REQUIRE(::chmod(data_file(path).c_str(), 0640) == 0);
  REQUIRE(::chmod(lock_file(path).c_str(), 0660) == 0);
  REQUIRE(compact_at(path));
  const auto opened = open_env(path);
  auto txn = Txn::read(*opened.env);
  CHECK_FALSE(compaction_owed(*txn, opened.tables).value());
  struct stat info{};
  REQUIRE(::stat(data_file(path).c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0640U);
  REQUIRE(::stat(lock_file(path).c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0660U);
  int files = 0;
  for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(path)) ++files;
  CHECK(files == 2);
}

TEST_CASE(
    "whoever has the old files open reads on, may not write, and can open the new ones beside") {
  const TemporaryDirectory directory;
  const auto& path = directory.path();
  fill(path, 0, 10);
  const Child compacting([&] { return compact_in_child(path); });
  const Child reading([&] {
    auto other = Store::open(options_at(path, Mode::read_only));
    return other && contact_of(**other, "late@example.com").holds.size() == 1 ? 0 : 1;
  });
  const auto old = open(path, Mode::read_write);
  REQUIRE(compacting.run() == 0);
  hold_each(*old, 10);
  CHECK_FALSE(old->must_reopen());
  const Change change = hold("late@example.com");
  const auto refused = old->change({&change, 1}, day(0));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::busy);
  CHECK(old->must_reopen());
  const auto now = open(path, Mode::read_write);
  apply(*now, hold("late@example.com"));
  CHECK(reading.run() == 0);
  CHECK(contact_of(*old, "late@example.com").holds.empty());
}

TEST_CASE("nobody writes to the new file while somebody still reads the old one") {
  const TemporaryDirectory directory;
  const auto& path = directory.path();
  fill(path, 0, 10);
  int in_place[2];
  REQUIRE(::pipe2(in_place, O_CLOEXEC) == 0);
  const Child compacting([&] {
    auto env = Env::open({path, false, false, test_map_size});
    if (!env) return 2;
    CompactionOptions options;
    options.after_step = [&](std::string_view step) {
      if (step == "in place" && ::write(in_place[1], "x", 1) != 1) ::_exit(3);
    };
    const auto done = compact(**env, options);
    return done && done->readers_left == 0 ? 0 : 1;
  });
  auto old = open(path, Mode::read_write);
  auto reader = old->reader();
  REQUIRE(reader);
  compacting.go();
  ::close(in_place[1]);
  char octet = 0;
  REQUIRE(::read(in_place[0], &octet, 1) == 1);
  std::atomic<bool> acknowledged = false;
  std::thread writer([&] {
    const auto now = open(path, Mode::read_write);
    apply(*now, hold("late@example.com"));
    acknowledged = true;
  });
  // As long as this one answers, nothing is acknowledged beside it.
  for (int i = 0; i < 200; ++i) {
    CHECK(found_by(**reader, "late@example.com") == 0);
    CHECK_FALSE(acknowledged);
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  reader->reset();
  writer.join();
  CHECK(acknowledged);
  CHECK(compacting.wait() == 0);
  ::close(in_place[0]);
}

TEST_CASE("a reader that stays is waited for no longer than patience lasts, and counted") {
  const TemporaryDirectory directory;
  fill(directory.path(), 0, 10);
  const auto opened = open_env(directory.path());
  const auto staying = Txn::read(*opened.env);
  REQUIRE(staying);
  const auto done = compact(*opened.env, {.patience = std::chrono::milliseconds{20}});
  REQUIRE(done);
  CHECK(done->readers_left == 1);
}

TEST_CASE("killed after any step it leaves the old store or the new one, whole and writable") {
  struct Case {
    std::string_view last;
    bool replaced;
  };
  for (const auto& [last, replaced] : {Case{"begun", false},
                                       {"copied", false},
                                       {"ready", false},
                                       {"marked", true},
                                       {"data renamed", true},
                                       {"lock renamed", true},
                                       {"in place", true}}) {
    for (const bool watched : {false, true}) {
      CAPTURE(last);
      CAPTURE(watched);
      const TemporaryDirectory directory;
      const auto& path = directory.path();
      fill(path, 0, 500);
      const auto inode = inode_of(data_file(path));
      const Child compacting([&] { return compact_in_child(path, last); });
      // Somebody who has had it open all the while.
      auto old = watched ? open(path, Mode::read_write) : nullptr;
      REQUIRE(compacting.run() == -1);
      if (old) {
        hold_each(*old, 500);
        const Change change = hold("meanwhile@example.com");
        CHECK(old->change({&change, 1}, day(0)).has_value() != replaced);
        CHECK(old->must_reopen() == replaced);
        old.reset();
      }
      {
        const auto store = open(path, Mode::read_write);
        hold_each(*store, 500);
        CHECK(contact_of(*store, "meanwhile@example.com").holds.size() ==
              (watched && !replaced ? 1U : 0U));
        apply(*store, hold("later@example.com"));
        CHECK(history_of(*store, "later@example.com")[0].event.id.origin ==
              history_of(*store, "reader1@example.com")[0].event.id.origin);
      }
      CHECK_FALSE(std::filesystem::exists(workshop_of(path)));
      CHECK((inode_of(data_file(path)) != inode) == replaced);
      erase_every_third(path);
      REQUIRE(compact_at(path));
      CHECK(remains_of(path) == 0);
      CHECK(open(path, Mode::read_only)->contacts("", 1000)->records.size() >= 501);
    }
  }
}

TEST_CASE("who finishes what was killed waits, too, until nobody reads the old file") {
  const TemporaryDirectory directory;
  const auto& path = directory.path();
  fill(path, 0, 10);
  const Child compacting([&] { return compact_in_child(path, "marked"); });
  int opened[2];
  REQUIRE(::pipe2(opened, O_CLOEXEC) == 0);
  const Child finishing([&] {
    auto store = Store::open(options_at(path, Mode::read_write));
    return store && ::write(opened[1], "x", 1) == 1 ? 0 : 1;
  });
  const auto old = open(path, Mode::read_write);
  auto reader = old->reader();
  REQUIRE(reader);
  REQUIRE(compacting.run() == -1);
  const auto inode = inode_of(data_file(path));
  finishing.go();
  while (inode_of(data_file(path)) == inode) {
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  // It is in place, and not in use before this reader is gone.
  REQUIRE(::fcntl(opened[0], F_SETFL, O_NONBLOCK) == 0);
  char octet = 0;
  CHECK(found_by(**reader, "reader1@example.com") == 1);
  CHECK(::read(opened[0], &octet, 1) == -1);
  reader->reset();
  CHECK(finishing.wait() == 0);
  CHECK(::read(opened[0], &octet, 1) == 1);
  ::close(opened[0]);
  ::close(opened[1]);
}

TEST_CASE("who opens the store meanwhile reads what is there") {
  const TemporaryDirectory directory;
  const auto& path = directory.path();
  fill(path, 0, 10);
  const std::vector<std::string_view> steps{"begun", "copied", "ready", "in place"};
  std::vector<std::unique_ptr<Child>> others;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    others.push_back(std::make_unique<Child>([&] {
      auto other = Store::open(options_at(path, Mode::read_only));
      return other && contact_of(**other, "reader9@example.com").holds.size() == 1 ? 0 : 1;
    }));
  }
  const auto opened = open_env(path);
  CompactionOptions options;
  options.after_step = [&](std::string_view step) {
    if (const auto at = std::ranges::find(steps, step); at != steps.end()) {
      CHECK(others[static_cast<std::size_t>(at - steps.begin())]->run() == 0);
    }
  };
  REQUIRE(compact(*opened.env, options));
}

TEST_CASE("one at a time, and never over a store that somebody put there") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  const auto other = directory.path() / "other";
  fill(path, 0, 10);
  fill(other, 20, 30);
  {
    const auto opened = open_env(path);
    std::filesystem::rename(data_file(path), directory.path() / "away");
    std::filesystem::rename(data_file(other), data_file(path));
    const auto refused = compact(*opened.env);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::busy);
  }
  CHECK(open(path, Mode::read_only)->contacts("", 100)->records.size() == 10);
  CHECK(contact_of(*open(path, Mode::read_only), "reader20@example.com").holds.size() == 1);
  const auto opened = open_env(path);
  REQUIRE(compact(*opened.env));
  const auto again = compact(*opened.env);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == Errc::busy);
}

TEST_CASE("a mark that came along in a copy is nobody's, and goes") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  const auto copy = directory.path() / "copy";
  fill(path, 0, 10);
  REQUIRE(in_child([&] { return compact_in_child(path, "marked"); }) == -1);
  std::filesystem::create_directory(copy);
  std::filesystem::copy_file(data_file(path), data_file(copy));
  const auto store = open(copy, Mode::read_write);
  hold_each(*store, 10);
  apply(*store, hold("later@example.com"));
}
