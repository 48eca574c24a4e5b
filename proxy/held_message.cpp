#include "proxy/held_message.h"

#include "base/nameless_file.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <new>
#include <system_error>

#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

namespace postern::proxy {
namespace {

Error failed(int code) {
  const bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
  std::error_code ignored;
  return {full ? Errc::full : Errc::io,
          fmt::format("a message of several copies cannot be kept in {}: {}",
                      std::filesystem::temp_directory_path(ignored).string(),
                      std::system_category().message(code))};
}

}  // namespace

HeldMessage::~HeldMessage() { clear(); }

void HeldMessage::clear() {
  if (file_ >= 0) ::close(file_);
  file_ = -1;
  memory_ = {};
  size_ = 0;
}

Result<void> HeldMessage::append(std::string_view octets) {
  if (octets.empty()) return {};
  if (file_ < 0 && memory_.size() + octets.size() > in_memory_) {
    std::error_code ignored;
    file_ = open_nameless_file(std::filesystem::temp_directory_path(ignored), "postern-message-");
    if (file_ < 0) return std::unexpected(failed(errno));
    if (auto written = write(memory_); !written) return written;
    memory_ = {};
  }
  size_ += octets.size();
  if (file_ >= 0) return write(octets);
  memory_ += octets;
  return {};
}

Result<void> HeldMessage::write(std::string_view octets) {
  while (!octets.empty()) {
    const auto wrote = ::write(file_, octets.data(), octets.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return std::unexpected(failed(errno));
    octets.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

Result<std::string_view> HeldMessage::piece(std::uint64_t at, std::span<char> buffer) const {
  if (at >= size_) return std::string_view{};
  if (file_ < 0) return std::string_view(memory_).substr(at, buffer.size());
  for (;;) {
    const auto got = ::pread(file_, buffer.data(), buffer.size(), static_cast<::off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(failed(errno));
    if (got == 0) return fail(Errc::io, "a message of several copies is shorter than it was");
    return std::string_view(buffer.data(), static_cast<std::size_t>(got));
  }
}

void ContentDigest::Free::operator()(EVP_MD_CTX* context) const { ::EVP_MD_CTX_free(context); }

ContentDigest::ContentDigest() : context_(::EVP_MD_CTX_new()) {
  if (!context_ || ::EVP_DigestInit_ex(context_.get(), ::EVP_sha256(), nullptr) != 1) {
    throw std::bad_alloc();
  }
}

void ContentDigest::add(std::string_view octets) {
  ::EVP_DigestUpdate(context_.get(), octets.data(), octets.size());
}

std::array<std::uint8_t, 32> ContentDigest::finish() {
  std::array<std::uint8_t, 32> digest{};
  unsigned size = 0;
  ::EVP_DigestFinal_ex(context_.get(), digest.data(), &size);
  return digest;
}

}  // namespace postern::proxy
