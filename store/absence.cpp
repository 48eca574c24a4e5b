#include "store/absence.h"

#include "store/cursor.h"
#include "store/event_record.h"
#include "store/spellings.h"
#include "store/walk.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace postern::store {
namespace {

constexpr std::uint64_t least_keys = 65'536;
constexpr std::uint64_t events_a_lookup = 64;
constexpr std::uint64_t events_a_look = 1'000'000;

Error given_up() { return {Errc::cancelled, "given up"}; }

}  // namespace

Result<std::shared_ptr<Absence>> Absence::build(const Env& env, const Tables& tables,
                                                const KeyHasher& hasher,
                                                const std::function<bool()>& stopped) {
  std::shared_ptr<Absence> made(new Absence(env, tables, hasher));
  // Before the keys: what is written while they are read has its events behind these.
  auto done = made->begin();
  for (const Table table : {tables.contacts, tables.domains, tables.folded}) {
    if (done) done = made->add_keys(table, stopped);
  }
  if (!done) return std::unexpected(done.error());
  return made;
}

Result<void> Absence::begin() {
  auto txn = Txn::read(env_);
  if (!txn) return std::unexpected(txn.error());
  auto numbers = numbering(*txn, tables_);
  if (!numbers) return std::unexpected(numbers.error());
  seen_ = *numbers;
  if (auto read = rules_.read(*txn, tables_); !read) return read;
  auto changes = rule_changes(*txn, tables_);
  if (!changes) return std::unexpected(changes.error());
  rule_changes_ = *changes;
  auto ahead = spellings_ahead(*txn, tables_);
  if (!ahead) return std::unexpected(ahead.error());
  spellings_ahead_ = *ahead;
  if (auto noted = note_sizes(*txn); !noted) return noted;
  std::uint64_t keys = 0;
  for (const Table table : {tables_.contacts, tables_.domains, tables_.folded}) {
    auto size = txn->size(table);
    if (!size) return std::unexpected(size.error());
    keys += size->entries;
  }
  auto filter = Filter::create(env_.directory(), std::max(keys + keys / 4, least_keys));
  if (!filter) return std::unexpected(filter.error());
  filter_ = *std::move(filter);
  return {};
}

Result<void> Absence::add_keys(Table table, const std::function<bool()>& stopped) {
  return walk(env_, table, [&](const Txn& txn, Octets octets, Octets) -> Result<void> {
    ContactKey key{};
    OctetReader in(octets);
    in.raw(key);
    if (!in.finished()) return std::unexpected(txn.env().damaged("the key of a contact"));
    filter_->add(key);
    return stopped() ? std::unexpected(given_up()) : Result<void>{};
  });
}

// What was in use once stays so: a filter that is asked in vain answers all the same.
Result<void> Absence::note_sizes(const Txn& txn) {
  const auto note = [&](Table table, std::atomic<bool>& used) -> Result<std::uint64_t> {
    auto size = txn.size(table);
    if (!size) return std::unexpected(size.error());
    if (size->entries != 0) used.store(true, std::memory_order_relaxed);
    return size->entries;
  };
  if (auto done = note(tables_.domains, domains_); !done) return std::unexpected(done.error());
  if (auto done = note(tables_.digests, digests_); !done) return std::unexpected(done.error());
  auto folded = note(tables_.folded, folded_);
  if (!folded) return std::unexpected(folded.error());
  seen_folded_ = *folded;
  return {};
}

Absence::State Absence::catch_up(std::uint64_t most_events) {
  const std::scoped_lock lock(mutex_);
  if (state_ == State::outdated) return state_;
  const auto found = read_news(most_events);
  state_ = found ? *found : State::outdated;
  return state_;
}

Result<Absence::State> Absence::read_news(std::uint64_t most_events) {
  auto txn = Txn::read(env_);
  if (!txn) return std::unexpected(txn.error());
  auto numbers = numbering(*txn, tables_);
  if (!numbers) return std::unexpected(numbers.error());
  auto changes = rule_changes(*txn, tables_);
  if (!changes) return std::unexpected(changes.error());
  // An earlier program changes the rules and does not count it.
  Rules rules = rules_;
  if (auto read = rules.read(*txn, tables_); !read) return std::unexpected(read.error());
  if (rules != rules_ || *changes != rule_changes_ || numbers->origin != seen_.origin ||
      numbers->last < seen_.last || filter_->is_full()) {
    return State::outdated;
  }
  const std::uint64_t last = std::min(numbers->last, seen_.last + most_events);
  const std::uint64_t folded_before = seen_folded_;
  if (auto noted = note_sizes(*txn); !noted) return std::unexpected(noted.error());
  auto all_named = add_events(*txn, last);
  if (!all_named) return std::unexpected(all_named.error());
  // A text that was erased before its folded form was seen here: the form is in no event.
  if (!*all_named) {
    auto ahead = spellings_ahead(*txn, tables_);
    if (!ahead) return std::unexpected(ahead.error());
    if (seen_folded_ != folded_before || *ahead != spellings_ahead_) return State::outdated;
  }
  seen_.last = last;
  if (last < numbers->last) return State::behind;
  as_of_.store(txn->id(), std::memory_order_release);
  return State::current;
}

// The contacts of the events up to `last`. False where the address of one is not known.
Result<bool> Absence::add_events(const Txn& txn, std::uint64_t last) {
  if (seen_.last == last) return true;
  bool all_named = true;
  auto cursor = Cursor::open(txn, tables_.events);
  if (!cursor) return std::unexpected(cursor.error());
  const EventKey end = event_key({seen_.origin, last});
  auto more = cursor->at_or_after(event_key({seen_.origin, seen_.last + 1}));
  for (; more && *more; more = cursor->next()) {
    if (std::ranges::lexicographical_compare(end, cursor->key())) break;
    EventRecord record;
    if (!decode(cursor->value(), record)) {
      return std::unexpected(txn.env().damaged("the record of an event"));
    }
    filter_->add(record.contact);
    auto text = txn.get(tables_.addresses, record.contact);
    if (!text) return std::unexpected(text.error());
    if (!*text) {
      all_named = false;
      continue;
    }
    const policy::CanonicalAddress address{std::string(text_of(**text))};
    const std::string form = policy::folded(address, rules_.providers());
    if (!form.empty()) filter_->add(hasher_(form));
  }
  if (!more) return std::unexpected(more.error());
  return all_named;
}

bool Absence::is_certain(const policy::CanonicalAddress& address, const ContactKey& own) {
  const std::uint64_t last = env_.last_transaction();
  if (last == 0) return false;
  if (as_of_.load(std::memory_order_acquire) != last) {
    std::unique_lock lock(mutex_, std::try_to_lock);
    // Who reads the news is asked again with the next recipient.
    if (!lock.owns_lock() || state_ != State::current) return false;
    const auto found = read_news(events_a_lookup);
    state_ = found ? *found : State::outdated;
    if (state_ != State::current) return false;
    // Read from a transaction that began after the question did.
  }
  return rules_out(address, own);
}

// Every key that Lookup::find() asks the store for.
bool Absence::rules_out(const policy::CanonicalAddress& address, const ContactKey& own) const {
  if (digests_.load(std::memory_order_relaxed)) return false;
  const std::string_view text = address.text;
  const bool mailbox = !address.is_domain();
  if (mailbox) {
    if (filter_->may_have(own)) return false;
    const ContactKey shorter = key_without_subaddress(hasher_, address, own);
    if (shorter != own && filter_->may_have(shorter)) return false;
    if (folded_.load(std::memory_order_relaxed) && !rules_out_folded(address)) return false;
  }
  if (!domains_.load(std::memory_order_relaxed)) return true;
  return for_each_domain(text, [&](std::initializer_list<std::string_view> pieces) {
    return !filter_->may_have(hasher_(pieces));
  });
}

bool Absence::rules_out_folded(const policy::CanonicalAddress& address) const {
  const std::string form = policy::folded(address, rules_.providers());
  if (form.empty()) return true;
  if (filter_->may_have(hasher_(form))) return false;
  const policy::CanonicalAddress untagged{policy::without_subaddress(address)};
  if (untagged.text.empty()) return true;
  const std::string shorter = policy::folded(untagged, rules_.providers());
  return shorter.empty() || !filter_->may_have(hasher_(shorter));
}

AbsenceKeeper::~AbsenceKeeper() {
  stop_ = true;
  if (builder_.joinable()) builder_.join();
}

std::shared_ptr<Absence> AbsenceKeeper::current() const {
  const std::scoped_lock lock(mutex_);
  return current_;
}

bool AbsenceKeeper::look() {
  const auto held = current();
  const auto state = held ? held->catch_up(events_a_look) : Absence::State::outdated;
  if (state != Absence::State::outdated) return state == Absence::State::current;
  if (building_.exchange(true)) return false;
  if (builder_.joinable()) builder_.join();
  builder_ = std::thread([this] {
    build();
    building_ = false;
  });
  return false;
}

// Without one, lookups ask the store: what is wrong with it they will say.
void AbsenceKeeper::build() {
  auto built = Absence::build(env_, tables_, hasher_, [this] { return stop_.load(); });
  if (!built) return;
  while ((*built)->catch_up(events_a_look) == Absence::State::behind && !stop_) {
  }
  const std::scoped_lock lock(mutex_);
  current_ = *std::move(built);
  generation_.fetch_add(1, std::memory_order_release);
}

}  // namespace postern::store
