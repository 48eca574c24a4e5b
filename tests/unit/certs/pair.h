// Certificates and keys of tests, made by OpenSSL's own program, and a handshake in memory.
#pragma once

#include "certs/key_pair.h"

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include <doctest/doctest.h>
#include <openssl/ssl.h>
#include <unistd.h>

namespace postern::test {

class Folder {
 public:
  explicit Folder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() /
              ("postern-certs-" + std::to_string(::getpid()) + "-" + name)) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// In a folder of its own.
class Pair {
 public:
  explicit Pair(const std::string& name, const std::string& more = "",
                const std::string& kind = "ec -pkeyopt ec_paramgen_curve:P-256")
      : folder_(name + std::to_string(++made_)) {
    make(name, more, kind);
  }
  void make(const std::string& name, const std::string& more = "",
            const std::string& kind = "ec -pkeyopt ec_paramgen_curve:P-256") const {
    const auto command = "openssl req -x509 -newkey " + kind + " -nodes -days 1 -subj /CN=" + name +
                         " " + more + " -keyout " + key().string() + " -out " +
                         certificate().string() + " 2>/dev/null";
    REQUIRE(std::system(command.c_str()) == 0);
  }
  [[nodiscard]] std::filesystem::path certificate() const { return folder_.path() / "cert.pem"; }
  [[nodiscard]] std::filesystem::path key() const { return folder_.path() / "key.pem"; }
  [[nodiscard]] CertificateFiles files() const { return {certificate(), key()}; }

 private:
  static inline int made_ = 0;
  Folder folder_;
};

// What a client saw of the server.
struct Seen {
  bool agreed = false;
  bool resumed = false;
  std::string subject;
  std::string protocol;
  std::string cipher;
  std::shared_ptr<SSL_SESSION> session;
};

struct Wish {
  std::string name{};  // SNI; empty: none
  int version = TLS1_3_VERSION;
  const char* ciphers = nullptr;     // of TLS 1.2
  const char* signatures = nullptr;  // algorithms
  std::shared_ptr<SSL_SESSION> session{};
};

Seen shake(SSL_CTX* server, const Wish& wish);

}  // namespace postern::test
