// `export`: holds that stand and consents, as `import` reads them back, or as a Postfix access map.
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "store/exchange.h"

#include <algorithm>
#include <expected>
#include <iostream>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace postern::cli {
namespace {

std::optional<store::ExportFormat> parse_format(std::string_view text) {
  if (text == "csv") return store::ExportFormat::csv;
  if (text == "jsonl") return store::ExportFormat::jsonl;
  if (text == "postfix") return store::ExportFormat::postfix;
  return std::nullopt;
}

// The configured streams. A stream that is configured no more, or in a file that is not at hand, is
// known by what the store has of it; a name that nobody knows is a slip.
std::expected<policy::Streams, int> streams_of(const Context& context, const std::string& stream) {
  if (stream.empty() || context.streams.find(stream) != nullptr) return context.streams;
  const auto used = context.store->stream_names();
  if (!used) return std::unexpected(complain(used.error()));
  if (std::ranges::find(*used, stream) == used->end()) {
    return std::unexpected(
        wrong_call(fmt::format("no stream is named {}, and no hold either; there are: {}",
                               one_line(stream), known_names(context.streams))));
  }
  auto streams = context.streams.all();
  streams.emplace_back().name = stream;
  return policy::Streams(std::move(streams));
}

}  // namespace

int export_contacts(const ExportOptions& options) {
  const auto format = parse_format(options.format);
  if (!format) {
    return wrong_call(
        fmt::format("--format: '{}' is none of csv, jsonl, postfix", one_line(options.format)));
  }
  store::ExportOptions how;
  how.stream = options.stream;
  how.format = *format;
  how.reason = options.reason;
  if (!options.status.empty()) {
    how.status = rows::parse_status(options.status);
    if (!how.status) {
      return wrong_call(fmt::format(
          "--status: '{}' is none of unsubscribed, bounced, complained, blocked, subscribed",
          one_line(options.status)));
    }
  }
  if (!options.since.empty()) {
    const auto since = parse_time(options.since);
    if (!since) return wrong_call("--since: " + since.error().text);
    how.since = *since;
  }
  if (!options.hashed.empty()) {
    how.hashed = store::parse_digest(options.hashed);
    if (!how.hashed) {
      return wrong_call(
          fmt::format("--hashed: '{}' is none of sha256, sha1, md5", one_line(options.hashed)));
    }
    if (how.format == store::ExportFormat::postfix) {
      return wrong_call("--hashed: an access map is of addresses, not of digests");
    }
    warn("whoever has a list of addresses can find out which of them these digests are of");
  }
  const auto context = open_context(options.where, store::Mode::read_only, Reads::most);
  if (!context) return context.error();
  const auto streams = streams_of(*context, options.stream);
  if (!streams) return streams.error();
  how.streams = &*streams;
  how.now = context->now;
  const auto summary = store::export_rows(*context->store, std::cout, how);
  if (!summary) return complain(summary.error());
  if (summary->nameless != 0) {
    warn(fmt::format("{} contacts are not in it: {}", summary->nameless,
                     how.format == store::ExportFormat::postfix
                         ? "their address was forgotten, is not known, or is none for a map"
                         : "their address was forgotten or has no digest; a backup has them"));
  }
  return exit_done;
}

}  // namespace postern::cli
