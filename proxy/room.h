// How many octets the sessions of all threads may hold together. From any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace postern::proxy {

class Room {
 public:
  explicit Room(std::uint64_t octets) : octets_(octets), free_(octets) {}

  enum class Part { whole, half };

  // What one session holds of it; given back when it is destroyed. The room outlives it.
  class Share {
   public:
    // Null: there is no end of it. `part`: who may take but a half leaves the last half of the room
    // to the others.
    explicit Share(Room* room, Part part = Part::whole)
        : room_(room), left_(room != nullptr && part == Part::half ? room->octets_ / 2 : 0) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() { give_back(); }

    // So many more. False where there is no room for them; then it has what it had.
    [[nodiscard]] bool take(std::uint64_t octets) {
      if (room_ == nullptr) return true;
      auto free = room_->free_.load(std::memory_order_relaxed);
      while (free >= octets + left_) {
        if (!room_->free_.compare_exchange_weak(free, free - octets, std::memory_order_relaxed)) {
          continue;
        }
        held_ += octets;
        return true;
      }
      return false;
    }
    void give_back() {
      if (held_ > 0) room_->free_.fetch_add(std::exchange(held_, 0), std::memory_order_relaxed);
    }

   private:
    Room* room_;
    std::uint64_t left_;
    std::uint64_t held_ = 0;
  };

 private:
  const std::uint64_t octets_;
  std::atomic<std::uint64_t> free_;
};

}  // namespace postern::proxy
