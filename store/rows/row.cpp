#include "store/rows/row.h"

#include "store/rows/names.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace postern::rows {
namespace {

// As plain_name() has them.
constexpr std::pair<std::string_view, Status> status_names[] = {
    {"unsubscribed", Status::unsubscribed},
    {"unsubscribe", Status::unsubscribed},
    {"unsub", Status::unsubscribed},
    {"listunsubscribe", Status::unsubscribed},
    {"globalunsubscribe", Status::unsubscribed},
    {"optout", Status::unsubscribed},
    {"optedout", Status::unsubscribed},
    {"disabled", Status::unsubscribed},
    {"abgemeldet", Status::unsubscribed},
    {"ausgetragen", Status::unsubscribed},
    {"desinscrit", Status::unsubscribed},
    {"desabonne", Status::unsubscribed},
    {"baja", Status::unsubscribed},
    {"dadodebaja", Status::unsubscribed},
    {"cancelado", Status::unsubscribed},
    {"disiscritto", Status::unsubscribed},
    {"bounced", Status::bounced},
    {"bounce", Status::bounced},
    {"hardbounce", Status::bounced},
    {"hardbounced", Status::bounced},
    {"hard", Status::bounced},
    {"cleaned", Status::bounced},
    {"invalid", Status::bounced},
    {"undeliverable", Status::bounced},
    {"unzustellbar", Status::bounced},
    {"rebotado", Status::bounced},
    {"complained", Status::complained},
    {"complaint", Status::complained},
    {"spam", Status::complained},
    {"spamcomplaint", Status::complained},
    {"spamreport", Status::complained},
    {"spamreported", Status::complained},
    {"markedasspam", Status::complained},
    {"abuse", Status::complained},
    {"junk", Status::complained},
    {"plainte", Status::complained},
    {"beschwerde", Status::complained},
    {"blocked", Status::blocked},
    {"blocklisted", Status::blocked},
    {"blacklisted", Status::blocked},
    {"blocklist", Status::blocked},
    {"blacklist", Status::blocked},
    {"banned", Status::blocked},
    {"suppressed", Status::blocked},
    {"gesperrt", Status::blocked},
    {"bloque", Status::blocked},
    {"bloqueado", Status::blocked},
    {"subscribed", Status::subscribed},
    {"subscribe", Status::subscribed},
    {"optin", Status::subscribed},
    {"optedin", Status::subscribed},
    {"confirmed", Status::subscribed},
    {"angemeldet", Status::subscribed},
    {"inscrit", Status::subscribed},
    {"abonne", Status::subscribed},
    {"suscrito", Status::subscribed},
};

}  // namespace

std::string_view to_string(Status status) {
  switch (status) {
    case Status::unsubscribed:
      return "unsubscribed";
    case Status::bounced:
      return "bounced";
    case Status::complained:
      return "complained";
    case Status::blocked:
      return "blocked";
    case Status::subscribed:
      break;
  }
  return "subscribed";
}

std::optional<Status> parse_status(std::string_view text) {
  const std::string plain = plain_name(text);
  const auto* known =
      std::ranges::find(status_names, plain, &std::pair<std::string_view, Status>::first);
  if (known == std::end(status_names)) return std::nullopt;
  return known->second;
}

}  // namespace postern::rows
