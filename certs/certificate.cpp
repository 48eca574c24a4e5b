#include "certs/certificate.h"

#include "base/log.h"

#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace postern::certs {
namespace {

// The first reason that OpenSSL gives; what follows from it is of no use to a person.
std::string reason() {
  const auto code = ERR_get_error();
  ERR_clear_error();
  const char* text = ERR_reason_error_string(code);
  return text != nullptr ? text : "not readable";
}

Result<void> readable(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) {
    return fail(Errc::not_found, fmt::format("{}: there is no such file", file.string()));
  }
  return {};
}

Result<std::shared_ptr<SSL_CTX>> make_context(const std::filesystem::path& certificate,
                                              const std::filesystem::path& key) {
  for (const auto& file : {certificate, key}) {
    if (auto there = readable(file); !there) return std::unexpected(there.error());
  }
  ERR_clear_error();
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) {
    return fail(Errc::io, "OpenSSL: " + reason());
  }
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  // An encrypted key is an error: nobody is there to be asked for its password.
  SSL_CTX_set_default_passwd_cb(context.get(), [](char*, int, int, void*) { return -1; });
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1) {
    return fail(Errc::invalid,
                fmt::format("{}: no certificate in PEM form: {}", certificate.string(), reason()));
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    return fail(Errc::invalid, fmt::format("{}: no key in PEM form that belongs to {}: {}",
                                           key.string(), certificate.string(), reason()));
  }
  return context;
}

}  // namespace

Certificate::Certificate(std::filesystem::path certificate, std::filesystem::path key,
                         std::shared_ptr<SSL_CTX> context, Stamps stamps)
    : certificate_(std::move(certificate)),
      key_(std::move(key)),
      context_(std::move(context)),
      stamps_(std::move(stamps)) {}

std::optional<Certificate::Stamp> Certificate::stamp(const std::filesystem::path& file) {
  std::error_code error;
  const auto written = std::filesystem::last_write_time(file, error);
  if (error) return std::nullopt;
  const auto size = std::filesystem::file_size(file, error);
  if (error) return std::nullopt;
  return Stamp{written, size};
}

Result<std::unique_ptr<Certificate>> Certificate::load(std::filesystem::path certificate,
                                                       std::filesystem::path key) {
  const Stamps stamps{stamp(certificate), stamp(key)};
  auto context = make_context(certificate, key);
  if (!context) return std::unexpected(context.error());
  return std::unique_ptr<Certificate>(
      new Certificate(std::move(certificate), std::move(key), *std::move(context), stamps));
}

std::shared_ptr<SSL_CTX> Certificate::context() const {
  const std::scoped_lock lock(mutex_);
  return context_;
}

void Certificate::look() {
  if (stamps() != stamps_) reload();
}

void Certificate::reload() {
  stamps_ = stamps();
  auto context = make_context(certificate_, key_);
  if (!context) {
    log::error(
        fmt::format("{}; the certificate stays the one that was in use", context.error().text));
    return;
  }
  const std::scoped_lock lock(mutex_);
  context_ = *std::move(context);
  log::info(fmt::format("certificate {}: loaded", certificate_.string()));
}

}  // namespace postern::certs
