#include "store/row_changes.h"

#include "policy/stream.h"
#include "store/contact_record.h"
#include "store/event_record.h"
#include "store/utf8.h"

#include <chrono>
#include <cstdint>
#include <tuple>

namespace postern::store {
namespace {

using policy::Scope;
using rows::Statement;
using rows::Status;

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
void find_scopes(const std::string& name, Status status, const policy::Streams* streams,
                 std::vector<Scope>& scopes) {
  scopes.clear();
  if (status != Status::unsubscribed && status != Status::subscribed) {
    scopes.emplace_back();
    return;
  }
  const policy::Stream* stream =
      streams != nullptr && !name.empty() ? streams->find(name) : nullptr;
  scopes.push_back(stream == nullptr ? scope_of(name) : named(stream->name));
  if (stream == nullptr) return;
  for (const std::string& former : stream->formerly) scopes.push_back(named(former));
}

Scope except_scope(const std::string& word) {
  return word == rows::every_marketing ? Scope{Scope::Kind::marketing, {}} : named(word);
}

constexpr std::size_t max_text = 4096;

enum class Tag : std::uint8_t { hold = 1, consent = 2 };

// What a change has besides: most have little.
enum Has : std::uint8_t {
  has_date = 1,
  has_until = 2,
  has_source = 4,  // another than the import's
  has_note = 8,
  has_except = 16,
  has_evidence = 32,
  has_mail = 64,
};

void encode_scope(const Scope& scope, OctetWriter& out) {
  out.u8(static_cast<std::uint8_t>(scope.kind));
  if (scope.kind == Scope::Kind::stream) out.brief(scope.stream);
}

void read_scope(OctetReader& in, Scope& scope) {
  scope.kind = static_cast<Scope::Kind>(in.u8());
  scope.stream = scope.kind == Scope::Kind::stream ? in.brief() : std::string_view();
}

// Of things that take an octet at least.
std::size_t read_count(OctetReader& in) {
  const std::uint64_t count = in.small();
  if (count > in.left()) in.fail();
  return in.failed() ? 0 : static_cast<std::size_t>(count);
}

std::optional<Time> read_time(OctetReader& in, bool there) {
  return there ? std::optional(decode_time(in)) : std::nullopt;
}

// The text as it is kept, which most often is the text itself; `cut` has it where it is not.
std::string_view kept_view(std::string_view text, std::size_t limit, std::string& cut) {
  if (is_kept_whole(text, limit)) return text;
  cut = kept_text(text, limit);
  return cut;
}

bool has_mail_of(const Statement& said) {
  return !said.campaign.empty() || !said.remote_mta.empty() || !said.reporting_mta.empty() ||
         !said.message_id.empty();
}

// What the change was made from is no longer needed.
template <class Kind>
Kind& reused(Change& change) {
  if (auto* same = std::get_if<Kind>(&change)) return *same;
  return change.emplace<Kind>();
}

}  // namespace

const policy::HoldId& HoldNames::of(policy::HoldKind kind, const Scope& scope,
                                    std::string_view source, std::optional<Time> date) {
  const auto seconds =
      static_cast<std::uint64_t>(date ? date->time_since_epoch() / std::chrono::seconds{1} : 0);
  constexpr std::uint64_t odd = 0x9E37'79B9'7F4A'7C15;
  static_assert(std::tuple_size_v<decltype(known_)> == 1024);
  Known& known = known_[(seconds * odd) >> 54U];
  if (known.id && known.kind == kind && known.date == date && known.scope == scope &&
      known.source == source) {
    return *known.id;
  }
  known = {kind, scope, std::string(source), date,
           policy::imported_hold_id(kind, scope, source, date)};
  return *known.id;
}

Result<void> RowChanges::encode(const rows::Row& row, OctetWriter& out) {
  out.brief(row.address.text);
  for (const Statement& statement : row.statements) {
    const auto own = statement.status ? statement.status : file_.status;
    const Statuses statuses = statuses_of(own, options_.status);
    for (const auto status : {std::optional(statuses.first), statuses.second}) {
      if (!status) continue;
      if (auto done = encode(row, statement, *status, out); !done) return done;
    }
  }
  return {};
}

std::string_view RowChanges::source_of(const Statement& statement) {
  if (statement.source.empty() || !options_.source.empty()) return source_;
  return kept_view(statement.source, max_source, kept_);
}

Result<void> RowChanges::encode(const rows::Row& row, const Statement& statement, Status status,
                                OctetWriter& out) {
  if (row.address.is_domain() && status != Status::blocked && status != Status::unsubscribed) {
    return fail(Errc::invalid, "a whole domain can be blocked or unsubscribed, nothing else");
  }
  find_scopes(statement.stream.empty() ? options_.stream : statement.stream, status,
              options_.streams, scopes_);
  if (status != Status::subscribed) {
    encode_hold(statement, status, out);
    return {};
  }
  if (row.address.is_digest()) {
    return fail(Errc::invalid, "a digest cannot consent: whose address it is is not known");
  }
  if (options_.source.empty() && statement.source.empty()) {
    return fail(Errc::invalid,
                "a subscribed row without a source: where does the consent come from?");
  }
  const std::string_view source = source_of(statement);
  out.u8(static_cast<std::uint8_t>(Tag::consent));
  out.u8(static_cast<std::uint8_t>((statement.date ? has_date : 0) |
                                   (source != source_ ? has_source : 0) |
                                   (statement.note.empty() ? 0 : has_note)));
  encode_scope(scopes_.front(), out);
  encode_origin(statement, source, out);
  return {};
}

// What the row itself says does not go for what the caller adds to it.
void RowChanges::encode_hold(const Statement& statement, Status status, OctetWriter& out) {
  const bool own = statement.status.value_or(status) == status;
  const bool until = own && statement.until;
  const bool except = own && !statement.except.empty();
  const bool evidence = own && statement.evidence;
  const bool mail = own && has_mail_of(statement);
  const std::string_view source = source_of(statement);
  out.u8(static_cast<std::uint8_t>(Tag::hold));
  out.u8(static_cast<std::uint8_t>(
      (statement.date ? has_date : 0) | (until ? has_until : 0) |
      (source != source_ ? has_source : 0) | (statement.note.empty() ? 0 : has_note) |
      (except ? has_except : 0) | (evidence ? has_evidence : 0) | (mail ? has_mail : 0)));
  const policy::HoldKind kind = kind_of(status);
  out.u8(static_cast<std::uint8_t>(kind));
  encode_names(statement, own, kind, source, out);
  if (until) store::encode(*statement.until, out);
  encode_origin(statement, source, out);
  if (except) {
    out.small(statement.except.size());
    for (const std::string& word : statement.except) encode_scope(except_scope(word), out);
  }
  if (evidence) store::encode(*statement.evidence, out);
  if (!mail) return;
  // Each is cut to its own limit where it is written.
  for (const auto* text : {&statement.campaign, &statement.remote_mta, &statement.reporting_mta,
                           &statement.message_id}) {
    out.brief(kept_view(*text, max_text, kept_));
  }
}

// The scope, and what the hold is known by.
void RowChanges::encode_names(const Statement& statement, bool own, policy::HoldKind kind,
                              std::string_view source, OctetWriter& out) {
  encode_scope(scopes_.front(), out);
  if (own && statement.hold) {
    out.small(1);
    out.raw(statement.hold->octets);
    return;
  }
  out.small(scopes_.size());
  for (const Scope& scope : scopes_) {
    out.raw(names_.of(kind, scope, source, statement.date).octets);
  }
}

// When, whence and why.
void RowChanges::encode_origin(const Statement& statement, std::string_view source,
                               OctetWriter& out) {
  if (statement.date) store::encode(*statement.date, out);
  if (source != source_) out.brief(source);
  if (!statement.note.empty()) out.brief(kept_view(statement.note, max_note, kept_));
}

bool RowChanges::decode(Octets octets, std::vector<Change>& changes) const {
  OctetReader in(octets);
  const std::string_view address = in.brief();
  std::size_t count = 0;
  for (; !in.failed() && !in.finished(); ++count) {
    if (count == changes.size()) changes.emplace_back();
    if (static_cast<Tag>(in.u8()) == Tag::hold) {
      read_hold(in, address, changes[count]);
    } else {
      read_consent(in, address, changes[count]);
    }
  }
  changes.resize(count);
  return in.finished() && count != 0;
}

void RowChanges::read_origin(OctetReader& in, unsigned has, std::optional<Time>& date,
                             Origin& origin) const {
  date = read_time(in, (has & has_date) != 0);
  origin.source = (has & has_source) != 0 ? in.brief() : std::string_view(source_);
  origin.note = (has & has_note) != 0 ? in.brief() : std::string_view();
}

void RowChanges::read_hold(OctetReader& in, std::string_view address, Change& into) const {
  auto& hold = reused<PlaceHold>(into);
  const unsigned has = in.u8();
  hold.address.text = address;
  hold.kind = static_cast<policy::HoldKind>(in.u8());
  read_scope(in, hold.scope);
  hold.known_as.resize(read_count(in));
  for (policy::HoldId& id : hold.known_as) in.raw(id.octets);
  hold.until = read_time(in, (has & has_until) != 0);
  read_origin(in, has, hold.date, hold.origin);
  hold.except.resize((has & has_except) != 0 ? read_count(in) : 0);
  for (Scope& scope : hold.except) read_scope(in, scope);
  hold.evidence.reset();
  if ((has & has_evidence) != 0) store::decode(in, hold.evidence.emplace());
  MailDetails& mail = hold.mail;
  for (auto* text : {&mail.campaign, &mail.remote_mta, &mail.reporting_mta, &mail.message_id}) {
    *text = (has & has_mail) != 0 ? in.brief() : std::string_view();
  }
}

void RowChanges::read_consent(OctetReader& in, std::string_view address, Change& into) const {
  auto& consent = reused<GiveConsent>(into);
  const unsigned has = in.u8();
  consent.address.text = address;
  read_scope(in, consent.scope);
  read_origin(in, has, consent.date, consent.origin);
}

}  // namespace postern::store
