// A function in a process of its own.
#pragma once

#include <fcntl.h>
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

// A function in a process of its own that begins when it is told to: made before this process opens
// a store, because what is open here counts there too.
class Child {
 public:
  template <class Function>
  explicit Child(Function function) {
    REQUIRE(::pipe2(go_, O_CLOEXEC) == 0);
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ != 0) return;
    char octet = 0;
    ::_exit(::read(go_[0], &octet, 1) == 1 ? function() : 77);
  }
  ~Child() {
    ::close(go_[0]);
    ::close(go_[1]);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  void go() const { REQUIRE(::write(go_[1], "x", 1) == 1); }
  // The exit status; -1 where it was killed.
  [[nodiscard]] int wait() const {
    int status = 0;
    REQUIRE(::waitpid(child_, &status, 0) == child_);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  [[nodiscard]] int run() const {
    go();
    return wait();
  }

 private:
  int go_[2] = {};
  pid_t child_ = 0;
};

}  // namespace postern::store::test
