#include "policy/stream.h"

#include "base/text.h"
#include "policy/domain.h"
#include "policy/unicode.h"

#include <algorithm>
#include <utility>

namespace postern::policy {

namespace {

constexpr std::string_view fallback_name = "default";

std::string label_pattern(std::string_view label) {
  if (!is_ascii(label)) {
    if (auto ascii = label_to_ascii(label)) return std::move(*ascii);
  }
  return to_lower(label);
}

bool was_named(const Stream& stream, std::string_view name) {
  return std::ranges::find(stream.formerly, name) != stream.formerly.end();
}

}  // namespace

Streams::Streams(std::vector<Stream> streams) : streams_(std::move(streams)) {
  const auto configured = std::ranges::find(streams_, fallback_name, &Stream::name);
  fallback_ = static_cast<std::size_t>(configured - streams_.begin());
  null_sender_.name = fallback_name;
  if (configured == streams_.end()) streams_.push_back(null_sender_);
  null_sender_.kind = Stream::Kind::transactional;
  has_list_ids_ =
      std::ranges::any_of(streams_, [](const Stream& stream) { return !stream.list_id.empty(); });
  for (const auto& stream : streams_) {
    auto& patterns = patterns_.emplace_back();
    for (const auto& pattern : stream.sender) patterns.push_back(canonical_pattern(pattern));
  }
}

const Stream& Streams::of_envelope(const Mailbox& reverse_path, std::string_view listener,
                                   std::string_view login) const {
  if (reverse_path.empty()) return null_sender_;
  const std::string sender = canonical(reverse_path).text;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    const Stream& stream = streams_[i];
    if (stream.sender.empty() && stream.listener.empty() && stream.login.empty()) continue;
    const bool by_sender = stream.sender.empty() || matches_any(patterns_[i], sender);
    const bool by_login =
        stream.login.empty() || (!login.empty() && matches_any(stream.login, login));
    const bool by_listener = stream.listener.empty() ||
                             std::ranges::find(stream.listener, listener) != stream.listener.end();
    if (by_sender && by_listener && by_login) return stream;
  }
  return fallback();
}

const Stream* Streams::of_list_id(std::string_view list_id) const {
  if (list_id.empty()) return nullptr;
  const auto found = std::ranges::find(streams_, list_id, &Stream::list_id);
  return found == streams_.end() ? nullptr : &*found;
}

const Stream* Streams::find(std::string_view name) const {
  auto found = std::ranges::find(streams_, name, &Stream::name);
  if (found == streams_.end()) {
    found = std::ranges::find_if(streams_, [&](const auto& s) { return was_named(s, name); });
  }
  return found == streams_.end() ? nullptr : &*found;
}

const Stream& Streams::fallback() const { return streams_[fallback_]; }

std::string canonical_pattern(std::string_view pattern) {
  if (!unfit_for_address(pattern).empty()) return std::string(pattern);
  const auto at = pattern.rfind('@');
  std::string result = case_folded(to_nfc(pattern.substr(0, at)));
  if (at == pattern.npos) return result;
  result += '@';
  auto domain = pattern.substr(at + 1);
  for (auto dot = domain.find('.'); dot != domain.npos; dot = domain.find('.')) {
    result += label_pattern(domain.substr(0, dot));
    result += '.';
    domain.remove_prefix(dot + 1);
  }
  return result += label_pattern(domain);
}

bool matches_pattern(std::string_view pattern, std::string_view sender) {
  std::size_t p = 0;
  std::size_t s = 0;
  // Going back to the last "*" alone is enough, and keeps the work to the product of the lengths.
  std::size_t after_star = pattern.npos;
  std::size_t star_ends = 0;
  while (s < sender.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      after_star = ++p;
      star_ends = s;
    } else if (p < pattern.size() && ascii_lower(pattern[p]) == ascii_lower(sender[s])) {
      ++p;
      ++s;
    } else if (after_star != pattern.npos) {
      p = after_star;
      s = ++star_ends;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == pattern.npos;
}

bool matches_any(std::span<const std::string> patterns, std::string_view text) {
  return std::ranges::any_of(patterns,
                             [&](const auto& pattern) { return matches_pattern(pattern, text); });
}

bool hold_covers(const Scope& scope, const Stream& stream, const Streams& streams) {
  const bool marketing = stream.kind == Stream::Kind::marketing;
  switch (scope.kind) {
    case Scope::Kind::all:
      return true;
    case Scope::Kind::marketing:
      return marketing;
    case Scope::Kind::stream:
      break;
  }
  // Mail from <> is in no stream that somebody could have left, though it goes by the name
  // "default".
  if (&stream == &streams.null_sender()) return false;
  if (stream.name == scope.stream || was_named(stream, scope.stream)) return true;
  return marketing && streams.find(scope.stream) == nullptr;
}

bool permission_covers(const Scope& scope, const Stream& stream, const Streams& streams) {
  switch (scope.kind) {
    case Scope::Kind::all:
      return true;
    case Scope::Kind::marketing:
      return stream.kind == Stream::Kind::marketing;
    case Scope::Kind::stream:
      break;
  }
  if (&stream == &streams.null_sender()) return false;
  return stream.name == scope.stream || was_named(stream, scope.stream);
}

}  // namespace postern::policy
