#include "cli/arguments.h"

#include "program.h"

using namespace postern::cli;

namespace {

std::expected<Command, int> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "postern");
  return parse_arguments(static_cast<int>(arguments.size()), arguments.data());
}

const std::vector<std::string> verbs{
    "serve",       "sink",   "check-config", "check",      "show",       "unsubscribe", "stats",
    "resubscribe", "link",   "block",        "unblock",    "import",     "export",      "report",
    "forget",      "verify", "stats",        "reactivate", "return-mail"};

}  // namespace

TEST_CASE("arguments: serve and sink") {
  const auto serve = parse({"serve", "--listen", "127.0.0.1:1", "--upstream", "127.0.0.1:2",
                            "--store", "d", "--config", "f", "--web", "127.0.0.1:3"});
  REQUIRE(serve);
  const auto& options = std::get<ServeOptions>(*serve);
  CHECK(options.listen == "127.0.0.1:1");
  CHECK(options.upstream == "127.0.0.1:2");
  CHECK(options.store == "d");
  CHECK(options.config == "f");
  CHECK(options.web == "127.0.0.1:3");
  CHECK(std::get<ServeOptions>(*parse({"serve"})).listen.empty());

  const auto sink = parse({"sink"});
  REQUIRE(sink);
  CHECK(std::get<SinkOptions>(*sink).listen == "127.0.0.1:2526");
  CHECK(std::get<SinkOptions>(*sink).maildir == "./postern-mail");
}

TEST_CASE("arguments: options may stand before, between and behind addresses") {
  const auto command = parse({"check", "--json", "a@x", "--stream", "news", "b@x", "--at",
                              "2026-03-01", "--store", "d", "c@x"});
  REQUIRE(command);
  const auto& options = std::get<CheckOptions>(*command);
  CHECK(options.addresses == std::vector<std::string>{"a@x", "b@x", "c@x"});
  CHECK(options.stream == "news");
  CHECK(options.at == "2026-03-01");
  CHECK(options.where.store == "d");
  CHECK(options.json);
}

TEST_CASE("arguments: what follows -- is an address, whatever it begins with") {
  const auto command = parse({"check", "--stream", "news", "--", "-a@x", "--json", "b@x"});
  REQUIRE(command);
  const auto& options = std::get<CheckOptions>(*command);
  CHECK(options.addresses == std::vector<std::string>{"-a@x", "--json", "b@x"});
  CHECK_FALSE(options.json);
}

TEST_CASE("arguments: import reads standard input, and export has a format") {
  const auto import = parse({"import", "-", "f.csv", "--status", "blocked"});
  REQUIRE(import);
  CHECK(std::get<ImportOptions>(*import).files == std::vector<std::string>{"-", "f.csv"});
  CHECK(std::get<ImportOptions>(*import).status == "blocked");
  CHECK(std::get<ExportOptions>(*parse({"export"})).format == "csv");
}

TEST_CASE("arguments: an empty reason is none") {
  const auto command = parse({"block", "@example.com", "--reason", ""});
  REQUIRE(command);
  CHECK(std::get<BlockOptions>(*command).reason.empty());
}

TEST_CASE(
    "arguments: help is a result, and every verb has a page with an example and its exit status") {
  const auto help = postern_run({"--help"});
  CHECK(help.status == 0);
  CHECK(help.err.empty());
  for (const auto& verb : verbs) {
    CAPTURE(verb);
    CHECK(has(help.out, "  " + verb + " "));
    const auto page = postern_run({verb, "--help"});
    CHECK(page.status == 0);
    CHECK(page.err.empty());
    CHECK(has(page.out, "Example:\n  postern " + verb));
    CHECK(has(page.out, "Exit status: 0 "));
  }
  CHECK(postern_run({"--version"}).status == 0);
  CHECK(postern_run({"--version"}).out.starts_with("postern "));
}

TEST_CASE(
    "arguments: wrong calls are exit 2, one line on standard error, and nothing else happens") {
  struct Case {
    std::vector<std::string> arguments;
    std::string_view says;
  };
  for (const auto& [arguments, says] : {
           Case{{"frob"}, "'frob' is no verb; there are: serve, sink, check-config, check, show"},
           Case{{"reactivate"}, "ADDRESS is required"},
           Case{{"a\x1b[31m"}, "'a\\x1b[31m' is no verb"},
           Case{{"--store", "d"}, "subcommand is required"},
           Case{{"check"}, "ADDRESS is required"},
           Case{{"check", "a@x", "--colour"}, "--colour"},
           Case{{"check", "a@x", "--stream"}, "--stream"},
           Case{{"check", "a@x", "--stream", ""}, "--stream: may not be empty"},
           Case{{"check", "a@x", "--store", " "}, "--store: may not be empty"},
           Case{{"check", "a@x", "--store", "a", "--store", "b"}, "--store"},
           Case{{"show", "a@x", "b@x"}, "b@x"},
           Case{{"resubscribe", "a@x"}, "--consent is required"},
           Case{{"resubscribe", "a@x", "--consent", " \t"}, "--consent: may not be empty"},
           Case{{"import"}, "name files, or --list, or --undo IMPORT"},
           Case{{"stats", "extra"}, "extra"},
       }) {
    CAPTURE(says);
    const auto ran = postern_run(arguments);
    CHECK(ran.status == 2);
    CHECK(ran.out.empty());
    CHECK(has(ran.err, says));
    CHECK(ran.err.starts_with("postern: "));
    CHECK(ran.err.find('\n') == ran.err.size() - 1);
  }
  const auto nothing = postern_run({});
  CHECK(nothing.status == 2);
  CHECK(nothing.out.empty());
  CHECK(has(nothing.err, "Usage: postern"));
}
