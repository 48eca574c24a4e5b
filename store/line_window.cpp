#include "store/line_window.h"

namespace postern::store {
namespace {

constexpr std::size_t chunk = 4 * max_line;

}  // namespace

std::string_view LineWindow::view() {
  while (buffer_.size() - at_ <= max_line + 2 && in_) {
    buffer_.erase(0, at_);
    at_ = 0;
    const std::size_t had = buffer_.size();
    buffer_.resize(had + chunk);
    in_.read(buffer_.data() + had, static_cast<std::streamsize>(chunk));
    buffer_.resize(had + static_cast<std::size_t>(in_.gcount()));
  }
  return std::string_view(buffer_).substr(at_);
}

void LineWindow::skip_line() {
  for (std::string_view left = view(); !left.empty(); left = view()) {
    const auto end = left.find('\n');
    consume(end == left.npos ? left.size() : end + 1);
    if (end != left.npos) return;
  }
}

}  // namespace postern::store
