#include "store/rows/formats.h"

#include "store/rows/names.h"

#include <utility>

namespace postern::rows {
namespace {

constexpr auto unsubscribed = Status::unsubscribed;
constexpr auto bounced = Status::bounced;
constexpr auto complained = Status::complained;
constexpr auto blocked = Status::blocked;
constexpr auto subscribed = Status::subscribed;

// What `export` writes. A hand-written table of these columns alone is read alike; among somebody
// else's columns "source" would be where the contact came from.
std::vector<Format> own() {
  const std::vector<Column> columns{{"address", Use::address},
                                    {"email", Use::address},
                                    {"status", Use::status},
                                    {"stream", Use::stream},
                                    {"date", Use::date},
                                    {"until", Use::until},
                                    {"source", Use::source},
                                    {"reason", Use::reason},
                                    {"hold", Use::hold},
                                    {"except", Use::except},
                                    {"evidence", Use::evidence},
                                    {"code", Use::bounce_code},
                                    {"diagnostic", Use::diagnostic},
                                    {"campaign", Use::campaign},
                                    {"remote_mta", Use::remote_mta},
                                    {"reporting_mta", Use::reporting_mta},
                                    {"message_id", Use::message_id}};
  return {
      {.name = "postern",
       .source = no_source,
       .needs = {"address", "status", "date"},
       .closed = true,
       .columns = columns},
      {.name = "csv",
       .source = no_source,
       .needs_one = {"source", "hold", "except", "evidence"},
       .closed = true,
       .columns = columns},
  };
}

// Mailchimp exports an audience as a file of each status; all have the columns of the members.
std::vector<Column> with_member_columns(std::vector<Column> columns) {
  for (const std::string_view known :
       {"MEMBER_RATING", "OPTIN_TIME", "OPTIN_IP", "CONFIRM_TIME", "CONFIRM_IP", "LATITUDE",
        "LONGITUDE", "GMTOFF", "DSTOFF", "TIMEZONE", "CC", "REGION", "LAST_CHANGED", "LEID", "EUID",
        "NOTES", "TAGS", "UNSUB_CAMPAIGN_ID", "CLEAN_CAMPAIGN_ID"}) {
    columns.push_back({std::string(known)});
  }
  return columns;
}

std::vector<Format> mailchimp() {
  return {
      {.name = "mailchimp-unsubscribed",
       .source = "mailchimp",
       .needs = {"UNSUB_TIME"},
       .columns = with_member_columns({{"UNSUB_TIME", Use::date},
                                       {"UNSUB_REASON", Use::reason},
                                       {"UNSUB_REASON_OTHER", Use::reason},
                                       {"UNSUB_CAMPAIGN_TITLE", Use::reason, {}, "campaign"}}),
       .status = unsubscribed},
      {.name = "mailchimp-cleaned",
       .source = "mailchimp",
       .needs = {"CLEAN_TIME"},
       .columns = with_member_columns(
           {{"CLEAN_TIME", Use::date}, {"CLEAN_CAMPAIGN_TITLE", Use::reason, {}, "campaign"}}),
       .status = bounced},
      // Without either time nobody consented: the file of those who are not subscribed looks alike.
      {.name = "mailchimp-members",
       .source = "mailchimp",
       .needs = {"OPTIN_TIME", "CONFIRM_TIME"},
       .columns = with_member_columns({{"CONFIRM_TIME", Use::flag, subscribed},
                                       {"OPTIN_TIME", Use::flag, subscribed},
                                       {"CONFIRM_IP", Use::reason, {}, "confirmed from"},
                                       {"OPTIN_IP", Use::reason, {}, "signed up from"}}),
       .status = subscribed},
  };
}

std::vector<Format> marketing() {
  return {
      // knowledge.hubspot.com: TRUE, or the reason of a bounce; every other column is a
      // subscription type, and TRUE an opt-out of it.
      {.name = "hubspot-unsubscribes",
       .source = "hubspot",
       .needs_one = {"Portal Unsubscribe", "Portal Bounce", "Portal Spam Report"},
       .columns = {{"Portal Bounce", Use::flag, bounced},
                   {"Global Bounce", Use::flag, bounced},
                   {"Portal Spam Report", Use::flag, complained},
                   {"Portal Unsubscribe", Use::flag, unsubscribed},
                   {"Global Unsubscribe", Use::flag, unsubscribed},
                   {"Contact ID"},
                   {"Record ID"},
                   {"First Name"},
                   {"Last Name"}},
       .others = Use::list_flag,
       .status = unsubscribed},
      {.name = "constant-contact",
       .source = "constant-contact",
       .needs = {"email_address"},
       .needs_one = {"email_optout_date", "email_optin_date"},
       .columns = {{"email_optout_date", Use::flag, unsubscribed},
                   {"email_optin_date", Use::flag, subscribed},
                   {"email_optout_reason", Use::reason},
                   {"email_optout_source", Use::reason, {}, "by"},
                   {"email_optin_source"},
                   {"email_lists"}}},
      {.name = "constant-contact-leads",
       .source = "constant-contact",
       .needs = {"Email Address", "Is Unsubscribed"},
       .columns = {{"Is Unsubscribed", Use::flag, unsubscribed}}},
      {.name = "brevo-contacts",
       .source = "brevo",
       .needs = {"email", "emailBlacklisted"},
       .columns = {{"emailBlacklisted", Use::flag, unsubscribed}}},
      // help.mailup.com, "Export of email unsubscribers".
      {.name = "mailup",
       .source = "mailup",
       .needs = {"OptOut_Date"},
       .needs_one = {"idList", "optout_type", "optout_subtype", "optout_nl"},
       .columns = {{"OptOut_Date", Use::date},
                   {"optout_type", Use::status, {}, "type"},
                   {"optout_nl", Use::reason, {}, "newsletter"},
                   {"optout_subtype"},
                   {"idList"}},
       .values = {{"0", unsubscribed},
                  {"01", unsubscribed},
                  {"2", unsubscribed},
                  {"4", unsubscribed},
                  {"8", bounced},
                  {"16", complained}},
       .otherwise = unsubscribed,
       .status = unsubscribed},
      // servicewiki.promio-connect.com: removals of a target group, and the blacklist.
      {.name = "promio-removals",
       .source = "promio",
       .needs = {"ts", "mail", "sourceType"},
       .columns = {{"mail", Use::address},
                   {"ts", Use::date},
                   {"sourceType", Use::status, {}, "sourceType"},
                   {"custID"},
                   {"id"}},
       .values = {{"9", bounced}, {"11", complained}, {"17", unsubscribed}},
       .otherwise = unsubscribed,
       .status = unsubscribed},
      {.name = "promio-blacklist",
       .source = "promio",
       .needs = {"ts", "mail", "custID", "status"},
       .columns = {{"mail", Use::address},
                   {"ts", Use::date},
                   {"status", Use::status, {}, "status"},
                   {"sender_id"},
                   {"custID"}},
       .values = {{"0", unsubscribed}, {"1", unsubscribed}, {"3", bounced}},
       .otherwise = unsubscribed,
       .status = unsubscribed},
      {.name = "cordial",
       .source = "cordial",
       .needs = {"channels.email.address", "channels.email.subscribeStatus"},
       .columns = {{"channels.email.address", Use::address},
                   {"channels.email.subscribeStatus", Use::status}}},
      // Blocklisted is "never again"; who is disabled is not written to either.
      {.name = "listmonk",
       .source = "listmonk",
       .needs = {"email", "attributes", "status"},
       .columns = {{"status", Use::status},
                   {"uuid"},
                   {"name"},
                   {"attributes"},
                   {"created_at"},
                   {"updated_at"}},
       .values = {{"blocklisted", blocked}, {"disabled", unsubscribed}}},
  };
}

// Suppression lists of services that deliver mail for applications.
std::vector<Format> sendgrid() {
  return {
      // 4.x.x and 5.7.x are no evidence about the mailbox (RFC 3463): such a row suppresses nobody.
      {.name = "sendgrid-bounces",
       .source = "sendgrid",
       .needs = {"email", "created", "reason", "status"},
       .first = First::code,
       .columns = {{"created", Use::date}, {"status", Use::code}, {"reason", Use::reason}},
       .status = bounced},
      {.name = "sendgrid-blocks",
       .source = "sendgrid",
       .needs = {"email", "created"},
       .only_by_name = true,
       .columns = {{"created", Use::date}, {"status"}, {"reason", Use::reason}},
       .suppresses = false},
      {.name = "sendgrid-spam-reports",
       .source = "sendgrid",
       .needs = {"email", "created", "ip"},
       .width = 3,
       .first = First::epoch,
       .columns = {{"created", Use::date}, {"ip"}},
       .status = complained},
      {.name = "sendgrid-invalid-emails",
       .source = "sendgrid",
       .needs = {"email", "created", "reason"},
       .width = 3,
       .first = First::epoch,
       .columns = {{"created", Use::date}, {"reason", Use::reason}},
       .status = bounced},
      {.name = "sendgrid-group-unsubscribes",
       .source = "sendgrid",
       .needs = {"email", "group_name", "group_id"},
       .columns = {{"group_name", Use::list}, {"created_at", Use::date}, {"group_id"}},
       .status = unsubscribed},
      {.name = "sendgrid-unsubscribes",
       .source = "sendgrid",
       .needs = {"email", "created"},
       .width = 2,
       .first = First::epoch,
       .columns = {{"created", Use::date}},
       .status = unsubscribed},
  };
}

std::vector<Format> mailgun() {
  return {
      {.name = "mailgun-unsubscribes",
       .source = "mailgun",
       .needs = {"address", "tags", "created_at"},
       .columns = {{"address", Use::address}, {"tags", Use::tags}, {"created_at", Use::date}},
       .status = unsubscribed},
      {.name = "mailgun-bounces",
       .source = "mailgun",
       .needs = {"address", "code", "error"},
       .columns = {{"address", Use::address},
                   {"created_at", Use::date},
                   {"error", Use::reason},
                   {"code", Use::reason, {}, "code"}},
       .status = bounced},
      // The header says nothing of complaints: of what it may be, this restricts most.
      {.name = "mailgun-complaints",
       .source = "mailgun",
       .needs = {"address", "created_at"},
       .width = 2,
       .columns = {{"address", Use::address}, {"created_at", Use::date}},
       .status = complained},
  };
}

std::vector<Format> delivery() {
  const std::vector<Value> ses{{"bounce", bounced}, {"complaint", complained}};
  return {
      {.name = "ses",
       .source = "ses",
       .needs = {"EmailAddress", "Reason"},
       .first = First::value,
       .columns = {{"EmailAddress", Use::address},
                   {"Reason", Use::status},
                   {"LastUpdateTime", Use::date}},
       .values = ses,
       .status = bounced},
      {.name = "ses",
       .source = "ses",
       .width = 2,
       .headerless = true,
       .first = First::value,
       .columns = {{"1", Use::address}, {"2", Use::status}},
       .values = ses,
       .status = bounced},
      {.name = "postmark",
       .source = "postmark",
       .needs = {"EmailAddress", "SuppressionReason"},
       .columns = {{"SuppressionReason", Use::status},
                   {"CreatedAt", Use::date},
                   {"Origin", Use::reason, {}, "origin"}},
       .values = {{"HardBounce", bounced},
                  {"SpamComplaint", complained},
                  {"ManualSuppression", unsubscribed}},
       .status = unsubscribed},
      // What is suppressed for transactional mail is so for every stream.
      {.name = "sparkpost",
       .source = "sparkpost",
       .needs = {"recipient", "type", "source"},
       .columns = {{"recipient", Use::address},
                   {"type", Use::list},
                   {"source", Use::status},
                   {"description", Use::reason},
                   {"created", Use::date},
                   {"updated"},
                   {"list_id"}},
       .values = {{"Spam Complaint", complained},
                  {"List Unsubscribe", unsubscribed},
                  {"Unsubscribe Link", unsubscribed},
                  {"Bounce Rule", bounced},
                  {"Manually Added", unsubscribed},
                  {"Compliance", blocked}},
       .streams = {{"transactional", "all"}, {"non_transactional", ""}},
       .otherwise = unsubscribed,
       .status = unsubscribed},
      // Rows for what was wrong with the sender or the message suppress nobody.
      {.name = "mandrill-rejects",
       .source = "mandrill",
       .needs = {"email", "reason", "detail", "expires_at"},
       .columns = {{"reason", Use::status},
                   {"detail", Use::reason},
                   {"created_at", Use::date},
                   {"expires_at", Use::until},
                   {"last_event_at"},
                   {"subaccount"}},
       .values = {{"hard-bounce", bounced},
                  {"soft-bounce", bounced, true},
                  {"spam", complained},
                  {"unsub", unsubscribed},
                  {"custom", blocked},
                  {"rule", blocked},
                  {"invalid-sender", {}},
                  {"test-mode-limit", {}},
                  {"unsigned", {}}},
       .otherwise = blocked,
       .backslashes = true,
       .status = unsubscribed},
      {.name = "brevo-blocked",
       .source = "brevo",
       .needs = {"email", "reason.code"},
       .columns = {{"reason.code", Use::status},
                   {"reason.message", Use::reason},
                   {"senderEmail", Use::reason, {}, "sender"},
                   {"blockedAt", Use::date}},
       .values = {{"hardBounce", bounced},
                  {"contactFlaggedAsSpam", complained},
                  {"adminBlocked", blocked},
                  {"unsubscribedViaMA", unsubscribed},
                  {"unsubscribedViaEmail", unsubscribed},
                  {"unsubscribedViaApi", unsubscribed}},
       .otherwise = unsubscribed,
       .status = unsubscribed},
  };
}

}  // namespace

Format plain(Format format) {
  for (Column& column : format.columns) column.name = plain_name(column.name);
  for (Value& value : format.values) value.value = plain_name(value.value);
  for (StreamValue& value : format.streams) value.value = plain_name(value.value);
  return format;
}

const std::vector<Format>& known_formats() {
  static const std::vector<Format> all = [] {
    std::vector<Format> formats;
    for (auto family : {own, mailchimp, marketing, sendgrid, mailgun, delivery}) {
      for (Format& format : family()) formats.push_back(plain(std::move(format)));
    }
    return formats;
  }();
  return all;
}

}  // namespace postern::rows
