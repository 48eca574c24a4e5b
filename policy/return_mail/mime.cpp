#include "policy/return_mail/mime.h"

#include "base/text.h"
#include "policy/return_mail/decode.h"

#include <algorithm>
#include <utility>

#include <mimetic/contenttype.h>

namespace postern::return_mail {
namespace {

// mimetic copies a field's text as often as it has parameters.
constexpr std::size_t max_content_type = 1000;

struct ContentType {
  std::string type = "text/plain";  // RFC 2045 section 5.2
  std::string charset, boundary;
};

// The quotes that mimetic leaves where a blank or comment follows them.
std::string_view unquoted(std::string_view text) {
  text = trim(text);
  if (text.starts_with('"')) text.remove_prefix(1);
  if (text.ends_with('"')) text.remove_suffix(1);
  return text;
}

ContentType content_type(const Header& header) {
  ContentType out;
  const Field* const field = header.find("Content-Type");
  if (field == nullptr) return out;
  const mimetic::ContentType parsed(unfold(field->value.substr(0, max_content_type)));
  if (!parsed.type().empty()) out.type = to_lower(trim(parsed.type() + "/" + parsed.subtype()));
  out.charset = unquoted(parsed.param("charset"));
  out.boundary = unquoted(parsed.param("boundary"));
  return out;
}

// "--boundary", RFC 2046 section 5.1.1: with blanks behind it, and with two hyphens at the end of
// the multipart.
enum class Line { content, delimiter, close };
Line kind_of(std::string_view line, std::string_view boundary) {
  if (!line.starts_with("--") || !line.substr(2).starts_with(boundary)) return Line::content;
  const std::string_view rest = trim(line.substr(2 + boundary.size()));
  if (rest.empty()) return Line::delimiter;
  return rest == "--" ? Line::close : Line::content;
}

std::vector<std::string_view> split_at(std::string_view body, std::string_view boundary) {
  std::vector<std::string_view> parts;
  const char* begin = nullptr;  // of the part; null: still in the preamble
  std::string_view rest = body;
  while (!rest.empty()) {
    const char* const here = rest.data();
    const std::string_view line = take_line(rest);
    const Line kind = kind_of(line, boundary);
    if (kind == Line::content) continue;
    if (begin != nullptr) parts.emplace_back(begin, static_cast<std::size_t>(here - begin));
    if (kind == Line::close || parts.size() >= max_parts) return parts;
    begin = rest.data();
  }
  // Cut off on the way.
  if (begin != nullptr && begin < body.data() + body.size()) {
    parts.emplace_back(begin, static_cast<std::size_t>(body.data() + body.size() - begin));
  }
  return parts;
}

// A line of two hyphens and more, with a field of a part's header below it: without those hyphens.
std::string_view likely_boundary(std::string_view body) {
  while (!body.empty()) {
    const std::string_view line = trim(take_line(body));
    if (line.size() < 6 || !line.starts_with("--")) continue;
    std::string_view below = body;
    const std::string_view name = field_name(take_line(below));
    if (name.size() > 8 && equal_nocase(name.substr(0, 8), "content-")) return line.substr(2);
  }
  return {};
}

std::vector<std::string_view> parts_of(std::string_view body, std::string_view& boundary) {
  std::vector<std::string_view> parts;
  if (!boundary.empty()) parts = split_at(body, boundary);
  if (!parts.empty()) return parts;
  boundary = likely_boundary(body);
  if (!boundary.empty()) parts = split_at(body, boundary);
  return parts;
}

// A returned message that has the reporter's own boundary: what is behind it is of that message,
// though RFC 2046 section 5.1.2 wants it to be read as the reporter's.
bool has_boundary_within(const Part& part, std::string_view boundary) {
  return part.is_returned() && content_type(parse_message(part.body).header).boundary == boundary;
}

// `behind_notice`: of a report, and not its first part. Another report there is what came back
// (RFC 6522 section 3 wants it in a message), and none of the reporter's: it stays closed.
void collect(Header header, std::string_view body, std::size_t depth, bool behind_notice,
             std::vector<Part>& out) {
  if (out.size() >= max_parts) return;
  auto type = content_type(header);
  const bool multipart = type.type.starts_with("multipart/");
  const bool report = type.type == "multipart/report";
  const bool closed = report && behind_notice;
  if (multipart && !closed && depth < max_nesting) {
    std::string_view boundary = type.boundary;
    const auto parts = parts_of(body, boundary);
    for (const std::string_view& part : parts) {
      // A blank line in front of a part's text is the end of its empty header section (RFC 2046
      // section 5.1).
      Message inner = part.starts_with('\n') ? Message{{}, part.substr(1)} : parse_message(part);
      const bool first = &part == &parts.front();
      const std::size_t before = out.size();
      collect(std::move(inner.header), inner.body, depth + 1, report && !first, out);
      if (out.size() == before) break;  // max_parts
      if (has_boundary_within(out.back(), boundary)) break;
    }
    if (!parts.empty()) return;
  }
  out.push_back({multipart && !closed ? "text/plain" : std::move(type.type),
                 std::move(type.charset), std::move(header), body});
}

}  // namespace

std::string Part::text(std::size_t limit) const {
  const std::string_view octets = body.substr(0, limit);
  const Field* const encoding = header.find("Content-Transfer-Encoding");
  if (encoding == nullptr) return to_utf8(octets, charset);
  return to_utf8(decode_transfer(octets, encoding->unfolded()), charset);
}

bool Part::is_returned() const {
  return type.contains("rfc822") || type.contains("rfc-822") || type == "message/global" ||
         type == "message/global-headers" || type == "message/partial";
}

std::vector<Part> split_parts(const Message& message) {
  std::vector<Part> parts;
  collect(message.header, message.body, 0, false, parts);
  return parts;
}

}  // namespace postern::return_mail
