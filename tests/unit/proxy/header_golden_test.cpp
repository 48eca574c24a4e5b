// tests/golden/headers: what becomes of a header section in each mode.
#include "proxy/header_edit.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace postern;
using proxy::DkimCase;
using proxy::HeaderPlan;
using proxy::HeaderWishes;
using Wish = HeaderWishes::ListUnsubscribe;

namespace {

constexpr std::string_view mark = "==== ";

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The files have LF: one could not see what else ends a line.
std::string with_crlf(std::string_view text) {
  std::string lines;
  for (const char c : text) {
    if (c == '\n') lines += '\r';
    lines += c;
  }
  return lines;
}

std::string_view name_of(DkimCase dkim) {
  switch (dkim) {
    case DkimCase::unsigned_:
      return "unsigned";
    case DkimCase::covered:
      return "covered";
    case DkimCase::uncovered:
      return "uncovered";
    case DkimCase::oversigned:
      return "oversigned";
  }
  return "";
}

bool is_removed(const HeaderPlan& plan, std::size_t at) {
  return std::ranges::any_of(plan.removed,
                             [&](wire::Range gone) { return gone.begin <= at && at < gone.end; });
}

// As a difference is shown: each line behind "+" (ours), "-" (gone) or a blank (untouched).
struct Shown {
  std::string text;
  std::string before;  // what the lines that are not ours add up to
  std::string after;   // what the lines that are not gone add up to

  void lines(char sign, std::string_view octets) {
    while (!octets.empty()) {
      const std::size_t end = octets.find("\r\n");
      REQUIRE(end != std::string_view::npos);
      text += sign;
      text.append(octets.substr(0, end)).append("\n");
      (sign == '+' ? after : before).append(octets.substr(0, end + 2));
      if (sign == ' ') after.append(octets.substr(0, end + 2));
      octets.remove_prefix(end + 2);
    }
  }
};

std::string shown(std::string_view section, std::string_view mode, Wish wish) {
  const HeaderWishes wishes{.list_unsubscribe = wish,
                            .list_id = "news.example.com",
                            .list_title = "Example, weekly",
                            .feedback_id = "spring:news:example"};
  const HeaderPlan plan = proxy::plan_header_edit(section, wishes);
  const std::string own =
      plan.add_list_unsubscribe
          ? proxy::unsubscribe_fields("https://u.example/u/" + std::string(60, 't'),
                                      "mailto:u-t@bounce.example")
          : "";
  const std::string edited = proxy::edited_section(section, plan, own);

  Shown said;
  const std::size_t untouched = section.size() - [&] {
    std::size_t gone = 0;
    for (const auto& [begin, end] : plan.removed) gone += end - begin;
    return gone;
  }();
  REQUIRE(edited.size() >= untouched);
  said.lines('+', std::string_view(edited).substr(0, edited.size() - untouched));
  for (std::size_t at = 0; at < section.size();) {
    const std::size_t end = section.find("\r\n", at) + 2;
    said.lines(is_removed(plan, at) ? '-' : ' ', section.substr(at, end - at));
    at = end;
  }
  CHECK(said.before == section);
  CHECK(said.after == edited);

  std::string text =
      fmt::format("{}{}: {}{}\n", mark, mode, name_of(plan.dkim), plan.kept ? ", kept" : "");
  for (const auto& value : plan.replaced) text += fmt::format("replaced \"{}\"\n", value);
  return text + said.text;
}

}  // namespace

// STATE.SYNTAX.txt: a header section, and behind each mark what becomes of it. To accept what the
// program says now, run POSTERN_ACCEPT=1 unit_proxy, and review the difference.
TEST_CASE("golden header sections in each mode") {
  std::set<std::string> states;
  for (const auto& entry :
       std::filesystem::directory_iterator(POSTERN_TESTS_DIR "/golden/headers")) {
    const auto name = entry.path().filename().string();
    CAPTURE(name);
    const std::string expected = read(entry.path());
    const std::string before = expected.substr(0, expected.find(mark));
    const std::string section = with_crlf(before);
    const std::string got = before + shown(section, "add", Wish::add) +
                            shown(section, "replace", Wish::replace) +
                            shown(section, "off", Wish::off);
    if (std::getenv("POSTERN_ACCEPT") != nullptr) {
      std::ofstream(entry.path(), std::ios::binary) << got;
    } else {
      CHECK(got == expected);
    }
    states.insert(name.substr(0, name.find('.')));
  }
  for (const auto* state : {"none", "alone", "pair", "covered", "oversigned", "uncovered"}) {
    CAPTURE(state);
    CHECK(states.contains(state));
  }
}
