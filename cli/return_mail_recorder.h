// Reads return mail and puts on record what it says: queued by the sessions that wait for it, read
// and written by a thread of its own, as much in one commit as waits (group commit), so that a mail
// that takes long to read keeps no other client waiting. A store that is away is waited for within
// a deadline; then the session is told that nothing is on record, and its client comes again.
#pragma once

#include "base/config.h"
#include "base/metrics.h"
#include "policy/return_contexts.h"
#include "policy/return_mail/meaning.h"
#include "policy/returns.h"
#include "store/kept_mail.h"
#include "store/store.h"

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace postern::cli {

class ReturnMailRecorder final : public policy::Returns {
 public:
  struct Limits {
    std::size_t mails = 1'000;        // that wait; more are refused
    std::size_t octets = 64U << 20U;  // of them
    std::size_t refusals = 10'000;    // in sessions, that wait; more are dropped and counted
    std::chrono::milliseconds patience{std::chrono::seconds{8}};        // for a store that is away
    std::chrono::milliseconds least_patience{std::chrono::seconds{1}};  // whatever waited before
    std::chrono::milliseconds retry{50};
  };
  struct Sources {
    // Asked on the recorder's thread; null: the store is away.
    std::function<std::shared_ptr<store::Store>()> store;
    std::function<std::shared_ptr<const policy::LinkKeys>()> links;
    policy::ReturnContexts& contexts;  // outlives it
    metrics::Registry& metrics;        // likewise
  };
  // Of the configuration, for mail that is read from now on.
  struct Settings {
    ReturnPathConfig return_path;
    std::string url;  // of the public pages
    std::vector<std::string> campaign_header;
    bool authoritative = false;
    std::string upstream;  // as people read it
    std::shared_ptr<const classify::Classifier> classifier;
  };
  // Errc::invalid: the operator's rules are wrong; Errc::io: they cannot be read.
  [[nodiscard]] static Result<Settings> settings_of(const Config& config);

  ReturnMailRecorder(Sources sources, Settings settings)
      : ReturnMailRecorder(std::move(sources), std::move(settings), Limits{}) {}
  ReturnMailRecorder(Sources sources, Settings settings, Limits limits);
  // What waits is read and written, or refused within `patience`.
  ~ReturnMailRecorder() override;
  ReturnMailRecorder(const ReturnMailRecorder&) = delete;
  ReturnMailRecorder& operator=(const ReturnMailRecorder&) = delete;

  // Its thread; what comes before waits.
  void start() {
    thread_ = std::thread([this] { run(); });
  }

  void take(policy::ReturnMail mail, Done done) override;
  void refused(policy::SessionRefusal refusal) override;
  void reload(Settings settings);

 private:
  using Clock = std::chrono::steady_clock;
  struct Item {
    policy::ReturnMail mail;
    Done done;
    Clock::time_point deadline{};
    // Once it was parsed: a commit that is tried again does not read again.
    std::optional<return_mail::Reading> reading{};
  };
  struct Work {
    std::vector<Item> mails;
    std::vector<policy::SessionRefusal> refusals;
  };
  // What is to become of one mail: where its changes lie among those of the batch.
  struct Read {
    return_mail::Meaning meaning;
    policy::ReturnVerdict verdict;
    std::size_t first_change = 0;
    std::size_t changes = 0;
    std::optional<store::KeptMail> kept{};
  };
  struct Batch {
    std::vector<Result<Read>> read;  // in the order of the mails
    std::vector<store::Change> changes;
  };

  void run();
  [[nodiscard]] Work next();
  void handle(Work work);
  void give_up(Work& work, const Error& error);
  void read(Item& item, const Settings& settings) const;
  [[nodiscard]] Result<Batch> write(const Work& work, const Settings& settings,
                                    bool& worth_waiting);
  // Adds to the changes what the mail says.
  [[nodiscard]] Result<Read> understand(const store::Store& store, const Item& item,
                                        const Settings& settings,
                                        std::vector<store::Change>& changes) const;
  void keep(const store::KeptMail& mail);
  void count(const Read& read);

  const Sources sources_;
  const Limits limits_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable arrived_;
  std::deque<Item> mails_;
  std::size_t octets_ = 0;
  std::vector<policy::SessionRefusal> refusals_;
  std::shared_ptr<const Settings> settings_;
  bool ending_ = false;

  // The thread's own: digests of the mails that were kept last, so that a retry is not kept again.
  std::deque<std::array<std::uint8_t, 16>> kept_last_;

  metrics::Counter& unattributed_;
  metrics::Counter& dropped_;
  std::thread thread_;
};

}  // namespace postern::cli
