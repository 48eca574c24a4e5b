#include "proxy/listener_certificates.h"

#include "../certs/pair.h"

#include <string>

using namespace postern;
using proxy::ListenerCertificates;
using test::Pair;

namespace {

ListenerConfig listener(std::string name, const Pair& pair) {
  ListenerConfig config;
  config.name = std::move(name);
  config.tls = ListenerConfig::Tls::starttls;
  config.certificates = {pair.files()};
  return config;
}

Config config_of(std::vector<ListenerConfig> listeners) {
  auto config = Config::defaults();
  config.listeners = std::move(listeners);
  return config;
}

}  // namespace

TEST_CASE("listener certificates: each place has its own, whatever its name") {
  const Pair one("one");
  const Pair two("two");
  const Pair three("three");
  auto before =
      *ListenerCertificates::load(config_of({listener("a", one), listener("b", two)}), {});
  const auto first = before.of(0);
  const auto second = before.of(1);
  CHECK(first != second);
  CHECK(before.of(2) == nullptr);

  // The first one's table is gone, so that it keeps the name; the second has taken it.
  const auto same_name = config_of({listener("a", one), listener("a", three)});
  auto now = *ListenerCertificates::load(same_name, before);
  CHECK(now.of(0) == first);
  CHECK(now.of(1) != first);
  CHECK(now.of(1) != second);

  const auto swapped = config_of({listener("b", one), listener("a", two)});
  now = *ListenerCertificates::load(swapped, before);
  CHECK(now.of(0) == first);
  CHECK(now.of(1) == second);

  auto plain = swapped;
  plain.listeners.front().tls = ListenerConfig::Tls::off;
  now = *ListenerCertificates::load(plain, before);
  CHECK(now.of(0) == nullptr);
  CHECK(now.of(1) == second);
}

TEST_CASE("listener certificates: nothing changes before it is asked to, then the files are read") {
  const Pair one("one");
  const auto config = config_of({listener("a", one)});
  auto in_use = *ListenerCertificates::load(config, {});
  const auto context = in_use.of(0)->context();
  one.make("newer");
  auto now = ListenerCertificates::load(config, in_use);
  REQUIRE(now);
  CHECK(in_use.of(0)->context() == context);
  in_use.become(*std::move(now));
  CHECK(in_use.of(0)->context() != context);
}

TEST_CASE("listener certificates: an error names listener and file") {
  const Pair one("one");
  auto config = config_of({listener("a", one)});
  config.listeners.front().certificates.front().key = "/nowhere/key.pem";
  const auto loaded = ListenerCertificates::load(config, {});
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().text.starts_with("listener a: /nowhere/key.pem: "));
}
