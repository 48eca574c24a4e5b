#include "cli/store_gauges.h"

#include "base/time.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace postern::cli {
namespace {

constexpr std::chrono::seconds count_lasts{30};
// At most so much of the time is spent counting, however many contacts there are.
constexpr int least_rest = 20;

}  // namespace

StoreGauges::StoreGauges(metrics::Registry& registry,
                         std::function<std::shared_ptr<store::Store>()> store,
                         std::filesystem::path directory)
    : registry_(registry),
      store_(std::move(store)),
      directory_(std::move(directory)),
      bytes_(registry.gauge("postern_store_bytes", "The store's file on the disk.")) {
  registry_.before_scrape([this] { refresh(); });
}

StoreGauges::~StoreGauges() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void StoreGauges::refresh() {
  std::error_code error;
  const auto size = std::filesystem::file_size(directory_ / "data.mdb", error);
  if (!error) bytes_.set(static_cast<double>(size));
  {
    const std::scoped_lock lock(mutex_);
    if (std::chrono::steady_clock::now() < next_count_) return;
    wanted_ = true;
  }
  wake_.notify_one();
}

void StoreGauges::run() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return wanted_ || ending_; });
      if (ending_) return;
    }
    const auto begun = std::chrono::steady_clock::now();
    count();
    const auto ended = std::chrono::steady_clock::now();
    const std::scoped_lock lock(mutex_);
    wanted_ = false;
    next_count_ = ended + std::max<std::chrono::steady_clock::duration>(
                              count_lasts, least_rest * (ended - begun));
  }
}

// A gauge is there from the first count on: before it, nobody shall read that there is no contact.
void StoreGauges::count() {
  const auto store = store_();
  if (!store) return;
  const auto stats = store->stats(current_time());
  if (!stats) return;
  const std::initializer_list<std::pair<std::string_view, std::uint64_t>> states{
      {"active", stats->active},
      {"unsubscribed", stats->unsubscribed},
      {"complained", stats->complained},
      {"bounced", stats->bounced},
      {"blocked", stats->blocked}};
  for (const auto& [state, contacts] : states) {
    registry_
        .gauge("postern_contacts",
               "Mailboxes in the store by what stands; one may be in several states.",
               {{"state", std::string(state)}})
        .set(static_cast<double>(contacts));
  }
  registry_
      .gauge("postern_ledger_copies",
             "Copies of messages on record, so that a sender's retry does not send them again.")
      .set(static_cast<double>(stats->copies));
}

}  // namespace postern::cli
