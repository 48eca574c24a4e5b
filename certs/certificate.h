// A server's certificate and key, from PEM files, as a TLS context that others make connections of:
// TLS 1.2 and 1.3. Loaded anew when the files change; a new pair that is broken leaves the old one
// in use.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

using SSL_CTX = struct ssl_ctx_st;

namespace postern::certs {

class Certificate {
 public:
  // Errc::invalid: not PEM, the key is another certificate's; Errc::not_found, Errc::io. The text
  // names the file.
  [[nodiscard]] static Result<std::unique_ptr<Certificate>> load(std::filesystem::path certificate,
                                                                 std::filesystem::path key);

  // From any thread. The caller's connections keep what they were made of.
  [[nodiscard]] std::shared_ptr<SSL_CTX> context() const;

  // Once a second or so, from one thread: loads files that changed since they were last looked at,
  // and says in the log what came of it, once for each change.
  void look();
  // The same, changed or not: SIGHUP.
  void reload();

 private:
  struct Stamp {
    std::filesystem::file_time_type written;
    std::uintmax_t size = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  using Stamps = std::pair<std::optional<Stamp>, std::optional<Stamp>>;
  Certificate(std::filesystem::path certificate, std::filesystem::path key,
              std::shared_ptr<SSL_CTX> context, Stamps stamps);
  static std::optional<Stamp> stamp(const std::filesystem::path& file);
  [[nodiscard]] Stamps stamps() const { return {stamp(certificate_), stamp(key_)}; }

  const std::filesystem::path certificate_;
  const std::filesystem::path key_;
  mutable std::mutex mutex_;  // guards context_
  std::shared_ptr<SSL_CTX> context_;
  Stamps stamps_;
};

}  // namespace postern::certs
