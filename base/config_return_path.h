// Reads [return_path], and what a stream says of it. Included by config.cpp alone, as
// config_section.h is.
#pragma once

#include "base/config.h"
#include "base/config_section.h"
#include "base/config_values.h"
#include "base/text.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace postern::config {

inline void read_soft_rule(Section& section, ReturnPathConfig& return_path) {
  constexpr std::chrono::days longest{365};
  constexpr std::uint32_t most_bounces = 100;  // so many of a day the store keeps
  section.number("soft_bounces", return_path.soft_bounces, 1, most_bounces);
  section.number("soft_days", return_path.soft_days, 1, 365);
  section.duration("soft_within", return_path.soft_within, std::chrono::days{1}, longest);
  if (return_path.soft_within < std::chrono::days{return_path.soft_days}) {
    section.problem(section.line("soft_days"), "soft_days",
                    fmt::format("{} days do not fit into soft_within: no soft bounces would ever "
                                "make a hold",
                                return_path.soft_days));
  }
}

inline void read_return_path(Section& section, ReturnPathConfig& return_path) {
  constexpr std::chrono::days longest{365};
  section.text("domain", return_path.domain);
  return_path.domain = to_lower(return_path.domain);
  if (!return_path.domain.empty()) {
    section.report(section.line("domain"), "domain", check_return_domain(return_path.domain));
  }
  section.flag("forward", return_path.forward);
  section.text("complaints", return_path.complaints);
  return_path.complaints = to_lower(return_path.complaints);
  section.report(section.line("complaints"), "complaints",
                 check_complaints(return_path.complaints));
  section.each_text("keep", [&](std::string_view text, std::uint32_t line) {
    return_path.keep.emplace_back(text);
    section.report(line, "keep", check_sender_pattern(text));
  });
  section.duration("valid_for", return_path.valid_for, std::chrono::days{1}, longest);
  section.flag("mailbox_evidence", return_path.mailbox_evidence);
  std::string rules;
  section.text("rules", rules);
  if (rules.contains('\0')) {
    section.problem(section.line("rules"), "rules", "a file has to be named");
  }
  return_path.rules = rules;
  read_soft_rule(section, return_path);
}

inline void read_return_path_of(Section& section, StreamConfig& stream,
                                const ReturnPathConfig& return_path) {
  using ReturnPath = StreamConfig::ReturnPath;
  auto written = ReturnPath::off;
  if (!section.has("return_path")) return;
  section.choice<ReturnPath>("return_path", written,
                             {{"domain", ReturnPath::domain}, {"off", ReturnPath::off}});
  stream.return_path = written;
  if (written == ReturnPath::domain && return_path.domain.empty()) {
    section.problem(section.line("return_path"), "return_path",
                    "there is no domain: set domain in [return_path], as in "
                    "\"bounce.example.com\"");
  }
}

}  // namespace postern::config
