// `verify`: every page of the store's file, then every table against the events.
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "store/pages.h"

#include <cstdint>

#include <fmt/format.h>

namespace postern::cli {
namespace {

constexpr std::uint64_t most_shown = 1000;

class Complaints {
 public:
  explicit Complaints(bool json) : json_(json) {}
  void add(const std::string& what) {
    if (++count_ > most_shown) return;
    if (json_) {
      say(boost::json::object{{"wrong", what}});
    } else {
      say(what);
    }
  }

 private:
  bool json_;
  std::uint64_t count_ = 0;
};

// What a damaged page leaves of each table.
void say_what_reads(const store::PageReport& report, bool json) {
  for (const auto& table : report.tables) {
    if (json) {
      say(boost::json::object{{"table", table.name},
                              {"sound", table.sound},
                              {"pages", table.pages},
                              {"entries", table.entries}});
    } else if (!table.sound) {
      say(fmt::format("{}: {} entries on {} sound pages read", table.name, table.entries,
                      table.pages));
    }
  }
}

}  // namespace

int verify(const VerifyOptions& options) {
  const auto settings = load_settings(options.where);
  if (!settings) return settings.error();
  Complaints complaints(options.json);
  // Before LMDB believes what it reads.
  const auto pages = store::check_store_pages(settings->config.store_path);
  if (pages && !pages->sound()) {
    for (const auto& problem : pages->problems) complaints.add(describe(problem));
    say_what_reads(*pages, options.json);
    const auto found = pages->problems.size() + pages->more_problems;
    warn(
        fmt::format("{} pages of the store are damaged: put a backup in its place; what lies on "
                    "other pages still answers",
                    found));
    return exit_no;
  }
  if (!pages && pages.error().code == Errc::damaged) return complain(pages.error());
  if (pages && pages->lost_pages != 0) {
    warn(
        fmt::format("{} pages are neither used nor free: everything is readable, but the store "
                    "cannot be compacted or backed up; export it, and import that into a new one",
                    pages->lost_pages));
  }
  // Whatever else kept it from being read, a store that is not there say, is said by the opening.
  const auto context = open_context(options.where, store::Mode::read_only, Reads::most);
  if (!context) return context.error();
  if (!pages) return complain(pages.error());
  const auto summary =
      context->store->verify([&](const std::string& what) { complaints.add(what); });
  if (!summary) return complain(summary.error());
  if (options.json) {
    say(boost::json::object{
        {"contacts", summary->contacts}, {"events", summary->events}, {"wrong", summary->wrong}});
  } else {
    say(fmt::format(
        "{} contacts, {} events: {}", summary->contacts, summary->events,
        summary->wrong == 0 ? "sound" : fmt::format("{} things wrong", summary->wrong)));
  }
  return summary->wrong == 0 ? exit_done : exit_no;
}

}  // namespace postern::cli
