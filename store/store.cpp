#include "store/store.h"

#include "store/batch.h"
#include "store/compaction.h"
#include "store/impl.h"
#include "store/location.h"

#include <mutex>
#include <utility>

#include <fmt/format.h>

namespace postern::store {
namespace {

struct Found {
  Tables tables;
  bool complete = false;
};
Result<Found> find_tables(const Env& env) {
  auto txn = Txn::read(env);
  if (!txn) return std::unexpected(txn.error());
  auto tables = open_tables(*txn, false);
  if (!tables) return std::unexpected(tables.error());
  auto complete = is_complete(*txn, *tables);
  if (!complete) return std::unexpected(complete.error());
  if (auto kept = txn->commit(); !kept) return std::unexpected(kept.error());
  return Found{*tables, *complete};
}

// A write transaction, and its fsync, only where there is something to create.
Result<Tables> tables_of(const Env& env, Mode mode) {
  const auto found = find_tables(env);
  if (found && (found->complete || mode == Mode::read_only)) return found->tables;
  const bool create = mode == Mode::create && !found && found.error().code == Errc::not_found;
  if (!found && !create) return std::unexpected(found.error());
  auto txn = Txn::write(env);
  if (!txn) return std::unexpected(txn.error());
  auto tables = open_tables(*txn, create);
  if (!tables) return tables;
  if (auto done = complete(*txn, *tables, current_time()); !done) {
    return std::unexpected(done.error());
  }
  if (auto kept = txn->commit(); !kept) return std::unexpected(kept.error());
  return tables;
}

// A copy gives its own numbers; which copies of messages the other's upstream took is not its
// matter.
Result<void> settle(const Env& env, const Tables& tables) {
  auto here = location_of(data_file(env.directory()));
  if (!here) return std::unexpected(here.error());
  {
    auto txn = Txn::read(env);
    if (!txn) return std::unexpected(txn.error());
    auto before = location(*txn, tables);
    if (!before) return std::unexpected(before.error());
    if (*before == *here) return {};
  }
  auto txn = Txn::write(env);
  if (!txn) return std::unexpected(txn.error());
  if (auto drawn = draw_origin(*txn, tables, *here); !drawn) return drawn;
  if (tables.ledger) {
    if (auto cleared = txn->clear(*tables.ledger); !cleared) return cleared;
  }
  return txn->commit();
}

// The rules in force: those asked for; the store's own where nothing is asked, or nothing may be
// written.
Result<Rules> rules_in_force(const Env& env, const Tables& tables, const Options& options,
                             const KeyHasher& hasher) {
  Rules stored;
  {
    auto txn = Txn::read(env);
    if (!txn) return std::unexpected(txn.error());
    if (auto read = stored.read(*txn, tables); !read) return std::unexpected(read.error());
  }
  Rules wanted = Rules::of(options.providers ? *options.providers : stored.extra());
  if (wanted == stored || options.mode == Mode::read_only) return stored;
  auto txn = Txn::write(env);
  if (!txn) return std::unexpected(txn.error());
  if (auto keyed = wanted.rekey(*txn, tables, hasher); !keyed)
    return std::unexpected(keyed.error());
  if (auto kept = txn->commit(); !kept) return std::unexpected(kept.error());
  return wanted;
}

Result<HashKey> key_of(const Env& env, const Tables& tables) {
  auto txn = Txn::read(env);
  if (!txn) return std::unexpected(txn.error());
  return hash_key(*txn, tables);
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const Options& options) {
  // `env` stays where it is unless a store is made of it.
  const auto open_in = [&](auto& env) -> Result<std::unique_ptr<Store>> {
    auto tables = tables_of(*env, options.mode);
    if (!tables) return std::unexpected(tables.error());
    if (options.mode != Mode::read_only) {
      if (auto settled = settle(*env, *tables); !settled) return std::unexpected(settled.error());
    }
    auto key = key_of(*env, *tables);
    if (!key) return std::unexpected(key.error());
    const KeyHasher hasher(*key);
    auto rules = rules_in_force(*env, *tables, options, hasher);
    if (!rules) return std::unexpected(rules.error());
    return std::unique_ptr<Store>(new Store(std::unique_ptr<Impl>(new Impl{
        .options = options,
        .env = std::move(env),
        .tables = *tables,
        .hash_key = *key,
        .read_only = options.mode == Mode::read_only,
        .providers = rules->providers(),
        .write_mutex = {},
        .hasher = hasher,
        .rules = *rules,
        .swept_to = {},
        .contexts_swept_to = {},
    })));
  };
  // Compactions may follow each other.
  constexpr int most_tries = 10;
  for (int tries = 1;; ++tries) {
    auto env = Env::open({options.path, options.mode == Mode::read_only,
                          options.mode == Mode::create, options.map_size, options.read_ahead});
    if (!env) return std::unexpected(env.error());
    auto opened = open_in(*env);
    if (opened || tries == most_tries || !(*env)->must_reopen()) return opened;
  }
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  impl_->absence = std::make_unique<AbsenceKeeper>(*impl_->env, impl_->tables, impl_->hasher);
}
Store::~Store() = default;

Result<std::unique_ptr<policy::ContactReader>> Store::reader() const {
  return make_reader(*impl_->env, impl_->tables, impl_->hash_key, *impl_->absence);
}

Result<std::vector<Outcome>> Store::change(std::span<const Change> changes, Time now) {
  auto each = impl_->change(changes, now, Wrong::fails_all);
  if (!each) return std::unexpected(std::move(each).error());
  std::vector<Outcome> outcomes;
  outcomes.reserve(each->size());
  for (auto& outcome : *each) outcomes.push_back(*std::move(outcome));
  return outcomes;
}

Result<std::vector<Result<Outcome>>> Store::change_each(std::span<const Change> changes, Time now) {
  return impl_->change(changes, now, Wrong::fails_alone);
}

Error Store::Impl::opened_for_reading() const {
  return {Errc::unsupported,
          fmt::format("the store at {} was opened for reading only", env->directory().string())};
}

Result<std::vector<Result<Outcome>>> Store::Impl::change(std::span<const Change> changes, Time now,
                                                         Wrong wrong) {
  if (read_only) return std::unexpected(opened_for_reading());
  const std::lock_guard lock(write_mutex);
  auto batch = Batch::begin(*env, tables, hasher, rules);
  if (!batch) return std::unexpected(batch.error());
  std::vector<Result<Outcome>> outcomes;
  outcomes.reserve(changes.size());
  for (const Change& change : changes) {
    outcomes.push_back(batch->apply(change, now));
    if (outcomes.back()) continue;
    const Error& error = outcomes.back().error();
    if (wrong == Wrong::fails_all || error.code != Errc::invalid) return std::unexpected(error);
  }
  if (auto committed = batch->commit(); !committed) return std::unexpected(committed.error());
  return outcomes;
}

Result<void> Store::reopen() {
  Options options = impl_->options;
  if (options.mode == Mode::create) options.mode = Mode::read_write;
  impl_.reset();
  auto opened = open(options);
  if (!opened) return std::unexpected(opened.error());
  impl_ = std::move((*opened)->impl_);
  return {};
}

Result<Compaction> Store::compact() {
  const std::lock_guard lock(impl_->write_mutex);
  return store::compact(*impl_->env);
}

bool Store::keep_filter() { return impl_->absence->look(); }

std::shared_ptr<Absence> Store::filter() const { return impl_->absence->current(); }

bool Store::must_reopen() const { return impl_->env->must_reopen(); }

const std::vector<ProviderConfig>& Store::providers() const { return impl_->providers; }

Result<int> Store::clear_stale_readers() { return impl_->env->clear_stale_readers(); }

}  // namespace postern::store
