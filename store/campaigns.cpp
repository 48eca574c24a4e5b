#include "store/campaigns.h"

#include "base/text.h"
#include "policy/contact.h"
#include "policy/traffic.h"
#include "store/cursor.h"
#include "store/octets.h"
#include "store/utf8.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace postern::store {
namespace {

// The kinds of row in the one table, by the first octet of their keys.
constexpr std::string_view by_name = "c";    // stream, campaign -> number, day of the last use
constexpr std::string_view by_number = "n";  // number -> stream, campaign
constexpr std::string_view by_use = "d";     // day of the last use, number -> nothing
constexpr std::string_view in_stream = "s";  // stream -> how many campaigns it has
constexpr std::string_view last_given = "l";

OctetWriter key_of(std::string_view kind) {
  OctetWriter key;
  key.raw(octets_of(kind));
  return key;
}

OctetWriter name_key(const Campaign& campaign) {
  OctetWriter key = key_of(by_name);
  key.text(campaign.stream);
  key.raw(octets_of(campaign.name));
  return key;
}

OctetWriter number_key(std::uint32_t number) {
  OctetWriter key = key_of(by_number);
  key.u32(number);
  return key;
}

OctetWriter use_key(std::uint32_t day, std::uint32_t number) {
  OctetWriter key = key_of(by_use);
  key.u32(day);
  key.u32(number);
  return key;
}

OctetWriter stream_key(std::string_view stream) {
  OctetWriter key = key_of(in_stream);
  key.raw(octets_of(stream));
  return key;
}

Error damaged(const Txn& txn) { return txn.env().damaged("a campaign of the traffic"); }

Result<std::uint32_t> get_number(const Txn& txn, const Tables& tables, const OctetWriter& key) {
  auto value = txn.get(tables.campaigns, key.octets());
  if (!value) return std::unexpected(value.error());
  if (!*value) return 0;
  OctetReader in(**value);
  const std::uint32_t number = in.u32();
  if (!in.finished()) return std::unexpected(damaged(txn));
  return number;
}

Result<void> put_number(Txn& txn, const Tables& tables, const OctetWriter& key,
                        std::uint32_t number) {
  OctetWriter value;
  value.u32(number);
  return txn.put(tables.campaigns, key.octets(), value.octets());
}

struct Known {
  std::uint32_t number = 0;
  std::uint32_t day = 0;
};

Result<std::optional<Known>> find(const Txn& txn, const Tables& tables, const Campaign& campaign) {
  auto value = txn.get(tables.campaigns, name_key(campaign).octets());
  if (!value) return std::unexpected(value.error());
  if (!*value) return std::nullopt;
  OctetReader in(**value);
  const Known known{.number = in.u32(), .day = in.u32()};
  if (!in.finished()) return std::unexpected(damaged(txn));
  return known;
}

Result<void> put_use(Txn& txn, const Tables& tables, const Campaign& campaign, const Known& known) {
  OctetWriter value;
  value.u32(known.number);
  value.u32(known.day);
  auto done = txn.put(tables.campaigns, name_key(campaign).octets(), value.octets());
  if (done) done = txn.put(tables.campaigns, use_key(known.day, known.number).octets(), {});
  return done;
}

Result<std::uint32_t> add(Txn& txn, const Tables& tables, const Campaign& campaign,
                          std::uint32_t day, std::uint32_t siblings) {
  const OctetWriter last_key = key_of(last_given);
  auto last = get_number(txn, tables, last_key);
  if (!last) return std::unexpected(last.error());
  const std::uint32_t number = *last + 1;
  OctetWriter value;
  value.text(campaign.stream);
  value.text(campaign.name);
  auto done = txn.put(tables.campaigns, number_key(number).octets(), value.octets());
  if (done) done = put_use(txn, tables, campaign, {.number = number, .day = day});
  if (done) done = put_number(txn, tables, last_key, number);
  if (done) done = put_number(txn, tables, stream_key(campaign.stream), siblings + 1);
  if (!done) return std::unexpected(done.error());
  return number;
}

std::string kept_name(std::string_view text, std::size_t limit) {
  std::string line(text);
  std::ranges::replace_if(
      line, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, ' ');
  return kept_text(trim(line), limit);
}

}  // namespace

std::string kept_campaign(std::string_view name) { return kept_name(name, policy::max_campaign); }

Result<std::uint32_t> number_of(Txn& txn, const Tables& tables, std::string_view stream,
                                std::string_view campaign, std::uint32_t day, std::uint32_t limit) {
  Campaign wanted{.stream = kept_name(stream, policy::max_stream_name),
                  .name = kept_campaign(campaign)};
  auto known = find(txn, tables, wanted);
  if (!known) return std::unexpected(known.error());
  if (!*known) {
    auto siblings = get_number(txn, tables, stream_key(wanted.stream));
    if (!siblings) return std::unexpected(siblings.error());
    const bool room = *siblings < limit || wanted.name.empty() || wanted.name == other_campaigns;
    if (!room) return number_of(txn, tables, stream, other_campaigns, day, limit);
    return add(txn, tables, wanted, day, *siblings);
  }
  const Known before = **known;
  if (before.day < day) {
    auto done = txn.remove(tables.campaigns, use_key(before.day, before.number).octets());
    if (done) done = put_use(txn, tables, wanted, {.number = before.number, .day = day});
    if (!done) return std::unexpected(done.error());
  }
  return before.number;
}

Result<Campaign> campaign_of(const Txn& txn, const Tables& tables, std::uint32_t number) {
  auto value = txn.get(tables.campaigns, number_key(number).octets());
  if (!value) return std::unexpected(value.error());
  if (!*value) return std::unexpected(damaged(txn));
  OctetReader in(**value);
  Campaign campaign;
  campaign.stream = in.text(policy::max_stream_name);
  campaign.name = in.text(policy::max_campaign);
  if (!in.finished()) return std::unexpected(damaged(txn));
  return campaign;
}

Result<void> drop_campaigns(Txn& txn, const Tables& tables, std::uint32_t day, std::size_t limit) {
  std::vector<Known> unused;
  {
    auto cursor = Cursor::open(txn, tables.campaigns);
    if (!cursor) return std::unexpected(cursor.error());
    auto more = cursor->at_or_after(octets_of(by_use));
    for (; more && *more && unused.size() < limit; more = cursor->next()) {
      if (!text_of(cursor->key()).starts_with(by_use)) break;
      OctetReader in(cursor->key().subspan(by_use.size()));
      const std::uint32_t last_used = in.u32();
      if (last_used >= day) break;
      unused.push_back({.number = in.u32(), .day = last_used});
      if (!in.finished()) return std::unexpected(damaged(txn));
    }
    if (!more) return std::unexpected(more.error());
  }
  for (const auto& [number, last_used] : unused) {
    auto campaign = campaign_of(txn, tables, number);
    if (!campaign) return std::unexpected(campaign.error());
    const OctetWriter siblings_key = stream_key(campaign->stream);
    auto siblings = get_number(txn, tables, siblings_key);
    if (!siblings) return std::unexpected(siblings.error());
    auto done = put_number(txn, tables, siblings_key, *siblings - std::min(*siblings, 1U));
    for (const OctetWriter& key :
         {name_key(*campaign), number_key(number), use_key(last_used, number)}) {
      if (done) done = txn.remove(tables.campaigns, key.octets());
    }
    if (!done) return done;
  }
  return {};
}

}  // namespace postern::store
