// Reads [upstream] and the [[route]]s to others. Included by config.cpp alone, as config_section.h
// is.
#pragma once

#include "base/config.h"
#include "base/config_section.h"
#include "base/config_values.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::config {

inline void check_place(Section& section, std::string_view key, std::uint32_t line,
                        const Endpoint& address, const std::vector<ListenerConfig>& listeners) {
  if (address.port == 0) section.problem(line, key, "the port may not be 0");
  const bool ours = std::ranges::any_of(listeners, [&](const ListenerConfig& listener) {
    return listener.socket.empty() && listener.address == address;
  });
  if (ours) {
    section.problem(line, key, "that is a listener of this gate: mail would go in circles");
  }
}

inline void read_upstream_tls(Section& section, UpstreamConfig& upstream) {
  using Tls = UpstreamConfig::Tls;
  using TlsMode = UpstreamConfig::TlsMode;
  section.choice<Tls>(
      "tls", upstream.tls,
      {{"off", Tls::off}, {"opportunistic", Tls::opportunistic}, {"verify", Tls::verify}});
  section.choice<TlsMode>("tls_mode", upstream.tls_mode,
                          {{"starttls", TlsMode::starttls}, {"implicit", TlsMode::implicit}});
  read_file(section, "ca", upstream.ca);
  section.text("tls_name", upstream.tls_name);
  if (!upstream.tls_name.empty()) {
    section.report(section.line("tls_name"), "tls_name", check_domain(upstream.tls_name));
  }
  if (upstream.tls == Tls::off && upstream.tls_mode == TlsMode::implicit) {
    section.problem(section.line("tls_mode"), "tls_mode",
                    "says how TLS begins, and tls is \"off\": set tls = \"verify\"");
  }
  if (upstream.tls != Tls::verify && !upstream.ca.empty()) {
    section.problem(section.line("ca"), "ca", "nothing is checked by it: set tls = \"verify\"");
  }
}

// What [upstream] and a route have alike.
inline void read_server(Section& section, UpstreamConfig& upstream,
                        const std::vector<ListenerConfig>& listeners) {
  section.endpoint("address", upstream.address);
  check_place(section, "address", section.line("address"), upstream.address, listeners);
  section.each_text("fallback", [&](std::string_view text, std::uint32_t line) {
    auto parsed = parse_endpoint(text);
    if (!parsed) return section.problem(line, "fallback", parsed.error().text);
    check_place(section, "fallback", line, *parsed, listeners);
    upstream.fallback.push_back(*std::move(parsed));
  });
  read_upstream_tls(section, upstream);
  section.flag("xclient", upstream.xclient);
  section.number("connections", upstream.connections, 1, 100'000);
  section.duration("idle_close", upstream.idle_close, std::chrono::milliseconds{0});
}

inline void read_upstream(Section& section, UpstreamConfig& upstream,
                          const std::vector<ListenerConfig>& listeners) {
  read_server(section, upstream, listeners);
  section.number("split_connections", upstream.split_connections, 1, 100);
  section.flag("authoritative", upstream.authoritative);
}

inline void read_route(Section& section, RouteConfig& route,
                       const std::vector<ListenerConfig>& listeners) {
  section.each_text("sender", [&](std::string_view text, std::uint32_t line) {
    route.sender.emplace_back(text);
    section.report(line, "sender", check_sender_pattern(text));
  });
  section.each_text("login", [&](std::string_view text, std::uint32_t line) {
    route.login.emplace_back(text);
    section.report(line, "login", check_login_pattern(text));
  });
  if (route.sender.empty() == route.login.empty()) {
    section.problem(section.line(), "sender",
                    "a route says whose mail goes by it: set sender, as in [\"*@example.com\"], or "
                    "login, and not both");
  }
  if (!section.has("address")) {
    section.problem(section.line(), "address",
                    "a route names its upstream, as in "
                    "\"smtp.example.com:587\"");
  }
  read_server(section, route.upstream, listeners);
}

// A password that came under TLS must not leave in clear.
inline void check_logins(Section& top, const Config& config) {
  const bool asked = std::ranges::any_of(config.listeners, [](const ListenerConfig& listener) {
    return listener.auth == ListenerConfig::Auth::passthrough;
  });
  const auto bare = [](const UpstreamConfig& upstream) {
    return upstream.tls == UpstreamConfig::Tls::off && !is_loopback(upstream.address);
  };
  if (!asked) return;
  constexpr std::string_view what =
      "passwords of clients would go there in clear: set tls = \"verify\" in it, or auth = \"off\" "
      "in every [[listener]]";
  if (bare(config.upstream)) top.problem(top.line("upstream"), "upstream", std::string(what));
  if (std::ranges::any_of(config.routes, [&](const auto& route) { return bare(route.upstream); })) {
    top.problem(top.line("route"), "route", std::string(what));
  }
}

}  // namespace postern::config
