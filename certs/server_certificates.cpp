#include "certs/server_certificates.h"

#include "base/log.h"
#include "base/time.h"

#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace postern::certs {
namespace {

using Pairs = std::vector<std::shared_ptr<const KeyPair>>;

// Forward secrecy and authenticated encryption only (RFC 9325 section 4.2); the suites of TLS 1.3
// are all of that kind.
constexpr const char* ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr std::string_view session_context = "postern";

// Where a context keeps its pairs: they live as long as it does, its connections included.
int pairs_place() {
  static const int place = SSL_CTX_get_ex_new_index(
      0, nullptr, nullptr, nullptr,
      [](void* /*context*/, void* pairs, CRYPTO_EX_DATA* /*data*/, int /*place*/, long /*argl*/,
         void* /*argp*/) { delete static_cast<Pairs*>(pairs); });
  return place;
}

// For each kind of key the first pair that is for the client's name; what the context has where
// none is.
int choose(SSL* connection, void* /*unused*/) {
  const char* const name = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr) return 1;
  const auto& pairs =
      *static_cast<const Pairs*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), pairs_place()));
  bool found = false;
  for (const auto& pair : pairs) {
    if (!pair->is_for(name)) continue;
    if (!std::exchange(found, true)) SSL_certs_clear(connection);
    static_cast<void>(pair->install(connection));
  }
  ERR_clear_error();  // of a second one with the same kind of key
  return 1;
}

void warn_of_dates(const CertificateFiles& files, const KeyPair& pair) {
  if (const auto odd = pair.odd_dates(current_time())) {
    log::warning(fmt::format("certificate {} {}", files.certificate.string(), *odd));
  }
}

int heard_name(SSL* /*connection*/, int* /*alert*/, void* /*unused*/) { return SSL_TLSEXT_ERR_OK; }

bool set_up(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  // Tickets hold all that a session is: nothing of it is kept here.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_cert_cb(context, choose, nullptr);
  SSL_CTX_set_tlsext_servername_callback(context, heard_name);
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(context, ciphers) == 1 &&
         SSL_CTX_set_session_id_context(
             context, reinterpret_cast<const unsigned char*>(session_context.data()),
             static_cast<unsigned>(session_context.size())) == 1;
}

// Sessions go on where only a certificate was renewed.
bool keep_ticket_keys(SSL_CTX* before, SSL_CTX* now) {
  std::array<unsigned char, 80> keys{};
  const auto size = static_cast<long>(keys.size());
  const bool kept = SSL_CTX_get_tlsext_ticket_keys(before, keys.data(), size) == 1 &&
                    SSL_CTX_set_tlsext_ticket_keys(now, keys.data(), size) == 1;
  OPENSSL_cleanse(keys.data(), keys.size());
  return kept;
}

Result<std::shared_ptr<SSL_CTX>> context_of(const Pairs& pairs, SSL_CTX* before) {
  ERR_clear_error();
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  bool good = context && set_up(context.get()) && pairs.front()->install(context.get());
  if (good && before != nullptr) good = keep_ticket_keys(before, context.get());
  if (good) {
    auto kept = std::make_unique<Pairs>(pairs);
    good = SSL_CTX_set_ex_data(context.get(), pairs_place(), kept.get()) == 1;
    if (good) static_cast<void>(kept.release());
  }
  if (!good) return fail(Errc::io, "OpenSSL: " + openssl_reason("no context"));
  // The first one's name with other kinds of keys.
  for (const auto& pair : pairs) {
    if (pair->names() == pairs.front()->names()) static_cast<void>(pair->install(context.get()));
  }
  ERR_clear_error();
  return context;
}

}  // namespace

ServerCertificates::Stamps ServerCertificates::stamps(const CertificateFiles& files) {
  Stamps found;
  std::size_t place = 0;
  for (const auto* written : {&files.certificate, &files.key}) {
    auto& stamp = found.at(place++);
    const auto file = resolve_credential(*written);
    if (!file) continue;
    std::error_code error;
    const auto time = std::filesystem::last_write_time(*file, error);
    if (error) continue;
    const auto size = std::filesystem::file_size(*file, error);
    if (!error) stamp = Stamp{time, size};
  }
  return found;
}

Result<std::unique_ptr<ServerCertificates>> ServerCertificates::load(
    std::vector<CertificateFiles> files) {
  if (files.empty()) return fail(Errc::invalid, "no certificate was named");
  std::unique_ptr<ServerCertificates> loaded(new ServerCertificates);
  for (auto& named : files) {
    const auto seen = stamps(named);
    auto pair = KeyPair::load(named);
    if (!pair) return std::unexpected(std::move(pair).error());
    warn_of_dates(named, **pair);
    loaded->entries_.push_back({std::move(named), seen, *std::move(pair)});
  }
  if (auto made = loaded->make_context(); !made) return std::unexpected(std::move(made).error());
  return loaded;
}

Result<void> ServerCertificates::make_context() {
  Pairs pairs;
  for (const auto& entry : entries_) pairs.push_back(entry.pair);
  auto made = context_of(pairs, context_.get());
  if (!made) return std::unexpected(std::move(made).error());
  const std::scoped_lock lock(mutex_);
  context_ = *std::move(made);
  return {};
}

std::shared_ptr<SSL_CTX> ServerCertificates::context() const {
  const std::scoped_lock lock(mutex_);
  return context_;
}

bool ServerCertificates::load_anew(Entry& entry) {
  entry.stamps = stamps(entry.files);
  auto pair = KeyPair::load(entry.files);
  if (!pair) {
    log::error(fmt::format("{}; the certificate stays the one that was in use", pair.error().text));
    return false;
  }
  warn_of_dates(entry.files, **pair);
  if ((*pair)->same_as(*entry.pair)) return false;
  entry.pair = *std::move(pair);
  return true;
}

void ServerCertificates::look() {
  std::vector<std::string> changed;
  Pairs before;
  for (const auto& entry : entries_) before.push_back(entry.pair);
  for (auto& entry : entries_) {
    if (stamps(entry.files) != entry.stamps && load_anew(entry)) {
      changed.push_back(entry.files.certificate.string());
    }
  }
  if (changed.empty()) return;
  if (auto made = make_context(); !made) {
    for (std::size_t i = 0; i < entries_.size(); ++i) entries_[i].pair = before[i];
    log::error(made.error().text + "; the certificates stay those that were in use");
    return;
  }
  for (const auto& file : changed) log::info(fmt::format("certificate {} loaded anew", file));
}

void ServerCertificates::reload() {
  for (auto& entry : entries_) entry.stamps = {Stamp{}, Stamp{}};
  look();
}

}  // namespace postern::certs
