// A certificate with its chain and key, read from PEM files. Immutable once loaded.
#pragma once

#include "base/config.h"
#include "base/result.h"
#include "base/time.h"
#include "certs/openssl.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postern::certs {

// "credential:NAME" is the file NAME that systemd hands to the service (LoadCredential=, in
// $CREDENTIALS_DIRECTORY); any other path is itself. Errc::not_found where the service was given no
// credentials, Errc::invalid for a NAME that is none.
[[nodiscard]] Result<std::filesystem::path> resolve_credential(const std::filesystem::path& path);

class KeyPair {
 public:
  // Errc::not_found; Errc::invalid: not PEM, the key is another certificate's, or OpenSSL takes
  // neither (too short a key); Errc::io: not readable, or a key that everybody may read. The text
  // names the file and what to do.
  [[nodiscard]] static Result<std::shared_ptr<const KeyPair>> load(const CertificateFiles& files);

  // The certificate is for that host name (RFC 6125; a wildcard stands for one whole label).
  [[nodiscard]] bool is_for(const std::string& name) const;
  // The host names that it was made for, lower case, with their wildcards.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] Time begins() const;
  [[nodiscard]] Time expires() const;
  // What is odd about these dates, as in "expired on 2026-03-01": that it did, that it is not valid
  // yet, or that it expires within a week.
  [[nodiscard]] std::optional<std::string> odd_dates(Time now) const;
  // The same certificate with the same chain; its key can be no other.
  [[nodiscard]] bool same_as(const KeyPair& other) const;

  // Into a context, or a connection, that has none of its kind of key yet. False where OpenSSL does
  // not take it.
  [[nodiscard]] bool install(SSL_CTX* context) const;
  [[nodiscard]] bool install(SSL* connection) const;

 private:
  struct Chain {
    void operator()(STACK_OF(X509) * chain) const;
  };
  KeyPair() = default;
  [[nodiscard]] Result<void> read_certificate(const std::filesystem::path& file);
  [[nodiscard]] Result<void> read_key(const std::filesystem::path& file);

  X509Certificate certificate_;
  std::unique_ptr<STACK_OF(X509), Chain> chain_;
  PrivateKey key_;
  std::vector<std::string> names_;
};

}  // namespace postern::certs
