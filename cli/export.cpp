// `export`: holds that stand and consents, as `import` reads them back, or as a Postfix access map.
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "store/exchange.h"

#include <iostream>
#include <optional>

#include <fmt/format.h>

namespace postern::cli {
namespace {

std::optional<store::ExportFormat> parse_format(std::string_view text) {
  if (text == "csv") return store::ExportFormat::csv;
  if (text == "jsonl") return store::ExportFormat::jsonl;
  if (text == "postfix") return store::ExportFormat::postfix;
  return std::nullopt;
}

}  // namespace

int export_contacts(const ExportOptions& options) {
  const auto format = parse_format(options.format);
  if (!format) {
    return wrong_call(
        fmt::format("--format: '{}' is none of csv, jsonl, postfix", one_line(options.format)));
  }
  store::ExportOptions how{.status = std::nullopt, .stream = options.stream, .format = *format};
  if (!options.status.empty()) {
    how.status = store::parse_row_status(options.status);
    if (!how.status) {
      return wrong_call(fmt::format(
          "--status: '{}' is none of unsubscribed, bounced, complained, blocked, subscribed",
          one_line(options.status)));
    }
  }
  const auto context = open_context(options.where, store::Mode::read_only);
  if (!context) return context.error();
  how.now = context->now;
  const auto rows = store::export_rows(*context->store, std::cout, how);
  return rows ? exit_done : complain(rows.error());
}

}  // namespace postern::cli
