#include "web/site.h"

#include "fake_store.h"
#include "web/admin.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <unistd.h>

using namespace postern;
using web::Request;
using web::Response;

namespace {

class Pages {
 public:
  explicit Pages(const Config& config = configuration())
      : site_(*web::site_settings(config),
              {.opt_outs = store, .contacts = store, .metrics = metrics, .post = [](auto later) {
                 later();
               }}) {}
  Response ask(Request request, Time at = now) {
    Response answer;
    int answers = 0;
    site_.handle(request, at, [&](Response response) {
      answer = std::move(response);
      ++answers;
    });
    CHECK(answers == 1);
    return answer;
  }
  Response get(const std::string& target, const std::string& language = "en") {
    return ask({"GET", target, language, "", ""});
  }
  Response post(const std::string& target, const std::string& body, Time at = now) {
    return ask({"POST", target, "en", "application/x-www-form-urlencoded", body}, at);
  }

  FakeStore store;
  metrics::Registry metrics;

 private:
  web::Site site_;
};

bool allowed(const FakeStore& store, const Config& config, std::string_view stream) {
  const policy::Streams streams(config.streams);
  policy::Findings findings;
  findings.add(policy::Findings::Found::Form::mailbox).contact = store.contact;
  return policy::decide(findings, *streams.find(stream), streams, now).allowed();
}

std::string undo_token(const std::string& body) {
  const std::string before = "name=\"undo\" value=\"";
  const auto at = body.find(before);
  if (at == body.npos) return {};
  const auto from = at + before.size();
  return body.substr(from, body.find('"', from) - from);
}

}  // namespace

TEST_CASE("site: GET shows whom it is about and what there is, and changes nothing") {
  Pages pages;
  const auto target = "/u/" + pages.store.token("newsletter");
  for (const auto* method : {"GET", "HEAD"}) {
    const auto page = pages.ask({method, target, "en", "", ""});
    CHECK(page.status == 200);
    CHECK(page.route == "unsubscribe");
    CHECK(page.body.contains("m•••@e•••.fr"));
    CHECK(page.body.contains("Our &lt;newsletter&gt;"));
    CHECK(page.body.contains("Example &amp; Co"));
    CHECK(page.body.contains("Offers &amp; more"));
    CHECK(page.body.contains("Twice a week"));
    CHECK(page.body.contains("password resets"));
    CHECK_FALSE(page.body.contains("marie"));
    CHECK_FALSE(page.body.contains("Nobody is told"));
    CHECK_FALSE(page.body.contains("invoices<"));
    CHECK_FALSE(page.body.contains("<script"));
    CHECK_FALSE(page.body.contains("style="));
  }
  CHECK(pages.store.events == 0);
  CHECK(pages.store.leaves.empty());
}

TEST_CASE("site: one click leaves the stream, and a repetition is as good") {
  Pages pages;
  const auto target = "/u/" + pages.store.token("newsletter", "spring");
  for (int i = 0; i < 3; ++i) {
    const auto done = pages.post(target, "List-Unsubscribe=One-Click");
    CHECK(done.status == 200);
    CHECK(done.body == "unsubscribed\n");
    CHECK(done.headers.empty());
  }
  CHECK(pages.store.events == 1);
  CHECK_FALSE(allowed(pages.store, configuration(), "newsletter"));
  CHECK(allowed(pages.store, configuration(), "offers"));
  CHECK(allowed(pages.store, configuration(), "invoices"));
  CHECK(pages.store.leaves[0].way == "one-click");
  CHECK(pages.store.leaves[0].campaign == "spring");
  CHECK(pages.metrics.text().contains("postern_unsubscribes_total{via=\"one-click\"} 1\n"));
  CHECK(pages.metrics.text().contains("postern_time_to_honour_seconds_count 3\n"));
}

TEST_CASE("site: one click as multipart, in any case, with an upper-case token") {
  Pages pages;
  auto token = pages.store.token("newsletter");
  for (auto& c : token) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  const auto done = pages.ask(
      {"POST", "/u/" + token, "", "multipart/form-data; boundary=x",
       "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\none-click\r\n"
       "--x--\r\n"});
  CHECK(done.status == 200);
  CHECK(pages.store.events == 1);
}

TEST_CASE("site: a POST that asks for nothing is the page") {
  Pages pages;
  for (const auto* body : {"", "x=y", "do=", "do=everything", "List-Unsubscribe=Two-Clicks"}) {
    CAPTURE(body);
    const auto page = pages.post("/u/" + pages.store.token("newsletter"), body);
    CHECK(page.status == 200);
    CHECK(page.body.contains("Unsubscribe from"));
  }
  CHECK(pages.store.events == 0);
}

TEST_CASE("site: keep some, leave others, with a reason; then undo") {
  Pages pages;
  const auto target = "/u/" + pages.store.token("newsletter");
  const auto bye =
      pages.post(target, "do=leave&shown=offers&reason=too_many&comment=every+day%21%0D%0A%0Ano");
  CHECK(bye.status == 200);
  CHECK(bye.body.contains("You are unsubscribed"));
  CHECK(bye.body.contains("Our &lt;newsletter&gt;"));
  CHECK(bye.body.contains("Offers &amp; more"));
  CHECK(pages.store.leaves[0].note == "Too many messages: every day! no");
  CHECK(pages.store.leaves[0].way == "page");
  CHECK(pages.store.leaves[0].scopes ==
        std::vector<Scope>{{Scope::Kind::stream, "newsletter"}, {Scope::Kind::stream, "offers"}});
  CHECK_FALSE(allowed(pages.store, configuration(), "offers"));
  CHECK(allowed(pages.store, configuration(), "secret"));

  const auto undo = undo_token(bye.body);
  REQUIRE_FALSE(undo.empty());
  const auto other = pages.post("/u/" + pages.store.token("offers"), "do=undo&undo=" + undo);
  CHECK(other.body.contains("too late"));
  const auto late = pages.post(target, "do=undo&undo=" + undo, now + std::chrono::minutes{10});
  CHECK(late.body.contains("too late"));
  CHECK_FALSE(allowed(pages.store, configuration(), "newsletter"));
  const auto undone = pages.post(target, "do=undo&undo=" + undo, now + std::chrono::minutes{9});
  CHECK(undone.body.contains("as it was before"));
  CHECK(allowed(pages.store, configuration(), "newsletter"));
  CHECK(allowed(pages.store, configuration(), "offers"));
}

TEST_CASE("site: undo lifts what its POST placed, and nothing older") {
  Pages pages;
  pages.store.add(held({Scope::Kind::stream, "newsletter"}));
  const auto target = "/u/" + pages.store.token("newsletter");
  const auto bye = pages.post(target, "do=leave&shown=offers");
  static_cast<void>(pages.post(target, "do=undo&undo=" + undo_token(bye.body)));
  CHECK_FALSE(allowed(pages.store, configuration(), "newsletter"));
  CHECK(allowed(pages.store, configuration(), "offers"));

  const auto again = pages.post(target, "do=leave&shown=offers&keep=offers");
  CHECK(again.body.contains("left already"));
  CHECK(undo_token(again.body).empty());
}

TEST_CASE("site: all newsletters; what is needed still arrives") {
  Pages pages;
  const auto bye = pages.post("/u/" + pages.store.token("newsletter"), "do=all&keep=offers");
  CHECK(bye.body.contains("no more newsletters"));
  for (const auto* stream : {"newsletter", "offers", "secret", "default"}) {
    CAPTURE(stream);
    CHECK_FALSE(allowed(pages.store, configuration(), stream));
  }
  CHECK(allowed(pages.store, configuration(), "invoices"));
}

TEST_CASE("site: a form cannot leave what the page does not offer") {
  Pages pages;
  static_cast<void>(
      pages.post("/u/" + pages.store.token("newsletter"),
                 "do=others&shown=secret&shown=invoices&shown=nothing&shown=default"));
  CHECK(pages.store.leaves.empty());
}

TEST_CASE("site: having left already is said, and one can come back") {
  Pages pages;
  const auto target = "/u/" + pages.store.token("newsletter");
  pages.store.add(held({Scope::Kind::stream, "letters"}));
  const auto page = pages.get(target);
  CHECK(page.body.contains("on 2026-03-01"));
  CHECK(page.body.contains("value=\"return\""));
  CHECK(page.body.contains("value=\"others\""));
  CHECK_FALSE(page.body.contains("value=\"leave\""));
  const auto back = pages.post(target, "do=return");
  CHECK(back.body.contains("Welcome back"));
  CHECK(allowed(pages.store, configuration(), "newsletter"));
  CHECK(pages.store.contact.consents.size() == 1);
  CHECK(pages.store.contact.consents[0].scope == Scope{Scope::Kind::stream, "newsletter"});

  pages.store.add(held({}, policy::HoldKind::bounced));
  CHECK(pages.post(target, "do=return").body.contains("another reason"));
}

TEST_CASE("site: a renamed stream is itself; one that is gone, or transactional now, is all") {
  Pages pages;
  CHECK(pages.get("/u/" + pages.store.token("letters")).body.contains("Our &lt;newsletter&gt;"));
  const auto gone = pages.get("/u/" + pages.store.token("gone"));
  CHECK(gone.body.contains("Unsubscribe from all newsletters?"));
  CHECK_FALSE(gone.body.contains("gone"));

  static_cast<void>(
      pages.post("/u/" + pages.store.token("invoices"), "List-Unsubscribe=One-Click"));
  CHECK(allowed(pages.store, configuration(), "invoices"));
  CHECK_FALSE(allowed(pages.store, configuration(), "newsletter"));

  Pages others;
  static_cast<void>(others.post("/u/" + others.store.token("gone"), "List-Unsubscribe=One-Click"));
  CHECK(others.store.leaves[0].scopes == std::vector<Scope>{{Scope::Kind::stream, "gone"}});
  CHECK_FALSE(allowed(others.store, configuration(), "newsletter"));
}

TEST_CASE("site: an old link beside a newer consent is honoured, and told") {
  Pages pages;
  pages.store.add(policy::ConsentGiven{.scope = {}});
  static_cast<void>(pages.post("/u/" + pages.store.token("newsletter", "", today - 20),
                               "List-Unsubscribe=One-Click"));
  CHECK(pages.store.leaves[0].note ==
        "by a link of 2026-02-09, older than the consent of 2026-03-01");
}

TEST_CASE("site: a forged or damaged link is a page that says what to do") {
  Pages pages;
  auto token = pages.store.token("newsletter");
  token.back() = token.back() == 'a' ? 'b' : 'a';
  for (const auto& bad : {token, token.substr(0, 20), std::string("x"), std::string("%2e%2e")}) {
    CAPTURE(bad);
    for (const auto* method : {"GET", "HEAD", "POST"}) {
      const auto page = pages.ask({method, "/u/" + bad, "en", "", "List-Unsubscribe=One-Click"});
      CHECK(page.status == 404);
      CHECK(page.body.contains("This link does not work"));
    }
  }
  CHECK(pages.store.events == 0);
}

TEST_CASE("site: a store that cannot write is never a yes") {
  Pages pages;
  const auto target = "/u/" + pages.store.token("newsletter");
  pages.store.broken = true;
  for (const auto* body : {"List-Unsubscribe=One-Click", "do=leave", "do=all", "do=return", ""}) {
    CAPTURE(body);
    const auto answer = pages.post(target, body);
    CHECK(answer.status == 503);
    REQUIRE(answer.headers.size() == 1);
    CHECK(answer.headers[0] == std::pair<std::string, std::string>{"Retry-After", "60"});
  }
  CHECK(pages.get(target).status == 503);
  CHECK(pages.metrics.text().contains("postern_unsubscribes_total{via=\"page\"} 0\n"));
}

TEST_CASE("site: in the languages of those who ask, and by their choice") {
  Pages pages;
  const auto target = "/u/" + pages.store.token("newsletter");
  CHECK(pages.get(target, "fr-FR,fr;q=0.9").body.contains("<html lang=\"fr\""));
  CHECK(pages.get(target, "fr-FR").body.contains("Me désabonner de « Our &lt;newsletter&gt; »"));
  CHECK(pages.get(target, "de").body.contains("abbestellen?"));
  CHECK(pages.get(target, "es").body.contains("¿Darse de baja"));
  CHECK(pages.get(target + "?lang=de", "fr").body.contains("<html lang=\"de\""));
  CHECK(pages.get(target + "?lang=xx", "fr").body.contains("<html lang=\"fr\""));
}

TEST_CASE("site: routes, with the prefix of the public address and without") {
  Pages pages;
  const auto token = pages.store.token("newsletter");
  struct Case {
    std::string method, target;
    unsigned status;
    std::string route, type;
  };
  const Case cases[] = {
      {"GET", "/news/u/" + token, 200, "unsubscribe", "text/html; charset=utf-8"},
      {"GET", "/healthz", 200, "healthz", "text/plain; charset=utf-8"},
      {"HEAD", "/news/healthz", 200, "healthz", "text/plain; charset=utf-8"},
      {"GET", "/static/pico.min.css", 200, "static", "text/css; charset=utf-8"},
      {"GET", "/news/static/page.css", 200, "static", "text/css; charset=utf-8"},
      {"GET", "/static/icon.svg", 200, "static", "image/svg+xml"},
      {"GET", "/robots.txt", 200, "static", "text/plain; charset=utf-8"},
      {"GET", "/static/logo", 404, "other", "text/plain; charset=utf-8"},
      {"GET", "/", 404, "other", "text/plain; charset=utf-8"},
      {"GET", "", 404, "other", "text/plain; charset=utf-8"},
      {"GET", "/u/", 404, "other", "text/plain; charset=utf-8"},
      {"GET", "/u/" + token + "/x", 404, "other", "text/plain; charset=utf-8"},
      {"GET", "/metrics", 404, "other", "text/plain; charset=utf-8"},
      {"GET", "/readyz", 404, "other", "text/plain; charset=utf-8"},
      {"GET", "/static/../texts/en.txt", 404, "other", "text/plain; charset=utf-8"},
      {"OPTIONS", "/u/" + token, 405, "unsubscribe", "text/plain; charset=utf-8"},
      {"PUT", "/u/x", 405, "unsubscribe", "text/plain; charset=utf-8"},
      {"POST", "/healthz", 405, "healthz", "text/plain; charset=utf-8"},
  };
  for (const auto& [method, target, status, route, type] : cases) {
    CAPTURE(method);
    CAPTURE(target);
    const auto answer = pages.ask({method, target, "", "", ""});
    CHECK(answer.status == status);
    CHECK(answer.route == route);
    CHECK(answer.content_type == type);
    if (status == 405) CHECK(answer.headers.at(0).first == "Allow");
  }
  CHECK(pages.store.events == 0);
}

TEST_CASE("site: the stylesheet is in the company's colour") {
  auto config = configuration();
  config.unsubscribe.colour = "#7a1f3d";
  Pages pages(config);
  const auto sheet = pages.get("/static/page.css").body;
  CHECK(sheet.contains("#7a1f3d"));
  CHECK_FALSE(sheet.contains("COLOUR"));
  CHECK_FALSE(sheet.contains("url("));
  CHECK_FALSE(sheet.contains("@import"));
}

TEST_CASE("site: the logo is an image of its kind, and not too large") {
  const auto folder =
      std::filesystem::temp_directory_path() / ("postern-logo-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const auto logo = [&](const std::string& name, const std::string& octets) {
    std::ofstream(folder / name, std::ios::binary) << octets;
    auto config = configuration();
    config.unsubscribe.logo = folder / name;
    return config;
  };
  const auto good = logo("a.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
  Pages pages(good);
  CHECK(pages.get("/static/logo").content_type == "image/svg+xml");
  CHECK(
      pages.get("/u/" + pages.store.token("newsletter")).body.contains("alt=\"Example &amp; Co\""));

  CHECK(web::site_settings(logo("b.png", "GIF89a")).error().code == Errc::invalid);
  CHECK(web::site_settings(logo("c.svg", "<svg>" + std::string(web::max_logo, ' '))).error().code ==
        Errc::invalid);
  auto absent = configuration();
  absent.unsubscribe.logo = folder / "absent.png";
  CHECK(web::site_settings(absent).error().text.contains("absent.png"));
  std::filesystem::remove_all(folder);
}

TEST_CASE("admin: lives, is ready or says why not, counts") {
  FakeStore store;
  metrics::Registry metrics;
  metrics.counter("postern_a_total", "A.").add();
  web::Admin admin(store, metrics);
  const auto ask = [&](const std::string& method, const std::string& target) {
    Response answer;
    admin.handle({method, target, "", "", ""}, [&](Response response) { answer = response; });
    return answer;
  };
  CHECK(ask("GET", "/healthz").status == 200);
  CHECK(ask("GET", "/readyz").status == 200);
  CHECK(ask("GET", "/metrics?x").body.contains("postern_a_total 1\n"));
  CHECK(ask("GET", "/metrics").content_type.starts_with("text/plain; version=0.0.4"));
  CHECK(ask("POST", "/metrics").status == 405);
  CHECK(ask("GET", "/").status == 404);
  CHECK(ask("GET", "").status == 404);
  CHECK(ask("GET", "/u/x").status == 404);
  store.broken = true;
  CHECK(ask("GET", "/readyz").status == 503);
  CHECK(ask("GET", "/readyz").body == "the store is away\n");
}
