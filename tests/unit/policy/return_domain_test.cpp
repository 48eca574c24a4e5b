#include "policy/return_domain.h"

#include <string>

#include <doctest/doctest.h>

using namespace postern;
using namespace postern::policy;
using Kind = ReturnRecipient::Kind;

namespace {

const LinkKeys& keys() {
  static const auto made = [] {
    LinkKey key{.id = 1};
    key.secret.fill(7);
    return LinkKeys::create({key}).value();
  }();
  return made;
}

const Time now = Time{} + std::chrono::days{20'000};

Mailbox at(std::string local_part, std::string domain = "bounce.example.com") {
  return {.local_part = std::move(local_part), .domain = std::move(domain)};
}

std::string token(ReturnKind kind, std::uint32_t day) {
  return ReturnTokens(keys()).make({.kind = kind, .context = 1, .contact = {}, .day = day});
}

std::string said(const Mailbox& path, bool trusted = false, bool any_mailbox = false) {
  const ReturnDomain domain{.domain = "bounce.example.com",
                            .complaints = "complaints",
                            .valid_for = std::chrono::days{30},
                            .any_mailbox = any_mailbox};
  const ReturnTokens tokens(keys());
  const auto found = return_recipient(path, domain, tokens, trusted, now);
  if (const auto* why = std::get_if<NoReturn>(&found)) {
    switch (*why) {
      case NoReturn::elsewhere:
        return "elsewhere";
      case NoReturn::unknown:
        return "unknown";
      case NoReturn::expired:
        return "expired";
    }
  }
  switch (std::get<ReturnRecipient>(found).kind) {
    case Kind::bounce:
      return "bounce";
    case Kind::unsubscribe:
      return "unsubscribe";
    case Kind::complaints:
      return "complaints";
    case Kind::postmaster:
      return "postmaster";
    case Kind::mailbox:
      return "mailbox";
  }
  return "";
}

}  // namespace

TEST_CASE("whom a forward-path at the return-path listener names") {
  const auto fresh = token(ReturnKind::bounce, 19'990);
  CHECK(said(at(fresh)) == "bounce");
  CHECK(said(at("prvs=1234abcdef=" + fresh)) == "bounce");
  CHECK(said(at(token(ReturnKind::bounce, 19'900))) == "expired");
  CHECK(said(at(token(ReturnKind::unsubscribe, 15'000))) == "unsubscribe");
  auto altered = fresh;
  altered[40] = altered[40] == 'a' ? 'b' : 'a';
  CHECK(said(at(altered)) == "unknown");
  CHECK(said(at("Complaints")) == "complaints");
  CHECK(said(at("PostMaster")) == "postmaster");
  CHECK(said(at("Postmaster", "")) == "postmaster");
  CHECK(said(at("somebody")) == "unknown");
  CHECK(said(at(fresh, "example.com")) == "elsewhere");
  CHECK(said(at("postmaster", "example.com")) == "elsewhere");
}

TEST_CASE("any address is taken where the operator says so, and from trusted peers alone") {
  CHECK(said(at("somebody", "example.com"), true, true) == "mailbox");
  CHECK(said(at("somebody"), true, true) == "mailbox");
  CHECK(said(at("somebody"), false, true) == "unknown");
  CHECK(said(at("somebody"), true, false) == "unknown");
  CHECK(said(at(token(ReturnKind::bounce, 19'990)), true, true) == "bounce");
}
