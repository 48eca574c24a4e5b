// The reader of an I/O thread: one read transaction, renewed where somebody has committed since.
#include "store/event_record.h"
#include "store/impl.h"
#include "store/lookup.h"
#include "store/side_record.h"

#include <chrono>
#include <utility>

namespace postern::store {
namespace {

class Reader final : public policy::ContactReader {
 public:
  Reader(Txn txn, const Tables& tables, Lookup lookup, KeyHasher hasher,
         const AbsenceKeeper& keeper)
      : txn_(std::move(txn)),
        tables_(tables),
        lookup_(std::move(lookup)),
        hasher_(hasher),
        keeper_(keeper) {}

  Result<void> find(const policy::CanonicalAddress& address, policy::Findings& findings) override {
    findings.clear();
    findings.asked = hasher_(address.text);
    if (is_absent(address, findings.asked)) return {};
    const auto asked = std::chrono::steady_clock::now();
    if (auto renewed = renew(); !renewed) return renewed;
    auto found = lookup_.find(txn_, address, findings.asked, findings);
    findings.took = std::chrono::steady_clock::now() - asked;
    return found;
  }

  Result<std::string> note(const policy::EventId& event) override {
    if (auto renewed = renew(); !renewed) return std::unexpected(renewed.error());
    const EventKey key = event_key(event);
    auto text = txn_.get(tables_.texts, key);
    if (!text) return std::unexpected(text.error());
    SideRecord side;
    if (*text && !decode(**text, side)) {
      return std::unexpected(txn_.env().damaged("the text of an event"));
    }
    auto octets = txn_.get(tables_.events, key);
    if (!octets) return std::unexpected(octets.error());
    EventRecord record;
    // A hold binds though a damaged page took what was said of it.
    if (!*octets || !decode(**octets, record)) return side.note;
    const auto* placed = std::get_if<policy::HoldPlaced>(&record.facts);
    if (placed == nullptr || !placed->evidence) return side.note;
    return policy::note_of(*placed->evidence, side.note);
  }

  Result<policy::ContactRef> ref(const policy::CanonicalAddress& address) override {
    return hasher_(address.text);
  }

  // A snapshot that is held keeps the pages of every later change from being used again: for a
  // second that costs nothing.
  void refresh() override { rest(); }

 private:
  // The newest snapshot: the one that is held, where it is.
  Result<void> renew() {
    const std::uint64_t last = txn_.env().last_transaction();
    if (snapshot_ != 0 && snapshot_ == last) return {};
    rest();
    if (auto renewed = txn_.renew(); !renewed) return renewed;
    if (auto renewed = lookup_.renew(txn_); !renewed) {
      txn_.reset();
      return renewed;
    }
    snapshot_ = txn_.id();
    return {};
  }
  void rest() {
    if (snapshot_ != 0) txn_.reset();
    snapshot_ = 0;
  }

  bool is_absent(const policy::CanonicalAddress& address, const ContactKey& own) {
    if (const auto generation = keeper_.generation(); generation != generation_) {
      absence_ = keeper_.current();
      generation_ = generation;
    }
    return absence_ && absence_->is_certain(address, own);
  }

  Txn txn_;
  std::uint64_t snapshot_ = 0;  // that txn_ holds; 0: it rests
  Tables tables_;
  Lookup lookup_;
  KeyHasher hasher_;
  const AbsenceKeeper& keeper_;
  std::shared_ptr<Absence> absence_;
  std::uint64_t generation_ = 0;
};

}  // namespace

Result<std::unique_ptr<policy::ContactReader>> make_reader(const Env& env, const Tables& tables,
                                                           const HashKey& key,
                                                           const AbsenceKeeper& absence) {
  const KeyHasher hasher(key);
  auto txn = Txn::read(env);
  if (!txn) return std::unexpected(txn.error());
  auto lookup = Lookup::open(*txn, tables, hasher, Lookup::Of::read_transaction);
  if (!lookup) return std::unexpected(lookup.error());
  txn->reset();
  return std::make_unique<Reader>(std::move(*txn), tables, std::move(*lookup), hasher, absence);
}

}  // namespace postern::store
