// A message that waits until all of it is there, because each recipient's copy is another
// (DESIGN.md 6): in memory, past a limit in a file that has no name, so that nothing of it outlives
// the gate.
#pragma once

#include "base/result.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

using EVP_MD_CTX = struct evp_md_ctx_st;

namespace postern::proxy {

class HeldMessage {
 public:
  explicit HeldMessage(std::size_t in_memory = 1UL << 20U) : in_memory_(in_memory) {}
  ~HeldMessage();
  HeldMessage(const HeldMessage&) = delete;
  HeldMessage& operator=(const HeldMessage&) = delete;

  // Errc::full where the temporary folder has no room; Errc::io.
  [[nodiscard]] Result<void> append(std::string_view octets);
  // It is not wanted any more: its room is given back.
  void clear();
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // The octets from `at` on, as many as there are or `buffer` takes; none at the end. They lie in
  // the buffer or in the message.
  [[nodiscard]] Result<std::string_view> piece(std::uint64_t at, std::span<char> buffer) const;

 private:
  [[nodiscard]] Result<void> write(std::string_view octets);
  std::size_t in_memory_;
  std::string memory_;
  int file_ = -1;
  std::uint64_t size_ = 0;
};

// SHA-256 of what the client sent: the same message sent again has the same.
class ContentDigest {
 public:
  ContentDigest();
  void add(std::string_view octets);
  // Once.
  [[nodiscard]] std::array<std::uint8_t, 32> finish();

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const;
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace postern::proxy
