// The files of static/, templates/ and texts/, as they were when the program was built.
#pragma once

#include <span>
#include <string_view>

namespace postern::web {

struct EmbeddedFile {
  std::string_view name;  // "static/pico.min.css"
  std::string_view octets;
};
[[nodiscard]] std::span<const EmbeddedFile> embedded_files();

// Of a file that is there: a name that is not is a mistake of the program (std::logic_error).
[[nodiscard]] std::string_view embedded(std::string_view name);

}  // namespace postern::web
