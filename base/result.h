// Outcomes as values. What a caller must tell apart is a code; what a person must read is the text
// beside it.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace postern {

enum class Errc {
  invalid,      // input that is not what it should be: an address, a row, a key; exit status 2 or a
                // rejected row
  not_found,    // no such file, store or contact
  exists,       // would overwrite something
  version,      // a store of a newer or another format
  busy,         // somebody else holds a lock or a port
  full,         // disk or map full
  damaged,      // a store or record that does not decode
  unsupported,  // a known key set to something this build lacks; a network file system
  io,           // any other failure of the system
  timeout,      // a deadline passed
  cancelled,    // given up by ourselves
  conflict,     // somebody else decided otherwise meanwhile
  closed,       // the other side hung up
};

struct Error {
  Errc code = Errc::io;
  std::string text;  // one line, for a person: what is wrong and what to do
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(Errc code, std::string text) {
  return std::unexpected(Error{code, std::move(text)});
}

}  // namespace postern
