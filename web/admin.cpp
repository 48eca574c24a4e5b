#include "web/admin.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace postern::web {
namespace {

Response routed(Response response, std::string_view route) {
  response.route = route;
  return response;
}

}  // namespace

void Admin::handle(const Request& request, Reply reply) {
  const auto path = split_target(request.target).first;
  static constexpr std::array<std::string_view, 3> routes{"healthz", "readyz", "metrics"};
  const auto* const found =
      std::ranges::find(routes, path.substr(std::min<std::size_t>(1, path.size())));
  if (!path.starts_with('/') || found == routes.end()) return reply(plain(404, "not found"));
  const auto route = *found;
  if (request.method != "GET" && request.method != "HEAD") {
    return reply(routed(not_allowed("GET, HEAD"), route));
  }
  if (route == "healthz") return reply(routed(plain(200, "ok"), route));
  if (route == "readyz") {
    opt_outs_.probe([reply = std::move(reply), route](Result<void> ready) {
      reply(routed(ready ? plain(200, "ready") : plain(503, ready.error().text), route));
    });
    return;
  }
  Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = metrics_.text();
  reply(routed(std::move(response), route));
}

}  // namespace postern::web
