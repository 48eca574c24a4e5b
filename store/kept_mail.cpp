#include "store/kept_mail.h"

#include "base/text.h"
#include "policy/address.h"
#include "store/contact_record.h"
#include "store/cursor.h"
#include "store/impl.h"
#include "store/traffic_row.h"
#include "store/utf8.h"

#include <algorithm>
#include <array>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace postern::store {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t max_subject = 255;
constexpr std::string_view number_name = "return-mail";  // in the meta table: the last one given

using NumberKey = std::array<std::uint8_t, 8>;

NumberKey key_of(std::uint64_t number) {
  OctetWriter out;
  out.u64(number);
  NumberKey key{};
  std::ranges::copy(out.octets(), key.begin());
  return key;
}

void encode(const KeptMail& mail, OctetWriter& out) {
  out.u8(version);
  encode(mail.time, out);
  out.raw(mail.ref);
  out.text(kept_text(mail.stream, policy::max_stream_name));
  out.text(kept_text(mail.sender, max_sender));
  out.text(kept_text(mail.subject, max_subject));
  out.u8(static_cast<std::uint8_t>(mail.type));
  out.u64(mail.size);
  out.text(std::string_view(mail.message).substr(0, max_kept_octets));
}

Error damaged(const Txn& txn) { return txn.env().damaged("a row of the kept return mail"); }

Result<std::uint64_t> next_number(Txn& txn, const Tables& tables) {
  auto value = txn.get(tables.meta, octets_of(number_name));
  if (!value) return std::unexpected(value.error());
  std::uint64_t number = 0;
  if (*value) {
    OctetReader in(**value);
    number = in.u64();
    if (!in.finished()) return std::unexpected(damaged(txn));
  }
  ++number;
  auto put = txn.put(tables.meta, octets_of(number_name), key_of(number));
  if (!put) return std::unexpected(put.error());
  return number;
}

// The numbers of those that `wanted` answers true of, the oldest first.
Result<std::vector<std::uint64_t>> find(const Txn& txn, const Tables& tables,
                                        const std::function<bool(const KeptMail&)>& wanted,
                                        bool with_message = false) {
  std::vector<std::uint64_t> found;
  auto cursor = Cursor::open(txn, *tables.return_mail);
  if (!cursor) return std::unexpected(cursor.error());
  auto more = cursor->first();
  for (; more && *more; more = cursor->next()) {
    KeptMail mail;
    if (!decode(cursor->key(), cursor->value(), mail, with_message)) {
      return std::unexpected(damaged(txn));
    }
    if (wanted(mail)) found.push_back(mail.number);
  }
  if (!more) return std::unexpected(more.error());
  return found;
}

Result<void> remove(Txn& txn, const Tables& tables, std::span<const std::uint64_t> numbers) {
  for (const std::uint64_t number : numbers) {
    if (auto done = txn.remove(*tables.return_mail, key_of(number)); !done) return done;
  }
  return {};
}

// Room for one more.
Result<void> make_room(Txn& txn, const Tables& tables) {
  auto all = find(txn, tables, [](const KeptMail&) { return true; });
  if (!all) return std::unexpected(all.error());
  if (all->size() < max_kept_mail) return {};
  return remove(txn, tables, std::span(*all).first(all->size() - max_kept_mail + 1));
}

}  // namespace

bool decode(Octets key, Octets octets, KeptMail& mail, bool with_message) {
  OctetReader number(key);
  mail.number = number.u64();
  OctetReader in(octets);
  if (!number.finished() || in.u8() != version) return false;
  mail.time = decode_time(in);
  in.raw(mail.ref);
  mail.stream = in.text(policy::max_stream_name);
  mail.sender = in.text(max_sender);
  mail.subject = in.text(max_subject);
  const std::uint8_t type = in.u8();
  mail.size = in.u64();
  const std::string_view message = in.text(max_kept_octets);
  if (!in.finished() || type >= policy::return_types) return false;
  mail.type = static_cast<policy::ReturnType>(type);
  if (with_message) mail.message = message;
  return true;
}

Result<std::uint64_t> forget_mail(Txn& txn, const Tables& tables, const KeyHasher& hasher,
                                  std::span<const ContactKey> contacts, std::string_view address,
                                  Time until) {
  if (!tables.return_mail) return 0;
  const auto is_theirs = [&](const ContactKey& key) {
    return std::ranges::find(contacts, key) != contacts.end();
  };
  const bool read = !address.empty();
  const auto names_them = [&](std::string_view text) {
    return read && contains_nocase(text, address);
  };
  const auto wanted = [&](const KeptMail& mail) {
    if (mail.time > until) return false;
    const auto sender = policy::parse_contact(mail.sender, false);
    return is_theirs(mail.ref) || (sender && is_theirs(hasher(sender->text))) ||
           names_them(mail.subject) || names_them(mail.message);
  };
  auto found = find(txn, tables, wanted, read);
  if (!found) return std::unexpected(found.error());
  if (auto done = remove(txn, tables, *found); !done) return std::unexpected(done.error());
  return found->size();
}

Result<void> prune_mail(Txn& txn, const Tables& tables, Time now) {
  if (!tables.return_mail) return {};
  auto old = find(txn, tables, [&](const KeptMail& mail) { return now - mail.time > mail_kept; });
  if (!old) return std::unexpected(old.error());
  return remove(txn, tables, *old);
}

Result<std::uint64_t> Store::keep_return_mail(const KeptMail& mail, Time now) {
  if (impl_->read_only) return std::unexpected(impl_->opened_for_reading());
  const std::lock_guard lock(impl_->write_mutex);
  auto txn = Txn::write(*impl_->env);
  if (!txn) return std::unexpected(txn.error());
  auto done = prune_mail(*txn, impl_->tables, now);
  if (done) done = make_room(*txn, impl_->tables);
  if (!done) return std::unexpected(done.error());
  auto number = next_number(*txn, impl_->tables);
  if (!number) return number;
  OctetWriter out;
  encode(mail, out);
  done = txn->put(impl_->tables.return_mail.value(), key_of(*number), out.octets());
  if (done) done = txn->commit();
  if (!done) return std::unexpected(done.error());
  return number;
}

Result<std::vector<KeptMail>> Store::return_mail() const {
  std::vector<KeptMail> found;
  if (!impl_->tables.return_mail) return found;
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  auto cursor = Cursor::open(*txn, *impl_->tables.return_mail);
  if (!cursor) return std::unexpected(cursor.error());
  auto more = cursor->first();
  for (; more && *more; more = cursor->next()) {
    if (!decode(cursor->key(), cursor->value(), found.emplace_back(), false)) {
      return std::unexpected(damaged(*txn));
    }
  }
  if (!more) return std::unexpected(more.error());
  std::ranges::reverse(found);
  return found;
}

Result<KeptMail> Store::return_mail(std::uint64_t number) const {
  auto txn = impl_->read();
  if (!txn) return std::unexpected(txn.error());
  const NumberKey key = key_of(number);
  Result<std::optional<Octets>> octets = std::optional<Octets>{};
  if (impl_->tables.return_mail) octets = txn->get(*impl_->tables.return_mail, key);
  if (!octets) return std::unexpected(octets.error());
  if (!*octets) {
    return fail(Errc::not_found,
                fmt::format("no return mail is kept under the number {}: postern return-mail list "
                            "shows what is",
                            number));
  }
  KeptMail mail;
  if (!decode(key, **octets, mail, true)) return std::unexpected(damaged(*txn));
  return mail;
}

}  // namespace postern::store
