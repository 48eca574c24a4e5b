// A listening Unix socket: a file that only its owner and its directory's group can reach (0660).
#pragma once

#include "base/result.h"

#include <filesystem>
#include <sys/types.h>

namespace postern::proxy {

// Its file is removed at the end of its life, when every duplicate is closed.
class UnixSocket {
 public:
  // Takes the place of a file that a crash left behind. Errc::busy where somebody listens there,
  // Errc::exists where the path is no socket, Errc::io otherwise.
  [[nodiscard]] static Result<UnixSocket> listen(const std::filesystem::path& path);
  UnixSocket(UnixSocket&& other) noexcept;
  UnixSocket& operator=(UnixSocket&&) = delete;
  ~UnixSocket();

  // For duplicates, one for each thread (adopt_acceptor()).
  [[nodiscard]] int descriptor() const { return descriptor_; }
  // From here on the duplicates alone listen: who comes when they are closed is refused.
  void hand_over();

 private:
  UnixSocket(std::filesystem::path path, int descriptor);

  std::filesystem::path path_;
  int descriptor_;
  // Of the file, so that the one of a gate that came after us stays: its number may be that of
  // ours, which is free again.
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace postern::proxy
