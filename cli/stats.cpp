// `stats`: how much is in the store, how large it is, and when each source last brought something.
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/source_freshness.h"
#include "cli/verbs.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <fmt/format.h>

namespace postern::cli {
namespace {

struct SourceState {
  const SourceConfig& config;
  const store::ImportRecord* last;
  std::string silence;  // empty: it is not stale
};

// One that never brought anything is stale from the start: nobody else would notice that its folder
// is misspelt.
SourceState state_of(const SourceConfig& source, std::span<const store::ImportRecord> imports,
                     Time now) {
  SourceState state{.config = source, .last = newest_import(imports, source.name), .silence = {}};
  if (state.last != nullptr && is_stale(source, *state.last->ended, now)) {
    state.silence = describe_silence(source, *state.last->ended, now);
  } else if (state.last == nullptr && source.stale_after.count() != 0) {
    state.silence = fmt::format("nothing ever (stale_after {})", in_words(patience(source)));
  }
  return state;
}

boost::json::object as_object(const SourceState& state) {
  boost::json::object object{{"name", state.config.name},
                             {"last", nullptr},
                             {"stale", !state.silence.empty()},
                             {"stale_after", nullptr}};
  if (state.config.stale_after.count() != 0) {
    object["stale_after"] = patience(state.config).count();
  }
  if (state.last == nullptr) return object;
  object["last"] = format_time(*state.last->ended);
  object["import"] = state.last->name;
  object["rows"] = state.last->counts.rows;
  object["added"] = state.last->counts.added;
  object["unchanged"] = state.last->counts.unchanged;
  object["rejected"] = state.last->counts.rejected;
  return object;
}

std::string as_line(const SourceState& state, std::size_t width) {
  std::string line = fmt::format("source {:<{}}  ", state.config.name, width);
  if (state.last == nullptr) {
    line += "never";
  } else {
    const auto& counts = state.last->counts;
    line += fmt::format("{}: {} rows, {} added, {} unchanged, {} rejected",
                        format_time(*state.last->ended), counts.rows, counts.added,
                        counts.unchanged, counts.rejected);
  }
  if (!state.silence.empty()) line += "  STALE: " + state.silence;
  return line;
}

void print_counts(const store::Stats& stats, boost::json::object* object) {
  const std::array<std::pair<std::string_view, std::uint64_t>, 13> counts{
      {{"contacts", stats.contacts},
       {"active", stats.active},
       {"unsubscribed", stats.unsubscribed},
       {"complained", stats.complained},
       {"bounced", stats.bounced},
       {"blocked", stats.blocked},
       {"hashed", stats.hashed},
       {"domains", stats.domains},
       {"consents", stats.consents},
       {"events", stats.events},
       {"return_mail", stats.return_mail},
       {"bytes_used", stats.bytes_used},
       {"bytes_file", stats.bytes_file}}};
  for (const auto& [name, value] : counts) {
    if (object != nullptr) {
      (*object)[name] = value;
    } else {
      say(fmt::format("{:<15}{:>13}", name, value));
    }
  }
  if (object != nullptr) {
    (*object)["compaction_owed"] = stats.compaction_owed;
  } else if (stats.compaction_owed) {
    say(fmt::format("{:<15}{:>13}", "compaction_owed", "yes"));
  }
}

void print_sources(const std::vector<SourceState>& sources, boost::json::object* object) {
  if (object != nullptr) {
    boost::json::array list;
    for (const auto& source : sources) list.push_back(as_object(source));
    (*object)["sources"] = std::move(list);
    return;
  }
  std::size_t width = 0;
  for (const auto& source : sources) width = std::max(width, source.config.name.size());
  for (const auto& source : sources) say(as_line(source, width));
}

}  // namespace

int stats(const StatsOptions& options) {
  const auto context = open_context(options.where, store::Mode::read_only, Reads::most);
  if (!context) return context.error();
  const auto stats = context->store->stats(context->now);
  if (!stats) return complain(stats.error());
  const auto imports = context->store->imports();
  if (!imports) return complain(imports.error());
  std::vector<SourceState> sources;
  // With --store the configuration may be about another one.
  if (options.where.store.empty()) {
    for (const auto& source : context->settings.config.sources) {
      sources.push_back(state_of(source, *imports, context->now));
    }
  }
  boost::json::object object;
  boost::json::object* const json = options.json ? &object : nullptr;
  print_counts(*stats, json);
  print_sources(sources, json);
  if (json != nullptr) say(object);
  for (const auto& source : sources) {
    if (!source.silence.empty()) {
      warn(fmt::format("source {}: {}", source.config.name, source.silence));
    }
  }
  return exit_done;
}

}  // namespace postern::cli
