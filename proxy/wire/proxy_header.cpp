#include "proxy/wire/proxy_header.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace postern::wire {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view signature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::string_view line_start = "PROXY ";
constexpr std::size_t fixed_size = 16;  // signature, version and command, family, length

constexpr std::string_view not_a_header = "this is no PROXY header";
constexpr std::string_view too_long = "its PROXY header is too long";
constexpr std::string_view malformed = "its PROXY header is malformed";

std::uint8_t octet_at(std::string_view octets, std::size_t at) {
  return static_cast<std::uint8_t>(octets[at]);
}

// Up to the next single blank, which goes too.
std::string_view next_word(std::string_view& line) {
  const auto end = std::min(line.find(' '), line.size());
  const auto word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

bool is_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto* const last = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), last, port);
  const bool canonical = text == "0" || !text.starts_with('0');
  return error == std::errc{} && stop == last && !text.empty() && canonical;
}

// As a line of that family spells them: "TCP4" with dots, "TCP6" with colons.
std::optional<IpAddress> read_address(std::string_view text, bool v6) {
  if (text.contains(':') != v6) return std::nullopt;
  const auto address = parse_ip(text);
  if (!address) return std::nullopt;
  return *address;
}

IpAddress mapped(std::string_view four) {
  IpAddress address;
  address.octets[10] = address.octets[11] = 0xff;
  std::ranges::copy(four.substr(0, 4), address.octets.begin() + 12);
  return address;
}

// Family and transport, section 2.2; the octets of both addresses with their ports.
struct Family {
  std::uint8_t code;
  std::size_t octets;
};
constexpr std::uint8_t tcp4 = 0x11;
constexpr std::uint8_t tcp6 = 0x21;
constexpr std::array families{Family{0x00, 0}, Family{tcp4, 12}, Family{tcp6, 36},
                              Family{0x31, 216}};

}  // namespace

void ProxyHeader::take(std::string_view octets) {
  while (!octets.empty() && wanted() > 0) {
    const auto count = std::min(octets.size(), wanted_);
    seen_ += octets.substr(0, count);
    octets.remove_prefix(count);
    wanted_ -= count;
    switch (form_) {
      case Form::unknown:
        recognise();
        break;
      case Form::line:
        take_line();
        break;
      case Form::fixed:
        take_fixed();
        break;
      case Form::block:
        take_block();
        break;
    }
  }
}

void ProxyHeader::recognise() {
  const std::string_view seen = seen_;
  const bool binary = seen == signature.substr(0, seen.size());
  const bool text = seen.substr(0, line_start.size()) == line_start.substr(0, seen.size());
  if (!binary && !text) {
    fault_ = not_a_header;
  } else if (wanted_ == 0 && binary) {
    form_ = Form::fixed;
    wanted_ = fixed_size - seen_.size();
  } else if (wanted_ == 0) {
    form_ = Form::line;
    take_line();
  }
}

// Before the CRLF nothing tells how long the line is: what is still to come is its end at least.
void ProxyHeader::take_line() {
  const auto end = seen_.find_first_of("\r\n");
  const std::size_t missing = end == std::string::npos ? 2 : 1;
  if (end != std::string::npos && seen_.substr(end) == "\r\n") {
    wanted_ = 0;
    read_line(std::string_view(seen_).substr(0, end));
  } else if (end != std::string::npos && seen_.substr(end) != "\r") {
    fault_ = malformed;
  } else if (seen_.size() + missing > longest_proxy_line) {
    fault_ = too_long;
  } else {
    wanted_ = missing;
  }
}

void ProxyHeader::read_line(std::string_view line) {
  line.remove_prefix(line_start.size());
  const auto family = next_word(line);
  if (family == "UNKNOWN") return;  // whatever else it says is to be ignored
  const bool v6 = family == "TCP6";
  const auto source = read_address(next_word(line), v6);
  const auto destination = read_address(next_word(line), v6);
  const bool ports = is_port(next_word(line)) && is_port(line);
  if ((!v6 && family != "TCP4") || !source || !destination || !ports) {
    fault_ = malformed;
  } else {
    client_ = *source;
  }
}

void ProxyHeader::take_fixed() {
  if (wanted_ > 0) return;
  const auto version_and_command = octet_at(seen_, 12);
  const auto length = static_cast<std::size_t>((octet_at(seen_, 14) << 8U) | octet_at(seen_, 15));
  const auto* const family = std::ranges::find(families, octet_at(seen_, 13), &Family::code);
  const bool local = version_and_command == 0x20;
  if (version_and_command >> 4U != 2) {
    fault_ = "its PROXY header is of an unknown version";
  } else if (length > longest_proxy_block) {
    fault_ = too_long;
  } else if (!local &&
             (version_and_command != 0x21 || family == families.end() || length < family->octets)) {
    fault_ = malformed;
  } else {
    form_ = Form::block;
    wanted_ = length;
    if (length == 0) take_block();
  }
}

void ProxyHeader::take_block() {
  if (wanted_ > 0) return;
  const bool local = octet_at(seen_, 12) == 0x20;
  const auto family = octet_at(seen_, 13);
  const auto block = std::string_view(seen_).substr(fixed_size);
  if (!local && family == tcp4) {
    client_ = mapped(block);
  } else if (!local && family == tcp6) {
    client_.emplace();
    std::ranges::copy(block.substr(0, 16), client_->octets.begin());
  }
}

}  // namespace postern::wire
