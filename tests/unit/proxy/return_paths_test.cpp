#include "proxy/return_paths.h"

#include <optional>
#include <string>

#include <doctest/doctest.h>

using namespace postern;
using proxy::ReturnPaths;
using proxy::ReturnRules;
using ReturnPath = policy::Stream::ReturnPath;

namespace {

ReturnPathConfig config() {
  ReturnPathConfig made;
  made.domain = "bounce.example";
  made.keep = {"*@partner.example", "ceo@*", "*@m\u00fcller.example"};
  made.valid_for = std::chrono::days{30};
  return made;
}

policy::Mailbox mailbox(std::string_view text) { return policy::parse_mailbox(text).value(); }

policy::Stream stream(std::optional<ReturnPath> return_path, std::string name = "news") {
  policy::Stream made;
  made.name = std::move(name);
  made.return_path = return_path;
  return made;
}

}  // namespace

TEST_CASE("return paths: which mail comes from an address of ours") {
  struct Row {
    std::optional<ReturnPath> stream;
    bool authenticated;
    bool want;
    const char* why;
  };
  const Row rows[] = {
      {std::nullopt, false, true, "a return domain is for all mail"},
      {ReturnPath::domain, false, true, "as the stream says"},
      {ReturnPath::off, false, false, "as the stream says"},
      {std::nullopt, true, false, "providers refuse senders that are not the account's"},
      {ReturnPath::domain, true, true, "the stream itself says so"},
      {ReturnPath::off, true, false, "as the stream says"},
  };
  for (const auto& [said, authenticated, want, why] : rows) {
    CAPTURE(why);
    CHECK(proxy::rewrites_reverse_path(stream(said), authenticated) == want);
    ReturnPaths paths{.authenticated = authenticated};
    CHECK(paths.rewrites(stream(said)) == want);
    paths.kept = true;
    CHECK_FALSE(paths.rewrites(stream(said)));
  }
}

TEST_CASE("return paths: senders that stay") {
  const ReturnRules rules(config());
  for (const auto* kept : {"a@partner.example", "A@Partner.Example", "ceo@example.com",
                           "CEO@example.com", "x@xn--mller-kva.example", "x@bounce.example"}) {
    CAPTURE(kept);
    CHECK(rules.keeps(mailbox(kept)));
  }
  for (const auto* other : {"a@example.com", "a@sub.partner.example", "x@sub.bounce.example"}) {
    CAPTURE(other);
    CHECK_FALSE(rules.keeps(mailbox(other)));
  }
  CHECK(rules.keeps({}));
  CHECK(rules.days() == 37);
}

TEST_CASE("return paths: addresses and what they stand for") {
  const ReturnRules rules(config());
  const auto keys = policy::LinkKeys::create({*policy::random_link_key(1)});
  const auto tokens = std::make_shared<const policy::ReturnTokens>(*keys);
  const ReturnPaths paths{.rules = &rules, .tokens = tokens, .day = 20'514};
  const auto sender = mailbox("News@example.com");
  const policy::ContactRef jane{1};
  const policy::ContactRef john{2};

  const auto address = paths.reverse_path(stream({}), sender, jane);
  CHECK(address.domain == "bounce.example");
  CHECK(paths.reverse_path(stream({}), sender, john) != address);
  CHECK(paths.reverse_path(stream({}, "offers"), sender, jane) != address);
  CHECK(paths.reverse_path(stream({}), mailbox("other@example.com"), jane) != address);
  const auto token = tokens->check(address.local_part);
  REQUIRE(token);
  const auto context = paths.context(stream({}), sender);
  CHECK(context.context == policy::ReturnContext{"news", "News@example.com"});
  CHECK(context.until == 20'514 + 37);
  CHECK(*token == policy::ReturnToken{.context = context.hash, .contact = jane, .day = 20'514});

  const auto leave = paths.mailto(stream({}), jane);
  CHECK(leave.starts_with("mailto:"));
  CHECK(leave.ends_with("@bounce.example?subject=unsubscribe"));
  const auto leaving = tokens->check(std::string_view(leave).substr(7, 60));
  REQUIRE(leaving);
  const auto forever = paths.unsubscribe_context(stream({}));
  CHECK(leaving->kind == policy::ReturnKind::unsubscribe);
  CHECK(leaving->context == forever.hash);
  CHECK(forever.context == policy::ReturnContext{"news", ""});
  CHECK(forever.until == policy::ReturnContexts::for_ever);
}
