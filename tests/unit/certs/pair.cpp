#include "pair.h"

#include <array>

#include <openssl/bio.h>

namespace postern::test {
namespace {

using Connection = std::unique_ptr<SSL, certs::Freed<SSL_free>>;

void ask(SSL* client, const Wish& wish) {
  SSL_set_connect_state(client);
  SSL_set_min_proto_version(client, wish.version);
  SSL_set_max_proto_version(client, wish.version);
  if (!wish.name.empty()) SSL_set_tlsext_host_name(client, wish.name.c_str());
  if (wish.ciphers != nullptr) REQUIRE(SSL_set_cipher_list(client, wish.ciphers) == 1);
  if (wish.signatures != nullptr) REQUIRE(SSL_set1_sigalgs_list(client, wish.signatures) == 1);
  if (wish.session) SSL_set_session(client, wish.session.get());
}

}  // namespace

Seen shake(SSL_CTX* server_context, const Wish& wish) {
  const std::unique_ptr<SSL_CTX, certs::Freed<SSL_CTX_free>> context(
      SSL_CTX_new(TLS_client_method()));
  const Connection server(SSL_new(server_context));
  const Connection client(SSL_new(context.get()));
  BIO* one = nullptr;
  BIO* other = nullptr;
  REQUIRE(BIO_new_bio_pair(&one, 1U << 16U, &other, 1U << 16U) == 1);
  SSL_set_bio(server.get(), one, one);
  SSL_set_bio(client.get(), other, other);
  SSL_set_accept_state(server.get());
  ask(client.get(), wish);
  for (int i = 0; i < 10; ++i) {
    SSL_do_handshake(client.get());
    SSL_do_handshake(server.get());
  }
  Seen seen;
  seen.agreed = SSL_is_init_finished(client.get()) == 1 && SSL_is_init_finished(server.get()) == 1;
  if (!seen.agreed) return seen;
  std::array<char, 1> none{};
  SSL_read(client.get(), none.data(), 1);  // the ticket
  SSL_shutdown(client.get());              // or its session would count as broken off
  seen.resumed = SSL_session_reused(server.get()) == 1;
  seen.protocol = SSL_get_version(client.get());
  seen.cipher = SSL_get_cipher_name(client.get());
  seen.session.reset(SSL_get1_session(client.get()), SSL_SESSION_free);
  std::array<char, 200> name{};
  X509_NAME_oneline(X509_get_subject_name(SSL_get0_peer_certificate(client.get())), name.data(),
                    name.size());
  seen.subject = name.data();
  return seen;
}

}  // namespace postern::test
