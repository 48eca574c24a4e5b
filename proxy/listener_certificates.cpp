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

Result<ListenerCertificates> ListenerCertificates::load(const Config& config,
                                                        const ListenerCertificates& before) {
  ListenerCertificates all;
  for (const auto& listener : config.listeners) {
    const auto* const had = before.at(all.loaded_.size());
    auto& now = all.loaded_.emplace_back();
    if (listener.tls == ListenerConfig::Tls::off) continue;
    const auto failed = [&](const Error& error) {
      return fail(error.code, fmt::format("listener {}: {}", listener.name, error.text));
    };
    auto files = files_of(listener, config);
    if (!files) return failed(files.error());
    now.files = *std::move(files);
    if (had != nullptr && had->certificates && had->files == now.files) {
      now.certificates = had->certificates;
      continue;
    }
    auto loaded = certs::ServerCertificates::load(now.files);
    if (!loaded) return failed(loaded.error());
    now.certificates = *std::move(loaded);
  }
  return all;
}

void ListenerCertificates::become(ListenerCertificates now) {
  for (std::size_t place = 0; place < now.loaded_.size(); ++place) {
    const auto& certificates = now.loaded_[place].certificates;
    const auto* const had = at(place);
    if (certificates && had != nullptr && had->certificates == certificates) certificates->reload();
  }
  loaded_ = std::move(now.loaded_);
}

void ListenerCertificates::look() {
  for (auto& loaded : loaded_) {
    if (loaded.certificates) loaded.certificates->look();
  }
}

const ListenerCertificates::Loaded* ListenerCertificates::at(std::size_t listener) const {
  return listener < loaded_.size() ? &loaded_[listener] : nullptr;
}

std::shared_ptr<const certs::ServerCertificates> ListenerCertificates::of(
    std::size_t listener) const {
  const auto* const found = at(listener);
  return found == nullptr ? nullptr : found->certificates;
}

}  // namespace postern::proxy
