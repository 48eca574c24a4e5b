// Who is connected to which listener, and how much mail each sends: what the limits of a listener
// are held against. One for the gate; from any thread. It is touched when a connection begins and
// ends, and at MAIL only where a rate is configured.
#pragma once

#include "base/network.h"
#include "proxy/rate_table.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace postern::proxy {

class ClientTable {
 public:
  // 0: no limit.
  struct Limits {
    std::uint32_t connections = 0;
    std::uint32_t connections_per_address = 0;
  };
  enum class Full : std::uint8_t { listener, address };

  // A connection's place, until it is destroyed. The table outlives it.
  class Place {
   public:
    Place(Place&& other) noexcept
        : table_(std::exchange(other.table_, nullptr)), key_(other.key_) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(table_, other.table_);
      std::swap(key_, other.key_);
      return *this;
    }
    ~Place() {
      if (table_ != nullptr) table_->leave(key_);
    }

   private:
    friend class ClientTable;
    using Key = std::pair<std::size_t, IpAddress>;
    Place(ClientTable& table, Key key) : table_(&table), key_(key) {}
    ClientTable* table_;
    Key key_;
  };

  // Counted even where nothing is limited: a reload may limit it. `listener`: its place in the
  // configuration. Clients of one IPv6 /64 are one: whoever has one address of it has them all.
  [[nodiscard]] std::expected<Place, Full> enter(std::size_t listener, const IpAddress& address,
                                                 const Limits& limits);

  // A message of that login, or where it is empty of that address, begins: false, and not counted,
  // where it is more than `per_minute` allows. Logins are compared without case.
  [[nodiscard]] bool may_send(std::size_t listener, std::string_view login,
                              const IpAddress& address, std::uint32_t per_minute,
                              std::chrono::steady_clock::time_point now);

 private:
  void leave(const Place::Key& key);

  std::mutex mutex_;
  // Only of what is open, which the limit of all connections bounds. Ordered: nobody can choose
  // addresses that make it slow.
  std::map<Place::Key, std::uint32_t> addresses_;
  std::map<std::size_t, std::uint32_t> listeners_;
  RateTable rates_;
};

}  // namespace postern::proxy
