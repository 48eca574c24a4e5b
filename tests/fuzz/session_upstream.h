// The upstream of session.cpp: an MTA, but for what its script has it say otherwise.
#pragma once

#include "memory_stream.h"
#include "session_oracle.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::fuzz {

namespace asio = boost::asio;
using asio::awaitable;
using test::Pipe;

// The upstream: reads as an MTA does, and answers as its script has it.
class Upstream {
 public:
  Upstream(std::string_view script, bool pipelining) : script_(script), pipelining_(pipelining) {}

  awaitable<void> serve(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out) {
    Connection connection{.in = std::move(in), .out = std::move(out)};
    pipes_.push_back(connection.in);
    pipes_.push_back(connection.out);
    answer(connection, "220 upstream.example\r\n");
    while (!connection.closed) {
      if (connection.in->chunks.empty()) {
        if (connection.in->closed) break;
        if (connection.in_data && !connection.octets.empty()) speak_early(connection);
        co_await connection.in->changed.async_wait(asio::as_tuple(asio::use_awaitable));
        continue;
      }
      connection.octets += connection.in->chunks.front();
      connection.in->chunks.pop_front();
      take(connection);
    }
    connection.in->close();
    connection.out->close();
  }
  // For good: it cannot be reached any more.
  void close() {
    gone_ = true;
    for (const auto& pipe : pipes_) pipe->close();
  }
  [[nodiscard]] bool gone() const { return gone_; }
  [[nodiscard]] const std::vector<Delivery>& deliveries() const { return deliveries_; }

 private:
  struct Connection {
    std::shared_ptr<Pipe> in;
    std::shared_ptr<Pipe> out;
    std::string octets{};
    std::string held{};
    Delivery delivery{};
    bool in_data = false;
    bool in_mail = false;
    bool odd = false;  // it said something that an MTA would not
    bool closed = false;
    bool silent = false;
  };
  enum class Said : std::uint8_t { plainly, refused, unclear };

  std::uint8_t next() {
    if (script_.empty()) return 0;
    const auto octet = static_cast<std::uint8_t>(script_.front());
    script_.remove_prefix(1);
    return octet;
  }

  void take(Connection& connection) {
    for (;;) {
      if (connection.in_data) {
        const auto end = data_end(connection.octets);
        if (end == std::string::npos) return;
        connection.delivery.data = connection.octets.substr(0, end - 3);
        connection.octets.erase(0, end);
        connection.in_data = connection.in_mail = false;
        require(!has_bare(connection.delivery.data));
        // The lone dot that ends a DATA for nobody.
        const bool something =
            !connection.delivery.data.empty() || !connection.delivery.recipients.empty();
        connection.delivery.unclear = connection.odd;
        const auto said = answer(connection, "250 2.0.0 taken\r\n");
        connection.delivery.said = said == Said::plainly;
        connection.delivery.unclear |= said == Said::unclear || !connection.held.empty();
        if (something) deliveries_.push_back(connection.delivery);
        continue;
      }
      const auto end = connection.octets.find('\n');
      if (end == std::string::npos || connection.closed) return;
      const std::string line = connection.octets.substr(0, end + 1);
      connection.octets.erase(0, end + 1);
      require(line.ends_with("\r\n") && !has_bare(line));
      command(connection, line);
    }
  }

  void command(Connection& connection, const std::string& line) {
    if (line.starts_with("EHLO ")) {
      connection.in_mail = false;
      answer(connection, pipelining_ ? "250-upstream.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
                                     : "250-upstream.example\r\n250 8BITMIME\r\n");
    } else if (line.starts_with("MAIL FROM:<")) {
      require(!connection.in_mail || connection.odd);  // two envelopes in one
      connection.in_mail = answer(connection, "250 2.1.0 ok\r\n") != Said::refused;
      connection.delivery = {.sender = line};
    } else if (line.starts_with("RCPT TO:<")) {
      require(connection.in_mail || pipelining_ || connection.odd);
      if (answer(connection, "250 2.1.5 ok\r\n") == Said::plainly && connection.in_mail)
        connection.delivery.recipients.push_back(line);
    } else if (line == "DATA\r\n") {
      connection.in_data = answer(connection, "354 go ahead\r\n") == Said::plainly;
    } else if (line == "RSET\r\n") {
      connection.in_mail = false;
      answer(connection, "250 2.0.0 ok\r\n");
    } else {
      // Where it had said 354 once too often, a message may come; its end does not.
      require(line == "QUIT\r\n" || connection.odd);
      connection.closed = true;
    }
  }

  // Only where the gate has not sent the end: it is heard before that.
  void speak_early(Connection& connection) {
    if (script_.empty() || static_cast<std::uint8_t>(script_.front()) < 0xf0) return;
    static constexpr std::array<std::string_view, 4> words{"250 2.0.0 taken\r\n",
                                                           "451 4.3.0 no\r\n", "354 what\r\n", "2"};
    connection.odd = true;
    put(connection, std::string(words[next() % words.size()]));
  }

  void put(Connection& connection, std::string octets) {
    if (connection.silent) return;
    connection.out->put(std::exchange(connection.held, {}) + std::move(octets));
  }

  Said answer(Connection& connection, const std::string& usual) {
    const auto way = next();
    if (way < 0xb0) {
      put(connection, usual);
      return Said::plainly;
    }
    switch ((way - 0xb0) % 16) {
      case 0:
        put(connection, "550 5.7.1 no\r\n");
        return Said::refused;
      case 1:
        put(connection, "451 4.3.0 not now\r\n");
        return Said::refused;
      case 2:
        put(connection, "421 4.3.2 bye\r\n");
        connection.closed = true;
        return Said::refused;
      case 3:
        connection.closed = true;
        return Said::unclear;
      case 4:
        for (const char octet : usual) put(connection, std::string(1, octet));
        return Said::plainly;
      case 5:
        put(connection, usual);
        connection.closed = true;
        return Said::plainly;
      case 6:
        // It goes out with the next, where one is asked for.
        connection.held += usual;
        return Said::plainly;
      default:
        break;
    }
    static constexpr std::array<std::string_view, 9> words{
        "250 2.0.0 surplus\r\n", "250 bare\n",   "2x0 no\r\n",
        "354 what\r\n",          "250-more\r\n", "999 x\r\n",
        "250 a\rb\r\n",          "\r\n",         "530 5.7.0 who are you\r\n"};
    const std::size_t which = (way - 0xb7) % words.size();
    const auto word = std::string(words[which]);
    const bool behind = (way & 1U) != 0;
    put(connection, behind ? usual + word : word);
    if (way == 0xff) connection.silent = true;
    if (!behind && which == 8) return Said::refused;
    // Another text, and all the same what an MTA may say here.
    if (!behind && which == (usual.starts_with("354") ? 3 : 0) && !usual.starts_with("220"))
      return Said::plainly;
    connection.odd = true;
    return Said::unclear;
  }

  std::string_view script_;
  bool pipelining_;
  bool gone_ = false;
  std::vector<Delivery> deliveries_;
  std::vector<std::shared_ptr<Pipe>> pipes_;
};

}  // namespace postern::fuzz
