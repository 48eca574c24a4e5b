#include "policy/classify/rule_set.h"

#include "base/text.h"
#include "policy/classify/normal_text.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace postern::classify {
namespace {

// Octets between two fragments of a phrase: an address, a host and a few words.
constexpr std::size_t max_gap = 120;
// Occurrences that are looked at; more than any report of a server has, few enough for a text made
// of nothing else.
constexpr std::size_t max_seen = 4096;

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

bool stands_as_host(std::string_view text, std::size_t begin, std::size_t end, bool whole) {
  if (begin > 0 && is_host_character(text[begin - 1])) return false;
  if (whole && begin > 0 && text[begin - 1] == '.') return false;
  if (end == text.size()) return true;
  if (text[end] == '.') return end + 1 == text.size() || !is_host_character(text[end + 1]);
  return !is_host_character(text[end]);
}

int rank(const Rule& rule) {
  constexpr int tiers = static_cast<int>(Tier::reply) + 1;
  if (rule.tier == Tier::suppression) return rule.own ? -2 : -1;
  return static_cast<int>(rule.tier) + (rule.own ? 0 : tiers);
}

int conditions(const Rule& rule) {
  return static_cast<int>(!rule.mta.empty()) + static_cast<int>(!rule.with.empty()) +
         static_cast<int>(!rule.without.empty()) + static_cast<int>(!rule.status.empty()) +
         static_cast<int>(!rule.reply.empty());
}

}  // namespace

struct RuleSet::Fragments {
  std::vector<std::string> texts;
  std::unordered_map<std::string, std::uint32_t> ids;

  std::uint32_t id(std::string_view text) {
    const auto [at, added] =
        ids.try_emplace(std::string(text), static_cast<std::uint32_t>(texts.size()));
    if (added) texts.emplace_back(text);
    return at->second;
  }
};

RuleSet::RuleSet(std::vector<Rule> rules) : rules_(std::move(rules)) {
  Fragments fragments;
  for (std::uint32_t i = 0; i < rules_.size(); ++i) {
    const Rule& rule = rules_[i];
    for (const auto& phrase : rule.text) add(i, Role::text, phrase, fragments);
    for (const auto& phrase : rule.with) add(i, Role::with, phrase, fragments);
    for (const auto& phrase : rule.without) add(i, Role::without, phrase, fragments);
    for (const auto& host : rule.mta) add_host(i, host, fragments);
    if (rule.text.empty()) textless_.push_back(i);
  }
  set_ = PhraseSet(fragments.texts);
}

void RuleSet::add(std::uint32_t rule, Role role, std::string_view phrase, Fragments& fragments) {
  Phrase made{.rule = rule, .role = role};
  const auto id = static_cast<std::uint32_t>(phrases_.size());
  std::size_t begin = 0;
  while (begin <= phrase.size()) {
    const auto star = std::min(phrase.find('*', begin), phrase.size());
    const auto written = phrase.substr(begin, star - begin);
    const auto fragment = trim(written);
    if (!fragment.empty()) {
      const std::uint32_t fragment_id = fragments.id(fragment);
      if (fragment_id >= uses_.size()) uses_.resize(fragment_id + 1);
      uses_[fragment_id].push_back({.phrase = id,
                                    .index = made.fragments,
                                    .open_left = begin > 0 && !written.starts_with(' '),
                                    .open_right = star < phrase.size() && !written.ends_with(' ')});
      ++made.fragments;
      made.length = static_cast<std::uint16_t>(made.length + fragment.size());
    }
    begin = star + 1;
  }
  phrases_.push_back(made);
}

void RuleSet::add_host(std::uint32_t rule, std::string_view host, Fragments& fragments) {
  const bool whole = !host.starts_with("*.");
  const std::uint32_t id = fragments.id(whole ? host : host.substr(2));
  if (id >= uses_.size()) uses_.resize(id + 1);
  uses_[id].push_back(
      {.phrase = static_cast<std::uint32_t>(phrases_.size()), .index = 0, .whole_host = whole});
  phrases_.push_back({.rule = rule, .role = Role::mta, .fragments = 1});
}

bool RuleSet::fits(const Use& use, const Place& place) const {
  if (phrases_[use.phrase].role == Role::mta) return use.whole_host ? place.host : place.domain;
  if (!use.open_left && !place.begins) return false;
  if (!use.open_right && !place.ends) return false;
  return use.open_left || use.open_right || !place.in_host_name;
}

void RuleSet::find(std::string_view text, bool hosts_only, std::vector<Met>& met) const {
  if (text.empty()) return;
  std::vector<Seen> seen;
  // How many fragments of each phrase may have been met: a later one alone is nothing.
  std::vector<std::uint16_t> reached(phrases_.size());
  set_.find(text, [&](std::uint32_t fragment, std::size_t begin, std::size_t end) {
    const Place place{.begins = begins_word(text, begin, end),
                      .ends = ends_word(text, begin, end),
                      .in_host_name = within_host_name(text, begin, end),
                      .host = stands_as_host(text, begin, end, true),
                      .domain = stands_as_host(text, begin, end, false)};
    for (const Use& use : uses_[fragment]) {
      const Phrase& phrase = phrases_[use.phrase];
      if (use.index > reached[use.phrase]) continue;
      if ((hosts_only && phrase.role != Role::mta) || !fits(use, place)) continue;
      if (phrase.fragments == 1) {
        met.push_back({phrase.rule, phrase.role, phrase.length, static_cast<std::uint32_t>(begin)});
      } else {
        reached[use.phrase] =
            std::max(reached[use.phrase], static_cast<std::uint16_t>(use.index + 1));
        seen.push_back({use.phrase, use.index, static_cast<std::uint32_t>(begin),
                        static_cast<std::uint32_t>(end)});
      }
    }
    return met.size() + seen.size() < max_seen;
  });
  join(seen, met);
}

// The fragments of each phrase in order, none further than a gap from the one before it. The latest
// chain reaches furthest, so that one is kept for each fragment.
void RuleSet::join(std::vector<Seen>& seen, std::vector<Met>& met) const {
  std::ranges::sort(seen, {},
                    [](const Seen& one) { return std::tuple(one.phrase, one.end, one.begin); });
  struct Chain {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };
  std::vector<Chain> chains;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const Seen& one = seen[i];
    const Phrase& phrase = phrases_[one.phrase];
    if (i == 0 || seen[i - 1].phrase != one.phrase) chains.assign(phrase.fragments, {});
    Chain chain{one.begin, one.end};
    if (one.index > 0) {
      const Chain& before = chains[one.index - 1];
      if (before.end == 0 || one.begin < before.end || one.begin - before.end > max_gap) continue;
      chain.begin = before.begin;
    }
    chains[one.index] = chain;
    if (one.index + 1 == phrase.fragments) {
      met.push_back({phrase.rule, phrase.role, phrase.length, chain.begin});
    }
  }
}

bool RuleSet::applies(const Rule& rule, std::span<const Met> met, const Question& question) const {
  const auto has = [&](Role role) { return std::ranges::find(met, role, &Met::role) != met.end(); };
  if (!rule.with.empty() && !has(Role::with)) return false;
  if (!rule.mta.empty() && !has(Role::mta)) return false;
  if (has(Role::without)) return false;
  if (!rule.status.empty()) {
    const auto matches = [&](const auto& pattern) { return pattern.matches(question.status); };
    if (std::ranges::none_of(rule.status, matches)) return false;
  }
  if (!rule.reply.empty()) {
    const auto matches = [&](const auto& pattern) { return pattern.matches(question.reply); };
    if (question.reply == 0 || std::ranges::none_of(rule.reply, matches)) return false;
  }
  return true;
}

bool RuleSet::better(const Met& one, const Met& other) const {
  const auto weight = [this](const Met& met) {
    const Rule& rule = rules_[met.rule];
    return std::tuple(rank(rule), -static_cast<int>(met.length), -conditions(rule), met.begin,
                      met.rule);
  };
  return weight(one) < weight(other);
}

const Rule* RuleSet::decide(const Question& question) const {
  std::vector<Met> met;
  find(question.host, true, met);
  find(question.text, false, met);
  // Rules without a phrase stand in the list once, so that they are weighed like the others.
  for (const std::uint32_t rule : textless_) met.push_back({rule, Role::text, 0, 0});
  std::ranges::sort(met, {}, &Met::rule);
  const Met* best = nullptr;
  for (auto first = met.begin(); first != met.end();) {
    const auto last =
        std::find_if(first, met.end(), [&](const Met& one) { return one.rule != first->rule; });
    const std::span<const Met> of_rule(first, last);
    if (applies(rules_[first->rule], of_rule, question)) {
      for (const Met& one : of_rule) {
        if (one.role == Role::text && (best == nullptr || better(one, *best))) best = &one;
      }
    }
    first = last;
  }
  return best == nullptr ? nullptr : &rules_[best->rule];
}

}  // namespace postern::classify
