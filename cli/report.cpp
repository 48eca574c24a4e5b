// `report`: what was let through, refused and why, and who left, complained or bounced: summed up
// by stream and campaign, or recipient by recipient.
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "store/rows/csv.h"
#include "store/traffic.h"

#include <algorithm>
#include <expected>
#include <initializer_list>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace postern::cli {
namespace {

using store::TrafficResult;
using store::TrafficRow;
using store::TrafficTotal;

enum class Format : std::uint8_t { text, csv, jsonl };

std::expected<Format, int> format_of(const ReportOptions& options) {
  if (options.json && options.format != "text" && options.format != "jsonl") {
    return std::unexpected(wrong_call("--json is --format jsonl: give one of them"));
  }
  if (options.json || options.format == "jsonl") return Format::jsonl;
  if (options.format == "csv") return Format::csv;
  if (options.format == "text") return Format::text;
  return std::unexpected(wrong_call(
      fmt::format("--format: '{}' is none of text, csv, jsonl", one_line(options.format))));
}

std::string or_dash(std::string_view text) { return text.empty() ? "-" : one_line(text); }

std::string csv_line(std::initializer_list<std::string_view> fields) {
  std::string line;
  std::string_view comma;
  for (const std::string_view field : fields) {
    line += std::exchange(comma, ",");
    rows::append_csv(line, field);
  }
  return line;
}

// "no-consent"; empty of what is no refusal.
std::string reason_of(TrafficResult result) {
  if (!is_refusal(result)) return {};
  std::string reason(to_string(result).substr(std::string_view("refused_").size()));
  std::ranges::replace(reason, '_', '-');
  return reason;
}

// Of a refusal, or a bounce.
std::string reason_of(const TrafficRow& row) {
  if (row.evidence && row.evidence->type != policy::ReturnType::complaint) {
    return std::string(to_string(row.evidence->reason));
  }
  return reason_of(row.result);
}

std::string_view code_of(const TrafficRow& row) {
  return row.evidence ? std::string_view(row.evidence->status) : std::string_view();
}

bool came_back(const TrafficRow& row) {
  return row.result == TrafficResult::bounced || row.result == TrafficResult::soft_bounced ||
         row.result == TrafficResult::complained;
}

std::string_view what_of(TrafficResult result) {
  return is_refusal(result) ? "refused" : to_string(result);
}

// A former name of a stream is the stream's own.
std::string present_name(const policy::Streams& streams, const std::string& name) {
  const auto* stream = streams.find(name);
  return stream != nullptr ? stream->name : name;
}

std::vector<TrafficTotal> by_present_names(std::vector<TrafficTotal> totals,
                                           const policy::Streams& streams) {
  const auto name = [](const TrafficTotal& total) {
    return std::tie(total.stream, total.campaign);
  };
  for (auto& total : totals) total.stream = present_name(streams, total.stream);
  std::ranges::sort(totals, {}, name);
  std::vector<TrafficTotal> merged;
  for (auto& total : totals) {
    if (!merged.empty() && name(merged.back()) == name(total)) {
      merged.back().add(total);
    } else {
      merged.push_back(std::move(total));
    }
  }
  return merged;
}

std::vector<std::pair<std::string_view, std::uint64_t>> counts_of(const TrafficTotal& total) {
  std::vector<std::pair<std::string_view, std::uint64_t>> counts;
  for (std::size_t i = 0; i < total.counts.size(); ++i) {
    const auto result = static_cast<TrafficResult>(i);
    counts.emplace_back(to_string(result), total.counts[i]);
    if (result == TrafficResult::passed) counts.emplace_back("refused", total.refused());
  }
  return counts;
}

void print_json(const std::vector<TrafficTotal>& totals) {
  for (const auto& total : totals) {
    boost::json::object object;
    if (!total.stream.empty()) object["stream"] = total.stream;
    if (!total.campaign.empty()) object["campaign"] = total.campaign;
    for (const auto& [name, count] : counts_of(total)) object[name] = count;
    object["last"] = format_time(total.last);
    say(object);
  }
}

void print_csv(const std::vector<TrafficTotal>& totals) {
  std::string header = "stream,campaign";
  for (const auto& [name, count] : counts_of({})) header += fmt::format(",{}", name);
  say(header + ",last");
  for (const auto& total : totals) {
    std::string line = csv_line({total.stream, total.campaign});
    for (const auto& [name, count] : counts_of(total)) line += fmt::format(",{}", count);
    say(line + "," + format_time(total.last));
  }
}

// "unsubscribed 12, bounced 3"
std::string reasons_of(const TrafficTotal& total) {
  std::string text;
  for (std::size_t i = 0; i < total.counts.size(); ++i) {
    const auto reason = reason_of(static_cast<TrafficResult>(i));
    if (reason.empty() || total.counts[i] == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", reason, total.counts[i]);
  }
  return text;
}

void print_table(const std::vector<TrafficTotal>& totals) {
  if (totals.empty()) return say("nothing is recorded");
  std::size_t stream_width = 6;
  std::size_t campaign_width = 8;
  TrafficTotal all{.stream = "all", .campaign = {}, .counts = {}, .last = {}};
  for (const auto& total : totals) {
    stream_width = std::max(stream_width, total.stream.size());
    campaign_width = std::max(campaign_width, std::min<std::size_t>(total.campaign.size(), 40));
    all.add(total);
  }
  say(fmt::format("{:<{}}  {:<{}}  {:>9}  {:>9}  {:>12}  {:>10}  {:>8}  {:>8}  {}", "stream",
                  stream_width, "campaign", campaign_width, "passed", "refused", "unsubscribed",
                  "complained", "bounced", "soft", "refused as"));
  const auto print = [&](const TrafficTotal& total) {
    const auto line = fmt::format(
        "{:<{}}  {:<{}}  {:>9}  {:>9}  {:>12}  {:>10}  {:>8}  {:>8}  {}", or_dash(total.stream),
        stream_width, or_dash(total.campaign), campaign_width, total.of(TrafficResult::passed),
        total.refused(), total.of(TrafficResult::unsubscribed), total.of(TrafficResult::complained),
        total.of(TrafficResult::bounced), total.of(TrafficResult::soft_bounced), reasons_of(total));
    say(line.substr(0, line.find_last_not_of(' ') + 1));
  };
  for (const auto& total : totals) print(total);
  if (totals.size() > 1) print(all);
}

// Recipients as they come: nothing of them is kept.
class Recipients {
 public:
  Recipients(Format format, const policy::Streams& streams) : format_(format), streams_(streams) {}

  void print(const TrafficRow& row) {
    head();
    const auto stream = present_name(streams_, row.stream);
    switch (format_) {
      case Format::text:
        return text(row, stream);
      case Format::csv:
        return say(csv_line({format_time(row.last), what_of(row.result), reason_of(row),
                             std::to_string(row.count), row.address.text, stream, row.campaign,
                             row.sender, code_of(row), row.diagnostic}));
      case Format::jsonl:
        return json(row, stream);
    }
  }

  // Once, before the first row; and where there is none.
  void head() {
    if (std::exchange(headed_, true)) return;
    if (format_ == Format::csv)
      say("last,result,reason,count,address,stream,campaign,last_sender,code,diagnostic");
    if (format_ == Format::text)
      line("last", "result", "times", "address", "stream", "campaign", "last sender, or why");
  }

 private:
  static void line(std::string_view last, std::string_view result, std::string_view times,
                   std::string_view address, std::string_view stream, std::string_view campaign,
                   std::string_view sender) {
    say(fmt::format("{:<20}  {:<21}  {:>6}  {:<30}  {:<12}  {:<16}  {}", last, result, times,
                    address, stream, campaign, sender));
  }

  static void text(const TrafficRow& row, const std::string& stream) {
    const auto reason = reason_of(row);
    line(format_time(row.last),
         std::string(what_of(row.result)) + (reason.empty() ? "" : ": " + reason),
         std::to_string(row.count),
         row.forgotten ? "(forgotten)"
                       : (row.address.text.empty() ? "(no record)" : one_line(row.address.text)),
         or_dash(stream), or_dash(row.campaign),
         row.evidence ? one_line(policy::note_of(*row.evidence, row.diagnostic))
                      : or_dash(row.sender));
  }

  static void json(const TrafficRow& row, const std::string& stream) {
    boost::json::object object{{"last", format_time(row.last)}, {"result", what_of(row.result)}};
    const auto add = [&](std::string_view name, std::string_view value) {
      if (!value.empty()) object[name] = value;
    };
    add("reason", reason_of(row));
    object["count"] = row.count;
    add("address", row.address.text);
    if (row.forgotten) object["forgotten"] = true;
    add("stream", stream);
    add("campaign", row.campaign);
    add("last_sender", row.sender);
    add("code", code_of(row));
    add("diagnostic", row.diagnostic);
    say(object);
  }

  Format format_;
  const policy::Streams& streams_;
  bool headed_ = false;
};

std::vector<std::string> names_of(const policy::Streams& streams, const std::string& name) {
  if (name.empty()) return {};
  const auto* stream = streams.find(name);
  if (stream == nullptr) return {name};
  std::vector<std::string> names{stream->name};
  names.insert(names.end(), stream->formerly.begin(), stream->formerly.end());
  return names;
}

// Under the sums of a campaign: who bounced, and why. In a second walk, so that nothing of it is
// kept.
int list_bounced(const Context& context, store::TrafficFilter filter) {
  Recipients recipients(Format::text, context.streams);
  bool any = false;
  filter.each = [&](const TrafficRow& row) {
    if (!came_back(row)) return;
    if (!std::exchange(any, true)) say("");
    recipients.print(row);
  };
  const auto walked = context.store->report(filter);
  return walked ? exit_done : complain(walked.error());
}

}  // namespace

int report(const ReportOptions& options) {
  const auto format = format_of(options);
  if (!format) return format.error();
  store::TrafficFilter filter;
  filter.campaign = options.campaign;
  if (!options.since.empty()) {
    const auto since = parse_time(options.since);
    if (!since) return wrong_call("--since: " + since.error().text);
    filter.since = *since;
  }
  const auto context = open_context(options.where, store::Mode::read_only);
  if (!context) return context.error();
  filter.streams = names_of(context->streams, options.stream);
  // What is older waits to be removed.
  const Time oldest = context->now - store::traffic_kept;
  filter.since = std::max(filter.since.value_or(oldest), oldest);

  Recipients recipients(*format, context->streams);
  if (options.recipients) filter.each = [&](const TrafficRow& row) { recipients.print(row); };
  auto found = context->store->report(filter);
  if (!found) return complain(found.error());
  if (found->totals.empty() && !options.stream.empty() &&
      context->streams.find(options.stream) == nullptr) {
    return wrong_call(
        fmt::format("no stream is named {}, and nothing is recorded of one; there are: {}",
                    one_line(options.stream), known_names(context->streams)));
  }
  const auto totals = by_present_names(std::move(found->totals), context->streams);
  if (options.recipients) {
    recipients.head();
  } else if (*format == Format::jsonl) {
    print_json(totals);
  } else if (*format == Format::csv) {
    print_csv(totals);
  } else {
    print_table(totals);
    if (!options.campaign.empty()) return list_bounced(*context, filter);
  }
  return exit_done;
}

}  // namespace postern::cli
