// `import`: rows of files into the store, good ones though others are bad; one summary at the end.
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "store/exchange.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <system_error>

#include <fmt/format.h>

namespace postern::cli {
namespace {

constexpr std::string_view standard_input = "-";

// An opened file, or standard input.
struct Source {
  std::string name;
  std::unique_ptr<std::ifstream> file;
  [[nodiscard]] std::istream& in() const {
    return file ? static_cast<std::istream&>(*file) : std::cin;
  }
};

// Every file is opened before the first is read: a slip in the last name changes nothing.
std::expected<std::vector<Source>, int> open_files(const std::vector<std::string>& names) {
  std::vector<Source> sources;
  for (const auto& name : names) {
    if (name == standard_input) {
      sources.push_back({"standard input", nullptr});
      continue;
    }
    std::error_code error;
    if (std::filesystem::is_directory(name, error)) {
      return std::unexpected(complain({Errc::io, one_line(name) + ": it is a folder"}));
    }
    auto file = std::make_unique<std::ifstream>(name, std::ios::binary);
    if (!*file) {
      return std::unexpected(
          complain({Errc::io, fmt::format("{}: {}", one_line(name),
                                          std::generic_category().message(errno))}));
    }
    sources.push_back({one_line(name), std::move(file)});
  }
  return sources;
}

void report(const std::string& name, const store::ImportSummary& summary) {
  for (const auto& row : summary.rejections) {
    const bool quoted = row.reason.find(row.text) != std::string::npos;
    std::cerr << fmt::format("{}:{}: {}{}{}\n", name, row.line, row.reason, quoted ? "" : ": ",
                             quoted ? "" : row.text);
  }
  if (summary.rejected > summary.rejections.size()) {
    std::cerr << fmt::format("{}: and {} more rejected rows\n", name,
                             summary.rejected - summary.rejections.size());
  }
}

void add(store::ImportSummary& total, const store::ImportSummary& one) {
  total.rows += one.rows;
  total.added += one.added;
  total.unchanged += one.unchanged;
  total.returned += one.returned;
  total.kept += one.kept;
  total.rejected += one.rejected;
  total.kept_unsubscribed += one.kept_unsubscribed;
  total.kept_complained += one.kept_complained;
  total.kept_bounced += one.kept_bounced;
  total.kept_blocked += one.kept_blocked;
}

std::string describe(const store::ImportSummary& summary) {
  auto text = fmt::format("{} rows: {} added, {} unchanged", summary.rows, summary.added,
                          summary.unchanged);
  if (summary.returned != 0) {
    text += fmt::format(", {} returned since (stay lifted)", summary.returned);
  }
  if (summary.kept != 0) {
    std::string why;
    const auto count = [&](std::string_view what, std::uint64_t number) {
      if (number != 0) why += fmt::format("{}{} {}", why.empty() ? "" : ", ", what, number);
    };
    count("unsubscribed", summary.kept_unsubscribed);
    count("complained", summary.kept_complained);
    count("bounced", summary.kept_bounced);
    count("blocked", summary.kept_blocked);
    text += fmt::format(", {} kept held ({})", summary.kept, why);
  }
  return text + fmt::format(", {} rejected", summary.rejected);
}

}  // namespace

int import(const ImportOptions& options) {
  store::ImportOptions how;
  if (!options.status.empty()) {
    how.status = store::parse_row_status(options.status);
    if (!how.status) {
      return wrong_call(fmt::format(
          "--status: '{}' is none of unsubscribed, bounced, complained, blocked, subscribed",
          one_line(options.status)));
    }
  }
  const auto sources = open_files(options.files);
  if (!sources) return sources.error();
  const bool named = !options.where.store.empty() || !options.where.config.empty();
  auto context = open_context(options.where, named ? store::Mode::create : store::Mode::read_write);
  if (!context) return context.error();
  if (!options.stream.empty()) {
    const auto scope = hold_scope(*context, options.stream);
    if (!scope) return scope.error();
    how.stream = scope->stream;
  }
  how.source = options.source;
  how.now = context->now;

  store::ImportSummary total;
  for (const auto& source : *sources) {
    const auto summary = store::import_rows(*context->store, source.in(), how);
    report(source.name, summary);
    add(total, summary);
    if (summary.error) {
      say(describe(total));
      complain({summary.error->code, source.name + ": " + summary.error->text});
      return exit_failed;  // the call was right, whatever the code
    }
  }
  say(describe(total));
  return total.rejected + total.kept == 0 ? exit_done : exit_no;
}

}  // namespace postern::cli
