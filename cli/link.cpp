// `link`: the unsubscribe links of mailboxes, for looking at the page.
#include "policy/link.h"

#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"

#include <chrono>
#include <cstdint>

#include <fmt/format.h>

namespace postern::cli {
namespace {

std::uint32_t day_of(Time time) {
  const auto days = std::chrono::floor<std::chrono::days>(time.time_since_epoch());
  return static_cast<std::uint32_t>(days.count());
}

// The marketing stream of that name; others have no links.
std::expected<const policy::Stream*, int> link_stream(const Context& context,
                                                      const std::string& name) {
  const auto* stream = name.empty() ? &context.streams.fallback() : context.streams.find(name);
  if (stream == nullptr) {
    return std::unexpected(wrong_call(fmt::format("no stream is named {}; there are: {}",
                                                  one_line(name), known_names(context.streams))));
  }
  if (stream->kind == policy::Stream::Kind::transactional) {
    return std::unexpected(wrong_call(fmt::format(
        "the stream {} is transactional: nobody leaves it, so it has no links", stream->name)));
  }
  return stream;
}

}  // namespace

int link(const LinkOptions& options) {
  const auto addresses = parse_contacts(options.addresses, false);
  if (!addresses) return addresses.error();
  const auto context = open_context(options.where, store::Mode::read_write);
  if (!context) return context.error();
  const auto url = public_url(context->settings.config);
  if (url.empty()) {
    return wrong_call("there is no page to link to: set url in [unsubscribe], or address in [web]");
  }
  const auto stream = link_stream(*context, options.stream);
  if (!stream) return stream.error();
  const auto keys = context->store->link_keys();
  if (!keys) return complain(keys.error());
  for (const auto& address : *addresses) {
    const auto token = keys->seal({.address = address,
                                   .stream = (*stream)->name,
                                   .campaign = options.campaign,
                                   .day = day_of(context->now)});
    if (!token) return complain(token.error());
    say(fmt::format("{}/u/{}", url, *token));
  }
  return exit_done;
}

}  // namespace postern::cli
