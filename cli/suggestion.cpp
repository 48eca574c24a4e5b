#include "cli/suggestion.h"

#include "cli/output.h"

#include <fmt/format.h>

namespace postern::cli {
namespace {

// An address that begins as an option does stands behind "--", and that behind every option.
std::string command(std::string_view verb, std::string_view address, std::string_view options) {
  if (address.starts_with('-')) {
    return fmt::format("postern {}{} -- {}", verb, options, shell_quoted(address));
  }
  return fmt::format("postern {} {}{}", verb, shell_quoted(address), options);
}

}  // namespace

std::string shell_quoted(std::string_view word) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_";
  if (!word.empty() && word.find_first_not_of(plain) == std::string_view::npos) {
    return std::string(word);
  }
  std::string quoted = "'";
  for (const char c : one_line(word)) {
    if (c == '\'') quoted += "'\\'";
    quoted += c;
  }
  return quoted + "'";
}

std::string resubscribe_command(std::string_view address, std::string_view stream) {
  const auto which = stream.empty() ? std::string() : " --stream " + shell_quoted(stream);
  return command("resubscribe", address, which + " --consent 'how we know'");
}

std::string reactivate_command(std::string_view address, std::string_view seen) {
  return command(
      "reactivate", address,
      seen.empty() ? std::string(" --confirm") : " --confirm --seen " + shell_quoted(seen));
}

std::string unblock_command(std::string_view address) { return command("unblock", address, {}); }

}  // namespace postern::cli
