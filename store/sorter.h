// Puts any number of records in the order of their keys, in bounded memory: what does not fit goes
// to nameless temporary files as sorted runs, which are merged. An import comes to the store in the
// order of its tables, however its file was ordered.
#pragma once

#include "base/result.h"
#include "store/keys.h"
#include "store/octets.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

namespace postern::store {

class Sorter {
 public:
  struct Record {
    ContactKey key{};
    std::uint64_t place = 0;  // breaks ties: the line of the file
    Octets octets;
  };

  // `memory`: octets that are kept before a run is written to a file in `directory`, which is gone
  // when the process is.
  Sorter(std::filesystem::path directory, std::size_t memory);
  ~Sorter();
  Sorter(const Sorter&) = delete;
  Sorter& operator=(const Sorter&) = delete;

  // Errc::full where the disk is, Errc::io.
  [[nodiscard]] Result<void> add(const Record& record);
  [[nodiscard]] std::uint64_t size() const { return size_; }

  // After the last add(). By key, then place; false at the end. The octets are valid until the next
  // call.
  [[nodiscard]] Result<bool> next(Record& record);

 private:
  class Run;
  // Of a key, big-endian, so that two numbers compare as its octets do.
  struct Words {
    std::uint64_t first = 0;
    std::uint64_t second = 0;
    friend auto operator<=>(const Words&, const Words&) = default;
  };
  struct Entry {
    Words key;
    std::uint64_t place;
    std::size_t offset;
    std::uint32_t size;
  };
  [[nodiscard]] static Words words_of(const ContactKey& key);
  [[nodiscard]] Record record_of(const Entry& entry) const;
  void sort_entries();
  [[nodiscard]] Result<void> spill();
  [[nodiscard]] Result<void> start();

  std::filesystem::path directory_;
  std::size_t memory_;
  std::vector<std::uint8_t> octets_;
  std::vector<Entry> entries_;
  std::uint64_t size_ = 0;
  bool started_ = false;
  std::size_t at_ = 0;  // in entries_, where everything fitted
  std::vector<std::unique_ptr<Run>> runs_;
  std::vector<Run*> heap_;  // those that have more, the least on top
  Run* last_ = nullptr;     // whose record was given; moved on at the next call
};

}  // namespace postern::store
