#include "proxy/late_report.h"

#include "base/text.h"
#include "policy/address.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace postern::proxy {
namespace {

constexpr std::size_t longest_value = 900;  // octets, of what others wrote

// xtext (RFC 3461 section 4): "+2B" is "+". The client may have encoded anything: what is not
// printable is escaped, and never ends a line.
std::string from_xtext(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '+' && i + 2 < text.size()) {
      for (const char digit : text.substr(i + 1, 2)) {
        value = value * 16 + static_cast<unsigned>(digit <= '9' ? digit - '0' : digit - 'A' + 10);
      }
      i += 2;
      out += static_cast<char>(value);
    } else {
      out += text[i];
    }
  }
  return printable(out, longest_value);
}

// The reply's text on one line, without the codes of its lines.
std::string text_of(const wire::Reply& reply) {
  std::string out;
  std::string_view rest = reply.text;
  while (!rest.empty()) {
    const auto end = rest.find("\r\n");
    const auto line = rest.substr(0, end);
    if (line.size() > 4) out += (out.empty() ? "" : " ") + std::string(line.substr(4));
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 2);
  }
  return out;
}

// RFC 3463: "5.7.1"; of a reply without one the class alone.
std::string status_of(const wire::Reply& reply) {
  const std::string text = text_of(reply);
  const auto end = text.find(' ');
  const std::string_view word = std::string_view(text).substr(0, end);
  const auto dots = std::ranges::count(word, '.');
  const bool good =
      dots == 2 && word.size() <= 9 && word.front() == '5' &&
      std::ranges::all_of(word, [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
  return good ? std::string(word) : "5.0.0";
}

// Lines of a field of any length: folded at blanks, cut where there are none.
std::string folded(std::string_view name, std::string_view body) {
  constexpr std::size_t width = 76;
  constexpr std::size_t longest = 900;
  std::string out(name);
  out += ':';
  std::size_t column = out.size();
  while (!body.empty()) {
    const auto blank = body.find(' ');
    auto word = body.substr(0, std::min(blank, longest));
    body.remove_prefix(std::min(body.size(), word.size() + (blank == word.size() ? 1 : 0)));
    if (column + 1 + word.size() > width && column > name.size() + 1) {
      out += "\r\n";
      column = 0;
    }
    out += ' ';
    out += word;
    column += 1 + word.size();
  }
  return out += "\r\n";
}

std::string address_field(std::string_view name, std::string_view address) {
  return folded(name, fmt::format("{}; {}", is_ascii(address) ? "rfc822" : "utf-8", address));
}

}  // namespace

bool wants_failure(const Recipient& recipient) {
  const std::string& notify = recipient.parameters.notify;
  return notify.empty() || notify.find("FAILURE") != notify.npos;
}

ReportText late_report(const LateReport& report, std::span<const LateRefusal> refused) {
  const auto to = policy::to_string(*report.reverse_path);
  const auto boundary = fmt::format("=_{}_{}", report.id, report.now.time_since_epoch().count());
  std::string people;
  std::string fields;
  for (const auto& [recipient, reply] : refused) {
    const auto address = policy::to_string(recipient->path);
    const auto text = text_of(reply);
    people +=
        fmt::format("<{}>\r\n{}\r\n", address, folded("   said", printable(text, longest_value)));
    fields += "\r\n";
    const std::string& orcpt = recipient->parameters.orcpt;
    if (const auto semicolon = orcpt.find(';'); semicolon != orcpt.npos) {
      fields += folded("Original-Recipient",
                       fmt::format("{}; {}", orcpt.substr(0, semicolon),
                                   from_xtext(std::string_view(orcpt).substr(semicolon + 1))));
    }
    fields += address_field("Final-Recipient", address);
    fields += fmt::format("Action: failed\r\nStatus: {}\r\n", status_of(reply));
    fields += folded("Diagnostic-Code",
                     fmt::format("smtp; {} {}", reply.code, printable(text, longest_value)));
  }
  const bool plain = report.ascii || (!report.whole && is_ascii(report.section) &&
                                      is_ascii(people) && is_ascii(fields));
  const std::string_view encoding = plain ? "7bit" : "8bit";
  std::string out = fmt::format(
      "From: Mail Delivery System <MAILER-DAEMON@{0}>\r\n"
      "To: <{1}>\r\n"
      "Subject: Undelivered mail: {2} recipient{3} refused\r\n"
      "Date: {4}\r\n"
      "Message-ID: <{5}.{6}@{0}>\r\n"
      "Auto-Submitted: auto-replied\r\n"
      "MIME-Version: 1.0\r\n"
      "Content-Type: multipart/report; report-type=delivery-status;\r\n"
      "\tboundary=\"{7}\"\r\n"
      "Content-Transfer-Encoding: {8}\r\n"
      "\r\n",
      report.hostname, to, refused.size(), refused.size() == 1 ? "" : "s",
      format_mail_date(report.now), report.id, report.now.time_since_epoch().count(), boundary,
      encoding);
  out += fmt::format(
      "--{0}\r\n"
      "Content-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: {1}\r\n"
      "\r\n"
      "Your message was delivered to its other recipients. It could not be delivered to:\r\n"
      "\r\n{2}"
      "--{0}\r\n"
      "Content-Type: message/delivery-status\r\n"
      "Content-Transfer-Encoding: {1}\r\n"
      "\r\n"
      "Reporting-MTA: dns; {3}\r\n"
      "Arrival-Date: {4}\r\n",
      boundary, encoding, people, report.hostname, format_mail_date(report.arrived));
  if (!report.envid.empty()) {
    out += folded("Original-Envelope-Id", from_xtext(report.envid));
  }
  out += fields;
  out += fmt::format(
      "\r\n--{}\r\n"
      "Content-Type: {}\r\n"
      "Content-Transfer-Encoding: {}\r\n"
      "\r\n",
      boundary, report.whole ? "message/rfc822" : "text/rfc822-headers", encoding);
  out += report.section;
  if (!report.section.ends_with("\r\n")) out += "\r\n";
  if (report.ascii) {
    std::ranges::replace_if(out, [](char c) { return static_cast<unsigned char>(c) > 127; }, '?');
  }
  return {.front = std::move(out), .end = fmt::format("\r\n--{}--\r\n.\r\n", boundary)};
}

}  // namespace postern::proxy
