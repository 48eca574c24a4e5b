#include "store/salvage.h"

#include "store/contact_record.h"
#include "store/cursor.h"
#include "store/env.h"
#include "store/event_record.h"
#include "store/keys.h"
#include "store/pages.h"
#include "store/tables.h"
#include "store/txn.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace postern::store {
namespace {

constexpr std::uint64_t commit_size = 100'000;  // entries

class Salvage {
 public:
  Salvage(const Env& env, std::filesystem::path from) : env_(env), from_(std::move(from)) {}

  Result<Salvaged> run() {
    if (auto made = make_tables(); !made) return std::unexpected(made.error());
    auto report = check_pages(from_, [&](std::string_view table, Octets key, Octets value) {
      if (done_) done_ = take(table, key, value);
    });
    if (!report) return std::unexpected(report.error());
    if (done_) done_ = keys_are_whole(*report);
    if (done_) done_ = missing_contacts();
    if (done_) done_ = fold_missing();
    if (done_) done_ = txn_->commit();
    if (!done_) return std::unexpected(done_.error());
    salvaged_.damaged_pages = report->problems.size() + report->more_problems;
    return salvaged_;
  }

 private:
  Result<void> make_tables() {
    if (auto begun = begin(); !begun) return begun;
    auto tables = open_tables(*txn_, true);
    if (!tables) return std::unexpected(tables.error());
    tables_ = *tables;
    if (auto later = open_later_tables(*txn_, tables_); !later) return later;
    return again();
  }

  Result<void> begin() {
    auto txn = Txn::write(env_);
    if (!txn) return std::unexpected(txn.error());
    txn_.emplace(*std::move(txn));
    return {};
  }

  Result<void> again() {
    if (auto committed = txn_->commit(); !committed) return committed;
    return begin();
  }

  // None where it is LMDB's own.
  std::optional<Table> named(std::string_view name) {
    const auto known = by_name_.find(name);
    if (known != by_name_.end()) return known->second;
    const std::string text(name);
    const auto opened = txn_->open_table(text.c_str(), TableKind::plain, false);
    const auto table = opened ? std::optional(*opened) : std::nullopt;
    by_name_.emplace(text, table);
    return table;
  }

  Result<void> take(std::string_view name, Octets key, Octets value) {
    const auto table = named(name);
    if (!table) return {};
    if (++salvaged_.entries % commit_size == 0) {
      if (auto done = again(); !done) return done;
    }
    auto appended = txn_->append(*table, key, value);
    if (appended && *appended) return {};
    // Of a key with many values; or of a table that began with something.
    if (*table != tables_.meta) {
      auto added = txn_->add(*table, key, value);
      return added ? Result<void>{} : std::unexpected(added.error());
    }
    return txn_->put(*table, key, value);
  }

  // Without the key of the hashes no contact could be found again.
  [[nodiscard]] Result<void> keys_are_whole(const PageReport& report) const {
    const auto meta = std::ranges::find(report.tables, "meta", &PageReport::Table::name);
    if (meta != report.tables.end() && meta->sound) return {};
    return fail(Errc::damaged, fmt::format("{}: the table of its keys does not read: nothing in it "
                                           "can be found any more; restore a backup",
                                           from_.string()));
  }

  Result<void> each_event(auto visit) {
    auto cursor = Cursor::open(*txn_, tables_.events);
    if (!cursor) return std::unexpected(cursor.error());
    auto more = cursor->first();
    for (; more && *more; more = cursor->next()) {
      EventKey key{};
      EventRecord record;
      if (!decode(cursor->value(), record)) continue;
      OctetReader(cursor->key()).raw(key);
      if (auto done = visit(key, std::move(record)); !done) return done;
    }
    if (!more) return std::unexpected(more.error());
    return {};
  }

  // And which events are whose is known from the events.
  Result<void> missing_contacts() {
    return each_event([&](const EventKey& key, const EventRecord& record) -> Result<void> {
      auto added = txn_->add(tables_.by_contact, record.contact, key);
      if (!added) return std::unexpected(added.error());
      for (const Table table : {tables_.contacts, tables_.domains, tables_.digests}) {
        auto known = txn_->get(table, record.contact);
        if (!known) return std::unexpected(known.error());
        if (*known) return {};
      }
      missing_[record.contact];
      return {};
    });
  }

  Result<void> fold_missing() {
    if (missing_.empty()) return {};
    auto folded = each_event([&](const EventKey& key, EventRecord record) -> Result<void> {
      const auto contact = missing_.find(record.contact);
      if (contact == missing_.end()) return {};
      policy::apply(contact->second,
                    {event_id(key), record.happened, record.recorded, std::move(record.facts)});
      return {};
    });
    if (!folded) return folded;
    for (const auto& [key, contact] : missing_) {
      auto text = txn_->get(tables_.addresses, key);
      if (!text) return std::unexpected(text.error());
      const policy::CanonicalAddress address{*text ? std::string(text_of(**text)) : std::string()};
      OctetWriter out;
      encode(contact, out);
      if (auto done = txn_->put(tables_.of(address), key, out.octets()); !done) return done;
      ++salvaged_.contacts;
    }
    return {};
  }

  const Env& env_;
  const std::filesystem::path from_;
  std::optional<Txn> txn_;
  Tables tables_{};
  std::map<std::string, std::optional<Table>, std::less<>> by_name_;
  std::map<ContactKey, policy::Contact> missing_;
  Result<void> done_;
  Salvaged salvaged_;
};

}  // namespace

Result<Salvaged> salvage(const std::filesystem::path& data_file,
                         const std::filesystem::path& directory, std::uint64_t map_size) {
  auto env = Env::open_guarded({directory, false, true, map_size});
  if (!env) return std::unexpected(env.error());
  return Salvage(**env, data_file).run();
}

}  // namespace postern::store
