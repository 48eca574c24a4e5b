// What becomes of a message once its header section is known: which stream it is in (its List-Id
// may say another than its envelope), who is refused after all, what is added to it, and whether
// each recipient gets a copy of its own (DESIGN.md 6).
#pragma once

#include "policy/link.h"
#include "policy/stream.h"
#include "proxy/copy_plan.h"
#include "proxy/dialogue.h"
#include "proxy/header_edit.h"
#include "proxy/message.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::proxy {

// How links are made; `keys` may be null for as long as the store is away.
struct LinkMaking {
  std::string url;  // of the public pages, without a final slash; empty: no links
  std::shared_ptr<const policy::LinkKeys> keys;
  std::uint32_t day = 0;  // since 1970, UTC
};

class DeliveryPlan final : public SectionEditor, public CopyPlan {
 public:
  // All of them outlive it. `trace`: our Received: line, or empty.
  DeliveryPlan(const Transaction& transaction, const policy::Streams& streams,
               RecipientCheck& check, LinkMaking links, std::string trace);

  Edit edit(std::string_view section, std::string_view campaign) override;

  // The message is to be held: each recipient that is left gets a copy of its own.
  [[nodiscard]] bool holds() const { return holds_; }
  [[nodiscard]] const policy::Stream& stream() const { return *stream_; }
  [[nodiscard]] const HeaderPlan& header() const { return header_; }
  // The stream wants one in the message, ours or the sender's.
  [[nodiscard]] bool wants_list_unsubscribe() const { return wants_list_unsubscribe_; }

  // Whom the gate refuses for the stream that the message turned out to be in.
  [[nodiscard]] const std::vector<Late>& late() const override { return late_; }
  [[nodiscard]] std::vector<Judged> take_refused() { return std::move(refused_); }
  // What has to be on record before anything of the message goes upstream; once.
  [[nodiscard]] bool owes_contexts() const { return !contexts_.empty(); }
  [[nodiscard]] std::vector<policy::ReturnContexts::Entry> take_contexts() {
    return std::exchange(contexts_, {});
  }
  [[nodiscard]] policy::Mailbox reverse_path_of(const Recipient& recipient) const override;
  [[nodiscard]] Recipient sent_to(const Recipient& recipient) const override;
  [[nodiscard]] std::string section_of(const Recipient& recipient) const override;
  [[nodiscard]] const std::string& section() const override { return section_; }

 private:
  void find_stream(std::string_view section);
  void check_again();
  [[nodiscard]] wire::Reply refusal_of_all() const;
  [[nodiscard]] HeaderWishes wishes() const;
  [[nodiscard]] bool rewrites() const;
  [[nodiscard]] bool mail_differs() const;
  void note_contexts();
  [[nodiscard]] std::string fields_of(const Recipient& recipient) const;

  const Transaction& transaction_;
  const policy::Streams& streams_;
  RecipientCheck& check_;
  LinkMaking links_;
  std::string trace_;
  const policy::Stream* stream_;
  std::string campaign_;
  HeaderPlan header_;
  std::vector<Late> late_;
  std::vector<Judged> refused_;
  std::vector<policy::ReturnContexts::Entry> contexts_;
  std::string section_;
  bool holds_ = false;
  bool wants_list_unsubscribe_ = false;
};

}  // namespace postern::proxy
