#include "proxy/wire/data.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace postern::wire {
namespace {

// Nothing in the block is a fault, and no line of it begins with a dot. Reads the octet in front of
// the block too. A trip count the compiler knows, so that it makes vector instructions of it.
template <std::size_t size>
[[gnu::always_inline]] inline bool is_plain(const char* block) {
  std::uint8_t odd = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const char before = block[static_cast<std::ptrdiff_t>(i) - 1];
    const char octet = block[i];
    const auto cr_before = static_cast<std::uint8_t>(before == '\r');
    const auto lf = static_cast<std::uint8_t>(octet == '\n');
    const auto nul = static_cast<std::uint8_t>(octet == '\0');
    const auto lf_before = static_cast<std::uint8_t>(before == '\n');
    const auto dot = static_cast<std::uint8_t>(octet == '.');
    odd |= static_cast<std::uint8_t>((cr_before ^ lf) | nul | (lf_before & dot));
  }
  return odd == 0;
}

constexpr std::size_t small_block = 16;

// How many octets in front are plain, in whole blocks.
[[gnu::always_inline]] inline std::size_t plain_blocks(std::string_view octets) {
  constexpr std::size_t large_block = 128;
  const char* const data = octets.data();
  std::size_t at = 0;
  while (octets.size() - at >= large_block && is_plain<large_block>(data + at)) at += large_block;
  while (octets.size() - at >= small_block && is_plain<small_block>(data + at)) at += small_block;
  return at;
}

#ifdef __x86_64__
// Most processors have it; the compiler may not take it for granted.
[[gnu::target("avx2")]] std::size_t plain_in_front_avx2(std::string_view octets) {
  return plain_blocks(octets);
}
#endif

std::size_t plain_in_front(std::string_view octets) {
#ifdef __x86_64__
  static const bool has_avx2 = __builtin_cpu_supports("avx2");
  if (has_avx2) return plain_in_front_avx2(octets);
#endif
  return plain_blocks(octets);
}

}  // namespace

DataScanner::Piece DataScanner::scan(std::string_view piece) {
  if (finished_ || piece.empty()) return {};
  const bool cr_waited = state_ == State::cr || state_ == State::dot_cr;

  std::size_t at = 0;
  while (at < piece.size() && !finished_) {
    // A block hides its neighbours' history but for one octet: not enough where a dot began the
    // line.
    const bool one_octet_tells = at > 0 && state_ != State::dot && state_ != State::dot_cr;
    const std::size_t plain = one_octet_tells ? plain_in_front(piece.substr(at)) : 0;
    if (plain > 0) {
      at += plain;
      const char last = piece[at - 1];
      state_ = last == '\r' ? State::cr : last == '\n' ? State::line_start : State::text;
    }
    const std::size_t stop = std::min(piece.size(), at + small_block);
    while (at < stop && !finished_) take(piece[at++]);
  }

  if (fault_ != Fault::none) return {.consumed = at};
  const bool cr_waits = !finished_ && (state_ == State::cr || state_ == State::dot_cr);
  const std::size_t forward = cr_waits ? at - 1 : at;
  return {.consumed = at, .forward = forward, .cr_first = cr_waited && forward > 0};
}

void DataScanner::take(char octet) {
  const State before = state_;
  const bool after_cr = before == State::cr || before == State::dot_cr;
  if (after_cr && octet != '\n') note(Fault::bare_cr);

  switch (octet) {
    case '\r':
      state_ = before == State::dot ? State::dot_cr : State::cr;
      return;
    case '\n':
      if (before == State::dot_cr) finished_ = true;
      if (!after_cr) note(Fault::bare_lf);
      state_ = after_cr ? State::line_start : State::text;
      return;
    case '.':
      state_ = before == State::line_start ? State::dot : State::text;
      if (state_ == State::dot) ++dots_;
      return;
    case '\0':
      note(Fault::nul);
      state_ = State::text;
      return;
    default:
      state_ = State::text;
  }
}

void DataScanner::note(Fault fault) {
  if (fault_ == Fault::none) fault_ = fault;
}

std::string unstuffed(std::string_view data, std::string_view line_end) {
  std::string text;
  text.reserve(data.size());
  while (!data.empty()) {
    const auto end = data.find("\r\n");
    std::string_view line = data.substr(0, end);
    const bool whole = end != std::string_view::npos;
    data.remove_prefix(whole ? end + 2 : data.size());
    if (line == "." && whole && data.empty()) break;
    if (line.starts_with('.')) line.remove_prefix(1);
    text += line;
    if (whole) text += line_end;
  }
  return text;
}

}  // namespace postern::wire
