#include "policy/return_mail/reading.h"

#include "base/text.h"
#include "policy/return_mail/address_scan.h"
#include "policy/return_mail/automatic.h"
#include "policy/return_mail/decode.h"
#include "policy/return_mail/delivery_status.h"
#include "policy/return_mail/feedback.h"
#include "policy/return_mail/header.h"
#include "policy/return_mail/html.h"
#include "policy/return_mail/mime.h"
#include "policy/return_mail/notice.h"
#include "policy/return_mail/phrases.h"
#include "policy/return_mail/recipients.h"
#include "policy/return_mail/status.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace postern::return_mail {
namespace {

using policy::ReturnType;

constexpr std::size_t max_report = 256U << 10U;   // octets of the fields of a report
constexpr std::size_t max_encoded = 128U << 10U;  // octets of a notice before it is decoded
constexpr std::size_t half_paragraph = 2'000;     // octets in front of a recipient, and behind it
constexpr std::size_t most_looked_up = 100;       // recipients, in the notice
constexpr int least_evidence = 4;                 // of Reader::evidence_of_notice()

// Line ends are LF, and no NUL stands in it; `kept` holds the text where that takes a copy.
std::string_view with_plain_line_ends(std::string_view message, std::string& kept) {
  if (!message.contains('\r') && !message.contains('\0')) return message;
  kept.reserve(message.size());
  while (!message.empty()) {
    const std::size_t end =
        std::min(message.find_first_of(std::string_view("\r\0", 2)), message.size());
    kept += message.substr(0, end);
    message.remove_prefix(end);
    if (message.starts_with('\r') && !message.starts_with("\r\n")) kept += '\n';
    if (!message.empty()) message.remove_prefix(1);
  }
  return kept;
}

std::string limited(std::string text, std::size_t limit) {
  if (text.size() <= limit) return text;
  // Not within a character.
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80) --limit;
  text.resize(limit);
  return text;
}

class Reader {
 public:
  Reader(std::string_view text, const classify::Classifier& classifier)
      : classifier_(classifier), message_(parse_message(text)) {}

  Reading run() {
    reading_.subject = limited(decode_words(message_.header.value("Subject")), max_field);
    subject_ = to_lower(reading_.subject);
    parts_ = split_parts(message_);
    find_returned();
    decide();
    finish();
    return std::move(reading_);
  }

 private:
  // The kinds in their order: what is said in fields before what is said in words, and automatic
  // replies last.
  void decide() {
    if (read_feedback() || read_report()) return;
    // No daemon asks for anything: its notice is of mail that had this address as its sender.
    if (!is_certain() && is_unsubscribe_request(message_.header, subject_))
      return add_author(ReturnType::unsubscribe);
    if (read_notice()) return;
    if (is_automatic_reply(message_.header, subject_)) add_author(ReturnType::auto_reply);
  }

  [[nodiscard]] const Header& header() const { return message_.header; }

  void find_returned() {
    const auto part = std::ranges::find_if(parts_, &Part::is_returned);
    if (part == parts_.end()) return;
    if (part->header.find("Content-Transfer-Encoding") != nullptr &&
        !part->body.substr(0, 4096).contains(": ")) {
      returned_text_ = part->text(max_returned_header);
      returned_ = parse_message(returned_text_).header;
    } else {
      returned_ = parse_message(part->body).header;
    }
    has_returned_ = true;
  }

  // RFC 5965, and what stands for it.
  bool read_feedback() {
    const auto part = std::ranges::find_if(
        parts_, [](const Part& one) { return one.type.contains("feedback-report"); });
    Feedback feedback;
    if (part != parts_.end()) {
      feedback = parse_feedback(part->text(max_report));
    } else if (!is_bare_complaint(header(), returned_, reading_.subject)) {
      return false;
    }
    reading_.feedback_type = feedback.type;
    reading_.reporting_mta = feedback.reporting_mta;
    reading_.message_id = feedback.message_id;
    reading_.type = type_of_feedback(feedback.type);
    if (feedback.recipients.empty() && !feedback.redacted) {
      if (auto address = recipient_of_returned(returned_); !address.empty()) {
        feedback.recipients.push_back(std::move(address));
      }
    }
    for (auto& address : feedback.recipients) {
      Finding finding;
      finding.type = reading_.type;
      finding.recipient = std::move(address);
      reading_.findings.push_back(std::move(finding));
    }
    return true;
  }

  static ReturnType type_of_feedback(std::string_view type) {
    if (type.starts_with("opt-out")) return ReturnType::unsubscribe;
    if (type.starts_with("not-spam") || type.starts_with("auth-failure") ||
        type.starts_with("dmarc")) {
      return ReturnType::unknown;
    }
    return ReturnType::complaint;
  }

  // RFC 3464, in its part or in a text.
  bool read_report() {
    DeliveryStatus status;
    for (const Part& part : parts_) {
      if (!part.type.contains("delivery-status")) continue;
      auto more = parse_delivery_status(part.text(max_report));
      if (status.reporting_mta.empty()) status.reporting_mta = std::move(more.reporting_mta);
      std::ranges::move(more.recipients, std::back_inserter(status.recipients));
    }
    if (status.recipients.empty()) status = report_in_text();
    reading_.reporting_mta = status.reporting_mta;
    for (RecipientFields& fields : status.recipients) {
      if (reading_.findings.size() == max_findings) break;
      add(std::move(fields));
    }
    if (reading_.findings.size() == 1 && reading_.findings.front().recipient.empty()) {
      reading_.findings.front().recipient = recipient_of_returned(returned_header());
    }
    return !reading_.findings.empty();
  }

  DeliveryStatus report_in_text() {
    const Notice& text = notice();
    const std::string_view said = text.text();
    if (!contains_nocase(said, "final-recipient:") && !contains_nocase(said, "original-recipient:"))
      return {};
    // People quote such fields too.
    if (evidence_of_notice() < least_evidence) return {};
    auto status = parse_delivery_status(said);
    std::erase_if(status.recipients, [](const RecipientFields& one) {
      return one.action.empty() && one.status.empty() && one.diagnostic.empty();
    });
    return status;
  }

  void add(RecipientFields fields) {
    Finding finding;
    finding.recipient = fields.original.empty() ? fields.final : fields.original;
    finding.final_recipient = fields.final;
    finding.status = std::move(fields.status);
    finding.action = std::move(fields.action);
    finding.diagnostic = std::move(fields.diagnostic);
    finding.remote_mta = std::move(fields.remote_mta);
    complete(finding);
    if (finding.status.empty()) finding.status = find_status(finding.diagnostic);
    if (finding.recipient.empty()) finding.recipient = std::move(fields.actual);
    // A pipe, a path, an X.400 name: whoever knows to whom the message went needs none.
    if (finding.recipient.empty() && finding.action.empty() && finding.status.empty()) return;
    finding.type = type_of_report(finding);
    const bool known = std::ranges::any_of(reading_.findings, [&](const Finding& one) {
      return equal_nocase(one.recipient, finding.recipient) && one.type == finding.type &&
             (!finding.recipient.empty() || one.status == finding.status);
    });
    if (!known || reading_.findings.size() > 100) reading_.findings.push_back(std::move(finding));
  }

  // What the fields leave out, from the notice beside them.
  void complete(Finding& finding) {
    if (!finding.recipient.empty() && !finding.diagnostic.empty()) return;
    const auto& named = named_recipients();
    const auto same = std::ranges::find_if(named, [&](const NamedRecipient& one) {
      return equal_nocase(one.address, finding.recipient) ||
             equal_nocase(one.address, finding.final_recipient);
    });
    if (same != named.end()) {
      if (finding.diagnostic.empty()) finding.diagnostic = same->diagnostic;
    } else if (named.size() == 1 && finding.recipient.empty()) {
      finding.recipient =
          named.front().original.empty() ? named.front().address : named.front().original;
      if (finding.diagnostic.empty()) finding.diagnostic = named.front().diagnostic;
    }
  }

  // RFC 3464 section 2.3.3; where the action is absent or none of it, by what else is said.
  ReturnType type_of_report(const Finding& finding) {
    const std::string_view action = finding.action;
    if (action == "failed") return ReturnType::bounce;
    if (action == "delayed") return ReturnType::delayed;
    if (action == "delivered" || action == "relayed" || action == "expanded")
      return ReturnType::delivered;
    if (finding.status.starts_with('2')) return ReturnType::delivered;
    if (finding.status.starts_with('4') && type_of_words() == ReturnType::delayed)
      return ReturnType::delayed;
    return finding.status.empty() ? type_of_words() : ReturnType::bounce;
  }

  // What a notice says of the whole.
  ReturnType type_of_words() {
    const SaysSet said = notice().says();
    const SaysSet subject = subject_phrases().all(subject_);
    const auto says = [](SaysSet set, Says what) { return (set & bit(what)) != 0; };
    const bool failed = says(said, Says::for_good) || says(subject, Says::for_good);
    if (says(subject, Says::only_late) && !says(subject, Says::for_good))
      return ReturnType::delayed;
    if (says(said, Says::only_late)) return ReturnType::delayed;
    if (!failed && (says(said, Says::late) || says(subject, Says::late)))
      return ReturnType::delayed;
    if (says(subject, Says::delivered) && !failed) return ReturnType::delivered;
    if (says(said, Says::delivered) && !says(said, Says::not_delivered) && !failed)
      return ReturnType::delivered;
    return ReturnType::bounce;
  }

  // A text that tells people.
  bool read_notice() {
    if (evidence_of_notice() < least_evidence) return false;
    auto named = named_recipients();
    if (named.empty() && is_certain()) {
      if (auto address = recipient_of_returned(returned_header()); !address.empty()) {
        named.push_back(
            {std::move(address), {}, limited(std::string(trim(notice().text())), max_diagnostic)});
      }
    }
    if (named.empty() && !is_certain()) return false;
    reading_.type = type_of_words();
    for (NamedRecipient& one : named) {
      Finding finding;
      finding.type = reading_.type;
      finding.recipient = one.original.empty() ? one.address : std::move(one.original);
      finding.final_recipient = std::move(one.address);
      finding.diagnostic = std::move(one.diagnostic);
      finding.status = find_status(finding.diagnostic);
      reading_.findings.push_back(std::move(finding));
    }
    return true;
  }

  [[nodiscard]] bool is_certain() { return evidence_of_notice() >= 6; }

  // least_evidence and more: this mail tells that another did not arrive.
  int evidence_of_notice() {
    if (evidence_) return *evidence_;
    const Correspondents& people = correspondents();
    const SaysSet subject = subject_phrases().all(subject_);
    const std::string from = to_lower(header().value("From"));
    const bool daemon = is_daemon(people.reporter) || from.contains("mailer-daemon") ||
                        from.contains("mail delivery") || from.contains("<>");
    const bool automatic = is_automatic_reply(header(), subject_);
    const bool of_list = header().find("List-Id") != nullptr;
    const Field* const return_path = header().find("Return-Path");
    int points = 0;
    if (daemon) points += 3;
    if (is_robot(people.reporter) && !automatic && !of_list) points += 1;
    if (!people.failed.empty()) points += 4;
    if (return_path != nullptr &&
        (trim(return_path->value) == "<>" || trim(return_path->value).empty()))
      points += 1;
    if ((subject & (bit(Says::not_delivered) | bit(Says::for_good) | bit(Says::only_late))) != 0)
      points += 2;
    if ((notice().says() & (bit(Says::not_delivered) | bit(Says::for_good))) != 0) points += 2;
    if ((notice().says() & (bit(Says::late) | bit(Says::only_late) | bit(Says::delivered))) != 0)
      points += 1;
    if (has_returned_ || !notice().returned().empty()) points += 1;
    if (!daemon && people.failed.empty()) {
      // A person who writes about a bounce, or a program that answers.
      if (subject_.starts_with("re:") || subject_.starts_with("fwd:") ||
          subject_.starts_with("fw:"))
        points -= 4;
      if (automatic) points -= 3;
      // Some reporters keep the List-Id of what came back; a post of the list says what it is.
      const bool passed_on = of_list && (is_robot(people.reporter) ||
                                         equal_nocase(trim(header().value("Precedence")), "list"));
      if (passed_on || (!of_list && header().find("List-Unsubscribe") != nullptr)) points -= 2;
      // What a person says of a failure has no code, and gives nothing back.
      const bool named = trim(from).find_first_of(" \t") != std::string_view::npos;
      if (named && !has_returned_ && notice().returned().empty() && !says_a_code()) points -= 1;
    }
    evidence_ = points;
    return points;
  }

  [[nodiscard]] bool says_a_code() {
    return std::ranges::any_of(notice().lines(), [](const Notice::Line& line) {
      return find_reply_code(line.text) != 0 || !find_status(line.text).empty();
    });
  }

  // Of all the parts before the returned message: those of plain text; where these name nobody,
  // those of HTML.
  const Notice& notice() {
    if (!notice_) {
      notice_ = std::make_unique<Notice>(text_of("text/plain"));
      if (trim(notice_->text()).empty()) notice_ = std::make_unique<Notice>(text_of("text/html"));
    }
    return *notice_;
  }

  std::string text_of(std::string_view type) {
    std::string out;
    for (const Part& part : parts_) {
      if (part.is_returned() && !out.empty()) break;
      if (out.size() >= max_notice) break;
      if (part.type != type && !(type == "text/plain" && is_odd_text(part))) continue;
      std::string text = part.text(max_encoded);
      if (type == "text/html") text = html_to_text(text);
      if (trim(text).empty()) continue;
      if (!out.empty()) out += "\n\n";
      out += text;
    }
    return out;
  }

  // Types that stand for text: misspelled ones, and none.
  static bool is_odd_text(const Part& part) {
    return part.type == "text" || part.type == "text/" || part.type == "text/us-ascii" ||
           part.type == "text/enriched" || part.type == "message/notification";
  }

  const std::vector<NamedRecipient>& named_recipients() {
    if (named_) return *named_;
    named_ = find_recipients(notice(), correspondents(), evidence_of_notice() >= 5);
    if (named_->empty()) {
      auto html = std::make_unique<Notice>(text_of("text/html"));
      if (!html->lines().empty()) {
        named_ = find_recipients(*html, correspondents(), evidence_of_notice() >= 5);
        if (!named_->empty()) notice_ = std::move(html);
      }
    }
    return *named_;
  }

  const Correspondents& correspondents() {
    if (correspondents_) return *correspondents_;
    Correspondents people;
    for (const Field& field : header().fields) {
      for (const std::string_view name :
           {"To", "Delivered-To", "X-Original-To", "Return-Path", "Envelope-To"}) {
        if (equal_nocase(field.name, name)) collect(field.unfolded(), people.addressed, true);
      }
      if (equal_nocase(field.name, "X-Failed-Recipients"))
        collect(field.unfolded(), people.failed, false);
    }
    people.reporter = to_lower(only_address(decode_words(header().value("From"))));
    std::erase(people.addressed, people.reporter);
    return correspondents_.emplace(std::move(people));
  }

  static void collect(std::string_view value, std::vector<std::string>& out, bool lower) {
    std::size_t from = 0;
    while (const auto spot = next_address(value, from)) {
      if (out.size() == max_findings) return;
      const std::string_view address = value.substr(spot->begin, spot->end - spot->begin);
      std::string kept = lower ? to_lower(address) : std::string(address);
      const bool known =
          out.size() < 100 &&
          std::ranges::any_of(out, [&](const std::string& one) { return equal_nocase(one, kept); });
      if (!known) out.push_back(std::move(kept));
      from = spot->end;
    }
  }

  void add_author(ReturnType type) {
    reading_.type = type;
    Finding finding;
    finding.type = type;
    finding.recipient = only_address(header().value("From"));
    if (!finding.recipient.empty()) reading_.findings.push_back(std::move(finding));
  }

  const Header& returned_header() {
    if (returned_.fields.empty() && notice_ && !notice_->returned().empty()) {
      returned_ = parse_message(notice_->returned()).header;
    }
    return returned_;
  }

  void finish() {
    const Header& returned = returned_header();
    if (reading_.message_id.empty()) reading_.message_id = returned.value("Message-ID");
    reading_.message_id = limited(to_utf8(reading_.message_id, {}), max_field);
    reading_.reporting_mta = limited(to_utf8(reading_.reporting_mta, {}), max_field);
    reading_.returned_header =
        limited(std::string(returned.text.substr(0, max_returned_header + 4)), max_returned_header);
    if (reading_.findings.empty()) say_why();
    for (Finding& finding : reading_.findings) judge(finding);
    const auto rank = [](ReturnType type) {
      return type == ReturnType::bounce      ? 3
             : type == ReturnType::delayed   ? 2
             : type == ReturnType::delivered ? 1
                                             : 0;
    };
    for (const Finding& finding : reading_.findings) {
      if (rank(finding.type) > rank(reading_.type)) reading_.type = finding.type;
    }
  }

  // A notice that names nobody may say why all the same: whoever knows to whom the message went can
  // use it.
  void say_why() {
    if (reading_.type != ReturnType::bounce && reading_.type != ReturnType::delayed) return;
    Finding finding;
    finding.type = reading_.type;
    for (const Notice::Line& line : notice().lines()) {
      if (find_reply_code(line.text) == 0 && find_status(line.text).empty()) continue;
      if (!finding.diagnostic.empty()) finding.diagnostic += '\n';
      finding.diagnostic += trim(line.text);
      if (finding.diagnostic.size() > max_field) break;
    }
    finding.status = find_status(finding.diagnostic);
    reading_.findings.push_back(std::move(finding));
  }

  void judge(Finding& finding) {
    for (std::string* text : {&finding.recipient, &finding.final_recipient, &finding.remote_mta}) {
      *text = limited(to_utf8(*text, {}), max_field);
    }
    // Octets of no character set may take their neighbours with them.
    for (std::string* address : {&finding.recipient, &finding.final_recipient}) {
      if (!address->contains('@')) address->clear();
    }
    if (equal_nocase(finding.recipient, finding.final_recipient)) finding.final_recipient.clear();
    finding.diagnostic = limited(to_utf8(finding.diagnostic, {}), max_diagnostic);
    if (finding.remote_mta.empty()) finding.remote_mta = find_host(finding.diagnostic);
    if (finding.type != ReturnType::bounce && finding.type != ReturnType::delayed) return;
    classify::Evidence evidence{.status = finding.status,
                                .diagnostic = finding.diagnostic,
                                .remote_mta = finding.remote_mta,
                                .reporting_mta = reading_.reporting_mta,
                                .action = finding.action,
                                .recipient = finding.final_recipient.empty()
                                                 ? std::string_view(finding.recipient)
                                                 : std::string_view(finding.final_recipient)};
    auto judgement = judge(evidence, finding);
    // The rest of the notice may say why.
    if (!judgement.certain && reading_.findings.size() == 1) {
      evidence.diagnostic = notice().text();
      auto other = judge(evidence, finding);
      const bool undefined = judgement.reason == policy::BounceReason::undefined;
      if (other.certain || undefined) judgement = std::move(other);
    }
    if (!judgement.status.empty()) finding.status = std::move(judgement.status);
    finding.reason = judgement.reason;
    if (finding.type == ReturnType::bounce) finding.bounce_class = judgement.bounce_class;
  }

  [[nodiscard]] classify::Judgement judge(classify::Evidence& evidence, const Finding& finding) {
    auto judgement = classifier_.judge(evidence);
    if (!judgement.wants_command) return judgement;
    evidence.command = command_of(finding);
    return classifier_.judge(evidence);
  }

  // Elsewhere in the notice than beside the reply.
  [[nodiscard]] classify::Command command_of(const Finding& finding) {
    std::string_view said = finding.diagnostic;
    said = said.substr(0, said.find('\n'));
    // A transcript stands apart from those whom it is about.
    if (!refused_at_mail_) refused_at_mail_ = classify::answers_to_mail(notice().text());
    if (classify::was_answer(*refused_at_mail_, said)) return classify::Command::mail;
    return classify::command_of(paragraph_of(finding), said);
  }

  // Of several recipients each has its own lines in the notice: near its name, and for so many of
  // them as are looked up in it at all.
  [[nodiscard]] std::string_view paragraph_of(const Finding& finding) {
    const std::string_view text = notice().text();
    if (reading_.findings.size() == 1) return text;
    if (finding.recipient.empty() || looked_up_ == most_looked_up) return {};
    ++looked_up_;
    const auto at = text.find(finding.recipient);
    if (at == std::string_view::npos) return {};
    const auto nearest = at - std::min(at, half_paragraph);
    const auto begin = text.substr(nearest, at - nearest).rfind("\n\n");
    const auto from = begin == std::string_view::npos ? nearest : nearest + begin;
    const auto behind = text.substr(at, half_paragraph);
    return text.substr(from, at - from + std::min(behind.find("\n\n"), behind.size()));
  }

  const classify::Classifier& classifier_;
  Message message_;
  std::string subject_;  // lower case
  std::vector<Part> parts_;
  bool has_returned_ = false;
  Header returned_;
  std::string returned_text_;  // decoded, where the part is encoded
  std::unique_ptr<Notice> notice_;
  std::optional<std::vector<NamedRecipient>> named_;
  std::optional<Correspondents> correspondents_;
  std::optional<int> evidence_;
  std::size_t looked_up_ = 0;                   // recipients, in the notice
  std::optional<std::string> refused_at_mail_;  // what a transcript shows as answered to MAIL
  Reading reading_;
};

}  // namespace

Reading read(std::string_view message, const classify::Classifier& classifier) {
  std::string kept;
  return Reader(with_plain_line_ends(message.substr(0, max_read), kept), classifier).run();
}

}  // namespace postern::return_mail
