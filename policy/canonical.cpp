// The identity of a contact, and every canonical text under which a state may stand that covers it.
#include "base/text.h"
#include "policy/address.h"
#include "policy/local_part.h"
#include "policy/unicode.h"

#include <algorithm>
#include <utility>

namespace postern::policy {

namespace {

struct Parts {
  std::string local_part;  // unquoted
  std::string_view domain;
};

// A canonical address taken apart again. No domain holds an "@", so the last one is the one.
Parts parts_of(const CanonicalAddress& address) {
  const std::string_view text = address.text;
  const auto at = text.rfind('@');
  if (at == text.npos) return {.local_part = address.text, .domain = {}};
  Parts parts{.local_part = std::string(text.substr(0, at)), .domain = text.substr(at + 1)};
  if (text.starts_with('"')) {
    if (auto read = read_local_part(text)) parts.local_part = std::move(read->text);
  }
  return parts;
}

std::string joined(std::string_view local_part, std::string_view domain) {
  std::string text;
  text.reserve(local_part.size() + 3 + domain.size());
  append_local_part(text, local_part);
  text += '@';
  return text += domain;
}

// Where the subaddress begins, or the end. A leading "+" is no delimiter.
std::size_t subaddress_of(std::string_view local_part) {
  return std::min(local_part.find('+', 1), local_part.size());
}

const Provider* provider_of(std::string_view domain, const std::vector<Provider>& providers) {
  for (const auto& provider : providers) {
    if (std::ranges::find(provider.domains, domain) != provider.domains.end()) return &provider;
  }
  return nullptr;
}

// "@.parent" for every parent of `domain`, nearest first. An address literal has none.
void append_parents(std::vector<CanonicalAddress>& forms, std::string_view domain) {
  if (domain.starts_with('[')) return;
  for (auto dot = domain.find('.'); dot != domain.npos; dot = domain.find('.', dot + 1)) {
    forms.push_back({"@" + std::string(domain.substr(dot))});
  }
}

void append_folded(std::vector<CanonicalAddress>& forms, const CanonicalAddress& address,
                   const std::vector<Provider>& providers) {
  CanonicalAddress form{folded(address, providers)};
  if (!form.text.empty()) forms.push_back(std::move(form));
}

}  // namespace

CanonicalAddress canonical(const Mailbox& mailbox) {
  const std::string_view local = mailbox.local_part;
  if (!mailbox.domain.empty() && !local.empty() && plain_local_part(local) == local.size()) {
    std::string text;
    text.reserve(local.size() + 1 + mailbox.domain.size());
    text += local;
    std::ranges::transform(text, text.begin(), ascii_lower);
    text += '@';
    text += mailbox.domain;
    return {std::move(text)};
  }
  auto local_part = case_folded(mailbox.local_part);
  if (mailbox.domain.empty()) return {std::move(local_part)};
  return {joined(local_part, mailbox.domain)};
}

const std::vector<Provider>& builtin_providers() {
  static const std::vector<Provider> providers = {
      {.domains = {"gmail.com", "googlemail.com"}, .ignore_dots = true},
  };
  return providers;
}

std::string without_subaddress(const CanonicalAddress& address) {
  if (address.is_domain() || address.text.find('+', 1) == address.text.npos) return {};
  const Parts parts = parts_of(address);
  const auto end = subaddress_of(parts.local_part);
  if (end == parts.local_part.size() || parts.domain.empty()) return {};
  return joined(std::string_view(parts.local_part).substr(0, end), parts.domain);
}

std::string folded(const CanonicalAddress& address, const std::vector<Provider>& providers) {
  const auto at = address.text.rfind('@');
  if (address.is_domain() || at == address.text.npos) return {};
  const auto* provider = provider_of(std::string_view(address.text).substr(at + 1), providers);
  if (provider == nullptr) return {};
  Parts parts = parts_of(address);
  if (provider->ignore_dots) {
    // What stands behind the "+" is the contact's own, dots and all.
    const auto tag = parts.local_part.substr(subaddress_of(parts.local_part));
    std::string user = parts.local_part.substr(0, subaddress_of(parts.local_part));
    std::erase(user, '.');
    if (!user.empty()) parts.local_part = user + tag;
  }
  return joined(parts.local_part, provider->domains.front());
}

LookupForms lookup_forms(const CanonicalAddress& address, const std::vector<Provider>& providers) {
  const std::string_view text = address.text;
  LookupForms forms;
  forms.exact.push_back(address);
  if (address.is_domain()) {
    append_parents(forms.domains, text.substr(text.starts_with("@.") ? 2 : 1));
    return forms;
  }
  append_folded(forms.folded, address, providers);
  if (CanonicalAddress user{without_subaddress(address)}; !user.text.empty()) {
    append_folded(forms.folded, user, providers);
    forms.exact.push_back(std::move(user));
  }
  if (const auto at = text.rfind('@'); at != text.npos) {
    forms.domains.push_back({std::string(text.substr(at))});
    append_parents(forms.domains, text.substr(at + 1));
  }
  return forms;
}

}  // namespace postern::policy
