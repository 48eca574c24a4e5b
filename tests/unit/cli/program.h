// The program in this process: run with arguments, its output kept; and a folder that goes with the
// test.
#pragma once

#include "cli/run.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

struct Ran {
  int status = -1;
  std::string out;
  std::string err;
};

inline Ran postern_with_input(const std::string& input, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "postern");
  std::vector<const char*> argv;
  argv.reserve(arguments.size());
  for (const auto& argument : arguments) argv.push_back(argument.c_str());
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream err;
  auto* const old_in = std::cin.rdbuf(in.rdbuf());
  auto* const old_out = std::cout.rdbuf(out.rdbuf());
  auto* const old_err = std::cerr.rdbuf(err.rdbuf());
  std::cin.clear();
  Ran ran;
  ran.status = postern::cli::run(static_cast<int>(argv.size()), argv.data());
  std::cin.rdbuf(old_in);
  std::cout.rdbuf(old_out);
  std::cerr.rdbuf(old_err);
  std::cout.clear();
  ran.out = out.str();
  ran.err = err.str();
  return ran;
}

inline Ran postern_run(std::vector<std::string> arguments) {
  return postern_with_input("", std::move(arguments));
}

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "postern-cli-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return file(name);
  }
  // A store that has these rows (a plain list, or CSV).
  [[nodiscard]] std::string store(const std::string& rows = "first@example.com\n") const {
    const auto where = file("store");
    REQUIRE(
        postern_with_input(rows, {"import", "--store", where, "--source", "test", "-"}).status ==
        0);
    return where;
  }

 private:
  std::filesystem::path path_;
};

inline bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}
