// What was let through and refused, summed up: a walk over the rows, in short snapshots.
#include "store/campaigns.h"
#include "store/cursor.h"
#include "store/history.h"
#include "store/impl.h"
#include "store/side_record.h"
#include "store/traffic.h"
#include "store/traffic_row.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace postern::store {
namespace {

constexpr std::size_t page_size = 4096;  // rows of one read transaction
constexpr std::size_t max_totals = 100'000;

class Walk {
 public:
  Walk(const Env& env, const Tables& tables, const TrafficFilter& filter)
      : env_(env), tables_(tables), filter_(filter), campaign_(kept_campaign(filter.campaign)) {
    if (filter.since) from_ = encode(TrafficKey{.day = day_of(*filter.since)});
  }

  Result<TrafficReport> run() {
    for (bool more = true; more;) {
      auto page = take_page();
      if (!page) return std::unexpected(page.error());
      more = *page;
      for (const TrafficRow& row : rows_) filter_.each(row);
      rows_.clear();
    }
    std::ranges::sort(totals_, {},
                      [](const auto& total) { return std::tie(total.stream, total.campaign); });
    return TrafficReport{std::move(totals_)};
  }

 private:
  static constexpr std::size_t not_asked_for = ~std::size_t{0};

  // False at the end.
  Result<bool> take_page() {
    auto txn = Txn::read(env_);
    if (!txn) return std::unexpected(txn.error());
    auto cursor = Cursor::open(*txn, tables_.traffic);
    if (!cursor) return std::unexpected(cursor.error());
    auto more = cursor->at_or_after(from_);
    for (std::size_t seen = 0; more && *more; more = cursor->next(), ++seen) {
      if (seen == page_size) {
        std::ranges::copy(cursor->key(), from_.begin());
        return true;
      }
      if (auto done = take(*txn, cursor->key(), cursor->value()); !done) {
        return std::unexpected(done.error());
      }
    }
    return more;
  }

  Result<void> take(const Txn& txn, Octets octets, Octets value) {
    TrafficKey key;
    TrafficRecord record;
    if (!decode(octets, key) || !decode(value, record)) {
      return std::unexpected(env_.damaged("a row of the traffic"));
    }
    auto place = place_of(txn, key.campaign);
    if (!place) return std::unexpected(place.error());
    if (*place == not_asked_for) return {};
    TrafficTotal& total = totals_[*place];
    total.counts[static_cast<std::size_t>(key.result)] += record.count;
    total.last = std::max(total.last, record.last);
    if (!filter_.each || key.result == TrafficResult::passed) return {};
    return list(txn, key, record);
  }

  Result<void> list(const Txn& txn, const TrafficKey& key, const TrafficRecord& record) {
    auto campaign = campaign_of(txn, tables_, key.campaign);
    if (!campaign) return std::unexpected(campaign.error());
    auto address = txn.get(tables_.addresses, key.contact);
    if (!address) return std::unexpected(address.error());
    rows_.push_back({.address = {std::string(*address ? text_of(**address) : std::string_view{})},
                     .forgotten = key.contact == ContactKey{},
                     .stream = std::move(campaign->stream),
                     .campaign = std::move(campaign->name),
                     .result = key.result,
                     .count = record.count,
                     .sender = std::string(record.sender),
                     .last = record.last,
                     .evidence = {},
                     .diagnostic = {}});
    return add_evidence(txn, key, rows_.back());
  }

  // Which mail a row counts is not written in it: the contact's history tells.
  Result<void> add_evidence(const Txn& txn, const TrafficKey& key, TrafficRow& row) {
    const auto type = type_of(key.result);
    if (!type || row.forgotten) return {};
    Time newest = Time::min();
    return each_event(txn, tables_, key.contact,
                      [&](const EventKey& id, EventRecord event) -> Result<void> {
                        auto* evidence = evidence_of(event.facts);
                        if (evidence == nullptr || evidence->type != *type) return {};
                        if (!fits(key.result, *evidence)) return {};
                        if (day_of(event.recorded) != key.day || event.recorded < newest) return {};
                        auto octets = txn.get(tables_.texts, id);
                        if (!octets) return std::unexpected(octets.error());
                        SideRecord side;
                        if (*octets && !decode(**octets, side)) {
                          return std::unexpected(env_.damaged("the text of an event"));
                        }
                        if (side.mail.campaign != row.campaign) return {};
                        newest = event.recorded;
                        row.evidence = std::move(*evidence);
                        row.diagnostic = std::move(side.note);
                        return {};
                      });
  }

  static policy::ReturnEvidence* evidence_of(policy::Facts& facts) {
    if (auto* reported = std::get_if<policy::Reported>(&facts)) return &reported->evidence;
    auto* placed = std::get_if<policy::HoldPlaced>(&facts);
    return placed != nullptr && placed->evidence && !placed->imported ? &*placed->evidence
                                                                      : nullptr;
  }

  static std::optional<policy::ReturnType> type_of(TrafficResult result) {
    switch (result) {
      case TrafficResult::bounced:
      case TrafficResult::soft_bounced:
        return policy::ReturnType::bounce;
      case TrafficResult::delayed:
        return policy::ReturnType::delayed;
      case TrafficResult::complained:
        return policy::ReturnType::complaint;
      default:
        return std::nullopt;
    }
  }

  static bool fits(TrafficResult result, const policy::ReturnEvidence& evidence) {
    const bool hard = policy::class_of(evidence.reason) == policy::BounceClass::hard;
    if (result == TrafficResult::bounced) return hard;
    return result != TrafficResult::soft_bounced || !hard;
  }

  // Which of the totals a campaign counts for.
  Result<std::size_t> place_of(const Txn& txn, std::uint32_t number) {
    if (const auto known = places_.find(number); known != places_.end()) return known->second;
    auto campaign = campaign_of(txn, tables_, number);
    if (!campaign) return std::unexpected(campaign.error());
    const bool wanted =
        (campaign_.empty() || campaign_ == campaign->name) &&
        (filter_.streams.empty() ||
         std::ranges::find(filter_.streams, campaign->stream) != filter_.streams.end());
    const std::size_t place = wanted ? new_place(*std::move(campaign)) : not_asked_for;
    places_.emplace(number, place);
    return place;
  }

  std::size_t new_place(Campaign campaign) {
    const bool full = totals_.size() >= max_totals || campaign.name == other_campaigns;
    if (full) {
      const auto [other, added] = others_.try_emplace(campaign.stream, totals_.size());
      if (!added) return other->second;
      campaign.name = other_campaigns;
    }
    totals_.push_back({.stream = std::move(campaign.stream), .campaign = std::move(campaign.name)});
    return totals_.size() - 1;
  }

  const Env& env_;
  const Tables& tables_;
  const TrafficFilter& filter_;
  const std::string campaign_;  // as it is kept
  TrafficKeyOctets from_{};
  std::vector<TrafficTotal> totals_;
  std::unordered_map<std::uint32_t, std::size_t> places_;  // by campaign number
  std::map<std::string, std::size_t> others_;              // by stream
  std::vector<TrafficRow> rows_;                           // of the page
};

}  // namespace

Result<TrafficReport> Store::report(const TrafficFilter& filter) const {
  return Walk(*impl_->env, impl_->tables, filter).run();
}

}  // namespace postern::store
