#include "certs/certificate.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <doctest/doctest.h>
#include <openssl/ssl.h>
#include <unistd.h>

using namespace postern;

namespace {

// A folder with a certificate and its key, made by OpenSSL's own program.
class Pair {
 public:
  explicit Pair(const std::string& name)
      : folder_(std::filesystem::temp_directory_path() /
                ("postern-certs-" + std::to_string(::getpid()) + "-" + name)) {
    std::filesystem::create_directories(folder_);
    make(name);
  }
  ~Pair() { std::filesystem::remove_all(folder_); }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  void make(const std::string& name) const {
    const auto command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=" +
        name + " -keyout " + key().string() + " -out " + certificate().string() + " 2>/dev/null";
    REQUIRE(std::system(command.c_str()) == 0);
  }
  [[nodiscard]] std::filesystem::path certificate() const { return folder_ / "cert.pem"; }
  [[nodiscard]] std::filesystem::path key() const { return folder_ / "key.pem"; }

 private:
  std::filesystem::path folder_;
};

std::string subject(SSL_CTX* context) {
  std::string name(200, '\0');
  X509_NAME_oneline(X509_get_subject_name(SSL_CTX_get0_certificate(context)), name.data(), 200);
  return name.c_str();
}

}  // namespace

TEST_CASE("certificate: loaded, and loaded anew when its files change") {
  const Pair pair("one");
  auto certificate = certs::Certificate::load(pair.certificate(), pair.key());
  REQUIRE(certificate);
  const auto first = (*certificate)->context();
  CHECK(subject(first.get()) == "/CN=one");
  CHECK(SSL_CTX_get_min_proto_version(first.get()) == TLS1_2_VERSION);
  (*certificate)->look();
  CHECK((*certificate)->context() == first);

  pair.make("two");
  (*certificate)->look();
  CHECK(subject((*certificate)->context().get()) == "/CN=two");
  CHECK(subject(first.get()) == "/CN=one");
}

TEST_CASE("certificate: a broken new pair leaves the old one in use") {
  const Pair pair("one");
  auto certificate = certs::Certificate::load(pair.certificate(), pair.key());
  REQUIRE(certificate);
  std::ofstream(pair.certificate()) << "no certificate";
  (*certificate)->look();
  CHECK(subject((*certificate)->context().get()) == "/CN=one");
  std::filesystem::remove(pair.key());
  (*certificate)->reload();
  CHECK(subject((*certificate)->context().get()) == "/CN=one");
}

TEST_CASE("certificate: what is wrong is named with its file") {
  const Pair pair("one");
  const Pair other("other");
  const auto absent = certs::Certificate::load("/nonexistent/cert.pem", pair.key());
  REQUIRE_FALSE(absent);
  CHECK(absent.error().code == Errc::not_found);
  CHECK(absent.error().text.contains("/nonexistent/cert.pem"));
  const auto foreign = certs::Certificate::load(pair.certificate(), other.key());
  REQUIRE_FALSE(foreign);
  CHECK(foreign.error().code == Errc::invalid);
  CHECK(foreign.error().text.contains(other.key().string()));
  const auto swapped = certs::Certificate::load(pair.key(), pair.certificate());
  REQUIRE_FALSE(swapped);
  CHECK(swapped.error().text.contains(pair.key().string()));
}
