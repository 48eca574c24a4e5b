#include "cli/suggestion.h"

#include "program.h"

using namespace postern::cli;

TEST_CASE("suggestion: a word means in a shell what is read") {
  struct Case {
    std::string_view word;
    std::string_view want;
    std::string_view why;
  };
  for (const auto& [word, want, why] : {
           Case{"jane+tag@example.com", "jane+tag@example.com", "nothing to quote"},
           Case{"o'hara@example.com", R"('o'\''hara@example.com')", "a quote"},
           Case{"$(id)@example.com", "'$(id)@example.com'", "a command"},
           Case{R"("a b"@example.com)", R"('"a b"@example.com')", "a blank"},
           Case{"a\x1b[31m\nb", "'a [31m b'", "controls"},
           Case{"", "''", "nothing is a word too"},
       }) {
    CAPTURE(why);
    CHECK(shell_quoted(word) == want);
  }
}

TEST_CASE("suggestion: an address that begins as an option does is behind --") {
  CHECK(unblock_command("-a@example.com") == "postern unblock -- -a@example.com");
  CHECK(resubscribe_command("-a@example.com", "news") ==
        "postern resubscribe --stream news --consent 'how we know' -- -a@example.com");
  CHECK(resubscribe_command("a@example.com", "news") ==
        "postern resubscribe a@example.com --stream news --consent 'how we know'");
}
