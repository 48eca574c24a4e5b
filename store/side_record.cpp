#include "store/side_record.h"

#include "policy/traffic.h"
#include "store/campaigns.h"
#include "store/event_record.h"
#include "store/utf8.h"

namespace postern::store {
namespace {

constexpr std::uint8_t with_fields = 0;
constexpr std::uint8_t version = 1;

}  // namespace

SideRecord kept(std::string_view note, const MailDetails& mail) {
  if (mail.empty()) return {.note = kept_text(note, max_note), .mail = {}};
  return {.note = kept_text(note, max_note),
          .mail = {.campaign = kept_campaign(mail.campaign),
                   .remote_mta = kept_text(mail.remote_mta, max_host),
                   .reporting_mta = kept_text(mail.reporting_mta, max_host),
                   .message_id = kept_text(mail.message_id, max_message_id)}};
}

void encode(const SideRecord& record, OctetWriter& out) {
  if (record.mail.empty()) return out.raw(octets_of(record.note));
  out.u8(with_fields);
  out.u8(version);
  out.text(record.note);
  out.text(record.mail.campaign);
  out.text(record.mail.remote_mta);
  out.text(record.mail.reporting_mta);
  out.text(record.mail.message_id);
}

bool decode(Octets octets, SideRecord& record) {
  record = {};
  if (octets.empty() || octets.front() != with_fields) {
    record.note = text_of(octets);
    return true;
  }
  OctetReader in(octets.subspan(1));
  if (in.u8() != version) return false;
  record.note = in.text(max_note);
  record.mail.campaign = in.text(policy::max_campaign);
  record.mail.remote_mta = in.text(max_host);
  record.mail.reporting_mta = in.text(max_host);
  record.mail.message_id = in.text(max_message_id);
  return in.finished();
}

}  // namespace postern::store
