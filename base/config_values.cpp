#include "base/config_values.h"

#include "base/network.h"
#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>
#include <system_error>
#include <vector>

#include <fmt/format.h>

namespace postern::config {
namespace {

constexpr std::size_t longest_key = 40;  // longer ones are no slip of a known one

bool is_name_character(char c) {
  const char lower = ascii_lower(c);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-';
}

bool is_blank_or_control(char c) {
  const auto octet = static_cast<unsigned char>(c);
  return octet <= ' ' || octet == 0x7f;
}

// WCAG 2.1, "contrast ratio" and "relative luminance".
double contrast_with_white(const std::array<unsigned, 3>& channels) {
  constexpr std::array weights{0.2126, 0.7152, 0.0722};
  double luminance = 0;
  for (std::size_t i = 0; i < channels.size(); ++i) {
    const double share = channels[i] / 255.0;
    luminance +=
        weights[i] * (share <= 0.04045 ? share / 12.92 : std::pow((share + 0.055) / 1.055, 2.4));
  }
  return 1.05 / (luminance + 0.05);
}

// Levenshtein's distance: insertions, deletions and replacements that make one of the other.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string check_name(std::string_view name) {
  if (name.empty()) return "may not be empty";
  if (name.size() > max_name) {
    return fmt::format("'{}' is longer than {} octets", printable(name, 20), max_name);
  }
  if (!std::ranges::all_of(name, is_name_character)) {
    return fmt::format("'{}' holds other characters than letters, digits, '.', '_' and '-'",
                       printable(name, 80));
  }
  return {};
}

std::string check_stream_name(std::string_view name) {
  if (name == "all") return "'all' is reserved: it stands for every stream";
  return check_name(name);
}

std::string check_list_id(std::string_view list_id) {
  constexpr std::size_t longest = 255;
  const auto odd = [](char c) { return c <= ' ' || c > '~' || c == '<' || c == '>'; };
  if (list_id.size() <= longest && std::ranges::none_of(list_id, odd)) return {};
  return fmt::format(
      "'{}' is no list identifier: write it without brackets and blanks, as in "
      "\"news.example.com\"",
      printable(list_id, 80));
}

std::string check_feedback_id(std::string_view feedback_id) {
  constexpr std::size_t longest = 200;
  const auto odd = [](char c) { return c < ' ' || c > '~'; };
  if (feedback_id.size() <= longest && std::ranges::none_of(feedback_id, odd)) return {};
  return fmt::format(
      "'{}' is no Feedback-ID: at most {} printable ASCII characters, as in "
      "\"newsletter::example\"",
      printable(feedback_id, 80), longest);
}

std::string check_field_name(std::string_view name) {
  const auto odd = [](char c) { return c <= ' ' || c > '~' || c == ':'; };
  if (!name.empty() && name.size() <= max_name && std::ranges::none_of(name, odd)) return {};
  return fmt::format(
      "'{}' is no name of a header field: write it without the colon, as in "
      "\"X-Campaign-ID\"",
      printable(name, 80));
}

std::string check_sender_pattern(std::string_view pattern) {
  static constexpr std::string_view allowed = "write *@news.example.com or the like";
  if (pattern.empty()) return fmt::format("a pattern may not be empty: {}", allowed);
  const auto shown = printable(pattern, 80);
  if (std::ranges::any_of(pattern, is_blank_or_control)) {
    return fmt::format("'{}' holds a blank: {}", shown, allowed);
  }
  if (std::ranges::count(pattern, '@') > 1) {
    return fmt::format("'{}' holds more than one '@': {}", shown, allowed);
  }
  return {};
}

std::string check_login_pattern(std::string_view pattern) {
  static constexpr std::string_view allowed = "write *@sales.example.com, anna or the like";
  if (pattern.empty()) return fmt::format("a pattern may not be empty: {}", allowed);
  if (!std::ranges::any_of(pattern, is_blank_or_control)) return {};
  return fmt::format("'{}' holds a blank: {}", printable(pattern, 80), allowed);
}

std::string check_user(std::string_view name) {
  constexpr std::size_t longest = 32;
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  const bool begins = name.empty() || name.front() == '_' || (name.front() >= 'a');
  if (begins && name.size() <= longest && std::ranges::all_of(name, fits)) return {};
  return fmt::format("'{}' is no name of a user, as in \"postern\"", printable(name, 60));
}

std::string check_return_domain(std::string_view domain) {
  constexpr std::size_t longest = 190;
  if (domain.size() > longest) {
    return fmt::format("longer than {} octets: no address would have room for it", longest);
  }
  return check_domain(domain);
}

std::string check_complaints(std::string_view local_part) {
  constexpr std::size_t longest = 40;
  if (local_part.empty()) return {};
  if (equal_nocase(local_part, "postmaster")) {
    return "'postmaster' is taken: its mail is passed on to a person";
  }
  const bool dots_apart =
      !local_part.starts_with('.') && !local_part.ends_with('.') && !local_part.contains("..");
  if (local_part.size() <= longest && dots_apart &&
      std::ranges::all_of(local_part, is_name_character)) {
    return {};
  }
  return fmt::format(
      "'{}' is no local part of ours: at most {} letters, digits, '.', '_' and '-', as in "
      "\"complaints\"",
      printable(local_part, 80), longest);
}

std::string check_domain(std::string_view domain) {
  const auto shown = printable(domain, 80);
  if (!is_ascii(domain)) {
    return fmt::format("'{}' is not ASCII: write its A-labels (xn--...)", shown);
  }
  if (!is_host_name(domain)) {
    return fmt::format("'{}' is no domain name: write example.com or the like", shown);
  }
  return {};
}

std::string check_shown_text(std::string_view text) {
  constexpr std::size_t longest = 200;
  if (text.size() > longest) return fmt::format("longer than {} octets", longest);
  if (std::ranges::any_of(text, [](char c) { return c != ' ' && is_blank_or_control(c); })) {
    return "is one line: no line break or other control character";
  }
  return {};
}

std::string check_public_url(std::string_view url) {
  static constexpr std::string_view allowed = "write https://unsub.example.com or the like";
  constexpr std::size_t longest = 300;  // with a token behind it, a header line still holds it
  const auto shown = printable(url, 80);
  if (url.size() > longest) return fmt::format("longer than {} octets", longest);
  const bool plain = url.starts_with("http://");
  if (!plain && !url.starts_with("https://")) {
    return fmt::format("'{}' does not begin with https://: {}", shown, allowed);
  }
  if (!is_ascii(url) || url.find_first_of("\"<>\\^`{|}?#@ ") != url.npos ||
      std::ranges::any_of(url, is_blank_or_control)) {
    return fmt::format("'{}' holds a query, a fragment, a user or what no URL may hold: {}", shown,
                       allowed);
  }
  const auto rest = url.substr(url.find("//") + 2);
  const auto authority = std::string(rest.substr(0, rest.find('/')));
  const auto bracket = authority.rfind(']');
  const bool has_port =
      authority.find(':', bracket == authority.npos ? 0 : bracket) != authority.npos;
  const auto endpoint = parse_endpoint(has_port ? authority : authority + ":443");
  if (!endpoint) return fmt::format("'{}' names no host: {}", shown, allowed);
  if (plain && !is_loopback(*endpoint)) {
    return fmt::format("'{}': http is for the loopback interface alone; mail services want https",
                       shown);
  }
  return {};
}

std::string check_colour(std::string_view colour) {
  constexpr double least_contrast = 4.5;
  std::array<unsigned, 3> channels{};
  bool good = colour.size() == 7 && colour.front() == '#';
  for (std::size_t i = 0; good && i < channels.size(); ++i) {
    const auto* from = colour.data() + 1 + 2 * i;
    const auto [end, error] = std::from_chars(from, from + 2, channels[i], 16);
    good = error == std::errc{} && end == from + 2;
  }
  if (!good) {
    return fmt::format("'{}' is no colour: write #1d4ed8 or the like", printable(colour, 40));
  }
  const auto contrast = contrast_with_white(channels);
  if (contrast < least_contrast) {
    return fmt::format(
        "'{}' is too light: white text on it has a contrast of {:.1f}:1, and {}:1 is needed to be "
        "read; choose a darker one",
        colour, contrast, least_contrast);
  }
  return {};
}

std::string check_image_name(const std::filesystem::path& file) {
  const auto ending = to_lower(file.extension().string());
  if (ending == ".png" || ending == ".svg" || ending == ".jpg" || ending == ".jpeg") return {};
  return fmt::format("'{}' ends neither in .png nor in .svg, .jpg or .jpeg",
                     printable(file.string(), 80));
}

std::string_view nearest(std::string_view key, std::span<const std::string_view> known) {
  if (key.size() > longest_key) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, key.size() / 3) + 1;
  for (const auto candidate : known) {
    const auto distance = edit_distance(to_lower(key), candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace postern::config
