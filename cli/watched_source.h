// One [[source]]: looks into its folder, imports what has landed there, and warns when nothing came
// for too long. docs/operations.md says what becomes of a file.
#pragma once

#include "base/config.h"
#include "base/log.h"
#include "base/time.h"
#include "cli/source_folder.h"
#include "policy/stream.h"
#include "store/exchange.h"
#include "store/store.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postern::cli {

// What base/config cannot know is wrong with the sources: a format that there is none of.
[[nodiscard]] std::vector<ConfigProblem> check_sources(const Config& config);

class WatchedSource {
 public:
  // `since`: from when on it is waited for, where nothing of it is in the store.
  WatchedSource(SourceConfig config, Time since) : config_(std::move(config)), since_(since) {}

  struct Look {
    store::Store& store;
    const policy::Streams& streams;
    Time now{};
    // Asked now and then: an import under way is broken off, and the file stays.
    std::function<bool()> ending;
    std::function<bool()> store_replaced;  // `store` is not the gate's any more
  };
  // Imports what looks as it did at the last look; so a file is seen twice before it is read. Waits
  // for nothing but the disk and other writers of the store. What goes wrong is logged, once for as
  // long as it goes wrong in the same way, and tried again.
  void look(const Look& look);

  [[nodiscard]] const SourceConfig& config() const { return config_; }

  // After a store or a disk that failed: twice as long each time.
  static constexpr std::chrono::seconds first_pause{2};
  static constexpr std::chrono::seconds longest_pause{300};
  // Of a source that brings nothing.
  static constexpr std::chrono::seconds between_warnings{std::chrono::days{1}};
  // Of the list of imports: those of other processes count too.
  static constexpr std::chrono::seconds between_readings{60};

 private:
  // What became of a file's rows, until it is moved.
  struct Outcome {
    SourceFolder::Place place = SourceFolder::Place::done;
    std::unique_ptr<SourceNotes> notes;
    log::Level level = log::Level::info;
    std::string text;
  };
  struct Seen {
    FileVersion version;
    bool landed = false;
    std::uint32_t failures = 0;
    std::optional<Outcome> outcome;
    std::string problem;  // that was logged
  };

  void import_landed(const Look& look);
  [[nodiscard]] bool pausing(Time now) const;
  void remember(const std::vector<SourceFile>& files);
  // False where nothing more is to be tried for now.
  [[nodiscard]] bool take(const SourceFolder& folder, const SourceFile& file, Seen& seen,
                          const Look& look);
  void settle(const SourceFolder& folder, const SourceFile& file, Seen& seen) const;
  // Errc::cancelled where it was given up; otherwise the store or the disk failed.
  [[nodiscard]] Result<Outcome> import(std::istream& in, const SourceFolder& folder,
                                       const SourceFile& file, const Look& look);
  [[nodiscard]] static Outcome finished(Outcome outcome);
  [[nodiscard]] store::ImportOptions options(const SourceFile& file, const Look& look) const;
  // Where it is not what `said` is already.
  void say_problem(std::string& said, const std::string& text) const;
  void look_at_freshness(const Look& look);
  void read_freshness(const Look& look);

  SourceConfig config_;
  Time since_;
  std::map<std::string, Seen> seen_;
  std::string folder_problem_;  // that was logged
  std::string import_problem_;
  std::chrono::seconds pause_{0};
  Time paused_at_{};

  std::optional<Time> last_;       // when it last brought something
  std::optional<Time> read_at_;    // when the store was asked that
  std::optional<Time> warned_at_;  // none: it is not stale
};

}  // namespace postern::cli
