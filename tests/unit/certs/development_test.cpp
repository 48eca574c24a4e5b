#include "certs/development.h"

#include "certs/client_context.h"
#include "pair.h"

#include <fstream>
#include <sstream>
#include <sys/stat.h>

#include <openssl/x509v3.h>

using namespace postern;
using std::chrono::days;

namespace {

std::string content(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

unsigned mode(const std::filesystem::path& file) {
  struct stat found{};
  REQUIRE(::stat(file.c_str(), &found) == 0);
  return found.st_mode & 07777U;
}

}  // namespace

TEST_CASE("development certificate: made once, for the host and for loopback") {
  const test::Folder folder("development");
  const auto now = current_time();
  const auto place = folder.path() / "tls";
  const auto files = certs::development_certificate(place, "gate.example", now);
  REQUIRE(files);
  CHECK(mode(place) == 0700);
  CHECK(mode(files->key) == 0600);
  const auto pair = certs::KeyPair::load(*files);
  REQUIRE(pair);
  CHECK((*pair)->names() == std::vector<std::string>{"gate.example", "localhost"});
  CHECK((*pair)->is_for("gate.example"));
  CHECK_FALSE((*pair)->is_for("mx.gate.example"));
  CHECK((*pair)->expires() > now + days{300});
  CHECK(certs::verifying_context(files->certificate));  // it can be trusted by itself

  const auto before = content(files->certificate);
  CHECK(certs::development_certificate(place, "gate.example", now + days{300}) == *files);
  CHECK(content(files->certificate) == before);
  CHECK(std::distance(std::filesystem::directory_iterator(place), {}) == 2);
}

TEST_CASE("development certificate: made anew, and nothing thrown away") {
  const test::Folder folder("again");
  const auto now = current_time();
  const auto files = *certs::development_certificate(folder.path(), "gate.example", now);
  const auto first = content(files.certificate);
  REQUIRE(certs::development_certificate(folder.path(), "gate.example", now + days{390}));
  CHECK(content(files.certificate) != first);
  CHECK(content(files.certificate.string() + ".old") == first);
  CHECK((*certs::KeyPair::load(files))->expires() > now + days{700});

  std::ofstream(files.certificate) << "somebody's notes";
  REQUIRE(certs::development_certificate(folder.path(), "gate.example", now));
  CHECK(content(files.certificate.string() + ".old") == "somebody's notes");
  CHECK(certs::KeyPair::load(files));
}

TEST_CASE("development certificate: what may be good and cannot be used stays, with the reason") {
  const test::Folder folder("open");
  const auto now = current_time();
  const auto files = *certs::development_certificate(folder.path(), "gate.example", now);
  REQUIRE(::chmod(files.key.c_str(), 0644) == 0);
  const auto refused = certs::development_certificate(folder.path(), "gate.example", now);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text.contains("chmod 640"));
  CHECK_FALSE(certs::development_certificate("/dev/null/tls", "gate.example", now));
}
