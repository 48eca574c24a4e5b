// The certificates of a listener as one TLS context, of which others make connections: TLS 1.2 and
// 1.3, a certificate chosen by the name that the client asks for (SNI, RFC 6066 section 3),
// sessions resumed by tickets. Files that change are loaded anew; a new pair that is broken leaves
// the old one in use.
#pragma once

#include "base/result.h"
#include "certs/key_pair.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace postern::certs {

class ServerCertificates {
 public:
  // At least one pair: the first is for clients that name no host, or an unknown one. Of several
  // for the same name the client takes the one whose kind of key it likes. Whenever one is loaded,
  // dates that are odd are warned of. Errors as KeyPair's.
  [[nodiscard]] static Result<std::unique_ptr<ServerCertificates>> load(
      std::vector<CertificateFiles> files);

  // From any thread. Connections keep what they were made of.
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
  using Stamps = std::array<std::optional<Stamp>, 2>;  // nullopt: not there
  struct Entry {
    CertificateFiles files;
    Stamps stamps;
    std::shared_ptr<const KeyPair> pair;
  };

  ServerCertificates() = default;
  static Stamps stamps(const CertificateFiles& files);
  // False where the old pair stays, for the new one is broken or no other.
  static bool load_anew(Entry& entry);
  [[nodiscard]] Result<void> make_context();

  std::vector<Entry> entries_;
  mutable std::mutex mutex_;  // guards context_
  std::shared_ptr<SSL_CTX> context_;
};

}  // namespace postern::certs
