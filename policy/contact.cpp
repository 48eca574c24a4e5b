#include "policy/contact.h"

#include <algorithm>
#include <span>
#include <stdexcept>

#include <openssl/evp.h>

namespace postern::policy {

namespace {

constexpr std::array<std::pair<HoldKind, std::string_view>, 4> hold_kinds = {{
    {HoldKind::unsubscribed, "unsubscribed"},
    {HoldKind::complained, "complained"},
    {HoldKind::bounced, "bounced"},
    {HoldKind::blocked, "blocked"},
}};

// Fields for a digest: each octet string behind its length, so that no two lists of fields read
// alike.
class Fields {
 public:
  void add(std::string_view octets) {
    add(std::uint64_t{octets.size()});
    octets_ += octets;
  }
  void add(std::uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8) {
      octets_ += static_cast<char>(static_cast<unsigned char>(number >> shift));
    }
  }
  [[nodiscard]] const std::string& octets() const { return octets_; }

 private:
  std::string octets_;
};

std::array<std::uint8_t, 32> sha256(std::string_view octets) {
  // Fetched once: SHA256() of OpenSSL 3.0 looks for it at each call.
  static const EVP_MD* const method = ::EVP_MD_fetch(nullptr, "SHA256", nullptr);
  std::array<std::uint8_t, 32> digest{};
  if (method == nullptr ||
      ::EVP_Digest(octets.data(), octets.size(), digest.data(), nullptr, method, nullptr) != 1) {
    throw std::runtime_error("OpenSSL has no SHA-256");
  }
  return digest;
}

HoldId hold_id(const Fields& fields) {
  const auto digest = sha256(fields.octets());
  HoldId id;
  std::copy_n(digest.begin(), id.octets.size(), id.octets.begin());
  return id;
}

template <class T>
void insert_unique(std::vector<T>& sorted, const T& value) {
  const auto place = std::ranges::lower_bound(sorted, value);
  if (place == sorted.end() || *place != value) sorted.insert(place, value);
}

// No end is the latest end.
std::optional<Time> later(std::optional<Time> a, std::optional<Time> b) {
  if (!a || !b) return std::nullopt;
  return std::max(*a, *b);
}

// What covers both: a named stream may be a transactional one, so that "marketing" covers no name.
Scope wider(const Scope& a, const Scope& b) { return a == b ? a : Scope{}; }

// The join of two accounts of one hold: field by field the stricter, so that neither order nor
// repetition matters. Kind and scope are part of an imported hold's identity; they are joined too,
// since a foreign gate may not have kept to it.
void join(Hold& hold, const Hold& other) {
  hold.kind = std::max(hold.kind, other.kind);
  hold.scope = wider(hold.scope, other.scope);
  hold.date = std::min(hold.date, other.date);
  hold.until = later(hold.until, other.until);
  hold.event = std::min(hold.event, other.event);
}

void fold(Contact& contact, const Event& event, const HoldPlaced& placed) {
  const Hold hold{.id = placed.imported ? *placed.imported : hold_id(event.id),
                  .kind = placed.kind,
                  .scope = placed.scope,
                  .date = event.happened,
                  .until = placed.until,
                  .event = event.id};
  const auto place = std::ranges::lower_bound(contact.holds, hold.id, {}, &Hold::id);
  if (place != contact.holds.end() && place->id == hold.id) {
    join(*place, hold);
  } else {
    contact.holds.insert(place, hold);
  }
}

void fold(Contact& contact, const Event& /*event*/, const HoldsLifted& lifted) {
  for (const auto& id : lifted.holds) {
    insert_unique(contact.lifts, Lift{.hold = id, .scope = lifted.scope, .undo = lifted.undo});
  }
}

void fold(Contact& contact, const Event& event, const ConsentGiven& given) {
  insert_unique(contact.consents,
                Consent{.scope = given.scope, .date = event.happened, .event = event.id});
}

void fold(Contact& /*contact*/, const Event& /*event*/, const Forgotten& /*forgotten*/) {}

void fold(Contact& /*contact*/, const Event& /*event*/, const Reported& /*reported*/) {}

}  // namespace

std::string_view to_string(HoldKind kind) {
  for (const auto& [value, name] : hold_kinds) {
    if (value == kind) return name;
  }
  return "unknown";
}

std::optional<HoldKind> parse_hold_kind(std::string_view text) {
  for (const auto& [value, name] : hold_kinds) {
    if (name == text) return value;
  }
  return std::nullopt;
}

HoldId hold_id(const EventId& event) {
  Fields fields;
  fields.add(event.origin);
  fields.add(event.sequence);
  HoldId id;
  std::ranges::copy(fields.octets(), id.octets.begin());
  return id;
}

HoldId again(const HoldId& id, std::uint32_t times) {
  if (times == 0) return id;
  Fields fields;
  fields.add("postern hold again 1");
  fields.add(std::string_view(reinterpret_cast<const char*>(id.octets.data()), id.octets.size()));
  fields.add(std::uint64_t{times});
  return hold_id(fields);
}

HoldId imported_hold_id(HoldKind kind, const Scope& scope, std::string_view source,
                        std::optional<Time> date) {
  Fields fields;
  fields.add("postern imported hold 1");
  fields.add(std::uint64_t{static_cast<std::uint8_t>(kind)});
  fields.add(std::uint64_t{static_cast<std::uint8_t>(scope.kind)});
  fields.add(scope.stream);
  fields.add(source);
  fields.add(std::uint64_t{date.has_value()});
  if (date) fields.add(static_cast<std::uint64_t>(date->time_since_epoch().count()));
  return hold_id(fields);
}

void apply(Contact& contact, const Event& event) {
  std::visit([&](const auto& facts) { fold(contact, event, facts); }, event.facts);
}

}  // namespace postern::policy
