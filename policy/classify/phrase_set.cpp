#include "policy/classify/phrase_set.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace postern::classify {
namespace {

// Sorted phrases that share their first `depth` octets, and the node that stands for those.
struct Group {
  std::uint32_t node;
  std::uint32_t begin;
  std::uint32_t end;
};

std::vector<std::uint32_t> sorted_order(std::span<const std::string> phrases) {
  std::vector<std::uint32_t> order(phrases.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, {},
                    [&](std::uint32_t i) { return std::pair(std::string_view(phrases[i]), i); });
  return order;
}

}  // namespace

PhraseSet::PhraseSet(std::span<const std::string> phrases) {
  nodes_.emplace_back();
  octets_.push_back(0);
  build(phrases);
  for (std::uint32_t i = 0; i < nodes_[root].children; ++i) {
    const std::uint32_t node = nodes_[root].first_child + i;
    from_root_[octets_[node]] = node;
  }
}

// Level by level, so that the children of a node stand together and every node's fallback, which is
// shorter, is there before it.
void PhraseSet::build(std::span<const std::string> phrases) {
  const auto order = sorted_order(phrases);
  std::vector<Group> level{{root, 0, static_cast<std::uint32_t>(order.size())}};
  for (std::uint32_t depth = 0; !level.empty(); ++depth) {
    std::vector<Group> next;
    for (const Group& group : level) {
      std::uint32_t at = group.begin;
      while (at < group.end && phrases[order[at]].size() == depth) ++at;
      nodes_[group.node].first_child = static_cast<std::uint32_t>(nodes_.size());
      while (at < group.end) {
        const auto octet = static_cast<unsigned char>(phrases[order[at]][depth]);
        const auto node = static_cast<std::uint32_t>(nodes_.size());
        nodes_.emplace_back().depth = depth + 1;
        octets_.push_back(octet);
        ++nodes_[group.node].children;
        const std::uint32_t first = at;
        while (at < group.end && static_cast<unsigned char>(phrases[order[at]][depth]) == octet) {
          ++at;
        }
        if (phrases[order[first]].size() == depth + 1) nodes_[node].phrase = order[first];
        next.push_back({node, first, at});
      }
    }
    for (const Group& group : level) {
      const Node& parent = nodes_[group.node];
      for (std::uint32_t i = 0; i < parent.children; ++i) link(group.node, parent.first_child + i);
    }
    level = std::move(next);
  }
}

void PhraseSet::link(std::uint32_t parent, std::uint32_t node) {
  std::uint32_t found = root;
  for (std::uint32_t at = parent; at != root && found == root;) {
    at = nodes_[at].fallback;
    found = child(at, octets_[node]);
  }
  nodes_[node].fallback = found;
  nodes_[node].shorter = nodes_[found].ending;
  nodes_[node].ending = nodes_[node].phrase != none ? node : nodes_[node].shorter;
}

// The root where there is none.
std::uint32_t PhraseSet::child(std::uint32_t node, unsigned char octet) const {
  const auto first = octets_.begin() + nodes_[node].first_child;
  const auto last = first + nodes_[node].children;
  const auto found = std::find(first, last, octet);
  return found == last ? root : static_cast<std::uint32_t>(found - octets_.begin());
}

// Every fallback gives up at least one octet that a step before had gained: linear over the text.
std::uint32_t PhraseSet::step(std::uint32_t node, unsigned char octet) const {
  while (node != root) {
    if (const std::uint32_t next = child(node, octet); next != root) return next;
    node = nodes_[node].fallback;
  }
  return from_root_[octet];
}

}  // namespace postern::classify
