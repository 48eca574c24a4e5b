// A request and its answer as values: what the server reads and writes, and all that the pages see
// of HTTP.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::web {

struct Request {
  std::string method;  // "GET", ...
  std::string target;  // as it came: "/u/TOKEN?lang=de"
  std::string accept_language;
  std::string content_type;
  std::string body;
};

struct Response {
  unsigned status = 200;
  std::string content_type;
  std::string body;  // of HEAD too: the server leaves it out
  std::vector<std::pair<std::string, std::string>> headers;  // besides those of every answer
  std::string_view route = "other";                          // of a closed set, for the metrics
};

// The target's path, and its query without "?".
[[nodiscard]] std::pair<std::string_view, std::string_view> split_target(std::string_view target);

// The same answer for each way of saying so: a line of text.
[[nodiscard]] Response plain(unsigned status, std::string_view text);
// 405, with the methods that are allowed (RFC 9110 section 15.5.6).
[[nodiscard]] Response not_allowed(std::string_view methods);

}  // namespace postern::web
