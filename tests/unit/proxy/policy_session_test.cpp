// Policy requests and their answers: what each comes to, and a connection with many of them,
// however it is cut.
#include "proxy/policy_session.h"

#include "base/log.h"
#include "memory_stream.h"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <doctest/doctest.h>

using namespace postern;
using namespace postern::test;
namespace asio = boost::asio;

namespace {

const std::string dunno = "action=DUNNO\n\n";
const std::string unsubscribed = "action=550 5.7.1 recipient unsubscribed on 2026-03-01\n\n";

// gone@ left marketing, "two words"@ and j\xc3\xb6rg@ too; bounced@ has a bounce hold; broken@ is
// one for whom the store fails.
class FewContacts final : public policy::ContactReader {
 public:
  Result<void> find(const policy::CanonicalAddress& address, policy::Findings& findings) override {
    findings.clear();
    findings.asked = *ref(address);
    if (address.text == "broken@example.com") return fail(Errc::io, "the store is away");
    const bool bounced = address.text == "bounced@example.com";
    constexpr std::array<std::string_view, 3> left{"gone@example.com", "\"two words\"@example.com",
                                                   "j\xc3\xb6rg@xn--bcher-kva.example"};
    if (!bounced && std::ranges::find(left, address.text) == left.end()) return {};
    auto& found = findings.add(policy::Findings::Found::Form::mailbox);
    found.contact.holds = {
        {.id = {},
         .kind = bounced ? policy::HoldKind::bounced : policy::HoldKind::unsubscribed,
         .scope = {.kind = bounced ? policy::Scope::Kind::all : policy::Scope::Kind::marketing,
                   .stream = {}},
         .date = *parse_time("2026-03-01"),
         .until = {},
         .event = {}}};
    return {};
  }
  Result<std::string> note(const policy::EventId& /*event*/) override {
    return std::string(
        "mailbox \xc3\xbc"
        "ber\nquota");
  }
  Result<policy::ContactRef> ref(const policy::CanonicalAddress& address) override {
    return policy::ContactRef{static_cast<std::uint8_t>(address.text.front())};
  }
};

class KeptTraffic final : public policy::TrafficLog {
 public:
  void record(policy::Passages passages) override { kept.push_back(std::move(passages)); }
  std::vector<policy::Passages> kept;
};

std::shared_ptr<const policy::Streams> some_streams() {
  std::vector<policy::Stream> streams(3);
  streams[0].name = "invoices";
  streams[0].kind = policy::Stream::Kind::transactional;
  streams[0].sender = {"billing@example.org"};
  streams[1].name = "alerts";
  streams[1].kind = policy::Stream::Kind::transactional;
  streams[1].listener = {"alerts"};
  streams[2].name = "sales";
  streams[2].kind = policy::Stream::Kind::transactional;
  streams[2].login = {"*@sales.example"};
  return std::make_shared<const policy::Streams>(std::move(streams));
}

Time noon() { return *parse_time("2026-03-02"); }

std::string request(std::string_view recipient, std::string_view sender = "news@example.org",
                    std::string_view state = "RCPT", std::string_view login = "") {
  std::string text = "request=smtpd_access_policy\nprotocol_state=";
  text.append(state).append("\nsender=").append(sender);
  text.append("\nrecipient=").append(recipient).append("\nsasl_username=").append(login);
  return text.append("\nsize=0\n\n");
}

struct Asked {
  explicit Asked(std::string listener = "policy")
      : check({"test", contacts, findings, some_streams(), &noon, nullptr}, std::move(listener),
              &traffic) {}
  std::string operator()(const std::string& text) {
    const auto parsed = wire::parse_policy_request(text);
    REQUIRE(parsed.state == wire::ParsedPolicyRequest::State::complete);
    std::string answer;
    check.answer(parsed.request, answer);
    return answer;
  }
  FewContacts contacts;
  policy::Findings findings;
  KeptTraffic traffic;
  proxy::PolicyCheck check;
};

// A connection: what the client sends, in what pieces, and what it is told until it is hung up on.
struct Connection {
  std::string peer = "127.0.0.1";
  std::size_t chunk = std::string::npos;
  std::size_t write_limit = 1U << 20U;
  bool drained = false;   // at once
  std::size_t reads = 0;  // how many answers were written

  std::string play(std::string octets) {
    log::start(log::Level::error);
    asio::io_context context;
    auto in = std::make_shared<Pipe>(context.get_executor());
    auto out = std::make_shared<Pipe>(context.get_executor());
    for (std::size_t at = 0; at < octets.size(); at += std::min(chunk, octets.size() - at)) {
      in->put(octets.substr(at, chunk));
    }
    std::vector<char> buffer(256UL * 1024);
    FewContacts contacts;
    policy::Findings findings;
    proxy::Routes routes;  // a policy session asks no upstream
    auto settings = std::make_shared<proxy::SessionSettings>();
    settings->role = ListenerConfig::Role::policy;
    settings->trusted = loopback_networks();
    settings->streams = some_streams();
    settings->listener = "policy";
    proxy::PolicySession session("test", std::make_unique<MemoryStream>(in, out, write_limit),
                                 parse_ip(peer).value(),
                                 {.buffer = buffer,
                                  .routes = routes,
                                  .contacts = contacts,
                                  .findings = findings,
                                  .clock = &noon},
                                 settings);
    bool ended = false;
    if (drained) session.drain();
    asio::co_spawn(context, session.run(), [&](const std::exception_ptr& failure) {
      CHECK(!failure);
      ended = true;
    });
    // All is read, and it waits for more: Postfix leaves.
    context.poll();
    if (!ended) in->close();
    context.restart();
    context.poll();
    CHECK(ended);
    std::string told;
    for (const auto& piece : out->chunks) told += piece;
    reads = out->chunks.size();
    return told;
  }
};

}  // namespace

TEST_CASE("what a request comes to") {
  struct Case {
    std::string request;
    std::string answer;
    std::string_view why;
  };
  const std::string unreadable =
      "action=501 5.1.3 the address cannot be read, or has no domain\n\n";
  const Case cases[] = {
      {request("ann@example.com"), dunno, "nothing is known"},
      {request("gone@example.com"), unsubscribed, "without the address: Postfix puts it there"},
      {request("GONE@Example.COM."), unsubscribed, "however it is spelled"},
      {request("gone+tag@example.com"), dunno, "as the contacts have it: the tag is the store's"},
      {request("two words@example.com"), unsubscribed, "Postfix says it without quotes"},
      {request("j\xc3\xb6rg@b\xc3\xbc"
               "cher.example"),
       unsubscribed, "SMTPUTF8, U-labels"},
      {request("bounced@example.com"),
       "action=550 5.1.1 earlier mail bounced on 2026-03-01: mailbox ?ber quota\n\n",
       "one line of ASCII, whatever the note holds"},
      {request("gone@example.com", ""), dunno, "the null sender is no newsletter"},
      {request("gone@example.com", "billing@example.org"), dunno, "a transactional stream"},
      {request("gone@example.com", "news@example.org", "RCPT", "anna@sales.example"), dunno,
       "the stream of who authenticated"},
      {request("gone@example.com", "root"), unsubscribed, "no null sender, though no address"},
      {request("gone@example.com", "@@"), unsubscribed, "likewise"},
      {request("broken@example.com"),
       "action=DEFER_IF_PERMIT 4.3.0 the gate cannot look up recipients right now, try again "
       "later\n\n",
       "never a pass where the store cannot answer"},
      {request("gone@example.com", "news@example.org", "DATA"), dunno, "it was asked at RCPT"},
      {request("gone@example.com", "news@example.org", "END-OF-MESSAGE"), dunno, "likewise"},
      {request("gone@example.com", "news@example.org", "VRFY"), dunno, "nobody is written to"},
      {request("gone@example.com", "news@example.org", ""), unsubscribed, "it does not say when"},
      {request(""), dunno, "nobody is asked about"},
      {request("postmaster"), dunno, "RFC 5321 section 4.5.1"},
      {request("gone"), unreadable, "no domain: nobody knows who that will be"},
      {request("gone@"), unreadable, "no domain"},
      {request("gone@exa mple.com"), unreadable, "no domain"},
      {request("@example.com"), dunno, "the empty local part of that domain: nobody's so far"},
  };
  for (const auto& [text, answer, why] : cases) {
    CAPTURE(why);
    CHECK(Asked()(text) == answer);
  }
}

TEST_CASE("the listener's name is the stream's") {
  Asked alerts("alerts");
  CHECK(alerts(request("gone@example.com")) == dunno);
}

TEST_CASE("refusals are told to the traffic log, and nothing else is") {
  Asked asked;
  asked(request("ann@example.com"));
  asked(request("broken@example.com"));
  CHECK(asked.traffic.kept.empty());
  asked(request("gone@example.com"));
  REQUIRE(asked.traffic.kept.size() == 1);
  const auto& told = asked.traffic.kept.front();
  CHECK(told.stream == "default");
  CHECK(told.sender == "news@example.org");
  CHECK(told.time == noon());
  REQUIRE(told.recipients.size() == 1);
  CHECK(told.recipients.front().recipient == policy::ContactRef{'g'});
  CHECK(told.recipients.front().reason == policy::Reason::unsubscribed);
}

TEST_CASE("a connection: whatever has arrived is answered in one write, in order") {
  std::string asked;
  std::string answers;
  for (int i = 0; i < 200; ++i) {
    asked += request(i % 3 == 0 ? "gone@example.com" : "ann@example.com");
    answers += i % 3 == 0 ? unsubscribed : dunno;
  }
  Connection whole;
  CHECK(whole.play(asked) == answers);
  CHECK(whole.reads == 1);
  for (const std::size_t chunk : {1U, 2U, 7U, 100U, 1000U}) {
    CAPTURE(chunk);
    CHECK(Connection{.chunk = chunk}.play(asked) == answers);
  }
  CHECK(Connection{.write_limit = 1}.play(asked) == answers);
}

TEST_CASE("a connection: thousands of requests, more than one read holds") {
  std::string asked;
  std::string answers;
  for (int i = 0; i < 5000; ++i) {
    asked += request("gone@example.com");
    answers += unsubscribed;
  }
  CHECK(Connection{}.play(asked) == answers);
}

TEST_CASE("a connection: what is no request ends it, and what came before is answered") {
  const auto good = request("gone@example.com");
  CHECK(Connection{}.play(good + "EHLO client\n" + good) == unsubscribed);
  CHECK(Connection{}.play(std::string(40'000, 'x')) == "");
  CHECK(Connection{.chunk = 1}.play(std::string(40'000, 'x')) == "");
  CHECK(Connection{}.play(good.substr(0, good.size() - 1)) == "");
}

TEST_CASE("a connection: who is not trusted gets no answer") {
  CHECK(Connection{.peer = "192.0.2.1"}.play(request("ann@example.com")) == "");
}

TEST_CASE("a connection: at the end, what has arrived is answered still") {
  CHECK(Connection{.drained = true}.play(request("gone@example.com")) == unsubscribed);
  CHECK(Connection{.drained = true}.play("") == "");
}
