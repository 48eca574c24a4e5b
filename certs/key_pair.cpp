#include "certs/key_pair.h"

#include "base/text.h"

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace postern::certs {
namespace {

constexpr std::string_view credential_prefix = "credential:";
// Longer is no chain that a client would take.
constexpr int longest_chain = 20;
// Time enough to renew a certificate; who renews by itself does so long before.
constexpr std::chrono::days soon{7};

std::string reason() { return openssl_reason("not readable"); }

// A secret is not read by everybody on the machine; a group may (Debian's ssl-cert).
Result<void> is_secret(const std::filesystem::path& file, const struct stat& found) {
  if ((found.st_mode & S_IRWXO) == 0) return {};
  return fail(Errc::io, fmt::format("{}: everybody may read this key (mode {:04o}): chmod 640 {}",
                                    file.string(), found.st_mode & 07777U, file.string()));
}

Result<Bio> open_file(const std::filesystem::path& file, bool secret) {
  // Not blocking: a pipe in its place must not hold up the program.
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    const bool absent = errno == ENOENT || errno == ENOTDIR;
    return fail(absent ? Errc::not_found : Errc::io,
                absent ? fmt::format("{}: there is no such file", file.string())
                       : fmt::format("{}: cannot be read: {}", file.string(),
                                     std::generic_category().message(errno)));
  }
  Bio bio(BIO_new_fd(descriptor, BIO_CLOSE));
  struct stat found{};
  if (::fstat(descriptor, &found) != 0 || !S_ISREG(found.st_mode)) {
    return fail(Errc::io, fmt::format("{}: not a file", file.string()));
  }
  if (secret) {
    if (auto kept = is_secret(file, found); !kept) return std::unexpected(kept.error());
  }
  return bio;
}

// An encrypted key is an error: nobody is there to be asked for its password.
int no_password(char* /*into*/, int /*size*/, int /*writing*/, void* /*data*/) { return -1; }

Time time_of(const ASN1_TIME* written) {
  std::tm broken_down{};
  if (ASN1_TIME_to_tm(written, &broken_down) != 1) return {};
  return Time(std::chrono::seconds(::timegm(&broken_down)));
}

std::vector<std::string> host_names(X509* certificate) {
  std::vector<std::string> found;
  auto* const names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    int type = 0;
    const void* const value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
    if (type != GEN_DNS) continue;
    const auto* const text = static_cast<const ASN1_STRING*>(value);
    found.push_back(to_lower({reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                              static_cast<std::size_t>(ASN1_STRING_length(text))}));
  }
  GENERAL_NAMES_free(names);
  return found;
}

}  // namespace

Result<std::filesystem::path> resolve_credential(const std::filesystem::path& path) {
  const std::string& text = path.native();
  if (!text.starts_with(credential_prefix)) return path;
  const auto name = text.substr(credential_prefix.size());
  if (name.empty() || name.find('/') != std::string::npos || name == "." || name == "..") {
    return fail(Errc::invalid, fmt::format("{}: a credential has a name without /", text));
  }
  // Read at the start and on a reload, never while somebody sets it.
  const char* const folder = std::getenv("CREDENTIALS_DIRECTORY");  // NOLINT(concurrency-mt-unsafe)
  if (folder == nullptr || *folder == '\0') {
    return fail(Errc::not_found,
                fmt::format("{}: the service was given no credentials ($CREDENTIALS_DIRECTORY is "
                            "not set): LoadCredential={}:/path/to/the/file in its unit",
                            text, name));
  }
  return std::filesystem::path(folder) / name;
}

void KeyPair::Chain::operator()(STACK_OF(X509) * chain) const {
  sk_X509_pop_free(chain, X509_free);
}

Result<void> KeyPair::read_certificate(const std::filesystem::path& file) {
  const auto bio = open_file(file, false);
  if (!bio) return std::unexpected(bio.error());
  ERR_clear_error();
  certificate_.reset(PEM_read_bio_X509_AUX(bio->get(), nullptr, no_password, nullptr));
  if (!certificate_) {
    return fail(Errc::invalid,
                fmt::format("{}: no certificate in PEM form: {}", file.string(), reason()));
  }
  chain_.reset(sk_X509_new_null());
  while (auto* const next = PEM_read_bio_X509(bio->get(), nullptr, no_password, nullptr)) {
    if (sk_X509_push(chain_.get(), next) > longest_chain) {
      return fail(Errc::invalid, fmt::format("{}: more than {} certificates in a chain",
                                             file.string(), longest_chain));
    }
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return fail(Errc::invalid, fmt::format("{}: a certificate of its chain is not in PEM form: {}",
                                           file.string(), reason()));
  }
  ERR_clear_error();
  names_ = host_names(certificate_.get());
  return {};
}

Result<void> KeyPair::read_key(const std::filesystem::path& file) {
  const auto bio = open_file(file, true);
  if (!bio) return std::unexpected(bio.error());
  ERR_clear_error();
  key_.reset(PEM_read_bio_PrivateKey(bio->get(), nullptr, no_password, nullptr));
  if (key_) return {};
  return fail(Errc::invalid, fmt::format("{}: no key in PEM form without a password: {}",
                                         file.string(), reason()));
}

Result<std::shared_ptr<const KeyPair>> KeyPair::load(const CertificateFiles& files) {
  const auto certificate = resolve_credential(files.certificate);
  if (!certificate) return std::unexpected(certificate.error());
  const auto key = resolve_credential(files.key);
  if (!key) return std::unexpected(key.error());
  const std::shared_ptr<KeyPair> pair(new KeyPair);
  if (auto read = pair->read_certificate(*certificate); !read) return std::unexpected(read.error());
  if (auto read = pair->read_key(*key); !read) return std::unexpected(read.error());
  if (X509_check_private_key(pair->certificate_.get(), pair->key_.get()) != 1) {
    return fail(Errc::invalid, fmt::format("{}: the key of another certificate than {}: {}",
                                           key->string(), certificate->string(), reason()));
  }
  const std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>> trial(SSL_CTX_new(TLS_server_method()));
  if (!trial || !pair->install(trial.get())) {
    return fail(Errc::invalid,
                fmt::format("{}: not fit for TLS: {}", certificate->string(), reason()));
  }
  return pair;
}

bool KeyPair::is_for(const std::string& name) const {
  // To OpenSSL a leading dot means every name below: nobody is called that.
  if (name.empty() || name.front() == '.') return false;
  return X509_check_host(certificate_.get(), name.data(), name.size(),
                         X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1;
}

Time KeyPair::begins() const { return time_of(X509_get0_notBefore(certificate_.get())); }
Time KeyPair::expires() const { return time_of(X509_get0_notAfter(certificate_.get())); }

std::optional<std::string> KeyPair::odd_dates(Time now) const {
  if (now < begins()) return "is not valid before " + format_time(begins());
  if (now > expires()) return "expired on " + format_time(expires());
  if (now > expires() - soon) return "expires on " + format_time(expires());
  return std::nullopt;
}

bool KeyPair::same_as(const KeyPair& other) const {
  const int length = sk_X509_num(chain_.get());
  if (length != sk_X509_num(other.chain_.get())) return false;
  for (int i = 0; i < length; ++i) {
    if (X509_cmp(sk_X509_value(chain_.get(), i), sk_X509_value(other.chain_.get(), i)) != 0) {
      return false;
    }
  }
  return X509_cmp(certificate_.get(), other.certificate_.get()) == 0;
}

bool KeyPair::install(SSL_CTX* context) const {
  return SSL_CTX_use_cert_and_key(context, certificate_.get(), key_.get(), chain_.get(), 0) == 1;
}

bool KeyPair::install(SSL* connection) const {
  return SSL_use_cert_and_key(connection, certificate_.get(), key_.get(), chain_.get(), 0) == 1;
}

}  // namespace postern::certs
