#include "web/texts.h"

#include "base/text.h"
#include "web/embedded.h"

#include <algorithm>
#include <stdexcept>

namespace postern::web {

const Texts& Texts::of(Language language) {
  static const std::map<Language, Texts> catalogues = [] {
    std::map<Language, Texts> made;
    for (const auto each : languages) {
      made.emplace(each, Texts(embedded("texts/" + std::string(tag(each)) + ".txt")));
    }
    return made;
  }();
  return catalogues.at(language);
}

Texts::Texts(std::string_view catalogue) {
  while (!catalogue.empty()) {
    const auto end = std::min(catalogue.find('\n'), catalogue.size());
    const auto line = trim(catalogue.substr(0, end));
    catalogue.remove_prefix(std::min(catalogue.size(), end + 1));
    if (line.empty() || line.starts_with('#')) continue;
    const auto equals = line.find('=');
    if (equals == line.npos) throw std::logic_error("no text: " + std::string(line));
    texts_.emplace(trim(line.substr(0, equals)), trim(line.substr(equals + 1)));
  }
}

std::string Texts::get(std::string_view key, Values values) const {
  const auto found = texts_.find(key);
  if (found == texts_.end()) throw std::logic_error("no text for " + std::string(key));
  std::string out;
  std::string_view text = found->second;
  while (!text.empty()) {
    const auto open = std::min(text.find('{'), text.size());
    out += text.substr(0, open);
    text.remove_prefix(open);
    if (text.empty()) break;
    const auto close = std::min(text.find('}'), text.size() - 1);
    const auto placeholder = text.substr(1, close - 1);
    const auto* const value = std::ranges::find(values, placeholder, &Values::value_type::first);
    if (value != values.end()) out += value->second;
    text.remove_prefix(close + 1);
  }
  return out;
}

}  // namespace postern::web
