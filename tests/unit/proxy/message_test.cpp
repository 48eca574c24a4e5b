// MessageFlow however its input is cut; the trace line.
#include "proxy/message.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace postern;

namespace {

struct Flowed {
  std::string upstream;
  std::size_t consumed = 0;
  bool finished = false;
  int refused = 0;
};

Flowed flow(std::string_view input, std::vector<std::size_t> cuts,
            proxy::MessageFlow::Limits limits = {}) {
  proxy::MessageFlow message("Trace: ours\r\n", limits);
  Flowed result;
  cuts.push_back(input.size());
  std::size_t from = 0;
  for (const auto cut : cuts) {
    if (message.finished()) break;
    const auto output = message.feed(input.substr(from, cut - from));
    for (const auto piece : output.pieces) result.upstream += piece;
    result.consumed += output.consumed;
    from = cut;
  }
  result.finished = message.finished();
  result.refused = message.refused() ? message.refused()->code : 0;
  return result;
}

}  // namespace

TEST_CASE(
    "message: what goes upstream is the trace line and the client's octets, however they are cut") {
  struct {
    std::string_view input;
    std::string_view want;
    std::string_view why;
  } const cases[] = {
      {"A: b\r\n\r\nbody\r\n.\r\nRSET\r\n", "Trace: ours\r\nA: b\r\n\r\nbody\r\n.\r\n",
       "the rest is commands"},
      {"\r\nbody\r\n.\r\n", "Trace: ours\r\n\r\nbody\r\n.\r\n", "no header fields"},
      {".\r\n", "Trace: ours\r\n.\r\n", "no octets at all"},
      {"A: b\r\n.\r\n", "Trace: ours\r\nA: b\r\n.\r\n", "header fields alone"},
      {" x\r\n\r\n.\r\n", "Trace: ours\r\n\r\n x\r\n\r\n.\r\n",
       "a first line that would be folded into ours"},
      {"A: b\r\n\r\n..\r\n..a\r\n.\r\n", "Trace: ours\r\nA: b\r\n\r\n..\r\n..a\r\n.\r\n",
       "stuffed dots stay"},
  };
  for (const auto& test : cases) {
    CAPTURE(test.why);
    for (std::size_t first = 0; first <= test.input.size(); ++first) {
      for (std::size_t second = first; second <= test.input.size(); ++second) {
        const auto got = flow(test.input, {first, second});
        CHECK(got.finished);
        CHECK(got.upstream == test.want);
      }
    }
  }
}

TEST_CASE("message: a refused one is read to its end and never ended upstream") {
  struct {
    std::string_view input;
    proxy::MessageFlow::Limits limits;
    int want;
  } const cases[] = {
      {"A: b\r\n\r\nx\ny\r\n.\r\n", {}, 550},
      {"A: b\r\n\r\nx\ry\r\n.\r\n", {}, 550},
      {{"A: b\r\n\r\nx\0y\r\n.\r\n", 16}, {}, 550},
      {"Received: 1\r\nReceived: 2\r\n\r\n.\r\n", {.hops = 1}, 554},
      {"Subject: a long one\r\n\r\nbody\r\n.\r\n", {.header = 10}, 552},
  };
  for (const auto& test : cases) {
    CAPTURE(test.want);
    for (std::size_t cut = 0; cut <= test.input.size(); ++cut) {
      const auto got = flow(test.input, {cut}, test.limits);
      CHECK(got.finished);
      CHECK(got.refused == test.want);
      CHECK(got.consumed == test.input.size());
      CHECK(got.upstream.find("\r\n.\r\n") == std::string::npos);
    }
  }
}

TEST_CASE("message: its size is of its content, however it is cut") {
  struct {
    std::string_view input;
    std::uint64_t octets;  // as RFC 1870 section 3 counts
  } const cases[] = {
      {".\r\n", 0},
      {"A: b\r\n.\r\n", 6},
      {"A: b\r\n\r\nbody\r\n.\r\n", 14},
      {"A: b\r\n\r\n..\r\n..a\r\n.b\r\n.\r\n", 18},
      {"\r\n.\r\n", 2},
  };
  for (const auto& test : cases) {
    CAPTURE(test.input);
    for (std::size_t cut = 0; cut <= test.input.size(); ++cut) {
      CAPTURE(cut);
      if (test.octets > 0) CHECK(flow(test.input, {cut}, {.size = test.octets}).refused == 0);
      if (test.octets < 2) continue;
      const auto over = flow(test.input, {cut}, {.size = test.octets - 1});
      CHECK(over.refused == 552);
      CHECK(over.finished);
      CHECK(over.consumed == test.input.size());
      CHECK(over.upstream.find("\r\n.\r\n") == std::string::npos);
    }
  }
}

TEST_CASE("message: with bare LFs ended, its fields and its end are found, however it is cut") {
  struct {
    std::string_view input;
    std::string_view want;
    int refused;
  } const cases[] = {
      {"A: b\n\nbody\n.\nmore\r\n.\r\nRSET\r\n",
       "Trace: ours\r\nA: b\r\n\r\nbody\r\n..\r\nmore\r\n.\r\n", 0},
      {".\n\r\n.\r\nRSET\r\n", "Trace: ours\r\n..\r\n\r\n.\r\n", 0},
      {"A: b\n\nbo\rdy\r\n.\r\nRSET\r\n", "", 550},
      {"Received: 1\nReceived: 2\n\n\r\n.\r\nRSET\r\n", "", 554},
  };
  for (const auto& test : cases) {
    CAPTURE(test.input);
    for (std::size_t first = 0; first <= test.input.size(); ++first) {
      for (std::size_t second = first; second <= test.input.size(); ++second) {
        const auto got = flow(test.input, {first, second}, {.hops = 1, .normalize_lines = true});
        CHECK(got.finished);
        CHECK(got.consumed == test.input.size() - 6);
        CHECK(got.refused == test.refused);
        if (test.refused == 0) CHECK(got.upstream == test.want);
        if (test.refused != 0) CHECK(got.upstream.find("\r\n.\r\n") == std::string::npos);
      }
    }
  }
}

TEST_CASE("message: an endless header section takes bounded memory and ends in a refusal") {
  proxy::MessageFlow message("", {.header = 1000});
  const std::string line = "X: " + std::string(60, 'y') + "\r\n";
  for (int i = 0; i < 100; ++i) static_cast<void>(message.feed(line));
  REQUIRE(message.refused().has_value());
  CHECK(message.refused()->code == 552);
}

TEST_CASE("message: its campaign, however it is cut") {
  struct {
    std::string_view input;
    std::string_view want;
    std::string_view why;
  } const cases[] = {
      {"X-Campaign-ID: spring\r\n\r\n.\r\n", "spring", ""},
      {"Feedback-ID: 1:2:shop\r\n\r\n.\r\n", "1:2:shop", "where there is no X-Campaign-ID"},
      {"Feedback-ID: 1\r\nX-Campaign-ID: spring\r\n\r\n.\r\n", "spring", "which goes before"},
      {"X-Campaign-ID: \r\nFeedback-ID: 1\r\n\r\n.\r\n", "1", "an empty one is none"},
      {"X-Campaign-ID: \r\nX-Campaign-ID: spring\r\nFeedback-ID: 1\r\n\r\n.\r\n", "spring",
       "nor does it hide a second"},
      {"Subject: x\r\n\r\nX-Campaign-ID: spring\r\n.\r\n", "", "text of the body"},
      {"X-Campaign-ID: spring\r\n.\r\n", "spring", "header fields alone"},
      {"X-Campaign-ID: spring\r\n\r\nbare\nLF\r\n.\r\n", "spring", "a message that is refused"},
      {"X-Campaign-ID: spr\ning\r\n", "", "which of a section that has not ended is not known"},
  };
  const std::vector<std::string> names{"X-Campaign-ID", "Feedback-ID"};
  for (const auto& test : cases) {
    CAPTURE(test.why);
    for (std::size_t cut = 0; cut <= test.input.size(); ++cut) {
      proxy::MessageFlow wanted("", {}, names);
      proxy::MessageFlow not_wanted("", {});
      for (const auto piece : {test.input.substr(0, cut), test.input.substr(cut)}) {
        static_cast<void>(wanted.feed(piece));
        static_cast<void>(not_wanted.feed(piece));
      }
      CHECK(wanted.campaign() == test.want);
      CHECK(not_wanted.campaign().empty());
    }
  }
}

TEST_CASE("message: the trace line") {
  const proxy::TraceFields fields{.helo = "client.example",
                                  .peer = "192.0.2.1",
                                  .hostname = "gate.example",
                                  .id = "42",
                                  .date = "Mon, 02 Mar 2026 12:00:00 +0000"};
  CHECK(proxy::received_line(fields) ==
        "Received: from client.example ([192.0.2.1])\r\n\tby gate.example with ESMTP id 42;\r\n"
        "\tMon, 02 Mar 2026 12:00:00 +0000\r\n");
  auto odd = fields;
  odd.helo = "a\tb (evil)\xff";
  odd.peer = "2001:db8::1";
  odd.extended = false;
  const auto line = proxy::received_line(odd);
  CHECK(line.starts_with("Received: from a?b??evil?? ([IPv6:2001:db8::1])\r\n"));
  CHECK(line.find("with SMTP id") != std::string::npos);
}
