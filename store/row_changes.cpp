#include "store/row_changes.h"

#include "store/contact_record.h"
#include "store/event_record.h"
#include "store/utf8.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace postern::store {
namespace {

using policy::Scope;
using rows::Statement;
using rows::Status;

constexpr std::size_t max_text = 4096;

bool restricts(Status status) { return status != Status::subscribed; }

struct Statuses {
  Status first;
  std::optional<Status> second;
};

// A row's own word counts against the caller's only towards more restriction: where both restrict,
// and differ, both hold.
Statuses statuses_of(std::optional<Status> own, std::optional<Status> callers) {
  if (!own) return {callers.value_or(Status::unsubscribed), std::nullopt};
  if (!callers || *callers == *own) return {*own, std::nullopt};
  if (!restricts(*own)) return {*callers, std::nullopt};
  if (!restricts(*callers)) return {*own, std::nullopt};
  return {*own, callers};
}

policy::HoldKind kind_of(Status status) {
  switch (status) {
    case Status::bounced:
      return policy::HoldKind::bounced;
    case Status::complained:
      return policy::HoldKind::complained;
    case Status::blocked:
      return policy::HoldKind::blocked;
    case Status::unsubscribed:
    case Status::subscribed:
      break;
  }
  return policy::HoldKind::unsubscribed;
}

Scope named(const std::string& stream) { return {Scope::Kind::stream, stream}; }

Scope scope_of(const std::string& name) {
  if (name.empty()) return {Scope::Kind::marketing, {}};
  if (name == "all") return {Scope::Kind::all, {}};
  return named(name);
}

// The scope, then those that it had under former names of its stream. INTERFACE.md, "What a sender
// sees": only an unsubscription or a consent is about a stream.
std::vector<Scope> scopes_of(const std::string& name, Status status,
                             const policy::Streams* streams) {
  if (status != Status::unsubscribed && status != Status::subscribed) return {Scope{}};
  const policy::Stream* stream =
      streams != nullptr && !name.empty() ? streams->find(name) : nullptr;
  if (stream == nullptr) return {scope_of(name)};
  std::vector<Scope> scopes{named(stream->name)};
  for (const std::string& former : stream->formerly) scopes.push_back(named(former));
  return scopes;
}

Scope except_scope(const std::string& word) {
  return word == rows::every_marketing ? Scope{Scope::Kind::marketing, {}} : named(word);
}

Result<Change> change_of(const rows::Row& row, const Statement& statement, Status status,
                         const ImportOptions& options, const std::string& source) {
  Origin origin{.source = kept_text(
                    statement.source.empty() || !options.source.empty() ? source : statement.source,
                    max_source),
                .note = kept_text(statement.note, max_note),
                .by = {}};  // the import's
  if (row.address.is_domain() && status != Status::blocked && status != Status::unsubscribed) {
    return fail(Errc::invalid, "a whole domain can be blocked or unsubscribed, nothing else");
  }
  const std::vector<Scope> scopes = scopes_of(
      statement.stream.empty() ? options.stream : statement.stream, status, options.streams);
  if (status == Status::subscribed) {
    if (row.address.is_digest()) {
      return fail(Errc::invalid, "a digest cannot consent: whose address it is is not known");
    }
    if (options.source.empty() && statement.source.empty()) {
      return fail(Errc::invalid,
                  "a subscribed row without a source: where does the consent come from?");
    }
    return GiveConsent{row.address, scopes.front(), statement.date, std::move(origin)};
  }
  // What the row itself says does not go for what the caller adds to it.
  const bool own = statement.status.value_or(status) == status;
  PlaceHold hold{.address = row.address,
                 .kind = kind_of(status),
                 .scope = scopes.front(),
                 .date = statement.date,
                 .until = own ? statement.until : std::nullopt,
                 .known_as = {},
                 .except = {},
                 .origin = std::move(origin)};
  if (own) {
    hold.evidence = statement.evidence;
    hold.mail = {.campaign = statement.campaign,
                 .remote_mta = statement.remote_mta,
                 .reporting_mta = statement.reporting_mta,
                 .message_id = statement.message_id};
  }
  if (own && statement.hold) hold.known_as.push_back(*statement.hold);
  if (own) std::ranges::transform(statement.except, std::back_inserter(hold.except), except_scope);
  if (hold.known_as.empty()) {
    for (const Scope& scope : scopes) {
      hold.known_as.push_back(
          policy::imported_hold_id(hold.kind, scope, hold.origin.source, hold.date));
    }
  }
  return hold;
}

enum class Tag : std::uint8_t { hold = 1, consent = 2 };

void encode(const Origin& origin, OctetWriter& out) {
  out.text(origin.source);
  out.text(origin.note);
}

void decode(OctetReader& in, Origin& origin) {
  origin.source = in.text(max_text);
  origin.note = in.text(max_text);
}

void encode(const MailDetails& mail, OctetWriter& out) {
  for (const auto* text :
       {&mail.campaign, &mail.remote_mta, &mail.reporting_mta, &mail.message_id}) {
    out.text(kept_text(*text, max_text));
  }
}

void decode(OctetReader& in, MailDetails& mail) {
  for (auto* text : {&mail.campaign, &mail.remote_mta, &mail.reporting_mta, &mail.message_id}) {
    *text = in.text(max_text);
  }
}

void encode(const PlaceHold& hold, OctetWriter& out) {
  out.u8(static_cast<std::uint8_t>(Tag::hold));
  out.u8(static_cast<std::uint8_t>(hold.kind));
  encode(hold.scope, out);
  encode(hold.date, out);
  encode(hold.until, out);
  out.u32(static_cast<std::uint32_t>(hold.known_as.size()));
  for (const policy::HoldId& id : hold.known_as) out.raw(id.octets);
  out.u32(static_cast<std::uint32_t>(hold.except.size()));
  for (const Scope& scope : hold.except) encode(scope, out);
  encode(hold.origin, out);
  out.u8(hold.evidence ? 1 : 0);
  if (hold.evidence) encode(*hold.evidence, out);
  encode(hold.mail, out);
}

PlaceHold decode_hold(OctetReader& in) {
  PlaceHold hold;
  decode(in, hold.kind);
  decode(in, hold.scope);
  decode(in, hold.date);
  decode(in, hold.until);
  hold.known_as.resize(in.count(sizeof(policy::HoldId::octets)));
  for (policy::HoldId& id : hold.known_as) in.raw(id.octets);
  hold.except.resize(in.count(5));
  for (Scope& scope : hold.except) decode(in, scope);
  decode(in, hold.origin);
  if (in.flag()) decode(in, hold.evidence.emplace());
  decode(in, hold.mail);
  return hold;
}

void encode(const GiveConsent& consent, OctetWriter& out) {
  out.u8(static_cast<std::uint8_t>(Tag::consent));
  encode(consent.scope, out);
  encode(consent.date, out);
  encode(consent.origin, out);
}

GiveConsent decode_consent(OctetReader& in) {
  GiveConsent consent;
  decode(in, consent.scope);
  decode(in, consent.date);
  decode(in, consent.origin);
  return consent;
}

}  // namespace

Result<std::vector<Change>> changes_of(const rows::Row& row, const rows::Recognised& file,
                                       const ImportOptions& options, const std::string& source) {
  std::vector<Change> changes;
  for (const Statement& statement : row.statements) {
    const auto own = statement.status ? statement.status : file.status;
    const Statuses statuses = statuses_of(own, options.status);
    for (const auto status : {std::optional(statuses.first), statuses.second}) {
      if (!status) continue;
      auto change = change_of(row, statement, *status, options, source);
      if (!change) return std::unexpected(std::move(change).error());
      changes.push_back(*std::move(change));
    }
  }
  return changes;
}

void encode(const policy::CanonicalAddress& address, const std::vector<Change>& changes,
            OctetWriter& out) {
  out.text(address.text);
  out.u32(static_cast<std::uint32_t>(changes.size()));
  for (const Change& change : changes) {
    if (const auto* hold = std::get_if<PlaceHold>(&change)) encode(*hold, out);
    if (const auto* consent = std::get_if<GiveConsent>(&change)) encode(*consent, out);
  }
}

bool decode(Octets octets, std::vector<Change>& changes) {
  OctetReader in(octets);
  const policy::CanonicalAddress address{std::string(in.text(max_text))};
  changes.clear();
  changes.reserve(in.count(1));
  for (std::size_t left = changes.capacity(); left > 0 && !in.failed() && !in.finished(); --left) {
    if (static_cast<Tag>(in.u8()) == Tag::hold) {
      PlaceHold hold = decode_hold(in);
      hold.address = address;
      changes.emplace_back(std::move(hold));
    } else {
      GiveConsent consent = decode_consent(in);
      consent.address = address;
      changes.emplace_back(std::move(consent));
    }
  }
  return in.finished();
}

}  // namespace postern::store
