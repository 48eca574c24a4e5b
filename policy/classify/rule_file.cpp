#include "policy/classify/rule_file.h"

#include "base/config_section.h"
#include "policy/classify/normal_text.h"

#include <set>

namespace postern::classify {
namespace {

using config::Problems;
using config::Section;

// What meets less is met everywhere.
constexpr std::size_t min_fragment = 2;

std::string bad_phrase(std::string_view written, std::string_view normal) {
  if (normal.size() > max_phrase) {
    return fmt::format("a phrase of more than {} octets; a part of it will do", max_phrase);
  }
  std::size_t begin = 0;
  bool some = false;
  while (begin <= normal.size()) {
    const auto star = std::min(normal.find('*', begin), normal.size());
    const auto fragment = trim(normal.substr(begin, star - begin));
    begin = star + 1;
    if (fragment.empty()) continue;
    some = true;
    if (fragment.size() < min_fragment) {
      return fmt::format("\"{}\" has a part of one letter, which is found everywhere",
                         printable(written, 60));
    }
  }
  return some ? "" : "an empty phrase";
}

void read_phrases(Section& section, std::string_view key, std::vector<std::string>& out) {
  section.each_text(key, [&](std::string_view written, std::uint32_t line) {
    auto normal = normal_text(written);
    if (auto text = bad_phrase(written, normal); !text.empty()) {
      return section.problem(line, key, std::move(text));
    }
    out.push_back(std::move(normal));
  });
}

bool is_host_pattern(std::string_view text) {
  if (text.starts_with("*.")) text.remove_prefix(2);
  return text.size() > 2 && text.size() < 254 && text.contains('.') &&
         std::ranges::all_of(
             text,
             [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
             });
}

void read_hosts(Section& section, std::vector<std::string>& out) {
  section.each_text("mta", [&](std::string_view written, std::uint32_t line) {
    auto host = to_lower(written);
    if (!is_host_pattern(host)) {
      return section.problem(line, "mta",
                             fmt::format("\"{}\" is no host; write \"mx.example.com\", or "
                                         "\"*.example.com\" for all below a domain",
                                         printable(written, 60)));
    }
    out.push_back(std::move(host));
  });
}

template <class Parse>
void read_codes(Section& section, std::string_view key, std::string_view allowed,
                std::vector<CodePattern>& out, Parse parse) {
  section.each_text(key, [&](std::string_view written, std::uint32_t line) {
    const auto pattern = parse(written);
    if (!pattern) {
      return section.problem(
          line, key, fmt::format("\"{}\" is no code; write {}", printable(written, 60), allowed));
    }
    out.push_back(*pattern);
  });
}

// Nothing where the key is not there, or is no reason.
std::optional<policy::BounceReason> read_reason(Section& section, std::string_view key) {
  std::string word;
  if (!section.text(key, word)) return std::nullopt;
  if (const auto reason = policy::parse_bounce_reason(word)) return reason;
  std::vector<std::string_view> words;
  for (std::uint8_t i = 0; i < policy::bounce_reasons; ++i) {
    words.push_back(policy::to_string(static_cast<policy::BounceReason>(i)));
  }
  section.problem(
      section.line(key), key,
      fmt::format("\"{}\" is no reason; allowed: {}", printable(word, 60), fmt::join(words, " ")));
  return std::nullopt;
}

// Where the file names none: what the conditions say.
Tier usual_tier(const Rule& rule) {
  if (!rule.mta.empty()) return Tier::receiver;
  if (!rule.text.empty()) return Tier::text;
  if (rule.status.empty()) return Tier::reply;
  const bool generic = std::ranges::any_of(rule.status, &CodePattern::generic);
  return generic ? Tier::generic : Tier::code;
}

void read_rule(Section& section, Rule& rule) {
  if (!section.text("name", rule.name) || rule.name.empty()) {
    section.problem(section.line("name"), "name", "a rule needs a name, in quotes");
  }
  if (!section.has("reason")) {
    section.problem(section.line("reason"), "reason", "a rule needs a reason, in quotes");
  }
  rule.reason = read_reason(section, "reason").value_or(rule.reason);
  rule.unless_rcpt = read_reason(section, "unless_rcpt");
  read_phrases(section, "text", rule.text);
  read_phrases(section, "with", rule.with);
  read_phrases(section, "without", rule.without);
  read_hosts(section, rule.mta);
  read_codes(section, "status", "\"5.1.1\", \"*.2.2\", \"5.7.500-599\" or \"none\"", rule.status,
             parse_status_pattern);
  read_codes(section, "reply", "\"550\", \"55x\" or \"5xx\"", rule.reply, parse_reply_pattern);
  rule.tier = usual_tier(rule);
  section.choice<Tier>("tier", rule.tier,
                       {{"suppression", Tier::suppression},
                        {"receiver", Tier::receiver},
                        {"strong", Tier::strong},
                        {"code", Tier::code},
                        {"text", Tier::text},
                        {"weak", Tier::weak},
                        {"generic", Tier::generic},
                        {"reply", Tier::reply}});
}

Error error_of(const ConfigProblem& problem, std::string_view file) {
  return {Errc::invalid, to_string(problem, file)};
}

}  // namespace

Result<std::vector<Rule>> read_rules(std::string_view toml, std::string_view file_name) {
  if (toml.size() > max_rule_file) {
    return std::unexpected(
        error_of({0, "", fmt::format("larger than {} octets", max_rule_file)}, file_name));
  }
  const auto parsed = toml::parse(toml);
  if (!parsed) {
    const auto& error = parsed.error();
    return std::unexpected(
        error_of({error.source().begin.line, "", printable(error.description())}, file_name));
  }
  std::vector<Rule> rules;
  std::set<std::string, std::less<>> names;
  Problems problems;
  Section top(parsed.table(), "", problems);
  top.tables("rule", [&](Section& section) {
    auto& rule = rules.emplace_back();
    const auto before = problems.size();
    read_rule(section, rule);
    const bool empty = rule.text.empty() && rule.status.empty() && rule.reply.empty();
    if (empty && problems.size() == before) {
      section.problem(section.line(), "", "a rule needs one of text, status and reply");
    }
    if (!names.insert(rule.name).second) {
      section.problem(section.line("name"), "name",
                      fmt::format("\"{}\" is the name of a rule above", printable(rule.name, 60)));
    }
  });
  top.finish();
  if (problems.empty()) return rules;
  return std::unexpected(
      error_of(*std::ranges::min_element(problems, {}, &ConfigProblem::line), file_name));
}

}  // namespace postern::classify
