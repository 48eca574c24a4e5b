#include "web/embedded.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace postern::web {

std::string_view embedded(std::string_view name) {
  const auto files = embedded_files();
  const auto found = std::ranges::find(files, name, &EmbeddedFile::name);
  if (found == files.end()) throw std::logic_error("no embedded file " + std::string(name));
  return found->octets;
}

}  // namespace postern::web
