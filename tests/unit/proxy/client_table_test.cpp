#include "proxy/client_table.h"

#include "proxy/room.h"

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace postern;
using proxy::ClientTable;
using proxy::Room;

namespace {

using Full = ClientTable::Full;

// Why nobody more is let in; nullopt where one is, and leaves at once.
std::optional<Full> refusal(ClientTable& table, std::size_t listener, std::string_view address,
                            ClientTable::Limits limits) {
  const auto place = table.enter(listener, parse_ip(address).value(), limits);
  if (place) return std::nullopt;
  return place.error();
}

}  // namespace

TEST_CASE("clients: places of a listener and of an address, given back by who leaves") {
  ClientTable table;
  const auto alice = parse_ip("192.0.2.1").value();
  const auto bob = parse_ip("192.0.2.2").value();
  std::vector<ClientTable::Place> places;
  const auto enter = [&](std::size_t listener, const IpAddress& address) {
    auto place = table.enter(listener, address, {});
    REQUIRE(place.has_value());
    places.push_back(*std::move(place));
  };
  enter(0, alice);
  enter(0, alice);
  enter(0, bob);
  // What came before there was a limit counts as well.
  CHECK(refusal(table, 0, "192.0.2.1", {.connections_per_address = 2}) == Full::address);
  CHECK(refusal(table, 0, "192.0.2.1", {.connections_per_address = 3}) == std::nullopt);
  CHECK(refusal(table, 0, "192.0.2.2", {.connections_per_address = 2}) == std::nullopt);
  CHECK(refusal(table, 0, "192.0.2.3", {.connections = 3}) == Full::listener);
  CHECK(refusal(table, 0, "192.0.2.3", {.connections = 4}) == std::nullopt);
  CHECK(refusal(table, 0, "192.0.2.1", {.connections = 3, .connections_per_address = 1}) ==
        Full::listener);
  CHECK(refusal(table, 1, "192.0.2.1", {.connections = 1, .connections_per_address = 1}) ==
        std::nullopt);
  places.erase(places.begin());
  CHECK(refusal(table, 0, "192.0.2.1", {.connections = 3, .connections_per_address = 2}) ==
        std::nullopt);
  places.clear();
  CHECK(refusal(table, 0, "192.0.2.1", {.connections = 1, .connections_per_address = 1}) ==
        std::nullopt);
}

TEST_CASE("clients: one IPv6 /64 is one client, IPv4 addresses are each their own") {
  ClientTable table;
  const auto had = table.enter(0, parse_ip("2001:db8:0:1::1").value(), {});
  const auto mapped = table.enter(0, parse_ip("::ffff:192.0.2.1").value(), {});
  const ClientTable::Limits one{.connections_per_address = 1};
  CHECK(refusal(table, 0, "2001:db8:0:1:ffff::2", one) == Full::address);
  CHECK(refusal(table, 0, "2001:db8:0:2::1", one) == std::nullopt);
  CHECK(refusal(table, 0, "192.0.2.1", one) == Full::address);
  CHECK(refusal(table, 0, "192.0.2.2", one) == std::nullopt);
  CHECK(refusal(table, 0, "::1", one) == std::nullopt);
}

TEST_CASE("clients: messages of a login wherever it comes from, without one of the address") {
  ClientTable table;
  const auto now = std::chrono::steady_clock::now();
  const auto may = [&](std::size_t listener, std::string_view login, std::string_view address) {
    return table.may_send(listener, login, parse_ip(address).value(), 2, now);
  };
  CHECK(may(0, "Anna", "192.0.2.1"));
  CHECK(may(0, "anna", "192.0.2.2"));
  CHECK_FALSE(may(0, "ANNA", "192.0.2.3"));
  CHECK(may(0, "bernd", "192.0.2.1"));
  CHECK(may(1, "anna", "192.0.2.1"));
  CHECK(may(0, "", "192.0.2.1"));
  CHECK(may(0, "", "192.0.2.1"));
  CHECK_FALSE(may(0, "", "192.0.2.1"));
  CHECK(may(0, "192.0.2.1", "192.0.2.9"));  // a login that looks like an address is none
  CHECK(may(0, "", "2001:db8::1"));
  CHECK(may(0, "", "2001:db8::2"));
  CHECK_FALSE(may(0, "", "2001:db8::3"));
  CHECK(table.may_send(0, "anna", parse_ip("192.0.2.1").value(), 0, now));
}

TEST_CASE("clients: from many threads, and nobody is left over") {
  ClientTable table;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&table] {
        for (int i = 0; i < 2'000; ++i) {
          const auto address = parse_ip("192.0.2." + std::to_string(i % 7)).value();
          const auto place = table.enter(0, address, {.connections = 3});
          static_cast<void>(table.may_send(0, "", address, 10, std::chrono::steady_clock::now()));
        }
      });
    }
  }
  for (int i = 0; i < 7; ++i) {
    CHECK(refusal(table, 0, "192.0.2." + std::to_string(i),
                  {.connections = 1, .connections_per_address = 1}) == std::nullopt);
  }
}

TEST_CASE("room: shares are of one whole, and are given back") {
  Room room(100);
  {
    Room::Share first(&room);
    Room::Share second(&room);
    CHECK(first.take(60));
    CHECK_FALSE(second.take(41));
    CHECK(second.take(40));
    CHECK_FALSE(first.take(1));
    CHECK(first.take(0));
    second.give_back();
    CHECK(first.take(40));
  }
  Room::Share all(&room);
  CHECK(all.take(100));
  Room::Share endless(nullptr);
  CHECK(endless.take(1ULL << 60U));
}
