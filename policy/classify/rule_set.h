// Rules made ready for matching: all their phrases in one set, and which of them a text meets.
#pragma once

#include "policy/classify/phrase_set.h"
#include "policy/classify/rule.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace postern::classify {

// What the rules are asked about, in normal form.
struct Question {
  std::string_view text;  // normal_text of what was said
  std::string_view host;  // normal_text of who said it
  std::optional<EnhancedCode> status;
  std::uint16_t reply = 0;
};

// Immutable; from any thread.
class RuleSet {
 public:
  explicit RuleSet(std::vector<Rule> rules);

  // The rule that counts most of those that apply: by tier (the operator's own first, suppression
  // above all), then by the length of the phrase, the number of conditions, the place of the phrase
  // in the text and of the rule in its file. Null: none.
  [[nodiscard]] const Rule* decide(const Question& question) const;
  [[nodiscard]] const std::vector<Rule>& rules() const { return rules_; }

 private:
  enum class Role : std::uint8_t { text, with, without, mta };
  // A phrase is fragments with gaps between them; most are one fragment.
  struct Phrase {
    std::uint32_t rule = 0;
    Role role = Role::text;
    std::uint16_t fragments = 0;
    std::uint16_t length = 0;  // of the fragments together
  };
  struct Use {  // of a fragment by a phrase
    std::uint32_t phrase = 0;
    std::uint16_t index = 0;
    bool open_left = false;  // a gap may begin or end inside a word
    bool open_right = false;
    bool whole_host = false;
  };
  struct Place {  // what stands around an occurrence
    bool begins = false;
    bool ends = false;
    bool in_host_name = false;
    bool host = false;
    bool domain = false;
  };
  struct Seen {
    std::uint32_t phrase;
    std::uint16_t index;
    std::uint32_t begin;
    std::uint32_t end;
  };
  struct Met {
    std::uint32_t rule;
    Role role;
    std::uint16_t length;
    std::uint32_t begin;
  };
  struct Fragments;

  void add(std::uint32_t rule, Role role, std::string_view phrase, Fragments& fragments);
  void add_host(std::uint32_t rule, std::string_view host, Fragments& fragments);
  [[nodiscard]] bool fits(const Use& use, const Place& place) const;
  void find(std::string_view text, bool hosts_only, std::vector<Met>& met) const;
  void join(std::vector<Seen>& seen, std::vector<Met>& met) const;
  [[nodiscard]] bool applies(const Rule& rule, std::span<const Met> met,
                             const Question& question) const;
  [[nodiscard]] bool better(const Met& one, const Met& other) const;

  std::vector<Rule> rules_;
  std::vector<std::uint32_t> textless_;  // rules to look at whatever the text
  std::vector<Phrase> phrases_;
  std::vector<std::vector<Use>> uses_;  // of each fragment of the set
  PhraseSet set_;
};

}  // namespace postern::classify
