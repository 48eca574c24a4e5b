#include "cli/context.h"

#include "base/config_values.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/run.h"
#include "store/digests.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace postern::cli {
namespace {

using policy::Scope;

std::expected<void, int> check_name(const std::string& stream) {
  const auto wrong = config::check_stream_name(stream);
  if (wrong.empty()) return {};
  return std::unexpected(wrong_call("--stream: " + wrong));
}

}  // namespace

std::expected<Context, int> open_context(const Where& where, store::Mode mode, Reads reads) {
  auto settings = load_settings(where);
  if (!settings) return std::unexpected(settings.error());
  auto store = open_store(*settings, mode, reads);
  if (!store) return std::unexpected(store.error());
  policy::Streams streams(settings->config.streams);
  return Context{*std::move(settings), *std::move(store), std::move(streams), current_time()};
}

std::expected<std::vector<policy::CanonicalAddress>, int> parse_contacts(
    std::span<const std::string> texts, bool domains_allowed) {
  std::vector<policy::CanonicalAddress> addresses;
  int status = exit_done;
  for (const auto& text : texts) {
    const std::string digest = to_lower(trim(text));
    if (domains_allowed && store::is_digest(digest)) {
      addresses.push_back({digest});
      continue;
    }
    auto address = policy::parse_contact(text, domains_allowed);
    if (address) {
      addresses.push_back(*std::move(address));
    } else {
      status = complain(address.error());
    }
  }
  if (status != exit_done) return std::unexpected(status);
  return addresses;
}

void warn_of_old_readers(const store::Compaction& done) {
  if (done.readers_left == 0) return;
  warn(
      fmt::format("{} readers of other processes still look at the old file, and miss what is "
                  "changed from now on: restart what has had the store open for long",
                  done.readers_left));
}

std::string known_names(const policy::Streams& streams) {
  std::vector<std::string> names;
  for (const auto& stream : streams.all()) names.push_back(stream.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::expected<Scope, int> hold_scope(const Context& context, const std::string& stream) {
  if (stream.empty()) return Scope{Scope::Kind::marketing, {}};
  if (const auto good = check_name(stream); !good) return std::unexpected(good.error());
  if (const auto* known = context.streams.find(stream)) {
    return Scope{Scope::Kind::stream, known->name};
  }
  if (context.settings.file) {
    warn(
        fmt::format("no stream of {} is named {} (there are: {}): such a hold counts for every "
                    "marketing stream",
                    context.settings.file->string(), stream, known_names(context.streams)));
  }
  return Scope{Scope::Kind::stream, stream};
}

std::expected<std::vector<Scope>, int> permission_scopes(const Context& context,
                                                         const std::string& stream) {
  if (stream.empty()) return std::vector{Scope{Scope::Kind::all, {}}};
  if (const auto good = check_name(stream); !good) return std::unexpected(good.error());
  if (const auto* known = context.streams.find(stream)) {
    std::vector scopes{Scope{Scope::Kind::stream, known->name}};
    for (const auto& name : known->formerly) scopes.push_back({Scope::Kind::stream, name});
    return scopes;
  }
  const auto used = context.store->stream_names();
  if (!used) return std::unexpected(complain(used.error()));
  if (context.settings.file && std::ranges::find(*used, stream) == used->end()) {
    return std::unexpected(
        wrong_call(fmt::format("no stream is named {}, and no hold either; there are: {}", stream,
                               known_names(context.streams))));
  }
  return std::vector{Scope{Scope::Kind::stream, stream}};
}

}  // namespace postern::cli
