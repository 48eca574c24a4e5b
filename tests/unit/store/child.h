// A function in a process of its own.
#pragma once

#include <sys/wait.h>

#include <doctest/doctest.h>
#include <unistd.h>

namespace postern::store::test {

// Runs in a process of its own; its exit status.
template <class Function>
int in_child(Function function) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(function());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace postern::store::test
