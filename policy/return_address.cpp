#include "policy/return_address.h"

#include "base/text.h"
#include "policy/address.h"
#include "policy/return_token.h"

#include <algorithm>
#include <cstddef>

namespace postern::policy {
namespace {

bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_letter_or_digit(char c) { return is_letter(c) || (c >= '0' && c <= '9'); }
bool is_of_token(char c) { return is_letter(c) || (c >= '2' && c <= '7'); }

// As far as it is quoted: what a quoted pair or a pair of quotes stands for is all that counts.
std::string plain(std::string_view local_part) {
  std::string text = to_lower(trim(local_part));
  std::erase_if(text, [](char c) { return c == '"' || c == '\\'; });
  return std::string(trim(text));
}

std::string_view token_in(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (!is_letter_or_digit(text[at])) {
      ++at;
      continue;
    }
    const auto* const end = std::ranges::find_if_not(text.substr(at), is_letter_or_digit);
    const auto word = text.substr(at, static_cast<std::size_t>(end - (text.data() + at)));
    if (word.size() == return_token_size && std::ranges::all_of(word, is_of_token)) return word;
    at += word.size();
  }
  return {};
}

}  // namespace

ReturnAddress read_return_address(std::string_view local_part, std::string_view complaints) {
  using Kind = ReturnAddress::Kind;
  if (local_part.size() > max_local_part) return {};
  const std::string text = plain(local_part);
  if (text == "postmaster") return {Kind::postmaster};
  if (const auto token = token_in(text); !token.empty()) {
    return {Kind::token, std::string(token)};
  }
  const bool complains = !complaints.empty() && text.substr(0, text.find('+')) == complaints;
  return {complains ? Kind::complaints : Kind::other};
}

}  // namespace postern::policy
