// Finds every occurrence of every phrase of a set in one pass over a text (Aho and Corasick, 1975):
// time grows with the text and with what is found, not with the number of phrases. No backtracking.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::classify {

// Immutable; from any thread. Compares octets: who wants "no matter the case" gives both sides
// lower-cased (normal_text.h).
class PhraseSet {
 public:
  PhraseSet() : PhraseSet(std::span<const std::string>{}) {}
  // Of equal phrases the first is found; empty ones never are. Takes about 16 octets of memory for
  // each octet of the phrases.
  explicit PhraseSet(std::span<const std::string> phrases);

  // Calls found(index of the phrase, where it begins, where it ends) for each occurrence,
  // overlapping ones too, in the order in which they end; where several end together, the longest
  // first. It stops when `found` returns false.
  template <class Found>
  void find(std::string_view text, Found&& found) const {
    std::uint32_t node = root;
    for (std::size_t at = 0; at < text.size(); ++at) {
      node = step(node, static_cast<unsigned char>(text[at]));
      for (std::uint32_t end = nodes_[node].ending; end != none; end = nodes_[end].shorter) {
        const auto& phrase = nodes_[end];
        if (!found(phrase.phrase, at + 1 - phrase.depth, at + 1)) return;
      }
    }
  }

 private:
  static constexpr std::uint32_t root = 0;
  static constexpr std::uint32_t none = 0xFFFFFFFF;

  // A beginning that phrases share. Its children stand in a row, sorted by octet.
  struct Node {
    std::uint32_t first_child = 0;
    std::uint32_t fallback = root;  // the longest proper end of it that is a beginning too
    std::uint32_t ending = none;   // the longest phrase that ends here: this node or one of shorter
    std::uint32_t shorter = none;  // the next phrase that ends here
    std::uint32_t phrase = none;
    std::uint32_t depth = 0;  // octets
    std::uint16_t children = 0;
  };

  void build(std::span<const std::string> phrases);
  void link(std::uint32_t parent, std::uint32_t child);
  [[nodiscard]] std::uint32_t child(std::uint32_t node, unsigned char octet) const;
  [[nodiscard]] std::uint32_t step(std::uint32_t node, unsigned char octet) const;

  std::vector<Node> nodes_;
  std::vector<unsigned char> octets_;  // the octet that leads to each node
  std::array<std::uint32_t, 256> from_root_{};
};

}  // namespace postern::classify
