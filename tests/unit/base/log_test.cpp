#include "base/log.h"

#include "base/log_batch.h"

#include <array>
#include <cstdio>
#include <fcntl.h>
#include <regex>
#include <string>

#include <doctest/doctest.h>
#include <unistd.h>

using namespace postern;

namespace {

// What `write` puts on standard error.
template <class Write>
std::string captured(Write&& write) {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const int saved = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  write();
  std::fflush(stderr);
  dup2(saved, STDERR_FILENO);
  close(saved);
  close(ends[1]);
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  close(ends[0]);
  return text;
}

}  // namespace

TEST_CASE("log: levels have names") {
  CHECK(log::parse_level("debug") == log::Level::debug);
  CHECK(log::parse_level("info") == log::Level::info);
  CHECK(log::parse_level("warning") == log::Level::warning);
  CHECK(log::parse_level("error") == log::Level::error);
  for (const auto name : {"", "Info", "warn", "trace", "off"}) CHECK_FALSE(log::parse_level(name));
}

TEST_CASE("log: one line an event, with time and level; what is below the level is not written") {
  log::start(log::Level::info);
  const auto text = captured([] {
    log::debug("session=1 unseen");
    log::info("session=1 braces {} stay {0}");
    log::warning("session=2");
  });
  const std::regex wanted(
      "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z info session=1 braces \\{\\} stay "
      "\\{0\\}\n"
      "\\S+Z warning session=2\n");
  CAPTURE(text);
  CHECK(std::regex_match(text, wanted));
}

TEST_CASE("log: the level changes while running") {
  log::start(log::Level::error);
  CHECK_FALSE(log::enabled(log::Level::warning));
  log::set_level(log::Level::debug);
  CHECK(log::enabled(log::Level::debug));
  CHECK(captured([] { log::debug("x"); }).find(" debug x\n") != std::string::npos);
  log::set_level(log::Level::info);
}

TEST_CASE("log: a batch is written whole, and a warning brings what came before it") {
  log::start(log::Level::info);
  int asked = 0;
  log::Batch batch([&] { ++asked; });
  CHECK(captured([] {
          log::info("one");
          log::debug("unseen");
          log::info("two");
        }).empty());
  CHECK(asked == 1);
  const std::string text = captured([&] { batch.flush(); });
  CHECK(text.contains("Z info one\n"));
  CHECK(text.ends_with("Z info two\n"));
  const std::string warned = captured([] {
    log::info("three");
    log::warning("four");
  });
  CHECK(warned.find("info three\n") < warned.find("warning four\n"));
  CHECK(asked == 2);
  CHECK(captured([&] { batch.flush(); }).empty());
}

TEST_CASE("log: a batch that grows large, or ends, is written") {
  log::start(log::Level::info);
  CHECK(captured([] {
          const log::Batch batch([] {});
          log::info("last words");
        }).ends_with("last words\n"));
  log::Batch batch([] {});
  // More than is kept, and less than a pipe takes.
  const std::string line(1'000, 'x');
  CHECK(captured([&] {
          for (int i = 0; i < 60; ++i) log::info(line);
        }).empty());
  CHECK(captured([&] { batch.flush(); }).size() > 60'000);
}
