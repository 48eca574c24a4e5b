#include "program.h"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

namespace {

// A configuration with these keys of one source, and its store.
std::string configuration(const Folder& folder, const std::string& keys) {
  return folder.write("c.toml", "[store]\npath = \"" + folder.file("store") +
                                    "\"\n[[source]]\nname = \"shop\"\nfolder = \"in\"\n" + keys);
}

void import_rows(const std::string& config, const std::string& source, const std::string& rows) {
  REQUIRE(
      postern_with_input(rows, {"import", "--config", config, "--source", source, "-"}).status ==
      0);
}

boost::json::value json_of(const std::string& config) {
  return boost::json::parse(postern_run({"stats", "--json", "--config", config}).out);
}

}  // namespace

TEST_CASE("stats: contacts by what stands") {
  const Folder folder;
  const auto store = folder.store(
      "email,status,until\n"
      "ann@example.com,unsubscribed,\n"
      "ann@example.com,bounced,\n"
      "bob@example.com,complained,\n"
      "carl@example.com,blocked,2020-01-01\n"
      "dora@example.com,subscribed,\n"
      "@example.net,blocked,\n"
      "0cc175b9c0f1b6a831c399e269772661,unsubscribed,\n");
  const auto stats =
      boost::json::parse(postern_run({"stats", "--json", "--store", store}).out).as_object();
  struct Case {
    std::string_view name;
    int want;
  };
  for (const auto& [name, want] : {Case{"contacts", 4}, Case{"active", 2}, Case{"unsubscribed", 1},
                                   Case{"complained", 1}, Case{"bounced", 1}, Case{"blocked", 0},
                                   Case{"hashed", 1}, Case{"domains", 1}, Case{"consents", 1}}) {
    CAPTURE(name);
    CHECK(stats.at(name) == want);
  }
  CHECK(stats.at("compaction_owed") == false);
  CHECK(stats.at("sources").as_array().empty());

  const auto text = postern_run({"stats", "--store", store});
  CHECK(
      text.out.starts_with("contacts                   4\n"
                           "active                     2\n"));
  CHECK_FALSE(has(text.out, "compaction_owed"));
  REQUIRE(postern_run({"forget", "bob@example.com", "--store", store}).status == 0);
  CHECK(has(postern_run({"stats", "--store", store}).out, "compaction_owed          yes\n"));
}

TEST_CASE("stats: when a source last brought something") {
  const Folder folder;
  const auto config = configuration(folder, "");
  import_rows(config, "elsewhere", "email\njane@example.com\n");
  auto ran = postern_run({"stats", "--config", config});
  CHECK(ran.status == 0);
  CHECK(has(ran.out, "source shop  never\n"));
  CHECK(ran.err.empty());
  auto source = json_of(config).at("sources").at(0);
  CHECK(source.at("name") == "shop");
  CHECK(source.at("last").is_null());
  CHECK(source.at("stale") == false);
  CHECK(source.at("stale_after").is_null());

  import_rows(config, "shop", "email\njane@example.com\njohn@example.com\n");
  ran = postern_run({"stats", "--config", config});
  CHECK(has(ran.out, "Z: 2 rows, 2 added, 0 unchanged, 0 rejected\n"));
  source = json_of(config).at("sources").at(0);
  CHECK(source.at("last").is_string());
  CHECK(source.at("added") == 2);

  // Another store: the sources of the configuration are not about it.
  const auto other = postern_run({"stats", "--config", config, "--store", folder.file("store")});
  CHECK(other.status == 0);
  CHECK_FALSE(has(other.out, "source"));
}

TEST_CASE("stats: a stale source is a warning, and no failure") {
  const Folder folder;
  const auto config = configuration(folder, "stale_after = \"35d\"\n");
  import_rows(config, "elsewhere", "email\njane@example.com\n");
  auto ran = postern_run({"stats", "--config", config});
  CHECK(ran.status == 0);
  CHECK(has(ran.out, "source shop  never  STALE: nothing ever (stale_after 35 days)\n"));
  CHECK(ran.err == "postern: warning: source shop: nothing ever (stale_after 35 days)\n");
  auto source = json_of(config).at("sources").at(0);
  CHECK(source.at("stale") == true);
  CHECK(source.at("stale_after") == 35 * 86'400);

  import_rows(config, "shop", "email\njane@example.com\n");
  ran = postern_run({"stats", "--config", config});
  CHECK_FALSE(has(ran.out, "STALE"));
  CHECK(ran.err.empty());
  CHECK(json_of(config).at("sources").at(0).at("stale") == false);
}
