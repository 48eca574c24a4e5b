#include "cli/settings.h"

#include "program.h"

#include <cstdlib>

using namespace postern::cli;

namespace {

// The environment's word, for as long as it lives.
class Environment {
 public:
  explicit Environment(const std::string& file) { setenv("POSTERN_CONFIG", file.c_str(), 1); }
  ~Environment() { unsetenv("POSTERN_CONFIG"); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
};

}  // namespace

TEST_CASE("settings: --config before the environment, --store over both") {
  const Folder folder;
  const auto named = folder.write("named.toml", "[store]\npath = \"named\"\n");
  const auto found = folder.write("found.toml", "[store]\npath = \"found\"\n");
  {
    const Environment environment(found);
    CHECK(find_config("") == found);
    CHECK(find_config(named) == named);
    CHECK(load_settings({"", ""})->config.store_path == "found");
    CHECK(load_settings({"", named})->config.store_path == "named");
    CHECK(load_settings({"flag", named})->config.store_path == "flag");
    CHECK(load_settings({"flag", named})->file == named);
  }
  const Environment empty("");
  CHECK(find_config("") != std::filesystem::path());
}

TEST_CASE("settings: a configuration that is wrong stops every verb, all its problems named") {
  const Folder folder;
  const auto file = folder.write("bad.toml", "colour = 1\nthreads = -1\n");
  for (const auto verb : {"check", "unsubscribe"}) {
    const auto ran = postern_run({verb, "a@example.com", "--config", file});
    CHECK(ran.status == 2);
    CHECK(ran.out.empty());
    CHECK(has(ran.err, file + ":1: colour: unknown key"));
    CHECK(has(ran.err, file + ":2: threads: -1 is out of range"));
  }
  CHECK(postern_run({"stats", "--config", folder.file("none.toml")}).status == 2);
}
