// The address finder: whom a notice names as failed, from text alone.
#include "policy/return_mail/recipients.h"

#include "policy/return_mail/address_scan.h"
#include "policy/return_mail/notice.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace return_mail = postern::return_mail;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const return_mail::Notice notice{std::string(input)};
  const return_mail::Correspondents correspondents{
      .addressed = {"news@example.com"}, .reporter = "mailer-daemon@example.net", .failed = {}};
  for (const bool certain : {false, true}) {
    for (const auto& named : return_mail::find_recipients(notice, correspondents, certain)) {
      if (!named.address.contains('@')) std::abort();
      // Nobody is made up.
      const bool stands_there = std::ranges::any_of(
          notice.lines(), [&](const auto& line) { return line.text.contains(named.address); });
      if (!stands_there) std::abort();
    }
  }
  static_cast<void>(return_mail::address_of_field(input));
  static_cast<void>(return_mail::only_address(input));
  return 0;
}
