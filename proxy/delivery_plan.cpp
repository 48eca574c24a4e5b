#include "proxy/delivery_plan.h"

#include "base/log.h"
#include "base/text.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace postern::proxy {

using policy::Stream;

DeliveryPlan::DeliveryPlan(const Transaction& transaction, const policy::Streams& streams,
                           RecipientCheck& check, LinkMaking links, std::string trace)
    : transaction_(transaction),
      streams_(streams),
      check_(check),
      links_(std::move(links)),
      trace_(std::move(trace)),
      stream_(transaction.stream) {}

SectionEditor::Edit DeliveryPlan::edit(std::string_view section, std::string_view campaign) {
  Edit edit;
  campaign_ = campaign;
  find_stream(section);
  if (stream_ != transaction_.stream) check_again();
  const auto& recipients = transaction_.recipients_told;
  if (!late_.empty() && late_.size() == recipients.size()) {
    edit.refused = refusal_of_all();
    return edit;
  }
  const auto wanted = wishes();
  wants_list_unsubscribe_ = wanted.list_unsubscribe != HeaderWishes::ListUnsubscribe::off;
  header_ = plan_header_edit(section, wanted);
  // What each of several recipients would get a copy of its own of, may have been sent so before.
  const bool came_before = transaction_.comes_again && (header_.add_list_unsubscribe || rewrites());
  holds_ = !late_.empty() || came_before ||
           (header_.add_list_unsubscribe && recipients.size() > 1) || mail_differs();
  note_contexts();
  if (holds_) {
    section_ = section;
    edit.section.emplace();
  } else if (!header_.added.empty() || !header_.removed.empty() || header_.add_list_unsubscribe) {
    edit.section = edited_section(
        section, header_,
        trace_ + (recipients.empty() ? std::string() : fields_of(recipients.front())));
  }
  return edit;
}

// Mail from <> is in no stream by name.
void DeliveryPlan::find_stream(std::string_view section) {
  if (!streams_.has_list_ids() || stream_ == &streams_.null_sender()) return;
  if (const auto* by_list = streams_.of_list_id(list_id_of(section))) stream_ = by_list;
}

void DeliveryPlan::check_again() {
  const bool utf8 = transaction_.parameters.smtputf8;
  const auto& recipients = transaction_.recipients_told;
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    auto refused = check_.check(recipients[i].path, *stream_, utf8);
    auto verdict = check_.take_verdict();
    if (!refused) continue;
    late_.push_back({i, *std::move(refused)});
    if (verdict) refused_.push_back(*std::move(verdict));
  }
}

// One reply for all of them, deferred where one of them is. It names them as far as a reply has
// room.
wire::Reply DeliveryPlan::refusal_of_all() const {
  const auto deferred =
      std::ranges::find_if(late_, [](const Late& one) { return one.reply.transient(); });
  if (deferred != late_.end()) return deferred->reply;
  if (late_.size() == 1) return late_.front().reply;
  constexpr std::size_t room = 400;
  std::string names;
  for (const Late& one : late_) {
    const auto name = policy::to_string(transaction_.recipients_told[one.recipient].path);
    if (names.size() + name.size() > room) {
      names += ", ...";
      break;
    }
    names += (names.empty() ? "<" : ", <") + name + ">";
  }
  return wire::make_reply(
      550, "5.7.1", fmt::format("refused for stream {}: {}", stream_->name, printable(names, 500)));
}

HeaderWishes DeliveryPlan::wishes() const {
  HeaderWishes wishes;
  if (stream_->kind != Stream::Kind::marketing) return wishes;
  using Wanted = HeaderWishes::ListUnsubscribe;
  if (!links_.url.empty() && links_.keys) {
    switch (stream_->list_unsubscribe) {
      case Stream::ListUnsubscribe::add:
        wishes.list_unsubscribe = Wanted::add;
        break;
      case Stream::ListUnsubscribe::replace:
        wishes.list_unsubscribe = Wanted::replace;
        break;
      case Stream::ListUnsubscribe::off:
        break;
    }
  }
  wishes.list_id = stream_->list_id;
  wishes.list_title = stream_->title;
  wishes.feedback_id = stream_->feedback_id;
  return wishes;
}

bool DeliveryPlan::rewrites() const {
  return transaction_.returns && transaction_.returns->rewrites(*stream_);
}

// What MAIL said upstream is not what every recipient's copy has to come from.
bool DeliveryPlan::mail_differs() const {
  if (!transaction_.returns) return false;
  const bool sent = transaction_.returns->rewrites(*transaction_.stream);
  if (!sent || !rewrites()) return sent != rewrites();
  return stream_ != transaction_.stream ||
         std::ranges::any_of(transaction_.recipients_told, [&](const Recipient& recipient) {
           return recipient.ref != transaction_.mail_ref;
         });
}

// The envelope's own is on record since MAIL.
void DeliveryPlan::note_contexts() {
  if (!transaction_.returns) return;
  const auto& returns = *transaction_.returns;
  if (rewrites() && stream_ != transaction_.stream) {
    contexts_.push_back(returns.context(*stream_, transaction_.reverse_path));
  }
  if (header_.add_list_unsubscribe) contexts_.push_back(returns.unsubscribe_context(*stream_));
}

policy::Mailbox DeliveryPlan::reverse_path_of(const Recipient& recipient) const {
  if (!rewrites()) return transaction_.reverse_path;
  return transaction_.returns->reverse_path(*stream_, transaction_.reverse_path, recipient.ref);
}

Recipient DeliveryPlan::sent_to(const Recipient& recipient) const {
  if (!rewrites()) return recipient;
  return {.path = recipient.path,
          .parameters = sent_parameters(recipient, transaction_.parameters.smtputf8)};
}

// Nothing where no link can be made: the mail flows (DESIGN.md 9).
std::string DeliveryPlan::fields_of(const Recipient& recipient) const {
  if (!header_.add_list_unsubscribe) return {};
  const auto token = links_.keys->seal({.address = policy::canonical(recipient.path),
                                        .stream = stream_->name,
                                        .campaign = campaign_,
                                        .day = links_.day});
  if (!token) {
    log::error("no unsubscribe link can be made: " + token.error().text);
    return {};
  }
  const auto mailto =
      transaction_.returns ? transaction_.returns->mailto(*stream_, recipient.ref) : std::string();
  return unsubscribe_fields(links_.url + "/u/" + *token, mailto);
}

std::string DeliveryPlan::section_of(const Recipient& recipient) const {
  return edited_section(section_, header_, trace_ + fields_of(recipient));
}

}  // namespace postern::proxy
