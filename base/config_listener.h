// Reads a [[listener]]. Included by config.cpp alone, as config_section.h is.
#pragma once

#include "base/config.h"
#include "base/config_section.h"
#include "base/config_values.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace postern::config {

inline bool is_public(const ListenerConfig& listener) {
  return listener.socket.empty() && !is_loopback(listener.address);
}

inline void read_role(Section& section, ListenerConfig& listener,
                      const ReturnPathConfig& return_path) {
  using Role = ListenerConfig::Role;
  section.choice<Role>(
      "role", listener.role,
      {{"relay", Role::relay}, {"return-path", Role::return_path}, {"policy", Role::policy}});
  if (listener.role == Role::return_path && return_path.domain.empty()) {
    section.problem(section.line("role"), "role",
                    "there is no domain whose mail it could take: set domain in [return_path], as "
                    "in \"bounce.example.com\"");
  }
}

// Of a listener that has no other.
inline std::string name_of(ListenerConfig::Role role) {
  using Role = ListenerConfig::Role;
  if (role == Role::return_path) return "return-path";
  return role == Role::policy ? "policy" : "relay";
}

// "unix:/run/postern/policy.sock", or an address with a port.
inline void read_place(Section& section, ListenerConfig& listener, Taken& addresses) {
  constexpr std::string_view unix_scheme = "unix:";
  constexpr std::size_t longest_socket = 107;  // octets: sockaddr_un
  std::string written = to_string(listener.address);
  section.text("address", written);
  const auto line = section.line("address");
  if (!written.starts_with(unix_scheme)) {
    section.endpoint("address", listener.address);
    if (listener.address.port == 0) return;
    return section.report(line, "address", addresses.take(to_string(listener.address), line));
  }
  listener.socket = written.substr(unix_scheme.size());
  if (!listener.socket.is_absolute() || listener.socket.string().size() > longest_socket ||
      listener.socket.string().contains('\0')) {
    section.problem(line, "address",
                    fmt::format("a Unix socket is an absolute path of at most {} octets, as in "
                                "\"unix:/run/postern/policy.sock\"",
                                longest_socket));
  }
  if (listener.role != ListenerConfig::Role::policy) {
    section.problem(line, "address", "a Unix socket is for the role \"policy\" alone");
  }
  section.report(line, "address", addresses.take(written, line));
}

inline void read_networks(Section& section, std::string_view key, std::vector<Network>& networks) {
  std::vector<Network> read;
  const bool named = section.each_text(key, [&](std::string_view text, std::uint32_t line) {
    const auto network = parse_network(text);
    if (!network) return section.problem(line, key, network.error().text);
    read.push_back(*network);
  });
  if (named) networks = std::move(read);
}

inline void read_certificate(Section& section, CertificateFiles& files) {
  read_file(section, "certificate", files.certificate);
  read_file(section, "key", files.key);
  if (files.certificate.empty() == files.key.empty()) return;
  section.problem(section.line(), files.key.empty() ? "key" : "certificate",
                  "certificate and key are named together, or neither is");
}

// "development" in the place of a file asks for that certificate by name.
inline void read_certificates(Section& section, ListenerConfig& listener) {
  constexpr std::string_view development = "development";
  CertificateFiles first;
  std::string written;
  section.text("certificate", written);
  const bool asked = written == development;
  if (asked) {
    section.text("key", written = {});
    if (!written.empty()) {
      section.problem(section.line("key"), "key", "the development certificate has its own key");
    }
  } else {
    read_certificate(section, first);
  }
  if (!first.certificate.empty()) listener.certificates.push_back(first);
  section.tables("certificates", [&](Section& more) {
    read_certificate(more, listener.certificates.emplace_back());
    if (listener.certificates.back().certificate.empty()) {
      more.problem(more.line(), "certificate", "certificate and key have to be named");
    }
  });
  const bool wanted = listener.tls != ListenerConfig::Tls::off;
  if (!wanted && (asked || !listener.certificates.empty())) {
    section.problem(section.line("certificate"), "certificate",
                    "nobody is shown it: set tls = \"starttls\" or \"implicit\"");
  }
  if (wanted && listener.certificates.empty() && !asked && is_public(listener)) {
    section.problem(section.line("tls"), "tls",
                    "there is no certificate: set certificate and key; a development certificate, "
                    "which nobody can check, is used on a public address only where certificate = "
                    "\"development\" asks for it");
  }
}

inline void read_tls(Section& section, ListenerConfig& listener) {
  using Tls = ListenerConfig::Tls;
  using Auth = ListenerConfig::Auth;
  section.choice<Tls>(
      "tls", listener.tls,
      {{"off", Tls::off}, {"starttls", Tls::starttls}, {"implicit", Tls::implicit}});
  read_certificates(section, listener);
  section.choice<Auth>("auth", listener.auth,
                       {{"off", Auth::off}, {"passthrough", Auth::passthrough}});
  const bool asks = listener.auth == Auth::passthrough;
  if (asks && listener.role != ListenerConfig::Role::relay) {
    section.problem(section.line("auth"), "auth",
                    "nobody authenticates at this role of a listener");
  } else if (asks && listener.tls == Tls::off && is_public(listener)) {
    section.problem(
        section.line("auth"), "auth",
        "passwords are taken under TLS or from loopback only: set tls = \"starttls\" or "
        "\"implicit\"");
  }
  if (listener.tls != Tls::off && listener.role == ListenerConfig::Role::policy) {
    section.problem(section.line("tls"), "tls", "Postfix speaks to a policy service without TLS");
  }
}

inline void read_limits_of(Section& section, ListenerLimits& limits) {
  section.number("connections", limits.connections, 0, 1'000'000);
  section.number("connections_per_address", limits.connections_per_address, 0, 1'000'000);
  section.number("messages_per_minute", limits.messages_per_minute, 0, 1'000'000);
  section.number("recipients", limits.recipients, 0, 100'000);
  section.size("size", limits.size, 0, 1ULL << 40U);
  section.number("errors", limits.errors, 0, 10'000);
}

inline void read_listener(Section& section, ListenerConfig& listener,
                          const ReturnPathConfig& return_path, Taken& names, Taken& addresses) {
  using BareLf = ListenerConfig::BareLf;
  read_role(section, listener, return_path);
  listener.name = name_of(listener.role);
  section.text("name", listener.name);
  section.report(section.line("name"), "name", check_name(listener.name));
  section.report(section.line("name"), "name", names.take(listener.name, section.line("name")));
  read_place(section, listener, addresses);
  read_tls(section, listener);
  section.flag("received_header", listener.received_header);
  section.choice<BareLf>("bare_lf", listener.bare_lf,
                         {{"refuse", BareLf::refuse}, {"normalize", BareLf::normalize}});
  read_networks(section, "trusted", listener.trusted);
  read_networks(section, "proxy_protocol", listener.proxy_protocol);
  read_networks(section, "xforward", listener.xforward);
  section.table("limits", [&](Section& limits) { read_limits_of(limits, listener.limits); });
}

}  // namespace postern::config
