#include "proxy/listener_certificates.h"

#include "base/log.h"
#include "base/time.h"
#include "certs/development.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

namespace postern::proxy {

namespace {

Result<std::vector<CertificateFiles>> files_of(const ListenerConfig& listener,
                                               const Config& config) {
  if (!listener.certificates.empty()) return listener.certificates;
  const auto made =
      certs::development_certificate(config.store_path / "tls", config.hostname, current_time());
  if (!made) return std::unexpected(made.error());
  log::warning(fmt::format(
      "listener {} has the development certificate {}, which nobody can check: set certificate "
      "and key before people use it",
      listener.name, made->certificate.string()));
  return std::vector{*made};
}

}  // namespace

Result<void> ListenerCertificates::load(const Config& config) {
  std::map<std::string, Loaded> all;
  for (const auto& listener : config.listeners) {
    if (listener.tls == ListenerConfig::Tls::off) continue;
    auto files = files_of(listener, config);
    if (!files) {
      return fail(files.error().code,
                  fmt::format("listener {}: {}", listener.name, files.error().text));
    }
    const auto had = loaded_.find(listener.name);
    if (had != loaded_.end() && had->second.files == *files) {
      had->second.certificates->reload();
      all.emplace(listener.name, had->second);
      continue;
    }
    auto loaded = certs::ServerCertificates::load(*files);
    if (!loaded) {
      return fail(loaded.error().code,
                  fmt::format("listener {}: {}", listener.name, loaded.error().text));
    }
    all.emplace(listener.name,
                Loaded{.files = *std::move(files), .certificates = *std::move(loaded)});
  }
  loaded_ = std::move(all);
  return {};
}

void ListenerCertificates::look() {
  for (auto& [name, loaded] : loaded_) loaded.certificates->look();
}

std::shared_ptr<const certs::ServerCertificates> ListenerCertificates::of(
    const ListenerConfig& listener) const {
  const auto found = loaded_.find(listener.name);
  const bool wanted = listener.tls != ListenerConfig::Tls::off;
  return wanted && found != loaded_.end() ? found->second.certificates : nullptr;
}

}  // namespace postern::proxy
