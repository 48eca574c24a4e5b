// Once a night, between 02:00 and 05:00 local time, the store is compacted if something was erased
// from it (`compact --if-owed`). In a process of its own, which opens the store for itself: the
// gate's threads do not wait for it, and follow the new file as they do when a person compacts.
#pragma once

#include "base/time.h"

#include <functional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace postern::cli {

class NightlyCompaction {
 public:
  // `command` is the program and its arguments; `owed` is asked at most once a minute, at night.
  NightlyCompaction(std::vector<std::string> command, std::function<bool()> owed)
      : command_(std::move(command)), owed_(std::move(owed)) {}
  ~NightlyCompaction() { end(); }
  NightlyCompaction(const NightlyCompaction&) = delete;
  NightlyCompaction& operator=(const NightlyCompaction&) = delete;

  // A compaction under way ends: it can be killed at any time.
  void end();
  // Once a second; never waits. Logs how it went.
  void look(Time now);
  [[nodiscard]] bool running() const { return child_ > 0; }

 private:
  void start();
  void finish();

  std::vector<std::string> command_;
  std::function<bool()> owed_;
  pid_t child_ = 0;
  int last_day_ = -1;  // one try a night
  Time next_question_{};
};

}  // namespace postern::cli
