#include "cli/source_folder.h"

#include "program.h"

#include <iterator>
#include <sys/stat.h>

using namespace postern;
using namespace postern::cli;
using Place = SourceFolder::Place;

namespace {

SourceFolder opened(const Folder& folder) {
  auto source = SourceFolder::open(folder.file("."));
  if (!source) FAIL(source.error().text);
  return *std::move(source);
}

std::vector<SourceFile> listed(const SourceFolder& source) {
  auto files = source.files();
  if (!files) FAIL(files.error().text);
  return *std::move(files);
}

std::string settled(const SourceFolder& source, Place place, SourceNotes* notes = nullptr) {
  const auto files = listed(source);
  REQUIRE(files.size() == 1);
  const auto where = source.settle(files[0], place, notes);
  return where ? *where : where.error().text;
}

std::string text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("source folder: names that are exports, and names of what is being written") {
  for (const auto name : {"list.csv", "LIST", "a.tmp.csv", "tmp", "part", "x~y", "list.csv.1"}) {
    CAPTURE(name);
    CHECK(is_export_name(name));
  }
  for (const auto name : {".list.csv", "list.tmp", "list.csv.PART", "x.crdownload", "x.filepart",
                          "list.csv~", ".list.csv.swp", "list.swp"}) {
    CAPTURE(name);
    CHECK_FALSE(is_export_name(name));
  }
}

TEST_CASE("source folder: what is in the way is named when it is opened") {
  const Folder folder;
  const auto missing = SourceFolder::open(folder.file("none"));
  REQUIRE_FALSE(missing);
  CHECK(has(missing.error().text, folder.file("none")));
  const auto file = SourceFolder::open(folder.write("file", "x"));
  REQUIRE_FALSE(file);
  CHECK(has(file.error().text, folder.file("file")));

  for (const auto* part : {"done", "rejected"}) {
    CAPTURE(part);
    const Folder other;
    const Folder elsewhere;
    std::filesystem::create_directory_symlink(elsewhere.file("."), other.file(part));
    const auto linked = SourceFolder::open(other.file("."));
    REQUIRE_FALSE(linked);
    CHECK(has(linked.error().text, other.file(".")));
    CHECK(has(linked.error().text, part));
  }
}

TEST_CASE("source folder: done and rejected are made for the gate alone") {
  const Folder folder;
  opened(folder);
  for (const auto* part : {"done", "rejected"}) {
    struct stat made{};
    REQUIRE(::stat(folder.file(part).c_str(), &made) == 0);
    CHECK(S_ISDIR(made.st_mode));
    CHECK((made.st_mode & 0777U) == 0700U);
  }
  CHECK(listed(opened(folder)).empty());
}

TEST_CASE("source folder: files are seen the oldest first; folders and empty files are not") {
  const Folder folder;
  const auto source = opened(folder);
  static_cast<void>(folder.write("b.csv", "b"));
  static_cast<void>(folder.write("a.csv", "a"));
  static_cast<void>(folder.write("c.csv", "c"));
  static_cast<void>(folder.write("empty.csv", ""));
  static_cast<void>(folder.write(".hidden", "x"));
  std::filesystem::create_directory(folder.file("folder.csv"));
  std::filesystem::create_symlink("a.csv", folder.file("link.csv"));
  const auto then = std::filesystem::last_write_time(folder.file("a.csv"));
  std::filesystem::last_write_time(folder.file("c.csv"), then - std::chrono::hours{2});
  std::filesystem::last_write_time(folder.file("b.csv"), then - std::chrono::hours{1});
  std::vector<std::string> regular;
  std::vector<std::string> others;
  for (const auto& file : listed(source)) {
    (file.regular ? regular : others).push_back(file.name);
  }
  CHECK(regular == std::vector<std::string>{"c.csv", "b.csv", "a.csv"});
  CHECK(others == std::vector<std::string>{"link.csv"});
}

TEST_CASE("source folder: a file is moved beside those of its name, never over them") {
  const Folder folder;
  const auto source = opened(folder);
  for (const auto* want : {"done/list.csv", "done/list.csv.1", "done/list.csv.2"}) {
    static_cast<void>(folder.write("list.csv", want));
    CHECK(settled(source, Place::done) == want);
    CHECK_FALSE(std::filesystem::exists(folder.file("list.csv")));
  }
  CHECK(text_of(folder.file("done/list.csv")) == "done/list.csv");
  CHECK(text_of(folder.file("done/list.csv.2")) == "done/list.csv.2");

  const std::string longest(255, 'x');
  static_cast<void>(folder.write(longest, "first"));
  CHECK(settled(source, Place::rejected) == "rejected/" + longest);
  static_cast<void>(folder.write(longest, "second"));
  const auto second = settled(source, Place::rejected);
  CHECK(text_of(folder.file(second)) == "second");
}

TEST_CASE("source folder: notes get the file's name with it, and its number") {
  const Folder folder;
  const auto source = opened(folder);
  const auto reject = [&](const std::string& text) {
    static_cast<void>(folder.write("list.csv", "x" + text));
    const auto notes = source.notes(listed(source)[0], ".reason");
    CHECK(notes->empty());
    notes->add(text.substr(0, 1));
    notes->add(text.substr(1));
    CHECK_FALSE(notes->empty());
    REQUIRE(notes->finish());
    return settled(source, Place::rejected, notes.get());
  };
  CHECK(reject("one") == "rejected/list.csv");
  CHECK(text_of(folder.file("rejected/list.csv.reason")) == "one");
  // The file was put back, the old reason is there still.
  std::filesystem::remove(folder.file("rejected/list.csv"));
  CHECK(reject("two") == "rejected/list.csv.1");
  CHECK(text_of(folder.file("rejected/list.csv.reason")) == "one");
  CHECK(text_of(folder.file("rejected/list.csv.1.reason")) == "two");

  struct stat made{};
  REQUIRE(::stat(folder.file("rejected/list.csv.reason").c_str(), &made) == 0);
  CHECK((made.st_mode & 0777U) == 0600U);
}

TEST_CASE("source folder: notes of a file that is never moved are gone") {
  const Folder folder;
  const auto source = opened(folder);
  static_cast<void>(folder.write("list.csv", "x"));
  source.notes(listed(source)[0], ".rows")->add("something");
  CHECK(std::filesystem::is_empty(folder.file("rejected")));
}

TEST_CASE("source folder: notes that cannot be written are an error") {
  const Folder folder;
  const auto source = opened(folder);
  static_cast<void>(folder.write("list.csv", "x"));
  const auto notes = source.notes(listed(source)[0], ".rows");
  std::filesystem::remove(folder.file("rejected"));
  notes->add("something");
  const auto written = notes->finish();
  REQUIRE_FALSE(written);
  CHECK(has(written.error().text, "rejected/"));
}

TEST_CASE("source folder: a file that changed since it was listed is neither read nor moved") {
  const Folder folder;
  const auto source = opened(folder);
  static_cast<void>(folder.write("list.csv", "x"));
  const auto file = listed(source)[0];
  {
    auto in = source.read(file);
    REQUIRE(in);
    CHECK(std::string(std::istreambuf_iterator<char>(**in), {}) == "x");
  }
  const auto check = [&] {
    const auto notes = source.notes(file, ".rows");
    notes->add("row");
    const auto where = source.settle(file, Place::done, notes.get());
    REQUIRE_FALSE(where);
    CHECK(where.error().code == Errc::busy);
    const auto in = source.read(file);
    REQUIRE_FALSE(in);
    CHECK(std::filesystem::is_empty(folder.file("done")));
  };
  std::ofstream(folder.file("list.csv"), std::ios::app) << "more";
  check();
  CHECK(text_of(folder.file("list.csv")) == "xmore");
  // Another file of the same name and size, put in its place.
  static_cast<void>(folder.write("new", "x"));
  std::filesystem::last_write_time(folder.file("new"),
                                   std::filesystem::last_write_time(folder.file("list.csv")));
  std::filesystem::rename(folder.file("new"), folder.file("list.csv"));
  check();
  std::filesystem::remove(folder.file("list.csv"));
  std::filesystem::create_symlink("/etc/passwd", folder.file("list.csv"));
  const auto in = source.read(file);
  CHECK_FALSE(in);
  CHECK(std::filesystem::is_empty(folder.file("rejected")));
}
