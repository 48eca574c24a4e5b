// The reader of an I/O thread. It walks the forms of policy::lookup_forms() as pieces of the
// address, so that a lookup builds no strings; only a provider's rule and a quoted subaddress cost
// one.
#include "policy/address.h"
#include "store/contact_record.h"
#include "store/cursor.h"
#include "store/impl.h"

#include <algorithm>
#include <array>
#include <utility>

namespace postern::store {
namespace {

using Form = policy::Findings::Found::Form;

class Reader final : public policy::ContactReader {
 public:
  Reader(Txn txn, const Tables& tables, KeyHasher hasher, Cursor folded)
      : txn_(std::move(txn)),
        tables_(tables),
        hasher_(std::move(hasher)),
        folded_(std::move(folded)) {}

  Result<void> find(const policy::CanonicalAddress& address, policy::Findings& findings) override {
    findings.clear();
    if (auto renewed = txn_.renew(); !renewed) return renewed;
    const Rest rest(txn_);
    return look_up(address, findings);
  }

  Result<std::string> note(const policy::EventId& event) override {
    if (auto renewed = txn_.renew(); !renewed) return std::unexpected(renewed.error());
    const Rest rest(txn_);
    auto text = txn_.get(tables_.texts, event_key(event));
    if (!text) return std::unexpected(text.error());
    return std::string(*text ? text_of(**text) : std::string_view{});
  }

 private:
  // A snapshot that is held keeps the pages of every later change from being used again.
  class Rest {
   public:
    explicit Rest(Txn& txn) : txn_(txn) {}
    ~Rest() { txn_.reset(); }
    Rest(const Rest&) = delete;
    Rest& operator=(const Rest&) = delete;

   private:
    Txn& txn_;
  };

  Result<void> look_up(const policy::CanonicalAddress& address, policy::Findings& findings) {
    if (!address.is_domain()) {
      if (auto done = look_up_mailbox(address, findings); !done) return done;
    }
    auto domains = txn_.size(tables_.domains);
    if (!domains) return std::unexpected(domains.error());
    return domains->entries == 0 ? Result<void>{} : look_up_domains(address.text, findings);
  }

  Result<void> look_up_mailbox(const policy::CanonicalAddress& address,
                               policy::Findings& findings) {
    const ContactKey own = hasher_(address.text);
    const std::array exact{own, key_without_subaddress(address, own)};
    const bool tagged = exact[0] != exact[1];
    if (auto done = take(tables_.contacts, exact[0], Form::mailbox, findings); !done) return done;
    if (tagged) {
      if (auto done = take(tables_.contacts, exact[1], Form::mailbox, findings); !done) return done;
    }
    auto folded = txn_.size(tables_.folded);
    if (!folded) return std::unexpected(folded.error());
    if (folded->entries == 0) return {};
    if (auto read = rules_.read(txn_, tables_); !read) return read;
    const std::string form = policy::folded(address, rules_.providers());
    if (form.empty()) return {};
    if (auto done = take_folded(form, exact, findings); !done || !tagged) return done;
    const policy::CanonicalAddress untagged{policy::without_subaddress(address)};
    return take_folded(policy::folded(untagged, rules_.providers()), exact, findings);
  }

  // The address's own key where it has no subaddress.
  ContactKey key_without_subaddress(const policy::CanonicalAddress& address,
                                    const ContactKey& own) {
    const std::string_view text = address.text;
    const auto plus = text.find('+', 1);
    const auto at = text.rfind('@');
    // Quotes may come or go with the subaddress: "a." needs them, a.+tag does not.
    if (plus < at && (text.starts_with('"') || text[plus - 1] == '.')) {
      const std::string shorter = policy::without_subaddress(address);
      return shorter.empty() ? own : hasher_(shorter);
    }
    return plus < at ? hasher_({text.substr(0, plus), text.substr(at)}) : own;
  }

  // Contacts whose spelling folds to the same; those that were found by their own are not found
  // twice.
  Result<void> take_folded(std::string_view form, const std::array<ContactKey, 2>& exact,
                           policy::Findings& findings) {
    if (auto renewed = folded_.renew(txn_); !renewed) return renewed;
    auto more = folded_.at(hasher_(form));
    for (; more && *more; more = folded_.next_of_key()) {
      ContactKey key{};
      OctetReader value(folded_.value());
      value.raw(key);
      if (!value.finished()) return std::unexpected(txn_.env().damaged("a folded address"));
      if (std::ranges::find(exact, key) != exact.end()) continue;
      if (auto done = take(tables_.contacts, key, Form::mailbox, findings); !done) return done;
    }
    if (!more) return std::unexpected(more.error());
    return {};
  }

  // "@domain" and "@.parent" of each parent, nearest first: each a "@" before a tail of the
  // address.
  Result<void> look_up_domains(std::string_view text, policy::Findings& findings) {
    const auto at = text.rfind('@');
    if (at == text.npos) return {};
    const std::string_view domain = text.substr(at + 1);
    if (auto done = take(tables_.domains, hasher_(text.substr(at)), Form::domain, findings);
        !done) {
      return done;
    }
    if (domain.starts_with('[')) return {};
    for (auto dot = domain.find('.', 1); dot != domain.npos; dot = domain.find('.', dot + 1)) {
      const ContactKey key = hasher_({"@", domain.substr(dot)});
      if (auto done = take(tables_.domains, key, Form::domain, findings); !done) return done;
    }
    return {};
  }

  // Nothing known is no finding; a record that does not read is an error, never "nothing known".
  Result<void> take(Table table, const ContactKey& key, Form form, policy::Findings& findings) {
    auto record = txn_.get(table, key);
    if (!record) return std::unexpected(record.error());
    if (!*record || decode(**record, findings.add(form).contact)) return {};
    return std::unexpected(txn_.env().damaged("the record of a contact"));
  }

  Txn txn_;
  Tables tables_;
  KeyHasher hasher_;
  Cursor folded_;
  Rules rules_;
};

}  // namespace

Result<std::unique_ptr<policy::ContactReader>> make_reader(const Env& env, const Tables& tables,
                                                           const HashKey& key) {
  auto hasher = KeyHasher::create(key);
  if (!hasher) return std::unexpected(hasher.error());
  auto txn = Txn::read(env);
  if (!txn) return std::unexpected(txn.error());
  auto folded = Cursor::open(*txn, tables.folded);
  if (!folded) return std::unexpected(folded.error());
  txn->reset();
  return std::make_unique<Reader>(std::move(*txn), tables, std::move(*hasher), std::move(*folded));
}

}  // namespace postern::store
