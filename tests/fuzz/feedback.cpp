// A complaint's report (ARF) and the returned header beside it.
#include "policy/return_mail/feedback.h"

#include "policy/return_mail/header.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace return_mail = postern::return_mail;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto feedback = return_mail::parse_feedback(input);
  for (const auto& recipient : feedback.recipients) {
    if (!recipient.contains('@')) std::abort();
  }
  const auto returned = return_mail::parse_message(input);
  const auto named = return_mail::recipient_of_returned(returned.header);
  if (!named.empty() && !named.contains('@')) std::abort();
  static_cast<void>(return_mail::is_bare_complaint(returned.header, returned.header, input));
  return 0;
}
