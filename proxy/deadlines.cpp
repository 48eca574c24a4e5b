#include "proxy/deadlines.h"

#include <ctime>

namespace postern::proxy {

Deadline::Deadline(Deadlines& list) : list_(list), next_(list.first_) {
  if (next_ != nullptr) next_->previous_ = this;
  list_.first_ = this;
}

Deadline::~Deadline() {
  if (list_.walking_ == this) list_.walking_ = next_;
  if (previous_ != nullptr) {
    previous_->next_ = next_;
  } else {
    list_.first_ = next_;
  }
  if (next_ != nullptr) next_->previous_ = previous_;
}

// The clock of the last tick will do, and costs next to nothing.
void Deadline::arm(std::chrono::milliseconds limit) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  const auto since_start = std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
  expires_ = Clock::time_point(since_start) + limit;
}

void Deadlines::expire(Deadline::Clock::time_point now) {
  for (walking_ = first_; walking_ != nullptr;) {
    Deadline* const deadline = walking_;
    walking_ = deadline->next_;
    if (deadline->expires_ > now) continue;
    deadline->disarm();
    deadline->on_deadline();
  }
}

}  // namespace postern::proxy
