#include "certs/client_context.h"

#include "pair.h"

#include <fstream>

using namespace postern;

TEST_CASE("client context: whom it trusts") {
  const test::Pair authority("authority");
  const auto verifying = certs::verifying_context(authority.certificate());
  REQUIRE(verifying);
  CHECK(SSL_CTX_get_verify_mode(verifying->get()) == SSL_VERIFY_PEER);
  CHECK(SSL_CTX_get_min_proto_version(verifying->get()) == TLS1_2_VERSION);
  CHECK(certs::verifying_context({}));
  const auto opportunistic = certs::opportunistic_context();
  REQUIRE(opportunistic);
  CHECK(SSL_CTX_get_verify_mode(opportunistic->get()) == SSL_VERIFY_NONE);
  CHECK(SSL_CTX_get_min_proto_version(opportunistic->get()) == TLS1_2_VERSION);
}

TEST_CASE("client context: authorities that cannot be had are named") {
  const auto absent = certs::verifying_context("/nonexistent/ca.pem");
  REQUIRE_FALSE(absent);
  CHECK(absent.error().code == Errc::not_found);
  CHECK(absent.error().text.contains("/nonexistent/ca.pem"));
  const test::Folder folder("ca");
  const auto file = folder.path() / "ca.pem";
  std::ofstream(file) << "no certificate";
  const auto broken = certs::verifying_context(file);
  REQUIRE_FALSE(broken);
  CHECK(broken.error().code == Errc::invalid);
  CHECK(broken.error().text.contains(file.string()));
}
