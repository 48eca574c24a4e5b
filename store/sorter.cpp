#include "store/sorter.h"

#include "base/nameless_file.h"
#include "store/space.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <system_error>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

namespace postern::store {
namespace {

constexpr std::size_t head_size = 16 + 8 + 4;
constexpr std::size_t block = 256UL * 1024;

Error failed(const std::filesystem::path& directory, int code) {
  const bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
  return {full ? Errc::full : Errc::io,
          fmt::format("cannot keep the rows of the import in {} while they are sorted: {}",
                      directory.string(), std::system_category().message(code))};
}

template <class Key>
std::uint64_t word_at(const Key& key, std::size_t from) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t word = 0;
  std::memcpy(&word, key.data() + from, sizeof word);
  return std::byteswap(word);
}

}  // namespace

// A sorted run in a file without a name.
class Sorter::Run {
 public:
  Run(std::filesystem::path directory, int descriptor)
      : directory_(std::move(directory)), descriptor_(descriptor) {}
  ~Run() { ::close(descriptor_); }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  static Result<std::unique_ptr<Run>> create(const std::filesystem::path& directory) {
    const int descriptor = open_nameless_file(directory, ".sorting-");
    if (descriptor < 0) return std::unexpected(failed(directory, errno));
    return std::make_unique<Run>(directory, descriptor);
  }

  Result<void> write(const Record& record) {
    out_.raw(record.key);
    out_.u64(record.place);
    out_.u32(static_cast<std::uint32_t>(record.octets.size()));
    out_.raw(record.octets);
    return out_.octets().size() < block ? Result<void>{} : flush();
  }

  Result<void> flush() {
    for (Octets left = out_.octets(); !left.empty();) {
      const auto wrote = ::write(descriptor_, left.data(), left.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return std::unexpected(failed(directory_, errno));
      left = left.subspan(static_cast<std::size_t>(wrote));
    }
    out_.clear();
    return {};
  }
  // No more is written: its buffer is for others.
  void end_writing() { out_ = {}; }

  // False at the end.
  Result<bool> next() {
    if (auto filled = fill(head_size); !filled || !*filled) return filled;
    OctetReader head(Octets(buffer_).subspan(at_, head_size));
    head.raw(record_.key);
    key_ = words_of(record_.key);
    record_.place = head.u64();
    const std::size_t size = head.u32();
    auto filled = fill(head_size + size);
    if (!filled) return filled;
    if (!*filled) return std::unexpected(failed(directory_, EIO));
    record_.octets = Octets(buffer_).subspan(at_ + head_size, size);
    at_ += head_size + size;
    return true;
  }
  [[nodiscard]] const Record& record() const { return record_; }
  [[nodiscard]] bool is_later(const Run& other) const {
    return std::tie(key_, record_.place) > std::tie(other.key_, other.record_.place);
  }

 private:
  // At least `wanted` octets from at_; false where the file has not as many.
  Result<bool> fill(std::size_t wanted) {
    if (buffer_.size() - at_ >= wanted) return true;
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ = 0;
    std::size_t have = buffer_.size();
    buffer_.resize(std::max(wanted, have + block));
    while (have < wanted) {
      const auto got = ::pread(descriptor_, buffer_.data() + have, buffer_.size() - have, read_);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return std::unexpected(failed(directory_, errno));
      if (got == 0) break;
      have += static_cast<std::size_t>(got);
      read_ += got;
    }
    buffer_.resize(have);
    return have >= wanted;
  }

  std::filesystem::path directory_;
  int descriptor_;
  OctetWriter out_;
  std::vector<std::uint8_t> buffer_;
  std::size_t at_ = 0;
  ::off_t read_ = 0;
  Record record_;
  Words key_;  // of the record
};

namespace {

// std::push_heap keeps the greatest on top.
constexpr auto later = [](const auto* a, const auto* b) { return a->is_later(*b); };

}  // namespace

Sorter::Sorter(std::filesystem::path directory, std::size_t memory)
    : directory_(std::move(directory)), memory_(memory) {}
Sorter::~Sorter() = default;

Sorter::Words Sorter::words_of(const ContactKey& key) { return {word_at(key, 0), word_at(key, 8)}; }

Sorter::Record Sorter::record_of(const Entry& entry) const {
  Record record{.place = entry.place, .octets = Octets(octets_).subspan(entry.offset, entry.size)};
  const std::array words{std::byteswap(entry.key.first), std::byteswap(entry.key.second)};
  record.key = std::bit_cast<ContactKey>(words);
  return record;
}

Result<void> Sorter::add(const Record& record) {
  // An entry is there twice while they are sorted.
  if (octets_.size() + entries_.size() * 2 * sizeof(Entry) >= memory_) {
    if (auto done = spill(); !done) return done;
  }
  entries_.push_back({words_of(record.key), record.place, octets_.size(),
                      static_cast<std::uint32_t>(record.octets.size())});
  octets_.insert(octets_.end(), record.octets.begin(), record.octets.end());
  ++size_;
  return {};
}

// Keys are hashes: dealt out by their first bits, some eight come to each heap, and each heap is
// sorted. Other keys would only be slower.
void Sorter::sort_entries() {
  const auto less = [](const Entry& a, const Entry& b) {
    return std::tie(a.key, a.place) < std::tie(b.key, b.place);
  };
  constexpr std::size_t least = 127;
  const auto bits = static_cast<unsigned>(std::bit_width(std::max(entries_.size(), least)) - 3);
  const auto heap_of = [&](const Entry& entry) { return entry.key.first >> (64U - bits); };
  std::vector<std::size_t> ends((std::size_t{1} << bits) + 1);
  for (const Entry& entry : entries_) ++ends[heap_of(entry) + 1];
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  std::vector<Entry> dealt(entries_.size());
  // From where each begins to where it ends, which is where the next one begins.
  for (const Entry& entry : entries_) dealt[ends[heap_of(entry)]++] = entry;
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    std::sort(dealt.begin() + static_cast<std::ptrdiff_t>(begin),
              dealt.begin() + static_cast<std::ptrdiff_t>(end), less);
    begin = end;
  }
  entries_.swap(dealt);
}

Result<void> Sorter::spill() {
  sort_entries();
  auto run = Run::create(directory_);
  if (!run) return std::unexpected(run.error());
  for (const Entry& entry : entries_) {
    if (auto written = (*run)->write(record_of(entry)); !written) return written;
  }
  if (auto flushed = (*run)->flush(); !flushed) return flushed;
  (*run)->end_writing();
  runs_.push_back(*std::move(run));
  entries_.clear();
  octets_.clear();
  return {};
}

Result<void> Sorter::start() {
  started_ = true;
  if (runs_.empty()) {
    sort_entries();
    return {};
  }
  if (auto done = spill(); !done) return done;
  entries_ = {};
  octets_ = {};
  for (const auto& run : runs_) {
    auto more = run->next();
    if (!more) return std::unexpected(more.error());
    if (*more) heap_.push_back(run.get());
  }
  std::ranges::make_heap(heap_, later);
  return {};
}

Result<bool> Sorter::next(Record& record) {
  if (!started_) {
    if (auto done = start(); !done) return std::unexpected(done.error());
  }
  if (runs_.empty()) {
    if (at_ == entries_.size()) return false;
    record = record_of(entries_[at_++]);
    return true;
  }
  if (last_ != nullptr) {
    auto more = last_->next();
    if (!more) return std::unexpected(more.error());
    if (*more) {
      heap_.push_back(last_);
      std::ranges::push_heap(heap_, later);
    }
    last_ = nullptr;
  }
  if (heap_.empty()) return false;
  std::ranges::pop_heap(heap_, later);
  last_ = heap_.back();
  heap_.pop_back();
  record = last_->record();
  return true;
}

}  // namespace postern::store
