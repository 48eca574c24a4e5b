#include "policy/classify/rule_file.h"

#include <doctest/doctest.h>

using namespace postern::classify;

namespace {

std::string error_of(std::string_view text) {
  const auto rules = read_rules(text, "own.toml");
  return rules ? "" : rules.error().text;
}

}  // namespace

TEST_CASE("a rule is what its file says") {
  const auto rules = read_rules(R"([[rule]]
name = "house"
reason = "user-unknown"
text = ["No  such Guest", "guest * checked out"]
without = ["bar"]
mta = ["*.Hotel.example", "mx.inn.example"]
status = ["5.1.0-3", "*.2.2"]
reply = ["55x"]
tier = "strong"
)",
                                "own.toml");
  REQUIRE(rules.has_value());
  REQUIRE(rules->size() == 1);
  const Rule& rule = rules->front();
  CHECK(rule.name == "house");
  CHECK(rule.reason == postern::policy::BounceReason::user_unknown);
  CHECK(rule.tier == Tier::strong);
  CHECK(rule.text == std::vector<std::string>{"no such guest", "guest * checked out"});
  CHECK(rule.without == std::vector<std::string>{"bar"});
  CHECK(rule.mta == std::vector<std::string>{"*.hotel.example", "mx.inn.example"});
  CHECK(rule.status.size() == 2);
  CHECK(rule.reply.size() == 1);
  CHECK_FALSE(rule.own);
}

TEST_CASE("where no tier is named, the conditions say it") {
  const struct {
    std::string_view conditions;
    Tier want;
  } cases[] = {
      {"text = [\"a phrase\"]", Tier::text},
      {"text = [\"a phrase\"]\nmta = [\"*.a.example\"]", Tier::receiver},
      {"text = [\"a phrase\"]\nstatus = [\"5.1.1\"]", Tier::text},
      {"status = [\"5.1.1\"]", Tier::code},
      {"status = [\"5.1.0\"]", Tier::generic},
      {"status = [\"*.*.0\"]\nreply = [\"550\"]", Tier::generic},
      {"reply = [\"550\"]", Tier::reply},
  };
  for (const auto& [conditions, want] : cases) {
    CAPTURE(conditions);
    const auto rules = read_rules(
        "[[rule]]\nname = \"n\"\nreason = \"spam\"\n" + std::string(conditions), "own.toml");
    REQUIRE(rules.has_value());
    CHECK(rules->front().tier == want);
  }
}

TEST_CASE("no rules are rules too") {
  CHECK(read_rules("", "own.toml")->empty());
  CHECK(read_rules("# nothing yet\n", "own.toml")->empty());
}

TEST_CASE("a mistake is told with its place, and what to write") {
  const struct {
    std::string_view text;
    std::string_view want;
  } cases[] = {
      {"[[rule]\n", "own.toml:1: "},
      {"[rule]\nname = \"x\"\n", "own.toml:1: rule: is a list of tables: write [[rule]]"},
      {"rules = 1\n", "own.toml:1: rules: unknown key; did you mean rule?"},
      {"[[rule]]\nreason = \"spam\"\ntext = [\"abc\"]\n",
       "own.toml:1: rule.name: a rule needs a name, in quotes"},
      {"[[rule]]\nname = \"x\"\ntext = [\"abc\"]\n",
       "own.toml:1: rule.reason: a rule needs a reason, in quotes"},
      {"[[rule]]\nname = \"x\"\nreason = \"hard\"\ntext = [\"abc\"]\n",
       "own.toml:3: rule.reason: \"hard\" is no reason; allowed: undefined user-unknown"},
      {"[[rule]]\nname = \"x\"\nreason = \"spam\"\n",
       "own.toml:1: rule: a rule needs one of text, status and reply"},
      {"[[rule]]\nname = \"x\"\nreason = \"spam\"\nmta = [\"*.a.example\"]\n",
       "own.toml:1: rule: a rule needs one of text, status and reply"},
      {"[[rule]]\nname = \"x\"\nreason = \"spam\"\ntext = \"abc\"\n",
       "own.toml:4: rule.text: \"abc\" is no value of it; allowed: a list of texts"},
      {"[[rule]]\nname = \"x\"\nreason = \"spam\"\ntext = [\n  \"abc\",\n  \" * \"]\n",
       "own.toml:6: rule.text: an empty phrase"},
      {"[[rule]]\nname = \"x\"\nreason = \"spam\"\ntext = [\"a * bc\"]\n",
       "own.toml:4: rule.text: \"a * bc\" has a part of one letter, which is found everywhere"},
      {"[[rule]]\nname = \"x\"\nreason = \"spam\"\nstatus = [\"5.1\"]\n",
       "own.toml:4: rule.status: \"5.1\" is no code; write \"5.1.1\", \"*.2.2\", "
       "\"5.7.500-599\" or \"none\""},
      {"[[rule]]\nname = \"x\"\nreason = \"spam\"\nstatus = [\"2.1.5\"]\n",
       "own.toml:4: rule.status: \"2.1.5\" is no code"},
      {"[[rule]]\nname = \"x\"\nreason = \"spam\"\nstatus = [\"5.7.9-1\"]\n",
       "own.toml:4: rule.status: \"5.7.9-1\" is no code"},
      {"[[rule]]\nname = \"x\"\nreason = \"spam\"\nreply = [\"250\"]\n",
       "own.toml:4: rule.reply: \"250\" is no code; write \"550\", \"55x\" or \"5xx\""},
      {"[[rule]]\nname = \"x\"\nreason = \"spam\"\ntext = [\"abc\"]\nmta = [\"google\"]\n",
       "own.toml:5: rule.mta: \"google\" is no host; write \"mx.example.com\", or "
       "\"*.example.com\" for all below a domain"},
      {"[[rule]]\nname = \"x\"\nreason = \"spam\"\ntext = [\"abc\"]\ntier = \"top\"\n",
       "own.toml:5: rule.tier: \"top\" is no value of it; allowed: \"suppression\" or"},
      {"[[rule]]\nname = \"x\"\nreason = \"spam\"\ntext = [\"abc\"]\nwhen = \"now\"\n",
       "own.toml:5: rule.when: unknown key"},
      {"[[rule]]\nname = \"x\"\nreason = \"spam\"\ntext = [\"abc\"]\n"
       "[[rule]]\nname = \"x\"\nreason = \"spam\"\ntext = [\"abd\"]\n",
       "own.toml:6: rule.name: \"x\" is the name of a rule above"},
  };
  for (const auto& [text, want] : cases) {
    CAPTURE(text);
    const auto error = error_of(text);
    CHECK_MESSAGE(error.starts_with(want), error);
    CHECK(error.find('\n') == std::string::npos);
  }
}

TEST_CASE("a file or a phrase has a limit") {
  CHECK(error_of(std::string(max_rule_file + 1, '#')) == "own.toml: larger than 4194304 octets");
  const auto rule = "[[rule]]\nname = \"x\"\nreason = \"spam\"\ntext = [\"" +
                    std::string(max_phrase + 1, 'a') + "\"]\n";
  CHECK(error_of(rule) ==
        "own.toml:4: rule.text: a phrase of more than 200 octets; a part of it will do");
}
