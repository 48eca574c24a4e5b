// Membership in a short list.
#pragma once

#include <algorithm>

namespace postern::return_mail {

template <class List, class Value>
[[nodiscard]] constexpr bool has(const List& list, const Value& value) {
  return std::ranges::find(list, value) != std::ranges::end(list);
}

}  // namespace postern::return_mail
