// The lines of a thread that writes many: kept for a moment, and written by one system call.
#pragma once

#include <cstddef>
#include <functional>

namespace postern::log {

// While it lives, lines of its thread below a warning wait for flush(): what a crash cuts off is
// what was written since. A warning is written at once, behind them. One for a thread.
class Batch {
 public:
  // `later` is called when the first line of a batch waits: it sees to it that flush() is called,
  // on this thread, once what can be done without waiting is done.
  explicit Batch(std::function<void()> later);
  ~Batch();
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  void flush();

 private:
  std::function<void()> later_;
};

}  // namespace postern::log
