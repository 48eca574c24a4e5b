#include "cli/output.h"

#include "cli/run.h"

#include <iostream>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace postern::cli {
namespace {

bool is_control(unsigned char octet) { return octet < 0x20 || octet == 0x7f; }

}  // namespace

void say(std::string_view line) { std::cout << line << '\n'; }
void say(const boost::json::object& object) { std::cout << boost::json::serialize(object) << '\n'; }
void warn(std::string_view text) { std::cerr << "postern: warning: " << text << '\n'; }

int wrong_call(std::string_view text) {
  std::cerr << "postern: " << text << '\n';
  return exit_call;
}

int complain(const Error& error) {
  std::cerr << "postern: " << error.text << '\n';
  return error.code == Errc::invalid ? exit_call : exit_failed;
}

std::string one_line(std::string_view text) {
  std::string line(text);
  for (std::size_t i = 0; i < line.size(); ++i) {
    const auto octet = static_cast<unsigned char>(line[i]);
    if (is_control(octet)) line[i] = ' ';
    // U+0080 to U+009F: terminals take them for escape sequences too.
    if (octet == 0xc2 && i + 1 < line.size() && static_cast<unsigned char>(line[i + 1]) < 0xa0) {
      line[i] = line[i + 1] = ' ';
    }
  }
  return line;
}

std::string describe(const policy::Scope& scope) {
  switch (scope.kind) {
    case policy::Scope::Kind::all:
      return "every stream";
    case policy::Scope::Kind::marketing:
      return "every marketing stream";
    case policy::Scope::Kind::stream:
      break;
  }
  return "stream " + one_line(scope.stream);
}

std::string describe(const policy::Hold& hold) {
  std::string text = fmt::format("{} since {}", to_string(hold.kind), format_date(hold.date));
  if (hold.until) text += " until " + format_time(*hold.until);
  // Of the others it goes without saying.
  if (hold.scope.kind != policy::Scope::Kind::all) text += " from " + describe(hold.scope);
  return text;
}

std::string in_brackets(std::string_view source, std::string_view note) {
  if (source.empty() && note.empty()) return {};
  if (note.empty()) return fmt::format(" ({})", one_line(source));
  if (source.empty()) return fmt::format(" ({})", one_line(note));
  return fmt::format(" ({}: {})", one_line(source), one_line(note));
}

void add_scope(boost::json::object& object, const policy::Scope& scope) {
  switch (scope.kind) {
    case policy::Scope::Kind::all:
      object["scope"] = "all";
      return;
    case policy::Scope::Kind::marketing:
      object["scope"] = "marketing";
      return;
    case policy::Scope::Kind::stream:
      break;
  }
  object["scope"] = "stream";
  object["stream"] = scope.stream;
}

}  // namespace postern::cli
