#include "certs/openssl.h"

#include <openssl/err.h>

namespace postern::certs {

std::string openssl_reason(std::string otherwise) {
  const auto code = ERR_get_error();
  ERR_clear_error();
  const char* text = ERR_reason_error_string(code);
  return text != nullptr ? text : std::move(otherwise);
}

}  // namespace postern::certs
