// What browsers and mail services send to the page: a form's body in either encoding, and
// Accept-Language. The first octet chooses; a form's content type ends at the first line feed.
#include "web/form.h"
#include "web/language.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void read_form(std::string_view type, std::string_view body) {
  const auto form = postern::web::parse_form(type, body);
  require(form.size() <= postern::web::max_form_fields);
  require(form.get("List-Unsubscribe").size() <= body.size());
  require(form.all("keep").size() <= form.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    const auto language = postern::web::choose_language(input);
    require(postern::web::parse_language(postern::web::tag(language)) == language);
    return 0;
  }
  const auto line = input.find('\n');
  if (line == std::string_view::npos) {
    read_form("", input);
  } else {
    read_form(input.substr(0, line), input.substr(line + 1));
  }
  return 0;
}
