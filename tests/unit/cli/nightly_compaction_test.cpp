// When the gate has its store compacted, and how often.
#include "cli/nightly_compaction.h"

#include "program.h"

#include <cstdlib>
#include <ctime>
#include <optional>
#include <thread>

using namespace postern;
using namespace postern::cli;

namespace {

class Night {
 public:
  explicit Night(std::string zone) {
    if (const char* was = std::getenv("TZ")) was_ = was;
    ::setenv("TZ", zone.c_str(), 1);
    ::tzset();
  }
  ~Night() {
    was_ ? ::setenv("TZ", was_->c_str(), 1) : ::unsetenv("TZ");
    ::tzset();
  }
  Night(const Night&) = delete;
  Night& operator=(const Night&) = delete;

 private:
  std::optional<std::string> was_;
};

Time at(std::string_view text) {
  const auto time = parse_time(text);
  REQUIRE(time);
  return *time;
}

// Each start writes a line.
std::size_t starts(const std::string& file) {
  std::ifstream in(file);
  std::size_t lines = 0;
  for (std::string line; std::getline(in, line);) ++lines;
  return lines;
}

void until_ended(NightlyCompaction& nightly, Time now) {
  while (nightly.running()) {
    nightly.look(now);
    std::this_thread::yield();
  }
}

}  // namespace

TEST_CASE(
    "a compaction is started between 02:00 and 05:00 local time, where it is owed, once a night") {
  const Night zone("XYZ-3");  // three hours ahead of UTC
  const Folder folder;
  const auto file = folder.file("starts");
  bool owed = false;
  int asked = 0;
  NightlyCompaction nightly({"/bin/sh", "-c", "echo started >> " + file}, [&] {
    ++asked;
    return owed;
  });
  struct Step {
    std::string_view now;
    bool owed;
    std::size_t starts;
    std::string_view why;
  };
  for (const auto& [now, is_owed, want, why] : {
           Step{"2026-03-01T12:00:00Z", true, 0, "by day"},
           {"2026-03-01T22:59:59Z", true, 0, "a second before 02:00"},
           {"2026-03-01T23:00:00Z", false, 0, "nothing is owed"},
           {"2026-03-01T23:00:59Z", true, 0, "asked a minute later at the earliest"},
           {"2026-03-01T23:01:00Z", true, 1, "owed at night"},
           {"2026-03-01T23:30:00Z", true, 1, "tried already"},
           {"2026-03-02T01:59:59Z", true, 1, "tried already, in the same night"},
           {"2026-03-02T02:00:00Z", true, 1, "past 05:00"},
           {"2026-03-02T23:00:00Z", true, 2, "the next night"},
           {"2027-03-02T23:00:00Z", true, 3, "the same night, a year later"},
       }) {
    CAPTURE(why);
    owed = is_owed;
    nightly.look(at(now));
    until_ended(nightly, at(now));
    CHECK(starts(file) == want);
  }
  CHECK(asked == 4);
}

TEST_CASE("a program that is missing, or fails, is no reason to stop") {
  const Night zone("UTC");
  for (const char* program : {"/bin/false", "/nowhere/postern"}) {
    CAPTURE(program);
    NightlyCompaction nightly({program}, [] { return true; });
    nightly.look(at("2026-03-01T03:00:00Z"));
    until_ended(nightly, at("2026-03-01T03:00:01Z"));
    CHECK_FALSE(nightly.running());
  }
}

TEST_CASE("a compaction under way ends with the gate") {
  const Night zone("UTC");
  NightlyCompaction nightly({"/bin/sleep", "1000"}, [] { return true; });
  nightly.look(at("2026-03-01T03:00:00Z"));
  CHECK(nightly.running());
}
