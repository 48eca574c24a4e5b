// What the copies of a held message have of their own: who makes the message knows it, who sends
// the copies asks.
#pragma once

#include "proxy/dialogue.h"
#include "proxy/wire/reply.h"

#include <cstddef>
#include <string>
#include <vector>

namespace postern::proxy {

class CopyPlan {
 public:
  struct Late {
    std::size_t recipient = 0;  // of the transaction's recipients_told
    wire::Reply reply;
  };
  virtual ~CopyPlan() = default;
  // Whether the reverse-path hears of recipients that were refused while others were taken.
  [[nodiscard]] virtual bool reports_refusals() const { return true; }
  // Whom the gate refuses after all.
  [[nodiscard]] virtual const std::vector<Late>& late() const = 0;
  // The envelope of that recipient's copy, and its header section.
  [[nodiscard]] virtual policy::Mailbox reverse_path_of(const Recipient& recipient) const = 0;
  [[nodiscard]] virtual Recipient sent_to(const Recipient& recipient) const = 0;
  [[nodiscard]] virtual std::string section_of(const Recipient& recipient) const = 0;
  // As it came.
  [[nodiscard]] virtual const std::string& section() const = 0;
};

}  // namespace postern::proxy
