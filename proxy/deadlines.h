// The deadlines of a thread's waits: a list that is walked once a second. Nothing is armed or
// disarmed on the path of a message; a deadline is kept to within a second, as the minutes of RFC
// 5321 section 4.5.3.2 allow.
#pragma once

#include <chrono>

namespace postern::proxy {

class Deadlines;

// Something that waits. Registered for its whole life; `limit` is set only while it waits.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Deadline(Deadlines& list);
  virtual ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 protected:
  void arm(std::chrono::milliseconds limit);
  void disarm() { expires_ = Clock::time_point::max(); }
  // The time is over: end the wait. Called by expire(), on the list's thread.
  virtual void on_deadline() = 0;

 private:
  friend class Deadlines;
  Deadlines& list_;
  Clock::time_point expires_ = Clock::time_point::max();
  Deadline* previous_ = nullptr;
  Deadline* next_ = nullptr;
};

// One for each thread; not thread-safe.
class Deadlines {
 public:
  Deadlines() = default;
  Deadlines(const Deadlines&) = delete;
  Deadlines& operator=(const Deadlines&) = delete;
  // Ends every wait whose time is over at `now`.
  void expire(Deadline::Clock::time_point now);

 private:
  friend class Deadline;
  Deadline* first_ = nullptr;
  Deadline* walking_ =
      nullptr;  // the next to look at: a deadline that dies during the walk moves it on
};

}  // namespace postern::proxy
