#include "store/rows/line_window.h"

#include <algorithm>

namespace postern::rows {
namespace {

constexpr std::size_t chunk = 4 * max_line;

}  // namespace

Beginning LineWindow::begin() {
  refill();
  const Beginning beginning = encoding_of(buffer_, !in_);
  at_ = beginning.bom;
  encoding_ = beginning.encoding;
  if (encoding_ == Encoding::utf16_le || encoding_ == Encoding::utf16_be) {
    raw_ = buffer_.substr(at_);
    buffer_.clear();
    at_ = 0;
    decode(!in_);
  }
  if (buffer_.contains('\r') && !buffer_.contains('\n')) {
    lone_cr_ = true;
    std::ranges::replace(buffer_, '\r', '\n');
  }
  return beginning;
}

std::string_view LineWindow::view() {
  while (left() <= max_line + 2 && in_) refill();
  return std::string_view(buffer_).substr(at_);
}

void LineWindow::drop_consumed() {
  buffer_read_ = buffer_.empty() ? 0 : buffer_read_ * left() / buffer_.size();
  buffer_.erase(0, at_);
  at_ = 0;
}

void LineWindow::refill() {
  drop_consumed();
  const bool wide = encoding_ == Encoding::utf16_le || encoding_ == Encoding::utf16_be;
  std::string& into = wide ? raw_ : buffer_;
  const std::size_t had = into.size();
  const std::size_t had_lines = buffer_.size();
  into.resize(had + chunk);
  in_.read(into.data() + had, static_cast<std::streamsize>(chunk));
  const auto got = static_cast<std::size_t>(in_.gcount());
  into.resize(had + got);
  read_ += got;
  buffer_read_ += got;
  if (wide) decode(!in_);
  if (lone_cr_) {
    std::replace(buffer_.begin() + static_cast<std::ptrdiff_t>(had_lines), buffer_.end(), '\r',
                 '\n');
  }
}

void LineWindow::decode(bool last) {
  raw_.erase(0, append_from_utf16(raw_, encoding_ == Encoding::utf16_le, last, buffer_));
}

void LineWindow::skip_line() {
  for (std::string_view rest = view(); !rest.empty(); rest = view()) {
    const auto end = rest.find('\n');
    consume(end == rest.npos ? rest.size() : end + 1);
    if (end != rest.npos) return;
  }
}

std::uint64_t LineWindow::octets() const {
  if (buffer_.empty()) return read_;
  return read_ - buffer_read_ * left() / buffer_.size();
}

}  // namespace postern::rows
