#include "proxy/message.h"

#include "base/text.h"
#include "policy/traffic.h"
#include "proxy/wire/fields.h"
#include "proxy/wire/header.h"

#include <algorithm>
#include <utility>

#include <fmt/compile.h>
#include <fmt/format.h>

namespace postern::proxy {

namespace {

constexpr std::string_view carriage_return = "\r";
constexpr std::string_view line_end = "\r\n";

// The HELO name is the client's text: what is no name or literal must not shape our header line.
std::string trace_name(std::string_view helo) {
  std::string name(helo.substr(0, 255));
  const auto odd = [](char c) {
    return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']');
  };
  std::ranges::replace_if(name, odd, '?');
  return name;
}

std::string_view fault_text(wire::DataScanner::Fault fault) {
  using Fault = wire::DataScanner::Fault;
  switch (fault) {
    case Fault::bare_cr:
      return "message holds a bare CR: lines must end with CRLF";
    case Fault::bare_lf:
      return "message holds a bare LF: lines must end with CRLF";
    case Fault::nul:
      return "message holds a NUL octet";
    case Fault::none:
      break;
  }
  return "";
}

}  // namespace

void MessageFlow::refuse(int code, std::string_view enhanced_status_code, std::string_view text) {
  if (!refused_) refused_ = wire::make_reply(code, enhanced_status_code, text);
  header_ = {};
  in_header_ = false;
}

// In one walk: of the fields that name a campaign, that whose name comes first in the list; and how
// often the message was received.
std::size_t MessageFlow::note_fields(std::string_view section) {
  std::size_t hops = 0;
  std::size_t best = campaign_header_.size();
  wire::FieldWalk walk(section);
  while (const auto field = walk.next()) {
    if (equal_nocase(field->name, "Received")) ++hops;
    for (std::size_t i = 0; i < best; ++i) {
      if (!equal_nocase(field->name, campaign_header_[i])) continue;
      auto body = wire::unfolded(field->folded, policy::max_campaign);
      if (body.empty()) continue;
      campaign_ = std::move(body);
      best = i;
    }
  }
  return hops;
}

bool MessageFlow::examine(std::string_view section) {
  if (section.size() > limits_.header) {
    refuse(552, "5.3.4",
           fmt::format("header section exceeds the limit of {} octets", limits_.header));
    return false;
  }
  if (note_fields(section) > limits_.hops) {
    refuse(554, "5.4.6", "too many hops: this message is going in circles");
  }
  return !refused_;
}

MessageFlow::Output MessageFlow::feed(std::string_view input) {
  Output output;
  if (line_ends_ && !finished()) {
    auto piece = line_ends_->take(input);
    normalized_ = std::move(piece.octets);
    output = take(normalized_);
    output.consumed = piece.consumed;
  } else {
    output = take(input);
  }
  octets_ += output.consumed;
  return output;
}

// Of its end, the dot is none of the content, and its CRLF is allowed for before it has come.
bool MessageFlow::too_large() const {
  constexpr std::uint64_t line_end_octets = 2;
  return limits_.size != 0 && scanned_ - scanner_.dots() > limits_.size + line_end_octets;
}

MessageFlow::Output MessageFlow::take(std::string_view input) {
  Output output;
  const auto piece = scanner_.scan(input);
  output.consumed = piece.consumed;
  scanned_ += piece.consumed;
  if (scanner_.fault() != wire::DataScanner::Fault::none) {
    // It may stand behind a header section that came with it.
    if (in_header_) {
      if (cr_held_) header_ += carriage_return;
      header_ += input.substr(0, piece.consumed);
      if (wire::header_end(header_, 0) != std::string_view::npos) note_fields(header_);
    }
    refuse(550, "5.5.2", fault_text(scanner_.fault()));
  } else if (too_large()) {
    refuse(552, "5.3.4", fmt::format("message size exceeds the limit of {} octets", limits_.size));
  }
  if (refused_) return output;
  cr_held_ = piece.forward < piece.consumed;

  const std::string_view held = piece.cr_first ? carriage_return : std::string_view{};
  const std::string_view octets = input.substr(0, piece.forward);
  if (!in_header_) {
    header_ = {};
    output.pieces = {held, octets};
    return output;
  }
  // Usually the whole section is in the first piece, and nothing is copied.
  const bool direct = header_.empty() && held.empty();
  const auto searched = header_.size();
  if (!direct) header_.append(held).append(octets);
  const std::string_view seen = direct ? octets : std::string_view(header_);
  const auto end = wire::header_end(seen, direct ? 0 : searched);
  if (end == std::string_view::npos && !scanner_.finished()) {
    if (direct) header_ = octets;
    if (header_.size() > limits_.header) static_cast<void>(examine(header_));
    return output;
  }
  const std::string_view section = seen.substr(0, std::min(end, seen.size()));
  if (!examine(section)) return output;
  in_header_ = false;
  if (editor_ != nullptr) {
    auto edit = editor_->edit(section, campaign_);
    if (edit.refused) {
      refused_ = std::move(edit.refused);
      header_ = {};
      return output;
    }
    if (edit.section) {
      edited_ = *std::move(edit.section);
      output.pieces = {edited_, seen.substr(section.size())};
      return output;
    }
  }
  // A first line that continues something would be folded into our trace line: an empty line keeps
  // it what it is, body.
  const auto separator =
      !trace_.empty() && wire::begins_folded(seen) ? line_end : std::string_view{};
  output.pieces = {trace_, separator, seen};
  return output;
}

std::string received_line(const TraceFields& fields) {
  std::string protocol = fields.utf8 ? "UTF8SMTP" : fields.extended ? "ESMTP" : "SMTP";
  // There is no name for TLS or AUTH without EHLO.
  if (fields.utf8 || fields.extended) {
    if (!fields.tls.empty()) protocol += 'S';
    if (fields.authenticated) protocol += 'A';
  }
  const auto tls = fields.tls.empty() ? std::string() : fmt::format("\r\n\t(using {})", fields.tls);
  const bool v6 = fields.peer.find(':') != std::string_view::npos;
  return fmt::format(
      FMT_COMPILE("Received: from {} ([{}{}]){}\r\n\tby {} with {} id {};\r\n\t{}\r\n"),
      trace_name(fields.helo), v6 ? "IPv6:" : "", fields.peer, tls, fields.hostname, protocol,
      fields.id, fields.date);
}

}  // namespace postern::proxy
