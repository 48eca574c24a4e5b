#include "policy/return_mail/recipients.h"

#include "base/text.h"
#include "policy/return_mail/evidence.h"
#include "policy/return_mail/lists.h"
#include "policy/return_mail/reading.h"
#include "policy/return_mail/status.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <unordered_map>
#include <utility>

namespace postern::return_mail {
namespace {

constexpr std::size_t max_candidates = 4 * max_findings;
constexpr std::size_t max_diagnostic_lines = 40;
constexpr std::size_t max_with_replies =
    50;  // recipients for each of which all replies are looked at
constexpr SaysSet introduces =
    bit(Says::not_delivered) | bit(Says::for_good) | bit(Says::late) | bit(Says::only_late);

struct Candidate {
  std::string address;  // as written
  std::string key;      // lower case
  std::string original;
  std::size_t line = 0;
  std::size_t end = 0;  // of the address, on its line
  Evidence evidence;
};

class Finder {
 public:
  Finder(const Notice& notice, const Correspondents& correspondents, bool certain)
      : lines_(notice.lines()), correspondents_(correspondents), certain_(certain) {}

  std::vector<NamedRecipient> run() {
    collect();
    std::vector<const Candidate*> chosen = choose();
    for (const auto* candidate : chosen) taken_lines_.push_back(candidate->line);
    std::ranges::sort(taken_lines_);
    if (chosen.size() <= max_with_replies) find_replies();
    std::vector<NamedRecipient> out;
    for (const auto* candidate : chosen) {
      out.push_back(
          {candidate->address, candidate->original, diagnostic(*candidate, chosen.size() == 1)});
    }
    return out;
  }

 private:
  void collect() {
    bool introduced = false;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      introduced = introduced || lines_[i].says_any(introduces);
      if (lines_[i].says_any(introduces)) all_is_said_ = false;
      std::size_t from = 0;
      while (const auto spot = next_address(lines_[i].text, from)) {
        from = spot->end;
        if (candidates_.size() == max_candidates) return;
        add(i, *spot, introduced);
      }
      if (std::exchange(sentence_, false) && says_all(i)) all_is_said_ = true;
    }
  }

  void add(std::size_t at, const Spot& spot, bool introduced) {
    const std::string_view text = lines_[at].text.substr(spot.begin, spot.end - spot.begin);
    if (address_of_field(text).empty()) return;  // a path or a pipe, for all its domain
    Candidate candidate{
        std::string(text), to_lower(text), {}, at, spot.end, weigh(lines_, at, spot, introduced)};
    if (candidate.evidence.is_original && !candidates_.empty() &&
        at <= candidates_.back().line + 1) {
      auto& made = candidates_.back();
      if (made.key != candidate.key) made.original = candidate.address;
      return;
    }
    discount(candidate);
    auto& weight = candidate.evidence.weight;
    if (all_is_said_ && weight == Weight::listed && is_bare(candidate)) weight = Weight::hint;
    sentence_ = sentence_ || weight == Weight::sentence;
    candidates_.push_back(std::move(candidate));
  }

  // Who was not reached, and why: no list of others follows, unless something announces it.
  [[nodiscard]] bool says_all(std::size_t at) const {
    if (trim(lines_[at].text).ends_with(':')) return false;
    SaysSet said = lines_[at].says;
    bool replied = find_reply_code(lines_[at].text) != 0;
    if (at > 0 && !lines_[at - 1].is_blank()) said |= lines_[at - 1].says;
    if (at + 1 < lines_.size() && !lines_[at + 1].is_blank()) {
      said |= lines_[at + 1].says;
      replied = replied || find_reply_code(lines_[at + 1].text) != 0;
    }
    return (said & introduces) != 0 && (replied || (said & bit(Says::why)) != 0);
  }

  // Nothing else is on its line.
  [[nodiscard]] bool is_bare(const Candidate& candidate) const {
    return candidate.evidence.at_line_begin &&
           without_marks(lines_[candidate.line].text.substr(candidate.end)).empty();
  }

  // Who reports and who is reported to are not who was not reached, unless their place leaves no
  // doubt.
  void discount(Candidate& candidate) const {
    auto& weight = candidate.evidence.weight;
    if (has(correspondents_.addressed, candidate.key)) {
      weight = candidate.evidence.at_line_begin && weight >= Weight::listed ? Weight::hint
                                                                            : Weight::none;
    } else if (is_daemon(candidate.key) || is_robot(candidate.key) ||
               candidate.key == correspondents_.reporter) {
      if (weight < Weight::listed || !candidate.evidence.at_line_begin) weight = Weight::none;
    }
  }

  std::vector<const Candidate*> choose() {
    if (!correspondents_.failed.empty()) return named_by_field();
    Weight best = Weight::none;
    for (const auto& candidate : candidates_) best = std::max(best, candidate.evidence.weight);
    if (best < Weight::hint || (best == Weight::hint && !certain_)) return {};
    const Weight enough = std::min(best, Weight::listed);
    std::vector<const Candidate*> chosen;
    std::unordered_map<std::string_view, std::size_t> places;
    for (const auto& candidate : candidates_) {
      if (candidate.evidence.weight < enough || chosen.size() == max_findings) continue;
      const auto [found, added] = places.try_emplace(candidate.key, chosen.size());
      if (added) {
        chosen.push_back(&candidate);
      } else if (chosen[found->second]->original.empty() && !candidate.original.empty()) {
        chosen[found->second] = &candidate;
      }
    }
    if (best == Weight::hint && chosen.size() > 1) return {};
    return chosen;
  }

  // The field counts; the text says why.
  std::vector<const Candidate*> named_by_field() {
    std::unordered_map<std::string_view, const Candidate*> places;
    for (const auto& candidate : candidates_) {
      auto& place = places[candidate.key];
      if (place == nullptr || place->evidence.weight < candidate.evidence.weight)
        place = &candidate;
    }
    std::vector<const Candidate*> chosen;
    by_field_.reserve(correspondents_.failed.size());
    for (const auto& address : correspondents_.failed) {
      std::string key = to_lower(address);
      if (const auto found = places.find(key); found != places.end()) {
        chosen.push_back(found->second);
      } else {
        by_field_.push_back({address, std::move(key), {}, lines_.size(), 0, {}});
        chosen.push_back(&by_field_.back());
      }
    }
    return chosen;
  }

  [[nodiscard]] bool is_taken(std::size_t line) const {
    return std::ranges::binary_search(taken_lines_, line);
  }

  // What stands behind the address and below it, up to a blank line or the next one; where its line
  // is a sentence, all of the paragraph from there.
  [[nodiscard]] std::string diagnostic(const Candidate& candidate, bool only_one) const {
    std::string out;
    if (candidate.line < lines_.size()) {
      for (std::size_t i = begin_of_item(candidate); i < candidate.line; ++i)
        append(out, lines_[i].text);
      const std::string_view line = lines_[candidate.line].text;
      const bool behind = candidate.evidence.at_line_begin &&
                          !lines_[candidate.line].lower.substr(0, candidate.end).contains(": ");
      append(out, behind ? without_marks(line.substr(candidate.end)) : line);
      bool may_pass_blank = out.empty() || find_reply_code(out) == 0;
      const std::size_t last = std::min(lines_.size(), candidate.line + max_diagnostic_lines);
      for (std::size_t i = candidate.line + 1; i < last && !is_taken(i); ++i) {
        if (lines_[i - 1].is_blank() && lines_[i].text.contains("----")) break;  // another section
        if (is_item_without_address(i)) break;
        if (!lines_[i].is_blank()) {
          append(out, lines_[i].text);
        } else if (!out.empty() && (!may_pass_blank || !only_one)) {
          break;
        } else {
          may_pass_blank = may_pass_blank && (out.empty() || find_reply_code(out) == 0);
          if (!may_pass_blank) break;
        }
      }
    }
    if (find_reply_code(out) == 0 && find_status(out).empty())
      append_replies(out, candidate, only_one);
    return out;
  }

  // What the address was made into, and why that failed, stands above it.
  [[nodiscard]] std::size_t begin_of_item(const Candidate& candidate) const {
    std::size_t begin = candidate.line;
    if (!candidate.evidence.is_original) return begin;
    const std::size_t first = begin - std::min(begin, max_diagnostic_lines);
    const auto is_indented = [](std::string_view line) {
      return line.starts_with(' ') || line.starts_with('\t');
    };
    while (begin > first && is_indented(lines_[begin].text) && !lines_[begin - 1].is_blank() &&
           !is_taken(begin - 1)) {
      --begin;
    }
    return begin;
  }

  // A pipe or a path in Sendmail's list, as the next that was not reached: at the line's begin,
  // and what there is to say of it, indented and in brackets, below.
  [[nodiscard]] bool is_item_without_address(std::size_t at) const {
    const std::string_view line = lines_[at].text;
    if (!line.starts_with('|') && !line.starts_with("\"|") && !line.starts_with('/')) return false;
    if (at + 1 == lines_.size()) return false;
    const std::string_view below = lines_[at + 1].text;
    return (below.starts_with(' ') || below.starts_with('\t')) && trim(below).starts_with('(');
  }

  void find_replies() {
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      if (find_reply_code(lines_[i].text) != 0) replies_.push_back(i);
    }
  }

  // Replies that stand elsewhere: with the address, or anywhere where it is the only one.
  void append_replies(std::string& out, const Candidate& candidate, bool only_one) const {
    for (const std::size_t i : replies_) {
      const bool here = lines_[i].lower.contains(candidate.key) ||
                        (i > 0 && lines_[i - 1].lower.contains(candidate.key));
      if (here || only_one) append(out, lines_[i].text);
    }
  }

  static std::string_view without_marks(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t>:\"')].");
    return first == std::string_view::npos ? std::string_view() : text.substr(first);
  }

  static void append(std::string& out, std::string_view line) {
    const std::string_view content = trim(line);
    if (content.empty() || out.size() + content.size() >= max_diagnostic) return;
    if (!out.empty()) out += '\n';
    out += content;
  }

  std::span<const Notice::Line> lines_;
  const Correspondents& correspondents_;
  bool certain_;
  std::vector<Candidate> candidates_;
  bool sentence_ = false;     // the line has one about an address
  bool all_is_said_ = false;  // a sentence above names somebody, and says why
  std::vector<Candidate> by_field_;
  std::vector<std::size_t> taken_lines_;
  std::vector<std::size_t> replies_;  // lines with a reply code
};

}  // namespace

std::vector<NamedRecipient> find_recipients(const Notice& notice,
                                            const Correspondents& correspondents, bool certain) {
  return Finder(notice, correspondents, certain).run();
}

}  // namespace postern::return_mail
