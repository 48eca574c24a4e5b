// Rows for an import, and lookups timed, for tests/bench/stores.py.
//
//   bench_store rows N                         an export of N unsubscribed contacts, on standard
//   output bench_store access N                       the same contacts as an access map of Postfix
//   bench_store find STORE N held|absent WHAT  ns a lookup of the store's reader
//   bench_store get STORE N held|absent WHAT   ns a get of LMDB itself, by the same keys in the
//   same order
//
// WHAT: warm (the addresses once untimed, then timed) or cold (timed at once, and fewer of them).
#include "policy/address.h"
#include "store/keys.h"
#include "store/store.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <lmdb.h>

namespace postern {
namespace {

constexpr std::uint64_t asked_warm = 1'000'000;
constexpr std::uint64_t asked_cold = 5'000;

constexpr std::string_view domains[] = {"gmail.com",        "example.com",    "yahoo.example",
                                        "corp.example.org", "web.example.de", "mail.example.fr"};

// Of no order; another number, another address: an odd factor permutes the numbers of 40 bits.
std::string address(std::uint64_t number) {
  const std::uint64_t scattered = number * 0x9E'3779'B97FU & 0xFF'FFFF'FFFFU;
  return fmt::format("user{:010x}@{}", scattered, domains[scattered % std::size(domains)]);
}

// `line` appends that of a number.
template <class Line>
int print(std::uint64_t count, std::string_view heading, Line line) {
  constexpr std::size_t block = 1 << 20;
  std::string out(heading);
  for (std::uint64_t number = 0; number < count; ++number) {
    line(number, out);
    if (out.size() < block) continue;
    if (std::fwrite(out.data(), 1, out.size(), stdout) != out.size()) return 3;
    out.clear();
  }
  return std::fwrite(out.data(), 1, out.size(), stdout) == out.size() ? 0 : 3;
}

int print_rows(std::uint64_t count) {
  return print(count, "Email Address,First Name,UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_REASON\n",
               [](std::uint64_t number, std::string& out) {
                 fmt::format_to(std::back_inserter(out),
                                "{},Name,2024-0{}-{:02} 10:00:00,Spring,NORMAL\n", address(number),
                                1 + number % 9, 1 + number % 28);
               });
}

int print_access(std::uint64_t count) {
  return print(count, "", [](std::uint64_t number, std::string& out) {
    fmt::format_to(std::back_inserter(out),
                   "{} REJECT 5.7.1 recipient unsubscribed on 2024-01-01\n", address(number));
  });
}

struct Question {
  std::string store;
  std::uint64_t count = 0;
  bool held = true;
  bool warm = true;
};

std::vector<policy::CanonicalAddress> addresses(const Question& question) {
  const std::uint64_t most = question.warm ? asked_warm : asked_cold;
  std::vector<policy::CanonicalAddress> all;
  all.reserve(most);
  // Coprime to any count: everywhere in the store, and none twice before all were asked.
  constexpr std::uint64_t step = 2'147'483'647;
  for (std::uint64_t i = 0; i < most; ++i) {
    const std::uint64_t number = i * step % question.count;
    const std::uint64_t which = question.held ? number : question.count + number;
    all.push_back(policy::parse_contact(address(which), false).value());
  }
  return all;
}

// ns a turn, of all.
template <class Ask>
double timed(const Question& question, std::size_t count, Ask ask) {
  if (question.warm) {
    for (std::size_t i = 0; i < count; ++i) ask(i);
  }
  const auto begun = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < count; ++i) ask(i);
  const auto spent = std::chrono::steady_clock::now() - begun;
  return std::chrono::duration<double, std::nano>(spent).count() / static_cast<double>(count);
}

void must(bool good, std::string_view what) {
  if (!good) throw std::runtime_error(std::string(what));
}

int find(const Question& question) {
  const auto all = addresses(question);
  auto store = store::Store::open(
      {.path = question.store, .mode = store::Mode::read_write, .providers = {}});
  must(store.has_value(), "the store does not open");
  // As long as a gate's would take.
  while (question.warm && !(*store)->keep_filter()) {
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  auto reader = (*store)->reader();
  must(reader.has_value(), "no reader");
  policy::Findings findings;
  const double ns = timed(question, all.size(), [&](std::size_t i) {
    must((*reader)->find(all[i], findings).has_value(), "a lookup failed");
    must((findings.size != 0) == question.held,
         "a lookup found what is not there, or did not find");
  });
  fmt::print("{:.1f}\n", ns);
  return 0;
}

MDB_val value_of(const void* data, std::size_t size) { return {size, const_cast<void*>(data)}; }

int get(const Question& question) {
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  MDB_dbi meta = 0;
  MDB_dbi contacts = 0;
  must(::mdb_env_create(&env) == 0, "no environment");
  must(::mdb_env_set_maxdbs(env, 32) == 0 && ::mdb_env_set_mapsize(env, 1ULL << 40U) == 0, "map");
  must(::mdb_env_open(env, question.store.c_str(), MDB_RDONLY | MDB_NOTLS | MDB_NORDAHEAD, 0) == 0,
       "the store does not open");
  must(::mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn) == 0, "no transaction");
  must(::mdb_dbi_open(txn, "meta", 0, &meta) == 0, "no meta table");
  must(::mdb_dbi_open(txn, "contacts", 0, &contacts) == 0, "no contacts");
  constexpr std::string_view name = "hash-key";
  MDB_val key = value_of(name.data(), name.size());
  MDB_val value{};
  store::HashKey hash_key{};
  must(::mdb_get(txn, meta, &key, &value) == 0 && value.mv_size == hash_key.size(), "no hash key");
  std::copy_n(static_cast<const std::uint8_t*>(value.mv_data), hash_key.size(), hash_key.begin());
  const store::KeyHasher hasher(hash_key);
  std::vector<store::ContactKey> keys;
  for (const auto& asked : addresses(question)) keys.push_back(hasher(asked.text));
  const double ns = timed(question, keys.size(), [&](std::size_t i) {
    MDB_val wanted = value_of(keys[i].data(), keys[i].size());
    must((::mdb_get(txn, contacts, &wanted, &value) == 0) == question.held, "a get went wrong");
  });
  fmt::print("{:.1f}\n", ns);
  ::mdb_txn_abort(txn);
  ::mdb_env_close(env);
  return 0;
}

int run(const std::vector<std::string>& words) {
  if (words.size() == 2 && words[0] == "rows") return print_rows(std::stoull(words[1]));
  if (words.size() == 2 && words[0] == "access") return print_access(std::stoull(words[1]));
  if (words.size() == 5) {
    const Question question{words[1], std::stoull(words[2]), words[3] == "held",
                            words[4] == "warm"};
    if (words[0] == "find") return find(question);
    if (words[0] == "get") return get(question);
  }
  fmt::print(stderr, "usage: bench_store rows|access N | find|get STORE N held|absent warm|cold\n");
  return 2;
}

}  // namespace
}  // namespace postern

int main(int count, char** words) {
  try {
    return postern::run({words + 1, words + count});
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_store: {}\n", error.what());
    return 3;
  }
}
