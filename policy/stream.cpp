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

// A pattern as canonical addresses are spelled: local part folded, labels of the domain that are
// not ASCII as A-labels. What cannot be brought there stays as it is, and matches nothing.
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
  for (const auto& stream : streams_) {
    auto& patterns = patterns_.emplace_back();
    for (const auto& pattern : stream.sender) patterns.push_back(canonical_pattern(pattern));
  }
}

const Stream& Streams::of_sender(const Mailbox& reverse_path) const {
  if (reverse_path.empty()) return null_sender_;
  const std::string sender = canonical(reverse_path).text;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    for (const auto& pattern : patterns_[i]) {
      if (matches_pattern(pattern, sender)) return streams_[i];
    }
  }
  return fallback();
}

const Stream* Streams::find(std::string_view name) const {
  auto found = std::ranges::find(streams_, name, &Stream::name);
  if (found == streams_.end()) {
    found = std::ranges::find_if(streams_, [&](const auto& s) { return was_named(s, name); });
  }
  return found == streams_.end() ? nullptr : &*found;
}

const Stream& Streams::fallback() const { return streams_[fallback_]; }

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
