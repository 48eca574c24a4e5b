// What the pages say, in each of their languages: the catalogues of texts/*.txt, one text a line:
// "key = text", with {placeholders}.
#pragma once

#include "web/language.h"

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace postern::web {

class Texts {
 public:
  // Of the catalogue that is in the binary. Made once; what it gives lives as long as the program.
  [[nodiscard]] static const Texts& of(Language language);
  explicit Texts(std::string_view catalogue);

  using Values = std::initializer_list<std::pair<std::string_view, std::string_view>>;
  // With each {name} replaced; not escaped for HTML. A key that no catalogue has is a mistake of
  // the program (std::logic_error).
  [[nodiscard]] std::string get(std::string_view key, Values values = {}) const;
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& all() const {
    return texts_;
  }

 private:
  std::map<std::string, std::string, std::less<>> texts_;
};

}  // namespace postern::web
