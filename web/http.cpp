#include "web/http.h"

namespace postern::web {

std::pair<std::string_view, std::string_view> split_target(std::string_view target) {
  const auto mark = target.find('?');
  if (mark == target.npos) return {target, {}};
  return {target.substr(0, mark), target.substr(mark + 1)};
}

Response plain(unsigned status, std::string_view text) {
  Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = text;
  response.body += '\n';
  return response;
}

Response not_allowed(std::string_view methods) {
  auto response = plain(405, "method not allowed");
  response.headers.emplace_back("Allow", methods);
  return response;
}

}  // namespace postern::web
