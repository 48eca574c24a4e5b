#include "proxy/deadlines.h"

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

void Deadline::arm(std::chrono::milliseconds limit) { expires_ = Clock::now() + limit; }

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
