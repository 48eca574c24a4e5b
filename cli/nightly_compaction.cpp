#include "cli/nightly_compaction.h"

#include "base/log.h"

#include <cerrno>
#include <csignal>
#include <ctime>
#include <spawn.h>
#include <sys/wait.h>
#include <system_error>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::cli {
namespace {

constexpr int first_hour = 2;
constexpr int past_hours = 5;
constexpr std::chrono::minutes between_questions{1};

tm local(Time now) {
  const std::time_t seconds = now.time_since_epoch().count();
  tm broken_down{};
  ::localtime_r(&seconds, &broken_down);
  return broken_down;
}

// Nothing of ours is inherited but standard output and error: a connection that the child had too
// would not end when we close it. What it says goes to the log.
int spawn(const std::vector<std::string>& command, pid_t& child) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const auto& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  ::posix_spawn_file_actions_t actions{};
  int code = ::posix_spawn_file_actions_init(&actions);
  if (code != 0) return code;
  code = ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  if (code == 0) code = ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  if (code == 0) {
    code = ::posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  }
  ::posix_spawn_file_actions_destroy(&actions);
  return code;
}

}  // namespace

void NightlyCompaction::end() {
  if (!running()) return;
  ::kill(child_, SIGKILL);
  while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
  child_ = 0;
}

void NightlyCompaction::look(Time now) {
  if (running()) return finish();
  // A clock that was set back does not put it off.
  if (now < next_question_ && now + between_questions >= next_question_) return;
  const tm here = local(now);
  const int day = here.tm_year * 366 + here.tm_yday;
  if (here.tm_hour < first_hour || here.tm_hour >= past_hours || day == last_day_) return;
  next_question_ = now + between_questions;
  if (!owed_()) return;
  last_day_ = day;
  start();
}

void NightlyCompaction::start() {
  const int code = spawn(command_, child_);
  if (code == 0) {
    log::info("store: the nightly compaction begins");
    return;
  }
  child_ = 0;
  log::error(fmt::format("store: it cannot be compacted: {}: {}", command_[0],
                         std::system_category().message(code)));
}

void NightlyCompaction::finish() {
  int status = 0;
  const pid_t ended = ::waitpid(child_, &status, WNOHANG);
  if (ended == 0 || (ended < 0 && errno == EINTR)) return;
  child_ = 0;
  if (ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    log::info("store: the nightly compaction is done");
  } else {
    log::error(
        "store: it was not compacted; erased texts are still in its file. Compact it by hand: "
        "postern compact");
  }
}

}  // namespace postern::cli
