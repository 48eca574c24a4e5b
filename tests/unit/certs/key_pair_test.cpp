#include "certs/key_pair.h"

#include "pair.h"

#include <cstdlib>
#include <fstream>
#include <sys/stat.h>

using namespace postern;
using test::Pair;

namespace {

void expect_failure(const CertificateFiles& files, Errc code, const std::string& text) {
  const auto loaded = certs::KeyPair::load(files);
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().code == code);
  CAPTURE(loaded.error().text);
  CHECK(loaded.error().text.contains(text));
}

}  // namespace

TEST_CASE("key pair: what is wrong is named with its file") {
  const Pair pair("one");
  const Pair other("other");
  const auto cert = pair.certificate();
  const auto key = pair.key();
  expect_failure({"/nonexistent/cert.pem", key}, Errc::not_found, "/nonexistent/cert.pem");
  expect_failure({cert, "/nonexistent/key.pem"}, Errc::not_found, "/nonexistent/key.pem");
  expect_failure({cert, other.key()}, Errc::invalid, other.key().string());
  expect_failure({key, cert}, Errc::invalid, key.string() + ": no certificate");
  expect_failure({cert.parent_path(), key}, Errc::io, "not a file");
  std::ofstream(cert, std::ios::app) << "-----BEGIN CERTIFICATE-----\nnone\n";
  expect_failure({cert, key}, Errc::invalid, "of its chain");
}

TEST_CASE("key pair: a key that everybody may read is refused") {
  const Pair pair("one");
  for (const auto& [mode, good] : std::vector<std::pair<mode_t, bool>>{
           {0600, true}, {0400, true}, {0640, true}, {0644, false}, {0604, false}}) {
    CAPTURE(mode);
    REQUIRE(::chmod(pair.key().c_str(), mode) == 0);
    if (good) {
      CHECK(certs::KeyPair::load(pair.files()));
    } else {
      expect_failure(pair.files(), Errc::io, "chmod 640 " + pair.key().string());
    }
  }
}

TEST_CASE("key pair: a key with a password, a key that is too short") {
  const Pair locked("locked", "", "rsa:2048");
  const auto command = "openssl rsa -aes128 -passout pass:secret -in " + locked.key().string() +
                       " -out " + locked.key().string() + ".new 2>/dev/null && mv " +
                       locked.key().string() + ".new " + locked.key().string();
  REQUIRE(std::system(command.c_str()) == 0);
  expect_failure(locked.files(), Errc::invalid, "without a password");
  const Pair weak("weak", "", "rsa:1024");
  expect_failure(weak.files(), Errc::invalid, "not fit for TLS: ee key too small");
}

TEST_CASE("key pair: from systemd's credentials") {
  const Pair pair("one");
  const CertificateFiles files{"credential:cert.pem", "credential:key.pem"};
  REQUIRE(::unsetenv("CREDENTIALS_DIRECTORY") == 0);
  expect_failure(files, Errc::not_found, "LoadCredential=cert.pem");
  REQUIRE(::setenv("CREDENTIALS_DIRECTORY", pair.key().parent_path().c_str(), 1) == 0);
  CHECK(certs::KeyPair::load(files));
  expect_failure({"credential:../cert.pem", pair.key()}, Errc::invalid, "name without /");
  expect_failure({"credential:absent.pem", pair.key()}, Errc::not_found, "absent.pem");
  REQUIRE(::unsetenv("CREDENTIALS_DIRECTORY") == 0);
  CHECK(certs::resolve_credential("/etc/cert.pem") == "/etc/cert.pem");
}

TEST_CASE("key pair: dates that are odd") {
  using std::chrono::hours;
  const Pair pair("dates", "-days 30");
  const auto loaded = *certs::KeyPair::load(pair.files());
  const auto begins = loaded->begins();
  const auto expires = loaded->expires();
  CHECK(loaded->odd_dates(begins - hours{1}) == "is not valid before " + format_time(begins));
  CHECK(loaded->odd_dates(begins) == std::nullopt);
  CHECK(loaded->odd_dates(expires - hours{24 * 8}) == std::nullopt);
  CHECK(loaded->odd_dates(expires - hours{24 * 6}) == "expires on " + format_time(expires));
  CHECK(loaded->odd_dates(expires + hours{1}) == "expired on " + format_time(expires));
}

TEST_CASE("key pair: whether it is the same certificate") {
  const Pair one("one");
  const Pair two("two");
  const auto first = *certs::KeyPair::load(one.files());
  CHECK(first->same_as(**certs::KeyPair::load(one.files())));
  CHECK_FALSE(first->same_as(**certs::KeyPair::load(two.files())));
  // With a chain, it is shown differently.
  std::ofstream(one.certificate(), std::ios::app) << std::ifstream(two.certificate()).rdbuf();
  CHECK_FALSE(first->same_as(**certs::KeyPair::load(one.files())));
}
