// One rule of the classifier, as it was read. docs/return-mail.md describes the file.
#pragma once

#include "policy/bounce.h"
#include "policy/classify/codes.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace postern::classify {

// Which evidence counts more; the first counts most.
enum class Tier : std::uint8_t {
  suppression,  // texts of suppression lists, ours among them: nothing stands above them
  receiver,     // codes and phrases whose meaning is known because of who says them
  strong,       // text that is true whatever code stands beside it
  code,         // an enhanced code that says something
  text,         // text beside a code that says little
  weak,         // text that says little
  generic,      // a code that says little
  reply,        // the three digits alone
};

// Applies where each of its conditions that is not empty is met: by any one of its entries.
struct Rule {
  std::string name;
  policy::BounceReason reason = policy::BounceReason::undefined;
  Tier tier = Tier::text;
  bool own = false;                  // of the operator's file
  std::vector<std::string> text;     // phrases, in normal form; "*" is a gap
  std::vector<std::string> with;     // phrases, one of which stands there as well
  std::vector<std::string> without;  // phrases, none of which may stand there
  std::vector<std::string> mta;      // hosts and "*.domain"; found in the text too
  std::vector<CodePattern> status;
  std::vector<CodePattern> reply;
  // The reason instead, where a server's reply said it to another command than RCPT.
  std::optional<policy::BounceReason> unless_rcpt;
};

}  // namespace postern::classify
