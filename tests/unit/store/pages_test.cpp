// The page check: of sound files it finds what LMDB has, of damaged ones it names the page and
// delivers the rest.
#include "store/pages.h"

#include "fixture.h"
#include "store/copy.h"
#include "store/cursor.h"
#include "store/env.h"
#include "store/location.h"
#include "store/txn.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <random>
#include <set>

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;

namespace {

constexpr std::size_t page_size = 4096;
constexpr int readers = 400;

struct Entry {
  std::string key;
  std::string value;
  friend auto operator<=>(const Entry&, const Entry&) = default;
};
using Entries = std::map<std::string, std::set<Entry>>;

EntrySink into(Entries& entries) {
  return [&entries](std::string_view table, Octets key, Octets value) {
    entries[std::string(table)].insert({std::string(text_of(key)), std::string(text_of(value))});
  };
}

// What LMDB reads of the tables.
Entries entries_of(const std::filesystem::path& directory) {
  auto env = Env::open({directory, true, false, test_map_size});
  if (!env) FAIL(env.error().text);
  auto txn = Txn::read(**env);
  REQUIRE(txn);
  std::vector<std::string> names;
  {
    auto root = Cursor::open(*txn, *txn->open_table(nullptr, TableKind::plain, false));
    REQUIRE(root);
    for (auto more = root->first(); more && *more; more = root->next()) {
      names.emplace_back(text_of(root->key()));
    }
  }
  Entries entries;
  for (const auto& name : names) {
    auto cursor = Cursor::open(*txn, *txn->open_table(name.c_str(), TableKind::plain, false));
    REQUIRE(cursor);
    for (auto more = cursor->first(); more && *more; more = cursor->next()) {
      entries[name].insert(
          {std::string(text_of(cursor->key())), std::string(text_of(cursor->value()))});
    }
  }
  return entries;
}

constexpr std::size_t longest_on_a_page = 2000;

Entries without_long_values(Entries entries) {
  for (auto& [table, of_table] : entries) {
    std::set<Entry> shorter;
    for (auto entry : of_table) {
      if (entry.value.size() > longest_on_a_page) entry.value.clear();
      shorter.insert(std::move(entry));
    }
    of_table = std::move(shorter);
  }
  return entries;
}

std::string octets_in(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_octets(const std::filesystem::path& file, std::string_view octets) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << octets;
}

PageReport report_of(const std::filesystem::path& file, const EntrySink& sink = {}) {
  auto report = check_pages(file, sink);
  if (!report) FAIL(report.error().text);
  return *std::move(report);
}

// Of every form that the format has: contacts with histories of one event and of hundreds (a page
// of values, a tree of values), records that need overflow pages, trees of several levels, freed
// pages.
void make_store(const std::filesystem::path& path) {
  const auto store = open(path);
  std::vector<Change> changes;
  for (int i = 0; i < readers; ++i) {
    changes.emplace_back(hold("reader" + std::to_string(i) + "@example.com",
                              policy::HoldKind::unsubscribed, marketing(),
                              "told us " + std::to_string(i)));
  }
  REQUIRE(store->change(changes, day(0)));
  for (const auto& [address, times] :
       {std::pair{"often@example.com", 20}, {"always@example.com", 400}}) {
    changes.clear();
    for (int i = 0; i < times; ++i) {
      changes.emplace_back(
          hold(address, policy::HoldKind::unsubscribed, stream("stream" + std::to_string(i))));
    }
    REQUIRE(store->change(changes, day(1)));
  }
}

}  // namespace

TEST_CASE("of a sound store every entry is found, as LMDB reads them") {
  const TemporaryDirectory directory;
  make_store(directory.path());
  const auto wanted = entries_of(directory.path());
  Entries found;
  const auto report = report_of(data_file(directory.path()), into(found));
  for (const auto& problem : report.problems) FAIL(describe(problem));
  CHECK(report.lost_pages == 0);
  for (const auto& [name, entries] : wanted) {
    CAPTURE(name);
    CHECK(found[name] == entries);
    const auto table = std::ranges::find(report.tables, name, &PageReport::Table::name);
    REQUIRE(table != report.tables.end());
    CHECK(table->entries == entries.size());
    CHECK(table->pages > 0);
    CHECK(table->sound);
  }
  CHECK(wanted.at("by-contact").size() == readers + 20 + 400);
}

TEST_CASE("an empty environment, an empty store and a compacted copy are sound") {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "store";
  {
    auto env = Env::open({path, false, true, test_map_size});
    REQUIRE(env);
  }
  CHECK(report_of(data_file(path)).sound());
  {
    const auto store = open(path);
  }
  CHECK(report_of(data_file(path)).sound());
  make_store(path);
  auto env = Env::open({path, true, false, test_map_size});
  REQUIRE(env);
  const auto copy = directory.path() / "copy.mdb";
  REQUIRE(write_copy(**env, copy));
  const auto report = report_of(copy);
  CHECK(report.sound());
  CHECK(report.lost_pages == 0);
  CHECK(std::filesystem::file_size(copy) < std::filesystem::file_size(data_file(path)));
}

TEST_CASE("a store that is written to meanwhile is checked as it was at one moment") {
  const TemporaryDirectory directory;
  make_store(directory.path());
  auto env = Env::open({directory.path(), false, false, test_map_size});
  REQUIRE(env);
  auto table = [&] {
    auto txn = Txn::read(**env);
    auto texts = txn->open_table("texts", TableKind::plain, false);
    REQUIRE(txn->commit());
    return *texts;
  }();
  int written = 0;
  std::uint64_t texts = 0;
  const auto report = check_pages(**env, [&](std::string_view name, Octets, Octets) {
    texts += name == "texts" ? 1 : 0;
    if (++written % 100 != 0) return;
    auto txn = Txn::write(**env);
    REQUIRE(txn);
    for (int i = 0; i < 100; ++i) {
      const auto key = std::to_string(written) + " " + std::to_string(i);
      REQUIRE(txn->put(table, octets_of(key), octets_of(std::string(200, 'x'))));
    }
    REQUIRE(txn->commit());
  });
  REQUIRE(report);
  CHECK(written > 4 * readers);
  for (const auto& problem : report->problems) FAIL(describe(problem));
  CHECK(texts == readers);
}

TEST_CASE("one meta page is enough, and without any there is nothing to begin with") {
  const TemporaryDirectory directory;
  make_store(directory.path());
  const auto file = data_file(directory.path());
  const auto sound = octets_in(file);
  const auto newest = check_pages(file)->transaction;
  for (const std::size_t page : {0U, 1U}) {
    CAPTURE(page);
    auto octets = sound;
    std::fill_n(octets.begin() + static_cast<std::ptrdiff_t>(page * page_size), page_size, '\0');
    write_octets(file, octets);
    std::size_t entries = 0;
    const auto report =
        check_store_pages(directory.path(), [&](std::string_view, Octets, Octets) { ++entries; });
    REQUIRE(report);
    REQUIRE(report->problems.size() == 1);
    CHECK(report->problems[0].page == page);
    // The one that is left is the newest, or that of the commit before.
    CHECK(report->transaction == newest - (newest % 2 == page ? 1 : 0));
    CHECK(entries > 2 * readers);
  }
  write_octets(file, std::string(sound.size(), '\0'));
  const auto none = check_store_pages(directory.path());
  REQUIRE_FALSE(none);
  CHECK(none.error().code == Errc::damaged);
  CHECK(none.error().text.contains(file.string()));
  CHECK(check_store_pages(directory.path() / "none").error().code == Errc::not_found);
}

TEST_CASE("a file that was cut is damaged where it ends, and no more") {
  const TemporaryDirectory directory;
  make_store(directory.path());
  const auto file = directory.path() / "cut.mdb";
  const auto sound = octets_in(data_file(directory.path()));
  for (const std::size_t size : {sound.size() - 1, sound.size() / 2, 3 * page_size, page_size + 1,
                                 page_size, std::size_t{100}, std::size_t{0}}) {
    CAPTURE(size);
    write_octets(file, sound.substr(0, size));
    const auto report = check_pages(file);
    if (size <= page_size) {
      // The first page alone is that of an older commit; less is nothing.
      CHECK((!report || !report->sound()));
      continue;
    }
    REQUIRE(report);
    REQUIRE_FALSE(report->sound());
    for (const auto& problem : report->problems) {
      CHECK_MESSAGE((problem.page + 1) * page_size > size, describe(problem));
    }
  }
}

TEST_CASE("a damaged page is named, and every other table is delivered whole") {
  const TemporaryDirectory directory;
  make_store(directory.path());
  const auto wanted = entries_of(directory.path());
  const auto sound = octets_in(data_file(directory.path()));
  const auto file = directory.path() / "damaged.mdb";
  std::mt19937 random(7);
  const auto any = [&](std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
  };
  struct Case {
    std::string_view name;
    std::function<void(std::string&, std::size_t page)> damage;
  };
  const std::vector<Case> cases{
      {"zeros",
       [](std::string& octets, std::size_t page) {
         std::fill_n(octets.begin() + static_cast<std::ptrdiff_t>(page * page_size), page_size,
                     '\0');
       }},
      {"noise",
       [&](std::string& octets, std::size_t page) {
         for (std::size_t i = 0; i < page_size; ++i) {
           octets[page * page_size + i] = static_cast<char>(any(256));
         }
       }},
      {"another page",
       [&](std::string& octets, std::size_t page) {
         const std::size_t other = page == 2 ? 3 : page - 1;
         std::memcpy(octets.data() + page * page_size, octets.data() + other * page_size,
                     page_size);
       }},
      {"noise behind its header",
       [&](std::string& octets, std::size_t page) {
         for (std::size_t i = 16; i < page_size; ++i) {
           octets[page * page_size + i] = static_cast<char>(any(256));
         }
       }},
      {"a half of it never written",
       [](std::string& octets, std::size_t page) {
         std::fill_n(octets.begin() + static_cast<std::ptrdiff_t>(page * page_size + page_size / 2),
                     page_size / 2, '\0');
       }},
  };
  const std::size_t pages = sound.size() / page_size;
  int named = 0;
  int unseen = 0;
  for (const auto& [name, damage] : cases) {
    CAPTURE(name);
    for (std::size_t page = 2; page < pages; ++page) {
      CAPTURE(page);
      std::string octets = sound;
      damage(octets, page);
      if (octets == sound) continue;
      write_octets(file, octets);
      Entries found;
      const auto report = report_of(file, into(found));
      if (report.sound()) {
        // A page that is free, or the inside of a long value: of that there is no telling.
        ++unseen;
        CHECK(without_long_values(found) == without_long_values(wanted));
        continue;
      }
      ++named;
      const bool by_number = std::ranges::any_of(
          report.problems, [&](const PageProblem& problem) { return problem.page == page; });
      CHECK(by_number);
      std::set<std::string> damaged;
      for (const auto& problem : report.problems) damaged.insert(problem.table);
      if (damaged.contains("(tables)")) continue;
      CHECK(damaged.size() <= 2);
      for (const auto& [table, entries] : wanted) {
        if (!damaged.contains(table)) CHECK(found[table] == entries);
      }
    }
  }
  CHECK(named > unseen);
}
