// What return mail left behind, as the verbs show it: reactivate, return-mail, show, report.
#include "base/time.h"
#include "program.h"
#include "store/kept_mail.h"
#include "store/store.h"

#include <chrono>
#include <functional>

#include <boost/json/parse.hpp>

using namespace postern;
using policy::BounceReason;

namespace {

const Time now = current_time();

// A store that was told `what`.
std::string store_of(const Folder& folder, const std::function<void(store::Store&)>& what) {
  const auto where = folder.store();
  auto store = store::Store::open(
      {.path = where, .mode = store::Mode::read_write, .map_size = 1ULL << 30U, .providers = {}});
  REQUIRE(store);
  what(**store);
  return where;
}

void bounce(store::Store& store, std::string_view address, BounceReason reason,
            std::string_view status, std::string_view diagnostic, bool by_hash = false) {
  const auto contact = policy::parse_contact(address, false);
  REQUIRE(contact);
  store::NoteReturn mail;
  mail.ref = *store.ref(*contact);
  if (!by_hash) mail.address = *contact;
  mail.evidence = {policy::ReturnType::bounce, reason, std::string(status)};
  mail.bounce_class = policy::class_of(reason);
  mail.stream = "news";
  mail.campaign = "spring";
  mail.diagnostic = diagnostic;
  mail.remote_mta = "mx.example.com";
  mail.reporting_mta = "mail.example.org";
  mail.message_id = "<1@example.org>";
  mail.origin = {"return-path", "", ""};
  const store::Change change = mail;
  REQUIRE(store.change({&change, 1}, now));
}

}  // namespace

TEST_CASE("a bounce is refused with its date, code and diagnostic, by a token's hash too") {
  const Folder folder;
  const auto store = store_of(folder, [](store::Store& into) {
    bounce(into, "ann@example.com", BounceReason::user_unknown, "5.1.1", "550 no such user");
    bounce(into, "bob@example.com", BounceReason::not_accepting, "5.2.1", "550 5.2.1 closed", true);
  });
  const auto ran =
      postern_run({"check", "ann@example.com", "bob+tag@example.com", "--store", store});
  CHECK(ran.status == 1);
  CHECK(has(ran.out, "550 5.1.1 <ann@example.com>: earlier mail bounced on " + format_date(now) +
                         ": 5.1.1 550 no such user\n"));
  CHECK(has(ran.out, "550 5.1.1 <bob+tag@example.com>: earlier mail bounced on " +
                         format_date(now) + ": 550 5.2.1 closed\n"));
  CHECK(has(ran.out,
            "  lift it with: postern reactivate ann@example.com --confirm --seen 'how we know'\n"));
  CHECK(has(ran.out, "  lift it with: postern reactivate ADDRESS --confirm\n"));
}

TEST_CASE("show: reason, code, diagnostic, MTAs, message and campaign") {
  const Folder folder;
  const auto store = store_of(folder, [](store::Store& into) {
    bounce(into, "ann@example.com", BounceReason::user_unknown, "5.1.1", "550 no such user");
    bounce(into, "bob@example.com", BounceReason::mailbox_full, "4.2.2", "452 over quota");
  });
  const auto text = postern_run({"show", "ann@example.com", "--store", store}).out;
  CHECK(has(text,
            " (return-path: 550 no such user)\n    user-unknown, 5.1.1, said by "
            "mx.example.com, reported by mail.example.org, message <1@example.org>, campaign "
            "spring\n"));
  const auto json = postern_run({"show", "ann@example.com", "--json", "--store", store}).out;
  const auto hold = boost::json::parse(json.substr(0, json.find('\n')));
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"record", "hold"},
           {"type", "bounce"},
           {"reason", "user-unknown"},
           {"code", "5.1.1"},
           {"diagnostic", "550 no such user"},
           {"remote_mta", "mx.example.com"},
           {"reporting_mta", "mail.example.org"},
           {"message_id", "<1@example.org>"},
           {"campaign", "spring"}}) {
    CAPTURE(name);
    CHECK(hold.at(name) == value);
  }
  const auto soft = postern_run({"show", "bob@example.com", "--store", store}).out;
  CHECK(has(soft, " bounce reported, counts as a soft bounce (return-path: 452 over quota)\n"));
  CHECK(has(soft, "stream default: accepted"));
}

TEST_CASE("report: who of a campaign bounced, and why") {
  const Folder folder;
  const auto store = store_of(folder, [](store::Store& into) {
    bounce(into, "ann@example.com", BounceReason::user_unknown, "5.1.1", "550 no such user");
    bounce(into, "bob@example.com", BounceReason::mailbox_full, "4.2.2", "452 over quota");
  });
  const auto text = postern_run({"report", "--campaign", "spring", "--store", store}).out;
  CHECK(has(text, "  bounced: user-unknown       1  ann@example.com "));
  CHECK(has(text, "  5.1.1 550 no such user\n"));
  CHECK(has(text, "soft_bounced: mailbox-full"));
  CHECK(has(text, "  4.2.2 452 over quota\n"));
  CHECK_FALSE(has(postern_run({"report", "--store", store}).out, "ann@example.com"));
  const auto table =
      postern_run({"report", "--recipients", "--format", "csv", "--store", store}).out;
  CHECK(
      has(table, ",bounced,user-unknown,1,ann@example.com,news,spring,,5.1.1,550 no such user\n"));
  const auto json =
      postern_run({"report", "--campaign", "spring", "--recipients", "--json", "--store", store})
          .out;
  CHECK(has(json, "\"result\":\"bounced\",\"reason\":\"user-unknown\""));
  CHECK(has(json, "\"code\":\"5.1.1\",\"diagnostic\":\"550 no such user\""));
}

TEST_CASE("reactivate: looks first, lifts with --confirm, and says what is left") {
  const Folder folder;
  const auto store = store_of(folder, [](store::Store& into) {
    bounce(into, "ann@example.com", BounceReason::not_accepting, "5.2.1", "550 closed");
    bounce(into, "bob@example.com", BounceReason::user_unknown, "5.1.1", "550 no such user");
  });
  const auto verb = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "reactivate");
    arguments.insert(arguments.end(), {"--store", store});
    return postern_run(arguments);
  };
  const auto look = verb({"ann@example.com"});
  CHECK(look.status == 1);
  CHECK(has(look.out, "  bounced since " + format_date(now) +
                          " (return-path: 550 closed)\n"
                          "  not-accepting, 5.2.1\n"));
  CHECK(has(look.out, "postmaster"));
  CHECK(has(look.out,
            "nothing was changed; lift it with: postern reactivate ann@example.com --confirm\n"
            "reactivations this month (UTC): 0 of 10 used, 10 left\n"));
  const auto done = verb({"ann@example.com", "--confirm"});
  CHECK(done.status == 0);
  CHECK(has(done.out, "ann@example.com: lifted: bounced since "));
  CHECK(has(done.out, "reactivations this month (UTC): 1 of 10 used, 9 left\n"));
  CHECK(postern_run({"check", "ann@example.com", "--store", store}).status == 0);
  CHECK(has(postern_run({"show", "ann@example.com", "--store", store}).out,
            " reactivated, lifted 1 hold for every stream (cli), by "));
  const auto nothing = verb({"ann@example.com", "--confirm"});
  CHECK(nothing.status == 1);
  CHECK(has(nothing.out, "nothing to lift"));

  CHECK(verb({"bob@example.com", "--confirm"}).status == 1);
  CHECK(postern_run({"check", "bob@example.com", "--store", store}).status == 1);
  CHECK(verb({"bob@example.com", "--confirm", "--seen", "his mail of today"}).status == 0);
  CHECK(postern_run({"check", "bob@example.com", "--store", store}).status == 0);
  CHECK(verb({"bob@example.com", "--confirm", "--seen", ""}).status == 2);
  CHECK(verb({"nobody"}).status == 2);
}

TEST_CASE("return-mail: listed, shown without controls, and not known") {
  const Folder folder;
  const auto store = store_of(folder, [](store::Store& into) {
    store::KeptMail mail;
    mail.time = now;
    mail.ref = *into.ref(*policy::parse_contact("first@example.com", false));
    mail.stream = "news";
    mail.sender = "someone@y.example";
    mail.subject = "hm \x1B[31m";
    mail.message = "Subject: hm\r\n\r\nred \x1B[31m\r\n";
    mail.size = 100'000;
    REQUIRE(into.keep_return_mail(mail, now));
  });
  const auto list = postern_run({"return-mail", "list", "--store", store});
  CHECK(list.status == 0);
  CHECK(has(list.out, "     1  " + format_time(now) + "  first@example.com "));
  CHECK(list.out.find('\x1B') == std::string::npos);
  const auto object =
      boost::json::parse(postern_run({"return-mail", "list", "--json", "--store", store}).out);
  CHECK(object.at("number") == 1);
  CHECK(object.at("size") == 100'000);
  CHECK(object.at("type") == "unknown");
  const auto shown = postern_run({"return-mail", "show", "1", "--store", store});
  CHECK(shown.status == 0);
  CHECK(has(shown.out, "\nSubject: hm\n\nred \\x1b[31m\n"));
  const auto whole =
      boost::json::parse(postern_run({"return-mail", "show", "1", "--json", "--store", store}).out);
  CHECK(whole.at("whole") == false);
  CHECK(postern_run({"return-mail", "show", "2", "--store", store}).status == 1);
  for (const auto& wrong :
       {std::vector<std::string>{"show"}, {"show", "x"}, {"list", "1"}, {"drop"}}) {
    auto arguments = wrong;
    arguments.insert(arguments.begin(), "return-mail");
    arguments.insert(arguments.end(), {"--store", store});
    CHECK(postern_run(arguments).status == 2);
  }
}
