#include "web/mask.h"

#include <string_view>

namespace postern::web {
namespace {

constexpr std::string_view hidden = "•••";

// UTF-8: the first octet, and those that continue it.
std::string_view first_character(std::string_view text) {
  std::size_t size = text.empty() ? 0 : 1;
  while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80U) ++size;
  return text.substr(0, size);
}

}  // namespace

std::string masked(const policy::CanonicalAddress& address) {
  std::string_view local = address.text;
  std::string_view domain;
  if (const auto at = local.rfind('@'); at != local.npos) {
    domain = local.substr(at + 1);
    local = local.substr(0, at);
  }
  if (local.starts_with('"')) local.remove_prefix(1);
  std::string out(first_character(local));
  out += hidden;
  out += '@';
  if (domain.starts_with('[')) return out + "[" + std::string(hidden) + "]";
  out += first_character(domain);
  out += hidden;
  const auto dot = domain.rfind('.');
  if (dot != domain.npos) out += domain.substr(dot);
  return out;
}

}  // namespace postern::web
