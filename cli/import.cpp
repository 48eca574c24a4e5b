// `import`: rows of files into the store, good ones though others are bad; one summary at the end.
// And the list of imports, and their undoing.
#include "cli/changes.h"
#include "cli/context.h"
#include "cli/import_report.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "store/exchange.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace postern::cli {
namespace {

constexpr std::string_view standard_input = "-";

// An opened file, or standard input.
struct Source {
  std::string name;
  std::filesystem::path path;
  std::unique_ptr<std::ifstream> file;
  std::uint64_t octets = 0;
  [[nodiscard]] std::istream& in() const {
    return file ? static_cast<std::istream&>(*file) : std::cin;
  }
};

// Every file is opened before the first is read: a slip in the last name changes nothing.
std::expected<std::vector<Source>, int> open_files(const std::vector<std::string>& names) {
  std::vector<Source> sources;
  for (const auto& name : names) {
    if (name == standard_input) {
      sources.push_back({.name = "standard input", .path = {}, .file = nullptr});
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
    const auto size = std::filesystem::file_size(name, error);
    sources.push_back({.name = one_line(name),
                       .path = name,
                       .file = std::move(file),
                       .octets = error ? 0 : size});
  }
  return sources;
}

// "address=E-mail,date=Left on": a comma inside a column's name is written "\,".
std::expected<std::vector<std::pair<std::string, std::string>>, int> parse_map(
    const std::string& text) {
  std::vector<std::pair<std::string, std::string>> columns;
  std::string part;
  const auto take = [&] {
    const auto equals = part.find('=');
    const bool good = equals != part.npos && equals > 0 && equals + 1 < part.size();
    if (good) columns.emplace_back(part.substr(0, equals), part.substr(equals + 1));
    part.clear();
    return good;
  };
  bool good = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == ',') {
      part += text[++i];
    } else if (text[i] == ',') {
      good = take() && good;
    } else {
      part += text[i];
    }
  }
  if (!text.empty()) good = take() && good;
  if (!good) {
    return std::unexpected(wrong_call(
        "--map: not MEANING=COLUMN,...; as in address=E-mail,date=Left (meanings: address, date, "
        "status, stream, reason, until)"));
  }
  return columns;
}

std::expected<rows::DateOrder, int> parse_order(const std::string& text) {
  if (text.empty() || text == "ask") return rows::DateOrder::ask;
  if (text == "dmy") return rows::DateOrder::day_first;
  if (text == "mdy") return rows::DateOrder::month_first;
  return std::unexpected(
      wrong_call(fmt::format("--dates: '{}' is none of dmy, mdy", one_line(text))));
}

std::expected<store::ImportOptions, int> options_of(const ImportOptions& options) {
  store::ImportOptions how;
  if (!options.status.empty()) {
    how.status = rows::parse_status(options.status);
    if (!how.status) {
      return std::unexpected(wrong_call(fmt::format(
          "--status: '{}' is none of unsubscribed, bounced, complained, blocked, subscribed",
          one_line(options.status))));
    }
  }
  if (!options.format.empty()) how.reading.format = options.format;
  auto columns = parse_map(options.map);
  if (!columns) return std::unexpected(columns.error());
  how.reading.columns = *std::move(columns);
  const auto dates = parse_order(options.dates);
  if (!dates) return std::unexpected(dates.error());
  how.reading.dates = *dates;
  how.source = options.source;
  how.force_format = options.force_format;
  how.dry_run = options.dry_run;
  how.may_reopen = true;
  return how;
}

std::filesystem::path rejects_of(const Source& source, const ImportOptions& options) {
  if (options.dry_run) return {};
  if (!options.rejected.empty()) return options.rejected;
  if (!source.file) return {};
  auto path = source.path;
  return path += ".rejected";
}

int list(const ImportOptions& options) {
  const auto context = open_context(options.where, store::Mode::read_only);
  if (!context) return context.error();
  const auto imports = context->store->imports();
  if (!imports) return complain(imports.error());
  for (const auto& one : *imports) {
    const std::string state =
        one.undone  ? "undone " + format_time(*one.undone)
        : one.ended ? "done"
                    : "not ended: under way, or broken off (then import the file again)";
    if (options.json) {
      boost::json::object object{{"number", one.number},
                                 {"import", one.name},
                                 {"started", format_time(one.started)},
                                 {"source", one.source},
                                 {"format", one.format},
                                 {"file", one.file},
                                 {"by", one.by},
                                 {"state", state},
                                 {"rows", one.counts.rows},
                                 {"added", one.counts.added},
                                 {"unchanged", one.counts.unchanged},
                                 {"returned", one.counts.returned},
                                 {"kept", one.counts.kept},
                                 {"ignored", one.counts.ignored},
                                 {"rejected", one.counts.rejected}};
      say(object);
    } else {
      store::ImportSummary counts;
      counts.counts = one.counts;
      counts.counts.kept = 0;
      say(fmt::format("{} {} ({}, {}): {}{}; {}; {}", format_time(one.started), one.name,
                      one_line(one.file), one.format, describe(counts),
                      one.counts.kept == 0 ? "" : fmt::format(", {} kept", one.counts.kept),
                      one_line(one.by), state));
    }
  }
  return exit_done;
}

int undo(const ImportOptions& options) {
  const auto context = open_context(options.where, store::Mode::read_write);
  if (!context) return context.error();
  const auto origin = said_by_operator("import --undo", "import " + options.undo + " undone");
  const auto done = write_to(*context, [&](store::Store& store) {
    return store.undo_import(options.undo, options.dry_run, origin, context->now);
  });
  if (!done) {
    return done.error().code == Errc::not_found ? wrong_call(done.error().text)
                                                : complain(done.error());
  }
  const auto& import = done->import;
  if (done->was_undone && done->lifted + done->withdrawn == 0) {
    say(fmt::format("{}: was undone on {}", import.name, format_date(*import.undone)));
    return exit_done;
  }
  say(fmt::format("{} of {} ({}, {} rows): {}{} holds lifted, {} consents withdrawn", import.name,
                  format_date(import.started), one_line(import.file), import.counts.rows,
                  options.dry_run ? "would undo it: " : "", done->lifted, done->withdrawn));
  if (done->shared != 0) {
    say(
        fmt::format("  {} stay, which other imports said too: {}; they go when those are undone as "
                    "well",
                    done->shared, fmt::join(done->shared_with, ", ")));
  }
  if (done->own != 0) {
    say(fmt::format("  {} stay: the contacts themselves, or an operator, said so", done->own));
  }
  if (done->gone != 0) say(fmt::format("  {} were lifted before", done->gone));
  return exit_done;
}

bool is_named(const Where& where) { return !where.store.empty() || !where.config.empty(); }

// A store that a dry run would make: somewhere else, and gone with it.
class Rehearsal {
 public:
  // Where to work: as `where` says if there is a store, or nothing is rehearsed.
  static std::expected<Rehearsal, int> make(const ImportOptions& options) {
    Rehearsal rehearsal{options.where};
    // Only where the import itself would make one.
    if (!options.dry_run || !is_named(options.where)) return rehearsal;
    const auto settings = load_settings(options.where);
    if (!settings) return std::unexpected(settings.error());
    std::error_code error;
    if (std::filesystem::exists(settings->config.store_path / "data.mdb", error)) return rehearsal;
    std::string name =
        (std::filesystem::temp_directory_path(error) / "postern-dry-run-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      return std::unexpected(complain({Errc::io, name + ": cannot be made"}));
    }
    rehearsal.folder_ = std::make_unique<Folder>(name);
    rehearsal.where_.store = name;
    return rehearsal;
  }
  [[nodiscard]] const Where& where() const { return where_; }
  [[nodiscard]] bool elsewhere() const { return folder_ != nullptr; }

 private:
  struct Folder {
    explicit Folder(std::filesystem::path the_path) : path(std::move(the_path)) {}
    ~Folder() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::filesystem::path path;
  };
  explicit Rehearsal(Where where) : where_(std::move(where)) {}
  Where where_;
  std::unique_ptr<Folder> folder_;
};

int import_files(const ImportOptions& options, store::ImportOptions& how) {
  const auto sources = open_files(options.files);
  if (!sources) return sources.error();
  if (!options.rejected.empty()) {
    if (sources->size() > 1) return wrong_call("--rejected: for one file at a time");
    std::error_code error;
    if (std::filesystem::equivalent(options.rejected, sources->front().path, error) && !error) {
      return wrong_call("--rejected: that is the file to import");
    }
  }
  const auto rehearsal = Rehearsal::make(options);
  if (!rehearsal) return rehearsal.error();
  const bool creates = rehearsal->elsewhere() || (is_named(options.where) && !options.dry_run);
  auto context =
      open_context(rehearsal->where(), creates ? store::Mode::create : store::Mode::read_write);
  if (!context) return context.error();
  if (!options.stream.empty()) {
    const auto scope = hold_scope(*context, options.stream);
    if (!scope) return scope.error();
    how.stream = scope->stream;
  }
  how.streams = &context->streams;
  how.now = context->now;
  how.by = said_by_operator("import", {}).by;

  store::ImportSummary total;
  int status = exit_done;
  for (const auto& source : *sources) {
    ImportReport report(source.name, rejects_of(source, options), source.octets);
    report.attach(how);
    how.file = source.file ? source.path.filename().string() : source.name;
    const auto summary = store::import_rows(*context->store, source.in(), how);
    const auto reported = report.finish(summary);
    add(total, summary);
    if (summary.error) {
      const bool wrong = summary.error->code == Errc::invalid;
      if (total.counts.rows != 0) say(describe(total));
      complain({summary.error->code, source.name + ": " + summary.error->text});
      return wrong ? exit_call : exit_failed;
    }
    if (!reported) status = complain(reported.error());
  }
  say((options.dry_run ? "dry run, nothing was written: " : "") + describe(total));
  if (status != exit_done) return status;
  return total.counts.rejected + total.counts.kept == 0 ? exit_done : exit_no;
}

}  // namespace

int import(const ImportOptions& options) {
  const int asked =
      (options.list ? 1 : 0) + (options.undo.empty() ? 0 : 1) + (options.files.empty() ? 0 : 1);
  if (asked != 1) return wrong_call("import: name files, or --list, or --undo IMPORT");
  if (options.list) return list(options);
  if (!options.undo.empty()) return undo(options);
  auto how = options_of(options);
  if (!how) return how.error();
  return import_files(options, *how);
}

}  // namespace postern::cli
