#include "certs/server_certificates.h"

#include "../captured_log.h"
#include "pair.h"

#include <fstream>
#include <string>

using namespace postern;
using test::Pair;
using test::shake;

namespace {

std::string san(const std::string& names) { return "-addext subjectAltName=" + names; }

std::string subject(const certs::ServerCertificates& certificates) {
  return shake(certificates.context().get(), {}).subject;
}

}  // namespace

TEST_CASE("server certificates: loaded, and loaded anew when their files change") {
  const Pair pair("one");
  const auto certificates = certs::ServerCertificates::load({pair.files()});
  REQUIRE(certificates);
  const auto first = (*certificates)->context();
  CHECK(subject(**certificates) == "/CN=one");
  (*certificates)->look();
  CHECK((*certificates)->context() == first);

  pair.make("two");
  (*certificates)->look();
  CHECK(subject(**certificates) == "/CN=two");
  CHECK(shake(first.get(), {}).subject == "/CN=one");
  pair.make("three");
  (*certificates)->reload();
  CHECK(subject(**certificates) == "/CN=three");
}

TEST_CASE("server certificates: what was loaded anew is said by its file, and what is not is not") {
  const Pair one("one");
  const Pair two("two");
  const auto certificates = certs::ServerCertificates::load({one.files(), two.files()});
  REQUIRE(certificates);
  const auto first = (*certificates)->context();
  CHECK_FALSE(captured_log([&] { (*certificates)->reload(); }).contains("loaded anew"));
  CHECK((*certificates)->context() == first);
  two.make("newer");
  const auto said = captured_log([&] { (*certificates)->reload(); });
  CHECK(said.contains("certificate " + two.certificate().string() + " loaded anew"));
  CHECK_FALSE(said.contains(one.certificate().string() + " loaded anew"));
}

TEST_CASE("server certificates: dates that are odd are warned of, at the start and at a reload") {
  const Pair pair("one");  // of one day
  std::unique_ptr<certs::ServerCertificates> certificates;
  const auto warning = "warning certificate " + pair.certificate().string() + " expires on ";
  CHECK(captured_log([&] {
          certificates = *certs::ServerCertificates::load({pair.files()});
        }).contains(warning));
  CHECK(captured_log([&] { certificates->reload(); }).contains(warning));
  CHECK_FALSE(captured_log([&] { certificates->look(); }).contains(warning));
}

TEST_CASE("server certificates: a broken new pair leaves the old one in use, the others change") {
  const Pair one("one", san("DNS:one.example"));
  const Pair two("two", san("DNS:two.example"));
  const auto certificates = certs::ServerCertificates::load({one.files(), two.files()});
  REQUIRE(certificates);
  std::ofstream(one.certificate()) << "no certificate";
  two.make("newer", san("DNS:two.example"));
  (*certificates)->look();
  CHECK(subject(**certificates) == "/CN=one");
  CHECK(shake((*certificates)->context().get(), {.name = "two.example"}).subject == "/CN=newer");
  std::filesystem::remove(one.key());
  (*certificates)->reload();
  CHECK(subject(**certificates) == "/CN=one");
}

TEST_CASE("server certificates: chosen by the name that the client asks for") {
  const Pair one("one", san("DNS:one.example,DNS:mail.one.example"));
  const Pair two("two", san("DNS:*.two.example"));
  const auto certificates = certs::ServerCertificates::load({one.files(), two.files()});
  REQUIRE(certificates);
  const auto context = (*certificates)->context();
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "/CN=one"},
      {"one.example", "/CN=one"},
      {"mail.one.example", "/CN=one"},
      {"mail.two.example", "/CN=two"},
      {"MAIL.Two.Example", "/CN=two"},
      {"two.example", "/CN=one"},         // a wildcard is one label
      {"a.mail.two.example", "/CN=one"},  // and not two
      {".two.example", "/CN=one"},
      {"unknown.example", "/CN=one"},
  };
  for (const auto& [name, want] : cases) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      CAPTURE(name);
      CHECK(shake(context.get(), {.name = name, .version = version}).subject == want);
    }
  }
}

TEST_CASE("server certificates: of two for one name the client takes the kind of key it knows") {
  const Pair curve("curve", san("DNS:one.example"));
  const Pair rsa("rsa", san("DNS:one.example"), "rsa:2048");
  const auto certificates = certs::ServerCertificates::load({curve.files(), rsa.files()});
  REQUIRE(certificates);
  const auto context = (*certificates)->context();
  for (const std::string name : {"", "one.example"}) {
    CHECK(shake(context.get(), {.name = name}).subject == "/CN=curve");
    CHECK(shake(context.get(), {.name = name, .signatures = "RSA-PSS+SHA256"}).subject ==
          "/CN=rsa");
  }
}

TEST_CASE("server certificates: only what is safe is agreed upon") {
  const Pair pair("one");
  const auto certificates = certs::ServerCertificates::load({pair.files()});
  REQUIRE(certificates);
  const auto context = (*certificates)->context();
  CHECK(shake(context.get(), {}).protocol == "TLSv1.3");
  const auto older = shake(context.get(), {.version = TLS1_2_VERSION});
  CHECK(older.protocol == "TLSv1.2");
  CHECK(older.cipher == "ECDHE-ECDSA-AES128-GCM-SHA256");
  CHECK_FALSE(
      shake(context.get(), {.version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-SHA256"})
          .agreed);
  CHECK_FALSE(
      shake(context.get(), {.version = TLS1_1_VERSION, .ciphers = "ALL:@SECLEVEL=0"}).agreed);
}

TEST_CASE("server certificates: a session is resumed, behind a new certificate, too") {
  const Pair pair("one");
  const auto certificates = certs::ServerCertificates::load({pair.files()});
  REQUIRE(certificates);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    const auto first =
        shake((*certificates)->context().get(), {.name = "a.example", .version = version});
    REQUIRE(first.agreed);
    CHECK_FALSE(first.resumed);
    pair.make("newer");
    (*certificates)->look();
    const auto second = shake((*certificates)->context().get(),
                              {.name = "a.example", .version = version, .session = first.session});
    CHECK(second.resumed);
  }
}

TEST_CASE("server certificates: none is an error") {
  CHECK_FALSE(certs::ServerCertificates::load({}));
}
