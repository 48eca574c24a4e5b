#include "store/event_record.h"

#include "store/contact_record.h"

namespace postern::store {
namespace {

constexpr std::uint8_t version = 2;

enum class Tag : std::uint8_t {
  hold_placed = 1,
  holds_lifted = 2,
  consent_given = 3,
  forgotten = 4,
  // Since format 3 of the store; what is in none of them is written as it always was.
  hold_placed_by_mail = 5,
  reported = 6,
  reactivated = 7,
};

struct FactsWriter {
  OctetWriter& out;

  void tag(Tag tag) const { out.u8(static_cast<std::uint8_t>(tag)); }

  void operator()(const policy::HoldPlaced& placed) const {
    tag(placed.evidence ? Tag::hold_placed_by_mail : Tag::hold_placed);
    out.u8(static_cast<std::uint8_t>(placed.kind));
    encode(placed.scope, out);
    encode(placed.until, out);
    out.u8(placed.imported ? 1 : 0);
    if (placed.imported) out.raw(placed.imported->octets);
    if (placed.evidence) encode(*placed.evidence, out);
  }
  void operator()(const policy::HoldsLifted& lifted) const {
    tag(lifted.reactivation ? Tag::reactivated : Tag::holds_lifted);
    encode(lifted.scope, out);
    if (!lifted.reactivation) out.u8(lifted.undo ? 1 : 0);
    out.u32(static_cast<std::uint32_t>(lifted.holds.size()));
    for (const policy::HoldId& id : lifted.holds) out.raw(id.octets);
  }
  void operator()(const policy::ConsentGiven& given) const {
    tag(Tag::consent_given);
    encode(given.scope, out);
  }
  void operator()(const policy::Forgotten& /*forgotten*/) const { tag(Tag::forgotten); }
  void operator()(const policy::Reported& reported) const {
    tag(Tag::reported);
    out.u8(static_cast<std::uint8_t>(reported.weight));
    encode(reported.evidence, out);
  }
};

policy::HoldPlaced decode_placed(OctetReader& in) {
  policy::HoldPlaced placed;
  decode(in, placed.kind);
  decode(in, placed.scope);
  decode(in, placed.until);
  if (in.flag()) in.raw(placed.imported.emplace().octets);
  return placed;
}

policy::HoldPlaced decode_placed_by_mail(OctetReader& in) {
  policy::HoldPlaced placed = decode_placed(in);
  decode(in, placed.evidence.emplace());
  return placed;
}

policy::HoldsLifted decode_lifted(OctetReader& in, bool reactivation) {
  policy::HoldsLifted lifted;
  decode(in, lifted.scope);
  lifted.reactivation = reactivation;
  if (!reactivation) lifted.undo = in.flag();
  lifted.holds.resize(in.count(sizeof(policy::HoldId::octets)));
  for (policy::HoldId& id : lifted.holds) in.raw(id.octets);
  return lifted;
}

policy::Reported decode_reported(OctetReader& in) {
  policy::Reported reported;
  const std::uint8_t weight = in.u8();
  if (weight > static_cast<std::uint8_t>(policy::Reported::Weight::sign_of_life)) in.fail();
  reported.weight = static_cast<policy::Reported::Weight>(weight);
  decode(in, reported.evidence);
  return reported;
}

policy::ConsentGiven decode_given(OctetReader& in) {
  policy::ConsentGiven given;
  decode(in, given.scope);
  return given;
}

}  // namespace

void encode(const policy::ReturnEvidence& evidence, OctetWriter& out) {
  out.u8(static_cast<std::uint8_t>(evidence.type));
  out.u8(static_cast<std::uint8_t>(evidence.reason));
  out.text(evidence.status);
}

void decode(OctetReader& in, policy::ReturnEvidence& evidence) {
  const std::uint8_t type = in.u8();
  const std::uint8_t reason = in.u8();
  if (type >= policy::return_types || reason >= policy::bounce_reasons) return in.fail();
  evidence.type = static_cast<policy::ReturnType>(type);
  evidence.reason = static_cast<policy::BounceReason>(reason);
  evidence.status = in.text(policy::max_status);
}

void encode(const EventRecord& record, OctetWriter& out) {
  out.u8(version);
  out.raw(record.contact);
  encode(record.happened, out);
  encode(record.recorded, out);
  out.text(record.source);
  out.text(record.by);
  out.u64(record.import);
  std::visit(FactsWriter{out}, record.facts);
}

bool decode(Octets octets, EventRecord& record) {
  OctetReader in(octets);
  if (in.u8() != version) return false;
  in.raw(record.contact);
  record.happened = decode_time(in);
  record.recorded = decode_time(in);
  record.source = in.text(max_source);
  record.by = in.text(max_by);
  record.import = in.u64();
  switch (static_cast<Tag>(in.u8())) {
    case Tag::hold_placed:
      record.facts = decode_placed(in);
      break;
    case Tag::holds_lifted:
      record.facts = decode_lifted(in, false);
      break;
    case Tag::consent_given:
      record.facts = decode_given(in);
      break;
    case Tag::forgotten:
      record.facts = policy::Forgotten{};
      break;
    case Tag::hold_placed_by_mail:
      record.facts = decode_placed_by_mail(in);
      break;
    case Tag::reported:
      record.facts = decode_reported(in);
      break;
    case Tag::reactivated:
      record.facts = decode_lifted(in, true);
      break;
    default:
      in.fail();
  }
  return in.finished();
}

}  // namespace postern::store
