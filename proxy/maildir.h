// A Maildir: each message a file, whole or not there.
#pragma once

#include "base/result.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace postern::proxy {

// Where messages are kept: tmp/, new/ and cur/ below `root`, made when they are not there.
class Maildir {
 public:
  [[nodiscard]] static Result<Maildir> open(const std::filesystem::path& root);
  // Synced before it is moved to new/; a whole message or none. The name under new/.
  [[nodiscard]] Result<std::string> deliver(std::string_view message) const;

 private:
  explicit Maildir(std::filesystem::path root) : root_(std::move(root)) {}
  std::filesystem::path root_;
};

}  // namespace postern::proxy
