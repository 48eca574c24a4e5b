#include "certs/client_context.h"

#include "certs/key_pair.h"

#include <system_error>

#include <fmt/format.h>
#include <openssl/err.h>

namespace postern::certs {
namespace {

// Encrypted badly is still not in the clear, which is all that this is compared with: keys of 1024
// bits are taken, too.
constexpr int opportunistic_level = 1;

Result<std::shared_ptr<SSL_CTX>> plain_context() {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) {
    return fail(Errc::io, "OpenSSL: " + openssl_reason("no context"));
  }
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  return context;
}

Result<void> trust_system(SSL_CTX* context) {
  if (SSL_CTX_set_default_verify_paths(context) == 1) return {};
  return fail(Errc::io,
              "the system's certification authorities: " + openssl_reason("not readable"));
}

Result<void> trust(SSL_CTX* context, const std::filesystem::path& written) {
  const auto file = resolve_credential(written);
  if (!file) return std::unexpected(file.error());
  std::error_code error;
  if (!std::filesystem::is_regular_file(*file, error)) {
    return fail(Errc::not_found, fmt::format("{}: there is no such file", file->string()));
  }
  if (SSL_CTX_load_verify_file(context, file->c_str()) == 1) return {};
  return fail(Errc::invalid, fmt::format("{}: no certificate in PEM form: {}", file->string(),
                                         openssl_reason("not readable")));
}

}  // namespace

Result<std::shared_ptr<SSL_CTX>> opportunistic_context() {
  auto context = plain_context();
  if (context) SSL_CTX_set_security_level(context->get(), opportunistic_level);
  return context;
}

Result<std::shared_ptr<SSL_CTX>> verifying_context(const std::filesystem::path& ca) {
  auto context = plain_context();
  if (!context) return context;
  const auto trusted = ca.empty() ? trust_system(context->get()) : trust(context->get(), ca);
  if (!trusted) return std::unexpected(trusted.error());
  SSL_CTX_set_verify(context->get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

}  // namespace postern::certs
