// rules.toml, as it was when the program was built.
#pragma once

#include <span>
#include <string_view>

namespace postern::classify {

struct EmbeddedFile {
  std::string_view name;  // "rules.toml"
  std::string_view octets;
};
[[nodiscard]] std::span<const EmbeddedFile> embedded_files();

}  // namespace postern::classify
