// A Stream without a socket: two pipes of chunks. Each read gives at most one chunk, so a test
// decides how octets are cut.
#pragma once

#include "proxy/stream.h"

#include <deque>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace postern::test {

struct Pipe {
  explicit Pipe(const boost::asio::any_io_executor& executor)
      : changed(executor, boost::asio::steady_timer::time_point::max()) {}
  std::deque<std::string> chunks;
  bool closed = false;
  boost::asio::steady_timer changed;

  void put(std::string octets) {
    if (closed || octets.empty()) return;
    chunks.push_back(std::move(octets));
    changed.cancel();
  }
  void close() {
    closed = true;
    changed.cancel();
  }
};

class MemoryStream final : public proxy::Stream {
 public:
  // `write_limit`: how much one write takes, so that partial writes are met. `stalls`: a write
  // after it takes nothing until it was waited for.
  MemoryStream(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out, std::size_t write_limit,
               bool stalls = false)
      : in_(std::move(in)), out_(std::move(out)), write_limit_(write_limit), stalls_(stalls) {}
  ~MemoryStream() override { MemoryStream::close(); }

  boost::asio::awaitable<Result<void>> wait_readable(std::chrono::milliseconds /*limit*/) override {
    cancelled_ = false;
    while (in_->chunks.empty() && !in_->closed && !cancelled_) {
      co_await in_->changed.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }
    if (cancelled_) co_return fail(Errc::cancelled, "cancelled");
    co_return Result<void>{};
  }
  boost::asio::awaitable<Result<void>> wait_writable(std::chrono::milliseconds /*limit*/) override {
    stalled_ = false;
    co_return Result<void>{};
  }
  Result<std::size_t> read_now(std::span<char> into) override {
    if (in_->chunks.empty()) {
      if (in_->closed) return fail(Errc::closed, "closed");
      return 0;
    }
    auto& chunk = in_->chunks.front();
    const auto count = chunk.copy(into.data(), into.size());
    chunk.erase(0, count);
    if (chunk.empty()) in_->chunks.pop_front();
    return count;
  }
  Result<std::size_t> write_now(std::span<const std::string_view> pieces) override {
    if (out_->closed) return fail(Errc::closed, "closed");
    if (stalled_) return 0;
    stalled_ = stalls_;
    std::string all;
    for (const auto piece : pieces) all += piece;
    all.resize(std::min(all.size(), write_limit_));
    const auto count = all.size();
    out_->put(std::move(all));
    return count;
  }
  void cancel() override {
    cancelled_ = true;
    in_->changed.cancel();
  }
  void close() override {
    in_->close();
    out_->close();
  }

 private:
  std::shared_ptr<Pipe> in_;
  std::shared_ptr<Pipe> out_;
  std::size_t write_limit_;
  bool stalls_;
  bool stalled_ = false;
  bool cancelled_ = false;
};

}  // namespace postern::test
