#include "proxy/counts.h"

#include <algorithm>
#include <string>

namespace postern::proxy {
namespace {

using policy::Reason;

// From 1 µs, where a lookup lies, to what only a sick disk takes.
constexpr std::array lookup_bounds{0.000001, 0.000002, 0.000005, 0.00001, 0.00002,
                                   0.00005,  0.0001,   0.001,    0.01,    0.1};

std::size_t result_of(const wire::Reply& reply) {
  return reply.positive() ? 0 : reply.permanent() ? 1 : 2;
}

}  // namespace

Counts::Counts(metrics::Registry& registry, const policy::Streams& streams) : streams_(streams) {
  for (const auto& stream : streams.all()) of_streams_.push_back(make(registry, stream));
  for (std::size_t digit = 2; digit < replies_.size(); ++digit) {
    if (digit == 3) continue;
    replies_[digit] = &registry.counter("postern_upstream_replies_total",
                                        "The upstream's replies to messages and copies.",
                                        {{"code_class", std::to_string(digit) + "xx"}});
  }
  constexpr std::array cases{"unsigned", "covered", "uncovered", "oversigned"};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    dkim_[i] = &registry.counter(
        "postern_dkim_total",
        "Marketing messages by how their own DKIM signatures stand to List-Unsubscribe.",
        {{"case", cases[i]}});
  }
  constexpr std::array results{"taken", "taken_before", "refused", "deferred"};
  for (std::size_t i = 0; i < results.size(); ++i) {
    copies_[i] = &registry.counter("postern_copies_total",
                                   "Copies of messages that were sent once for each recipient.",
                                   {{"result", results[i]}});
  }
  constexpr std::array return_results{"taken", "unknown", "expired", "deferred"};
  for (std::size_t i = 0; i < return_results.size(); ++i) {
    return_recipients_[i] = &registry.counter("postern_return_recipients_total",
                                              "Answers of the return-path listener to recipients.",
                                              {{"result", return_results[i]}});
  }
  constexpr std::array forwarded{"taken", "refused", "deferred"};
  for (std::size_t i = 0; i < forwarded.size(); ++i) {
    forwarded_[i] = &registry.counter("postern_return_mail_forwarded_total",
                                      "Return mail on its way to the original sender.",
                                      {{"result", forwarded[i]}});
  }
  constexpr std::array authentications{"done", "refused", "deferred"};
  for (std::size_t i = 0; i < authentications.size(); ++i) {
    authentications_[i] =
        &registry.counter("postern_authentications_total", "Exchanges of AUTH by how they ended.",
                          {{"result", authentications[i]}});
  }
  constexpr std::array turned{"gate", "listener", "address", "proxy_header"};
  for (std::size_t i = 0; i < turned.size(); ++i) {
    turned_away_[i] =
        &registry.counter("postern_connections_refused_total",
                          "Connections of clients that were not served.", {{"limit", turned[i]}});
  }
  over_rate_ = &registry.counter("postern_messages_over_rate_total",
                                 "Messages that were deferred at MAIL: too many within a minute.");
  const auto header = [&](const char* what) {
    return &registry.counter("postern_list_unsubscribe_total",
                             "Marketing messages by whose List-Unsubscribe they carry.",
                             {{"whose", what}});
  };
  kept_ = header("sender");
  added_ = header("gate");
  lookup_ = &registry.histogram(
      "postern_store_lookup_seconds",
      "How long the store was read for a recipient; 0: it did not have to be.", lookup_bounds);
}

Counts::OfStream Counts::make(metrics::Registry& registry, const policy::Stream& stream) {
  OfStream of;
  const auto recipients = [&](const char* result, std::string reason) {
    return &registry.counter(
        "postern_recipients_total", "The gate's answers to recipients.",
        {{"stream", stream.name}, {"result", result}, {"reason", std::move(reason)}});
  };
  of.recipients[0] = recipients("passed", "");
  for (std::size_t i = 1; i < reasons; ++i) {
    of.recipients[i] = recipients("refused", std::string(to_string(static_cast<Reason>(i))));
  }
  of.deferred = recipients("deferred", "store");
  constexpr std::array results{"delivered", "refused", "deferred"};
  for (std::size_t i = 0; i < results.size(); ++i) {
    of.messages[i] =
        &registry.counter("postern_messages_total", "Messages by the reply to their end.",
                          {{"stream", stream.name}, {"result", results[i]}});
  }
  return of;
}

// Mail from <> goes by the name of the last resort.
const Counts::OfStream& Counts::of(const policy::Stream& stream) const {
  const auto& all = streams_.all();
  const policy::Stream* one = &stream == &streams_.null_sender() ? &streams_.fallback() : &stream;
  return of_streams_[static_cast<std::size_t>(one - all.data())];
}

void Counts::recipient(const policy::Stream& stream, Reason reason) const {
  of(stream).recipients[static_cast<std::size_t>(reason)]->add();
}

void Counts::recipient_deferred(const policy::Stream& stream) const { of(stream).deferred->add(); }

void Counts::message(const policy::Stream& stream, const wire::Reply& reply) const {
  of(stream).messages[result_of(reply)]->add();
}

void Counts::upstream_reply(const wire::Reply& reply) const {
  const auto digit = static_cast<std::size_t>(reply.code / 100);
  if (digit < replies_.size() && replies_[digit] != nullptr) replies_[digit]->add();
}

void Counts::header(const HeaderPlan& plan) const {
  dkim_[static_cast<std::size_t>(plan.dkim)]->add();
  if (plan.kept) kept_->add();
  if (plan.add_list_unsubscribe) added_->add();
}

void Counts::copies(CopyResult result, std::uint64_t count) const {
  if (count > 0) copies_[static_cast<std::size_t>(result)]->add(count);
}

void Counts::return_recipient(ReturnResult result) const {
  return_recipients_[static_cast<std::size_t>(result)]->add();
}

void Counts::authentication(const wire::Reply& reply) const {
  authentications_[result_of(reply)]->add();
}

void Counts::turned_away(Turned why) const { turned_away_[static_cast<std::size_t>(why)]->add(); }

void Counts::forwarded(Forwarded result) const {
  forwarded_[static_cast<std::size_t>(result)]->add();
}

}  // namespace postern::proxy
