#include "store/rows/formats.h"

#include "said.h"
#include "store/rows/names.h"
#include "store/rows/row_reader.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::rows;

namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// NAME.options: what the caller says, a line an option.
ReadOptions options_of(const std::filesystem::path& path) {
  ReadOptions options;
  std::istringstream in(read(path));
  for (std::string name, value; in >> name && std::getline(in >> std::ws, value);) {
    if (name == "format") options.format = value;
    if (name == "dates")
      options.dates = value == "dmy" ? DateOrder::day_first : DateOrder::month_first;
    std::istringstream columns(name == "columns" ? value : "");
    for (std::string column; std::getline(columns, column, ',');) {
      const auto equals = column.find('=');
      options.columns.emplace_back(column.substr(0, equals), column.substr(equals + 1));
    }
  }
  return options;
}

}  // namespace

// tests/golden/imports/NAME.{csv,json,txt} is what NAME.EXTENSION.rows says. To accept what the
// program says now, run POSTERN_ACCEPT=1 unit_rows, and review the difference.
TEST_CASE("a file of each tool") {
  const std::filesystem::path folder = POSTERN_TESTS_DIR "/golden/imports";
  std::set<std::string> seen;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto extension = entry.path().extension();
    if (extension != ".csv" && extension != ".json" && extension != ".txt") continue;
    const auto name = entry.path().filename().string();
    CAPTURE(name);
    auto of_options = entry.path();
    const auto options = options_of(of_options.replace_extension(".options"));
    const std::string text = read(entry.path());
    const std::string file = recognised(text, options);
    const std::string got = file + '\n' + said(text, options);
    const auto expected = folder / (name + ".rows");
    if (std::getenv("POSTERN_ACCEPT") != nullptr) std::ofstream(expected, std::ios::binary) << got;
    CHECK(std::filesystem::exists(expected));
    CHECK(got == read(expected));
    seen.insert(file.substr(0, file.find(' ')));
  }
  for (const std::string_view format : formats()) {
    CAPTURE(format);
    CHECK(seen.contains(std::string(format)));
  }
}
