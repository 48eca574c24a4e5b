// A certificate for gate.example, localhost and loopback addresses, which is its own authority.
#pragma once

#include "base/time.h"
#include "certs/client_context.h"
#include "certs/development.h"
#include "certs/server_certificates.h"

#include <filesystem>
#include <memory>
#include <string>

#include <unistd.h>

namespace postern::test {

class Authority {
 public:
  explicit Authority(const std::string& hostname = "gate.example")
      : folder_(std::filesystem::temp_directory_path() /
                ("postern-tls-" + std::to_string(::getpid()) + "-" + hostname)),
        files_(certs::development_certificate(folder_, hostname, current_time()).value()),
        server_(certs::ServerCertificates::load({files_}).value()) {}
  ~Authority() { std::filesystem::remove_all(folder_); }
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;
  [[nodiscard]] std::shared_ptr<SSL_CTX> server() const { return server_->context(); }
  // Trusts nobody else.
  [[nodiscard]] std::shared_ptr<SSL_CTX> client() const {
    return certs::verifying_context(files_.certificate).value();
  }

 private:
  std::filesystem::path folder_;
  CertificateFiles files_;
  std::unique_ptr<certs::ServerCertificates> server_;
};

}  // namespace postern::test
