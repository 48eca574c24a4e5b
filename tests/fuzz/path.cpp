// Paths and mailboxes: whatever comes, no crash; and what is taken keeps its meaning through every
// writing of it.
#include "policy/address.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace postern::policy;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_mailbox(const Mailbox& mailbox) {
  const std::string written = to_string(mailbox);
  const auto again = parse_path("<" + written + ">", true);
  require(again.has_value() && *again == mailbox);
  require(mailbox.local_part.size() <= max_local_part && mailbox.domain.size() <= max_domain);
  for (const char c : written) require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);

  const auto identity = canonical(mailbox);
  if (mailbox.empty()) return;
  const auto identified = parse_path("<" + identity.text + ">", false);
  require(identified.has_value() && canonical(*identified) == identity);
  require(to_string(*identified) == identity.text && !identity.is_domain());

  const auto forms = lookup_forms(identity, builtin_providers());
  require(!forms.exact.empty() && forms.exact.front() == identity);
  require(forms.exact.size() <= 2 && forms.folded.size() <= 2 && forms.domains.size() <= 128);
  for (const auto* group : {&forms.exact, &forms.folded}) {
    for (const auto& form : *group) require(parse_path("<" + form.text + ">", false).has_value());
  }
  for (const auto& form : forms.domains) require(parse_domain_pattern(form.text) == form);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto path = parse_path(input, true)) check_mailbox(*path);
  if (const auto mailbox = parse_mailbox(input)) {
    check_mailbox(*mailbox);
    require(parse_contact(input, false) == canonical(*mailbox));
  }
  if (const auto pattern = parse_domain_pattern(input)) {
    require(pattern->is_domain() && parse_domain_pattern(pattern->text) == *pattern);
  }
  return 0;
}
