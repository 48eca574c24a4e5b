#include "fixture.h"
#include "policy/contacts.h"
#include "store/env.h"
#include "store/keys.h"
#include "store/tables.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <new>
#include <random>
#include <set>

// Counted, for the promise of find(); the thread sanitizer has an operator new of its own.
#define COUNTS_ALLOCATIONS !__has_feature(thread_sanitizer)
#if COUNTS_ALLOCATIONS
namespace {

std::atomic<std::size_t> allocations{0};

}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif

using namespace postern;
using namespace postern::store;
using namespace postern::store::test;
using policy::HoldKind;

namespace {

std::vector<std::string> kinds_found(policy::ContactReader& reader, std::string_view address) {
  policy::Findings findings;
  auto done = reader.find(contact(address), findings);
  if (!done) FAIL(done.error().text);
  std::vector<std::string> found;
  for (std::size_t i = 0; i < findings.size; ++i) {
    for (const auto& hold : findings.entries[i].contact.holds) found.push_back(hold.scope.stream);
  }
  return found;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a lookup finds what stands under each of lookup_forms(), and nothing else") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  std::mt19937 random(11);
  std::set<policy::CanonicalAddress> addresses;
  const auto add = [&](const policy::Mailbox& mailbox) {
    const auto address = policy::canonical(mailbox);
    addresses.insert(address);
    const policy::CanonicalAddress user{policy::without_subaddress(address)};
    if (!user.text.empty()) addresses.insert(user);
  };
  add({"a.+tag", "d.example"});
  for (int i = 0; i < 400; ++i) {
    std::string local_part;
    for (auto size = 1 + random() % 6; size > 0; --size) {
      local_part += std::string_view("aa.+\"@ ")[random() % 7];
    }
    add({local_part, random() % 2 == 0 ? "d.example" : "gmail.com"});
  }
  std::vector<Change> changes;
  for (const auto& address : addresses) {
    auto placed = hold("x@d.example");
    placed.address = address;
    changes.emplace_back(placed);
  }
  const auto outcomes = store->change(changes, day(0));
  if (!outcomes) FAIL(outcomes.error().text);

  std::map<policy::CanonicalAddress, policy::HoldId> placed;
  std::multimap<std::string, policy::HoldId> placed_folded;
  for (const auto& address : addresses) {
    const auto found = store->contact(address);
    REQUIRE(found);
    REQUIRE(found->holds.size() == 1);
    placed[address] = found->holds[0].id;
    placed_folded.emplace(policy::folded(address, policy::builtin_providers()), found->holds[0].id);
  }
  auto reader = store->reader();
  REQUIRE(reader);
  for (const auto& address : addresses) {
    CAPTURE(address.text);
    std::set<policy::HoldId> want;
    const auto forms = policy::lookup_forms(address, policy::builtin_providers());
    for (const auto& form : forms.exact) {
      if (const auto at = placed.find(form); at != placed.end()) want.insert(at->second);
    }
    for (const auto& form : forms.folded) {
      const auto [from, to] = placed_folded.equal_range(form.text);
      for (auto at = from; at != to; ++at) want.insert(at->second);
    }
    policy::Findings findings;
    REQUIRE((*reader)->find(address, findings));
    std::vector<policy::HoldId> got;
    for (std::size_t i = 0; i < findings.size; ++i) {
      for (const auto& one : findings.entries[i].contact.holds) got.push_back(one.id);
    }
    std::ranges::sort(got);
    CHECK(got == std::vector(want.begin(), want.end()));
  }
}

TEST_CASE("a folded key's value of another size is damage, not a contact") {
  const TemporaryDirectory directory;
  HashKey key{};
  {
    const auto store = open(directory.path());
  }
  {
    auto env = Env::open({directory.path(), false, false, test_map_size});
    REQUIRE(env);
    auto txn = Txn::write(**env);
    REQUIRE(txn);
    auto tables = open_tables(*txn, false);
    REQUIRE(tables);
    key = *hash_key(*txn, *tables);
    const KeyHasher hasher(key);
    const auto form = policy::folded(contact("foo@gmail.com"), policy::builtin_providers());
    REQUIRE(txn->add(tables->folded, hasher(form), octets_of("short")));
    REQUIRE(txn->commit());
  }
  const auto store = open(directory.path(), Mode::read_only);
  auto reader = store->reader();
  REQUIRE(reader);
  policy::Findings findings;
  const auto found = (*reader)->find(contact("foo@gmail.com"), findings);
  REQUIRE_FALSE(found);
  CHECK(found.error().code == Errc::damaged);
}

TEST_CASE("a lookup asks every form under which a state may stand, the exact one first") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  // Each hold is of a stream named after where it stands.
  for (const std::string_view address :
       {"user@example.com", "user+tag@example.com", "+lead@example.com", "f.o.o@gmail.com",
        "foo+t.ag@gmail.com", "@sub.example.org", "@.example.org", "@.org", "\"a b\"@example.com",
        "x@[192.0.2.1]", "@[192.0.2.1]"}) {
    apply(*store, hold(address, HoldKind::unsubscribed, stream(address)));
  }
  auto reader = store->reader();
  REQUIRE(reader);
  struct Case {
    std::string_view address;
    Names want;
    std::string_view why;
  };
  const Case cases[] = {
      {"user@example.com", {"user@example.com"}, "itself"},
      {"USER@Example.COM", {"user@example.com"}, "however it is spelled"},
      {"user+tag@example.com", {"user+tag@example.com", "user@example.com"}, "and without its tag"},
      {"user+a+b@example.com", {"user@example.com"}, "the tag begins at the first delimiter"},
      {"+lead@example.com", {"+lead@example.com"}, "a leading one is none"},
      {"+lead+x@example.com", {"+lead@example.com"}, "but the next one is"},
      {"other@example.com", {}, "somebody else"},
      {"\"a b+t\"@example.com", {"\"a b\"@example.com"}, "tags in quotes too"},
      {"foo@gmail.com", {"f.o.o@gmail.com"}, "by the provider's rule"},
      {"fo.o@googlemail.com", {"f.o.o@gmail.com"}, "and its other name"},
      {"f.o.o@gmail.com", {"f.o.o@gmail.com"}, "not twice where both find it"},
      {"fo.o+t.ag@gmail.com", {"foo+t.ag@gmail.com", "f.o.o@gmail.com"}, "rule and tag together"},
      {"foo+tag@gmail.com", {"f.o.o@gmail.com"}, "dots of the tag count"},
      {"a@sub.example.org", {"@sub.example.org", "@.example.org", "@.org"}, "domain, then parents"},
      {"a@x.sub.example.org", {"@.example.org", "@.org"}, "the domain alone, not its subdomains"},
      {"a@example.org", {"@.org"}, "subdomains alone, not the domain"},
      {"@sub.example.org", {"@sub.example.org", "@.example.org", "@.org"}, "a pattern itself"},
      {"@.example.org", {"@.example.org", "@.org"}, "and of subdomains"},
      {"x@[192.0.2.1]", {"x@[192.0.2.1]", "@[192.0.2.1]"}, "a literal has no parents"},
  };
  for (const auto& [address, want, why] : cases) {
    CAPTURE(address);
    CAPTURE(why);
    CHECK(kinds_found(**reader, address) == want);
  }
}

TEST_CASE("a lookup agrees with policy::lookup_forms()") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  for (const std::string_view text :
       {"a@b.example.com", "a+b@c.d.example.com", "+a@x.example", "+a+b@x.example", "a+@x.example",
        "\"a b+c\"@x.example", "\"+ a+b\"@x.example", "\"a@b+c\"@x.example", "a.b+c.d@gmail.com",
        "a.b@googlemail.com", "u+t@[192.0.2.9]", "ä+ö@bücher.example"}) {
    const auto address = contact(text);
    for (const auto& form : policy::lookup_forms(address, policy::builtin_providers()).exact) {
      apply(*store, hold(form.text, HoldKind::unsubscribed, stream("exact")));
    }
    for (const auto& form : policy::lookup_forms(address, policy::builtin_providers()).domains) {
      apply(*store, hold(form.text, HoldKind::blocked, all()));
    }
  }
  auto reader = store->reader();
  REQUIRE(reader);
  for (const std::string_view text :
       {"a+b@c.d.example.com", "+a+b@x.example", "a+@x.example", "\"a b+c\"@x.example",
        "\"+ a+b\"@x.example", "\"a@b+c\"@x.example", "u+t@[192.0.2.9]", "ä+ö@bücher.example"}) {
    CAPTURE(text);
    const auto forms = policy::lookup_forms(contact(text), policy::builtin_providers());
    policy::Findings findings;
    REQUIRE((*reader)->find(contact(text), findings));
    CHECK(findings.size == forms.exact.size() + forms.domains.size());
  }
}

#if COUNTS_ALLOCATIONS
TEST_CASE("find() allocates nothing once it is warm") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  for (const std::string_view address :
       {"held-for-a-long-while@example.com", "@example.org", "@.org"}) {
    apply(*store, hold(address, HoldKind::blocked, all()));
    apply(*store, hold(address, HoldKind::unsubscribed, stream("news")));
  }
  apply(*store, hold("some.body@gmail.com"));
  auto reader = store->reader();
  REQUIRE(reader);
  const std::vector<policy::CanonicalAddress> addresses{
      contact("held-for-a-long-while@example.com"),
      contact("held-for-a-long-while+tag@example.com"),
      contact("nobody-that-anybody-knows@example.net"), contact("a@deep.sub.example.org")};
  policy::Findings findings;
  for (int round = 0; round < 3; ++round) {
    const std::size_t before = allocations;
    std::size_t found = 0;
    for (const auto& address : addresses) {
      const bool done = (*reader)->find(address, findings).has_value();
      found += done ? findings.size : 100;
    }
    const std::size_t after = allocations;
    CHECK(found == 3);
    if (round > 0) CHECK(after == before);
  }
}
#endif

TEST_CASE("the rules are the store's: rebuilt when they change, and never lose a hold") {
  const TemporaryDirectory directory;
  const auto with = [&](std::optional<std::vector<ProviderConfig>> providers, Mode mode) {
    auto store = Store::open({.path = directory.path(),
                              .mode = mode,
                              .map_size = test_map_size,
                              .providers = std::move(providers)});
    if (!store) FAIL(store.error().text);
    return std::move(*store);
  };
  const std::vector<ProviderConfig> rule{{.domains = {"mail.example"}, .ignore_dots = true}};
  const auto finds = [](const Store& store, std::string_view address) {
    auto reader = store.reader();
    REQUIRE(reader);
    return kinds_found(**reader, address).size();
  };
  {
    const auto store = with({}, Mode::create);
    apply(*store, hold("a.b@mail.example"));
    apply(*store, hold("a.b@gmail.com"));
    CHECK(finds(*store, "ab@mail.example") == 0);
  }
  {
    const auto store = with(rule, Mode::read_only);  // may not rebuild: keeps to what is there
    CHECK(finds(*store, "ab@mail.example") == 0);
    CHECK(store->providers().size() == policy::builtin_providers().size());
  }
  {
    const auto store = with(rule, Mode::read_write);
    CHECK(finds(*store, "ab@mail.example") == 1);
    apply(*store, hold("c.d@mail.example"));
    CHECK(finds(*store, "cd@mail.example") == 1);
  }
  {
    const auto store = with(std::nullopt, Mode::read_write);  // a verb without configuration
    CHECK(finds(*store, "ab@mail.example") == 1);
    CHECK(store->providers().back() == rule.front());
  }
  {
    const auto store = with(std::vector<ProviderConfig>{}, Mode::read_write);
    CHECK(finds(*store, "ab@mail.example") == 0);
    CHECK(finds(*store, "a.b@mail.example") == 1);
    CHECK(finds(*store, "ab@gmail.com") == 1);
  }
}

TEST_CASE("a reader that holds its snapshot sees every commit that came before its question") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  apply(*store, hold("first@gmail.com"));
  auto reader = store->reader();
  REQUIRE(reader);
  for (int number = 0; number < 50; ++number) {
    const std::string address = "a" + std::to_string(number) + "@gmail.com";
    CHECK(found_by(**reader, address) == 0);
    CHECK(found_by(**reader, "f.irst@gmail.com") == 1);
    if (number % 7 == 0) (*reader)->refresh();
    apply(*store, hold(address));
    CHECK(found_by(**reader, address) == 1);
    CHECK(found_by(**reader, "a." + address.substr(1)) == 1);
  }
}

TEST_CASE("a reader that was refreshed keeps no pages of later changes from being used again") {
  const TemporaryDirectory directory;
  const auto store = open(directory.path());
  apply(*store, hold("first@example.com"));
  auto reader = store->reader();
  REQUIRE(reader);
  const policy::Passages passages{.stream = "news",
                                  .campaign = {},
                                  .sender = {},
                                  .time = day(0),
                                  .recipients = {{{1}, policy::Reason::none}}};
  // Octets that the file grows by, while the same row is counted again and again.
  const auto growth = [&] {
    const auto size = [&] { return std::filesystem::file_size(directory.path() / "data.mdb"); };
    const auto before = size();
    for (int turn = 0; turn < 100; ++turn) REQUIRE(store->record({&passages, 1}));
    return size() - before;
  };
  REQUIRE(found_by(**reader, "first@example.com") == 1);
  const auto held = growth();
  REQUIRE(found_by(**reader, "first@example.com") == 1);
  (*reader)->refresh();
  CHECK(growth() < held / 2);
}

TEST_CASE("notes are read by event, and a damaged record is an error") {
  const TemporaryDirectory directory;
  {
    const auto store = open(directory.path());
    apply(*store, hold("a@example.com", HoldKind::bounced, all(), "550 no such user"));
    apply(*store, hold("b@example.com"));
    auto reader = store->reader();
    REQUIRE(reader);
    policy::Findings findings;
    REQUIRE((*reader)->find(contact("a@example.com"), findings));
    REQUIRE(findings.size == 1);
    CHECK(*(*reader)->note(findings.entries[0].contact.holds[0].event) == "550 no such user");
    CHECK(*(*reader)->note({1, 1}) == "");
  }
  {
    auto env = Env::open({directory.path(), false, false, test_map_size});
    REQUIRE(env);
    auto txn = Txn::write(**env);
    REQUIRE(txn);
    auto tables = open_tables(*txn, false);
    REQUIRE(tables);
    auto key = hash_key(*txn, *tables);
    REQUIRE(key);
    const KeyHasher hasher(*key);
    REQUIRE(txn->put(tables->contacts, hasher("a@example.com"), octets_of("\x01nonsense")));
    REQUIRE(txn->commit());
  }
  const auto store = open(directory.path(), Mode::read_write);
  auto reader = store->reader();
  REQUIRE(reader);
  policy::Findings findings;
  auto damaged = (*reader)->find(contact("a@example.com"), findings);
  REQUIRE_FALSE(damaged);
  CHECK(damaged.error().code == Errc::damaged);
  CHECK((*reader)->find(contact("b@example.com"), findings));
  CHECK(findings.size == 1);
  CHECK(store->contact(contact("a@example.com")).error().code == Errc::damaged);
  const Change change = hold("a@example.com");
  CHECK(store->change({&change, 1}, day(0)).error().code == Errc::damaged);
}
