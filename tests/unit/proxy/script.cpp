#include "script.h"

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>

namespace postern::test {

namespace {

std::string unescape(std::string_view text, const std::string& where) {
  if (text.size() < 2 || text.front() != '\'' || text.back() != '\'')
    throw std::runtime_error(where + ": quotes missing");
  std::string octets;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] != '\\') {
      octets += text[i];
      continue;
    }
    switch (text[++i]) {
      case 'r':
        octets += '\r';
        break;
      case 'n':
        octets += '\n';
        break;
      case '0':
        octets += '\0';
        break;
      case 't':
        octets += '\t';
        break;
      case '\\':
        octets += '\\';
        break;
      case '\'':
        octets += '\'';
        break;
      default:
        throw std::runtime_error(where + ": unknown escape");
    }
  }
  return octets;
}

}  // namespace

bool Script::has(std::string_view setting) const {
  return std::ranges::count(settings, setting) > 0;
}

Script read_script(const std::filesystem::path& file) {
  Script script{.name = file.stem().string(),
                .settings = {},
                .client = {},
                .upstream = {},
                .told = {},
                .refused = {}};
  std::ifstream in(file);
  if (!in) throw std::runtime_error(file.string() + ": cannot be read");
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    const auto where = fmt::format("{}:{}", file.string(), number);
    const auto blank = line.find(' ');
    const std::string mark = line.substr(0, blank);
    const std::string text = blank == std::string::npos ? "" : line.substr(blank + 1);
    using Kind = Step::Kind;
    if (line.empty() || mark == "#") continue;
    if (mark == "@") {
      script.settings.push_back(text);
    } else if (mark == "->" || mark == "~>") {
      const auto octets = mark == "->" ? text + "\r\n" : unescape(text, where);
      if (!script.client.empty() && script.client.back().kind == Kind::send) {
        script.client.back().octets += octets;
      } else {
        script.client.push_back({Kind::send, octets});
      }
    } else if (mark == "<-") {
      script.client.push_back({Kind::expect, text});
    } else if (mark == "-|") {
      script.client.push_back({Kind::hang_up, ""});
    } else if (mark == "<-|") {
      script.client.push_back({Kind::expect_closed, ""});
    } else if (mark == "=>") {
      script.upstream.push_back({Kind::expect, text});
    } else if (mark == "<=" || mark == "<~") {
      script.upstream.push_back({Kind::send, mark == "<=" ? text + "\r\n" : unescape(text, where)});
    } else if (mark == "=|") {
      script.upstream.push_back({text == "close" ? Kind::hang_up : Kind::new_connection, ""});
    } else if (mark == "++") {
      script.told.push_back(text);
    } else if (mark == "!!") {
      script.refused.push_back(text);
    } else if (mark == "=|>") {
      script.upstream.push_back({Kind::expect_closed, ""});
    } else {
      throw std::runtime_error(where + ": not a step: " + line);
    }
  }
  return script;
}

std::vector<std::filesystem::path> all_scripts() {
  std::vector<std::filesystem::path> found;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(POSTERN_TESTS_DIR) / "dialogs")) {
    if (entry.path().extension() == ".smtp") found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

std::string Script::argument(std::string_view setting, std::string otherwise) const {
  for (const auto& line : settings) {
    if (line.starts_with(std::string(setting) + " ")) return line.substr(setting.size() + 1);
  }
  return otherwise;
}

}  // namespace postern::test
