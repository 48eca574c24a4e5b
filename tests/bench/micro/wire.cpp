// What comes from a client: command lines, paths, data, header sections.
#include "addresses.h"
#include "as_told.h"
#include "policy/address.h"
#include "proxy/header_edit.h"
#include "proxy/message.h"
#include "proxy/wire/command.h"
#include "proxy/wire/data.h"

#include <benchmark/benchmark.h>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern {
namespace {

constexpr std::uint32_t many = 1024;

void parse_rcpt(benchmark::State& state) {
  const auto lines =
      bench::made(0, many, [](const std::string& text) { return "RCPT TO:<" + text + ">"; });
  std::uint32_t next = 0;
  for ([[maybe_unused]] auto turn : state) {
    benchmark::DoNotOptimize(wire::parse_command(lines[next++ % many]));
  }
}
BENCHMARK(parse_rcpt)->Apply(bench::as_told);

void parse_mail_with_parameters(benchmark::State& state) {
  for ([[maybe_unused]] auto turn : state) {
    benchmark::DoNotOptimize(wire::parse_command(
        "MAIL FROM:<bounces+0123456789@news.example.com> SIZE=20480 BODY=8BITMIME"));
  }
}
BENCHMARK(parse_mail_with_parameters)->Apply(bench::as_told);

void parse_path(benchmark::State& state) {
  const auto paths = bench::made(0, many, [](const std::string& text) { return "<" + text + ">"; });
  std::uint32_t next = 0;
  for ([[maybe_unused]] auto turn : state) {
    benchmark::DoNotOptimize(policy::parse_path(paths[next++ % many], false));
  }
}
BENCHMARK(parse_path)->Apply(bench::as_told);

// Lines of 76 octets, every tenth beginning with a dot that was doubled.
std::string body(std::size_t size) {
  std::string text;
  for (std::size_t line = 0; text.size() < size; ++line) {
    text += line % 10 == 0 ? ".." : "xx";
    text.append(74, 'a');
    text += "\r\n";
  }
  return text;
}

void scan_data(benchmark::State& state) {
  const std::string piece = body(static_cast<std::size_t>(state.range(0)));
  wire::DataScanner scanner;
  for ([[maybe_unused]] auto turn : state) benchmark::DoNotOptimize(scanner.scan(piece));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(piece.size()));
}
BENCHMARK(scan_data)->Arg(4096)->Arg(256 << 10)->Apply(bench::as_told);

constexpr std::string_view section =
    "Received: from tool.example.com (tool.example.com [192.0.2.7])\r\n"
    "\tby mail.example.com with ESMTPS id 4XyZ; Mon, 2 Mar 2026 10:00:00 +0000\r\n"
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=news.example.com; s=k1;\r\n"
    "\th=from:to:subject:date:message-id; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
    "\tb=abcdefghijklmnopqrstuvwxyz0123456789\r\n"
    "From: News <news@news.example.com>\r\nTo: a@example.com\r\nSubject: March\r\n"
    "Date: Mon, 2 Mar 2026 10:00:00 +0000\r\nMessage-ID: <1@news.example.com>\r\n"
    "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"b\"\r\n"
    "List-Id: <march.news.example.com>\r\nX-Campaign: march\r\n";

// A message as it flows: its header section looked at, the trace line put in front.
void flow_message(benchmark::State& state) {
  const std::string message =
      std::string(section) + "\r\n" + body(static_cast<std::size_t>(state.range(0))) + ".\r\n";
  for ([[maybe_unused]] auto turn : state) {
    proxy::MessageFlow flow("Received: from a by b with ESMTP id 1; today\r\n", {});
    benchmark::DoNotOptimize(flow.feed(message));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(message.size()));
}
BENCHMARK(flow_message)->Arg(4096)->Apply(bench::as_told);

void edit_header(benchmark::State& state) {
  proxy::HeaderWishes wishes;
  wishes.list_unsubscribe = proxy::HeaderWishes::ListUnsubscribe::add;
  const std::string fields =
      proxy::unsubscribe_fields("https://unsub.example.com/u/abcdefghijklmnopqrstuvwxyz234567", "");
  for ([[maybe_unused]] auto turn : state) {
    const proxy::HeaderPlan plan = proxy::plan_header_edit(section, wishes);
    benchmark::DoNotOptimize(proxy::edited_section(section, plan, fields));
  }
}
BENCHMARK(edit_header)->Apply(bench::as_told);

}  // namespace
}  // namespace postern
