// TLS contexts for connections to upstreams: TLS 1.2 and 1.3.
#pragma once

#include "base/result.h"
#include "certs/openssl.h"

#include <filesystem>
#include <memory>

namespace postern::certs {

// Takes any certificate: against those who only listen (RFC 7435).
[[nodiscard]] Result<std::shared_ptr<SSL_CTX>> opportunistic_context();

// The other side's certificate must lead to one of the roots in `ca` (PEM; empty: the system's).
// Its name is the connection's to say. Errc::not_found, Errc::invalid where there is no certificate
// in it, Errc::io.
[[nodiscard]] Result<std::shared_ptr<SSL_CTX>> verifying_context(const std::filesystem::path& ca);

}  // namespace postern::certs
