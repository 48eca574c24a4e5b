// How strongly the place of an address in a notice says that it was not reached.
#pragma once

#include "policy/return_mail/address_scan.h"
#include "policy/return_mail/notice.h"

#include <cstddef>
#include <span>

namespace postern::return_mail {

enum class Weight {
  none,      // named for another reason
  hint,      // near to words of failure
  sentence,  // in a sentence about it
  listed,    // in a list or command that is about nothing else
  labelled,  // with a label, or as the label of its reason
};

struct Evidence {
  Weight weight = Weight::none;
  bool at_line_begin = false;  // what follows on the line is about it
  bool is_original = false;    // the address that the one named before was made of
};

// Of the address at `spot` of line `at`. `introduced`: a line above says that mail was not
// delivered.
[[nodiscard]] Evidence weigh(std::span<const Notice::Line> lines, std::size_t at, const Spot& spot,
                             bool introduced);

}  // namespace postern::return_mail
