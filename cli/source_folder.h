// The folder of a [[source]]: the files that lie in it, and done/ and rejected/, where they go once
// they were imported or could not be. Whoever may put files there is trusted with no more than
// that: below the folder no symbolic link is followed, and nothing is written over.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <istream>
#include <memory>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace postern::cli {

// What a file holds, as far as it can be told without reading it.
struct FileVersion {
  ino_t inode = 0;
  std::int64_t octets = 0;
  std::int64_t changed = 0;  // nanoseconds since 1970
  friend bool operator==(const FileVersion&, const FileVersion&) = default;
};

struct SourceFile {
  std::string name;
  FileVersion version;
  bool regular = true;  // else a link, a pipe or the like
};

// False for what is being written or is nobody's export: names that begin with "." or end in .tmp,
// .part, .crdownload, .filepart, .swp or "~", whatever the case.
[[nodiscard]] bool is_export_name(std::string_view name);

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] explicit operator bool() const { return number_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

// What is to be said of one file, written to rejected/ as it comes: under a hidden name until the
// file is moved, then beside it; gone with this object if it never is.
class SourceNotes {
 public:
  ~SourceNotes();
  SourceNotes(const SourceNotes&) = delete;
  SourceNotes& operator=(const SourceNotes&) = delete;

  void add(std::string_view text);
  // After the last: an error where something of it could not be written.
  [[nodiscard]] Result<void> finish();
  [[nodiscard]] bool empty() const { return name_.empty() && problem_ == 0; }

 private:
  friend class SourceFolder;
  SourceNotes(std::string kind, std::string hidden, Descriptor rejected)
      : kind_(std::move(kind)), hidden_(std::move(hidden)), rejected_(std::move(rejected)) {}

  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string kind_;
  std::string hidden_;
  std::string name_;  // as it is now; empty: not made yet, or not ours any more
  Descriptor rejected_;
  std::unique_ptr<std::FILE, Close> file_;
  int problem_ = 0;  // the system's code of what went wrong first
};

class SourceFolder {
 public:
  enum class Place : std::uint8_t { done, rejected };

  // Makes done/ and rejected/ where they are missing (0700, of the folder's owner). An error names
  // what is missing, or may not be read or written.
  [[nodiscard]] static Result<SourceFolder> open(const std::filesystem::path& path);

  // What may be exports, the oldest first, at most 10,000. Empty files are not seen: somebody is
  // about to write them.
  [[nodiscard]] Result<std::vector<SourceFile>> files() const;

  // Errc::busy where it is not this version any more, or where somebody has it open for writing (as
  // far as the system tells).
  [[nodiscard]] Result<std::unique_ptr<std::istream>> read(const SourceFile& file) const;

  // `kind`: how its name ends, behind the file's: ".reason", ".rows".
  [[nodiscard]] std::unique_ptr<SourceNotes> notes(const SourceFile& file, std::string kind) const;

  // Moves it to done/ or rejected/, under its name or, where that is taken, with a number behind
  // it, and `notes` (which may be null) to rejected/ under the same. Answers where it is now:
  // "done/list.csv.1". Errc::busy where it is not this version any more: then it stays in the
  // folder. After an error it can be tried again with the same notes.
  [[nodiscard]] Result<std::string> settle(const SourceFile& file, Place place,
                                           SourceNotes* notes) const;

 private:
  explicit SourceFolder(std::filesystem::path path) : path_(std::move(path)) {}
  [[nodiscard]] const Descriptor& directory(Place place) const {
    return place == Place::done ? done_ : rejected_;
  }
  [[nodiscard]] Result<Descriptor> subfolder(const char* name) const;
  [[nodiscard]] Result<std::string> free_name(const std::string& name, Place place,
                                              const SourceNotes* notes) const;
  [[nodiscard]] Result<void> publish(SourceNotes& notes, const std::string& beside) const;
  [[nodiscard]] Error failed(std::string_view name, int code) const;

  std::filesystem::path path_;
  Descriptor folder_;
  Descriptor done_;
  Descriptor rejected_;
};

}  // namespace postern::cli
