// Every short content of what matters, cut at each place, against the reader of data: what it reads
// is the content, and nothing behind it.
#include "proxy/wire/chunk.h"

#include "proxy/wire/data.h"
#include "proxy/wire/line_ends.h"

#include <cstddef>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace std::string_view_literals;
using postern::wire::ChunkStuffer;
using postern::wire::DataScanner;
using postern::wire::LineEnds;
using postern::wire::unstuffed;

namespace {

constexpr auto npos = std::string::npos;

std::string stuffed(std::string_view content, std::size_t cut) {
  ChunkStuffer stuffer;
  std::string out;
  stuffer.take(content.substr(0, cut), out);
  CHECK(out.size() <= 2 * cut);
  stuffer.take(content.substr(cut), out);
  stuffer.finish(out);
  return out;
}

// RFC 5321 section 4.1.1.4: a message ends with a line end.
std::string ended(std::string_view content) {
  const bool whole = content.empty() || content.ends_with("\r\n");
  return std::string(content) + (whole ? "" : "\r\n");
}

bool has_fault(std::string_view content) {
  for (std::size_t i = 0; i < content.size(); ++i) {
    const bool lf_next = i + 1 < content.size() && content[i + 1] == '\n';
    const bool cr_before = i > 0 && content[i - 1] == '\r';
    if (content[i] == '\0' || (content[i] == '\r' && !lf_next)) return true;
    if (content[i] == '\n' && !cr_before) return true;
  }
  return false;
}

// Every LF is the end of a line, as where that is configured.
std::string normalized(std::string_view content) {
  std::string text;
  for (std::size_t i = 0; i < content.size(); ++i) {
    if (content[i] == '\n' && (i == 0 || content[i - 1] != '\r')) text += '\r';
    text += content[i];
  }
  return text;
}

template <class Check>
void for_each(std::string_view alphabet, std::size_t longest, Check check) {
  std::string content;
  const auto grow = [&](auto& self) -> void {
    check(content);
    if (content.size() == longest) return;
    for (const char octet : alphabet) {
      content += octet;
      self(self);
      content.pop_back();
    }
  };
  grow(grow);
}

// Fails at once and says where: too many cases to count each.
void require(bool holds, std::string_view content, std::size_t cut) {
  if (holds) return;
  CAPTURE(content);
  CAPTURE(cut);
  REQUIRE(holds);
}

}  // namespace

TEST_CASE("chunks: every content is read as it was, however it is cut") {
  for_each("\r\n.a\0"sv, 6, [](const std::string& content) {
    const auto whole = stuffed(content, content.size());
    for (std::size_t cut = 0; cut < content.size(); ++cut)
      require(stuffed(content, cut) == whole, content, cut);
    DataScanner scanner;
    const auto piece = scanner.scan(whole);
    require(scanner.finished() && piece.consumed == whole.size(), content, npos);
    const bool fault = scanner.fault() != DataScanner::Fault::none;
    require(fault == has_fault(content), content, npos);
    if (!fault) require(unstuffed(whole, "\r\n") == ended(content), content, npos);
  });
}

TEST_CASE("chunks: where a bare LF ends a line, the same content comes of them") {
  for_each("\r\n.a"sv, 6, [](const std::string& content) {
    LineEnds ends;
    const auto whole = stuffed(content, content.size());
    const auto piece = ends.take(whole);
    require(piece.consumed == whole.size(), content, npos);
    DataScanner scanner;
    static_cast<void>(scanner.scan(piece.octets));
    require(scanner.finished(), content, npos);
    if (scanner.fault() != DataScanner::Fault::none) return;
    require(unstuffed(piece.octets, "\r\n") == normalized(ended(content)), content, npos);
  });
}

TEST_CASE("chunks: examples") {
  CHECK(stuffed("", 0) == ".\r\n");
  CHECK(stuffed(".", 0) == "..\r\n.\r\n");
  CHECK(stuffed("a", 0) == "a\r\n.\r\n");
  CHECK(stuffed("a\r\n", 2) == "a\r\n.\r\n");
  CHECK(stuffed("a\r\n.\r\nb", 3) == "a\r\n..\r\nb\r\n.\r\n");
  CHECK(stuffed("a\r\n.\r\n", 5) == "a\r\n..\r\n.\r\n");
  CHECK(stuffed("a\r", 2) == "a\r\r\n.\r\n");
}

TEST_CASE("chunks: an octet at a time is the same as all at once") {
  std::string content;
  for (int i = 0; i < 3000; ++i) content += i % 3 == 0 ? "\r\n" : i % 7 == 0 ? "..x" : ".";
  ChunkStuffer stuffer;
  std::string out;
  for (const char octet : content) stuffer.take({&octet, 1}, out);
  stuffer.finish(out);
  CHECK(out == stuffed(content, 0));
  CHECK(unstuffed(out, "\r\n") == ended(content));
}
