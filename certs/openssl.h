// OpenSSL's objects with owners, and its errors as text.
#pragma once

#include <memory>
#include <string>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace postern::certs {

template <auto free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using X509Certificate = std::unique_ptr<X509, Freed<X509_free>>;

// The first reason that OpenSSL gave since its list was last cleared, and clears it: what followed
// from that one is of no use to a person. `otherwise` where it gave none.
[[nodiscard]] std::string openssl_reason(std::string otherwise);

}  // namespace postern::certs
