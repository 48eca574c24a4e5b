// Opening a store: what is there, what is not, whose it is, and what it was written by.
#include "child.h"
#include "fixture.h"
#include "store/env.h"
#include "store/location.h"
#include "store/tables.h"

#include <csignal>
#include <fstream>
#include <sys/resource.h>
#include <sys/stat.h>

#include <unistd.h>

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;

namespace {

Errc open_error(const Options& options) {
  auto store = Store::open(options);
  REQUIRE_FALSE(store);
  CHECK_MESSAGE(store.error().text.contains(options.path.string()), store.error().text);
  return store.error().code;
}

}  // namespace

TEST_CASE("opening: what is not there, and which verb makes it") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "deep" / "store";
  CHECK(open_error(options_at(path, Mode::read_only)) == Errc::not_found);
  CHECK(open_error(options_at(path, Mode::read_write)) == Errc::not_found);
  CHECK_FALSE(std::filesystem::exists(path));
  auto missing = Store::open(options_at(path, Mode::read_write));
  CHECK(missing.error().text.contains("postern import --store " + path.string()));

  {
    const auto store = open(path);
  }
  struct stat info{};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0700U);
  REQUIRE(::stat(data_file(path).c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0600U);

  const auto store = open(path, Mode::read_only);
  const Change change = hold("a@example.com");
  CHECK_FALSE(store->change({&change, 1}, day(0)));
}

TEST_CASE("opening twice in one process is refused, and possible again afterwards") {
  const TemporaryDirectory directory;
  {
    const auto store = open(directory.path());
    CHECK(open_error(options_at(directory.path(), Mode::read_only)) == Errc::busy);
    const auto link = directory.path().string() + ".link";
    std::filesystem::create_directory_symlink(directory.path(), link);
    CHECK(open_error(options_at(link, Mode::read_write)) == Errc::busy);
    std::filesystem::remove(link);
  }
  CHECK(open(directory.path(), Mode::read_write));
}

TEST_CASE("opening: files that are no store") {
  const TemporaryDirectory directory;
  std::ofstream(data_file(directory.path())) << std::string(20'000, 'x');
  CHECK(open_error(options_at(directory.path(), Mode::read_write)) == Errc::damaged);
  std::filesystem::resize_file(data_file(directory.path()), 0);
  CHECK(open_error(options_at(directory.path(), Mode::read_only)) == Errc::not_found);
  CHECK(open_error(options_at(directory.path(), Mode::read_write)) == Errc::not_found);
  CHECK(std::filesystem::file_size(data_file(directory.path())) == 0);
  // Created, but never finished: as good as none.
  CHECK(open(directory.path(), Mode::create));

  const TemporaryDirectory empty;
  {
    auto env = Env::open({empty.path(), false, true, test_map_size});
    REQUIRE(env);
  }
  CHECK(open_error(options_at(empty.path(), Mode::read_write)) == Errc::not_found);
  CHECK(open(empty.path(), Mode::create));
}

TEST_CASE("opening: a format or canonical form of another program is refused") {
  for (const std::string_view name : {"schema", "canonical"}) {
    for (const std::uint32_t version : {0U, 77U, 4'000'000'000U}) {
      const TemporaryDirectory directory;
      {
        const auto store = open(directory.path());
      }
      {
        auto env = Env::open({directory.path(), false, false, test_map_size});
        REQUIRE(env);
        auto txn = Txn::write(**env);
        REQUIRE(txn);
        auto meta = txn->open_table("meta", TableKind::plain, false);
        REQUIRE(meta);
        OctetWriter out;
        out.u32(version);
        REQUIRE(txn->put(*meta, octets_of(name), out.octets()));
        REQUIRE(txn->commit());
      }
      CHECK(open_error(options_at(directory.path(), Mode::read_write)) == Errc::version);
      CHECK(open_error(options_at(directory.path(), Mode::read_only)) == Errc::version);
      CHECK(open_error(options_at(directory.path(), Mode::create)) == Errc::version);
    }
  }
}

TEST_CASE("files belong to the directory's owner, even when root writes") {
  if (::geteuid() != 0) return;
  const TemporaryDirectory directory;
  REQUIRE(::chown(directory.path().c_str(), 12345, 12346) == 0);
  {
    const auto store = open(directory.path());
  }
  for (const auto& file : {data_file(directory.path()), lock_file(directory.path())}) {
    struct stat info{};
    REQUIRE(::stat(file.c_str(), &info) == 0);
    CHECK(info.st_uid == 12345);
    CHECK(info.st_gid == 12346);
  }
  // Another user may not read it, and is told whose it is.
  std::filesystem::permissions(directory.path(), std::filesystem::perms{0755});
  CHECK(in_child([&] {
          if (::setgid(54321) != 0 || ::setuid(54321) != 0) return 2;
          auto store = Store::open(options_at(directory.path(), Mode::read_only));
          return !store && store.error().code == Errc::io && store.error().text.contains("12345")
                     ? 0
                     : 1;
        }) == 0);
}

TEST_CASE("lock.mdb has its blocks before it is mapped: a full disk is no SIGBUS") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  struct stat info{};
  REQUIRE(::stat(lock_file(directory.path()).c_str(), &info) == 0);
  CHECK(info.st_blocks * 512 >= info.st_size);
}

TEST_CASE("a limit to the size of files is told as what it is, when opening and when writing") {
  const TemporaryDirectory directory;
  {
    const auto store = open(directory.path());
  }
  const auto told = [](const Error& error) {
    return error.code == Errc::full && error.text.contains("ulimit -f");
  };
  const auto limit_to = [](std::uintmax_t octets) {
    const rlimit limit{octets, octets};
    return ::signal(SIGXFSZ, SIG_IGN) != SIG_ERR && ::setrlimit(RLIMIT_FSIZE, &limit) == 0;
  };
  const auto data_size = std::filesystem::file_size(data_file(directory.path()));
  // Under what the file has already; and within a page, which is a short write.
  for (const std::uintmax_t limit : {std::uintmax_t{16'384}, data_size + 2048}) {
    CAPTURE(limit);
    CHECK(in_child([&] {
            auto store = Store::open(options_at(directory.path(), Mode::read_write));
            if (!store || !limit_to(limit)) return 2;
            std::vector<Change> changes;
            for (int i = 0; i < 1000; ++i) {
              changes.emplace_back(hold(std::to_string(i) + "@example.com"));
            }
            const auto outcomes = (*store)->change(changes, day(0));
            return !outcomes && told(outcomes.error()) ? 0 : 1;
          }) == 0);
  }
  std::filesystem::remove(lock_file(directory.path()));
  CHECK(in_child([&] {
          if (!limit_to(16'384)) return 2;
          auto store = Store::open(options_at(directory.path(), Mode::read_write));
          return !store && told(store.error()) ? 0 : 1;
        }) == 0);
}

TEST_CASE("the table of tables is counted in the transaction's own snapshot") {
  const TemporaryDirectory directory;
  auto env = Env::open({directory.path(), false, true, test_map_size});
  REQUIRE(env);
  auto before = Txn::read(**env);
  REQUIRE(before);
  auto root = before->open_table(nullptr, TableKind::plain, false);
  REQUIRE(root);
  auto txn = Txn::write(**env);
  REQUIRE(txn);
  REQUIRE(open_tables(*txn, true));
  REQUIRE(txn->commit());
  CHECK(before->size(*root)->entries == 0);
  CHECK(Txn::read(**env)->size(*root)->entries > 0);
}

// A sanitizer's own maps are larger than any limit that could be set here.
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
TEST_CASE("the address space that is asked for is halved where there is less of it") {
  const TemporaryDirectory directory;
  CHECK(in_child([&] {
          const rlimit limit{200ULL << 30U, 200ULL << 30U};
          if (::setrlimit(RLIMIT_AS, &limit) != 0) return 2;
          auto store = Store::open({.path = directory.path(),
                                    .mode = Mode::create,
                                    .map_size = 1ULL << 40U,
                                    .providers = {}});
          return store ? 0 : 1;
        }) == 0);
}

TEST_CASE("where there is no address space at all, the error names the map and what to do") {
  const TemporaryDirectory directory;
  CHECK(in_child([&] {
          const rlimit limit{32ULL << 30U, 32ULL << 30U};
          if (::setrlimit(RLIMIT_AS, &limit) != 0) return 2;
          auto store = Store::open({.path = directory.path(),
                                    .mode = Mode::create,
                                    .map_size = 1ULL << 40U,
                                    .providers = {}});
          return !store && store.error().text.contains("lower map_size or raise ulimit -v") ? 0 : 1;
        }) == 0);
}
#endif
