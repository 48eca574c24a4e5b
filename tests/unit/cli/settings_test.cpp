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

TEST_CASE("settings: only a configuration that was named for the store keys it by its providers") {
  const Folder folder;
  const auto store = folder.store("j.ane@example.net\n");
  const std::string rule = "[[provider]]\ndomains = [\"example.net\"]\nignore_dots = true\n";
  const auto other = folder.write("other.toml", "[store]\npath = \"elsewhere\"\n" + rule);
  const auto own = folder.write("own.toml", "[store]\npath = \"" + store + "\"\n" + rule);
  const auto jane = [&] { return postern_run({"check", "jane@example.net", "--store", store}); };
  {
    const Environment environment(other);
    REQUIRE(postern_run({"block", "x@example.org", "--store", store}).status == 0);
  }
  CHECK(jane().status == 0);
  REQUIRE(postern_run({"block", "y@example.org", "--store", store, "--config", other}).status == 0);
  CHECK(jane().status == 0);
  {
    const Environment environment(own);
    REQUIRE(postern_run({"block", "z@example.org"}).status == 0);
  }
  CHECK(jane().status == 0);
  REQUIRE(postern_run({"block", "z@example.com", "--config", own}).status == 0);
  CHECK(jane().status == 1);
}
