// Several sessions of return mail at once, over memory: what they hold together is bounded.
#include "proxy/return_session.h"

#include "memory_stream.h"
#include "proxy/room.h"

#include <array>
#include <memory>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

using namespace postern;
namespace asio = boost::asio;

namespace {

class NoContacts final : public policy::ContactReader {
 public:
  Result<void> find(const policy::CanonicalAddress& /*address*/,
                    policy::Findings& findings) override {
    findings.clear();
    return {};
  }
  Result<std::string> note(const policy::EventId& /*event*/) override { return std::string(); }
  Result<policy::ContactRef> ref(const policy::CanonicalAddress& /*address*/) override {
    return policy::ContactRef{};
  }
};

// Understands everything at once, and passes nothing on.
class ReadOnly final : public policy::Returns {
 public:
  void take(policy::ReturnMail /*mail*/, Done done) override { done(policy::ReturnVerdict{}); }
  void refused(policy::SessionRefusal /*refusal*/) override {}
};

class NoContexts final : public policy::ReturnContexts {
 public:
  NoContexts() {
    policy::LinkKey key{.id = 1};
    key.secret.fill(7);
    key.secret.back() = 8;
    tokens_ = std::make_shared<const policy::ReturnTokens>(*policy::LinkKeys::create({key}));
  }
  std::shared_ptr<const policy::ReturnTokens> tokens() override { return tokens_; }
  bool on_record(const Entry& /*entry*/) override { return true; }
  void keep(std::vector<Entry> /*entries*/, std::function<void(Result<void>)> done) override {
    done({});
  }

 private:
  std::shared_ptr<const policy::ReturnTokens> tokens_;
};

// A listener with room for 7000 octets of all its clients' mail.
struct Listener {
  struct Client {
    std::shared_ptr<test::Pipe> to_gate;
    std::shared_ptr<test::Pipe> from_gate;
    std::unique_ptr<proxy::ReturnSession> session;
  };

  Listener() {
    settings->hostname = "gate.example";
    settings->streams = std::make_shared<const policy::Streams>(std::vector<policy::Stream>{});
    auto returns_settings = std::make_shared<proxy::ReturnSettings>();
    returns_settings->domain.domain = "bounce.example";
    returns_settings->domain.complaints = "complaints";
    returns_settings->domain.any_mailbox = true;
    settings->trusted = {*parse_network("192.0.2.1")};
    settings->return_mail = returns_settings;
    routes.add({}, context.get_executor(), {},
               []() -> asio::awaitable<Result<std::unique_ptr<proxy::Upstream>>> {
                 co_return fail(Errc::io, "unreachable");
               });
  }

  // Greeted, and its message begun.
  std::unique_ptr<Client> connect(const std::string& recipient = "postmaster") {
    auto client = std::make_unique<Client>();
    client->to_gate = std::make_shared<test::Pipe>(context.get_executor());
    client->from_gate = std::make_shared<test::Pipe>(context.get_executor());
    client->session = std::make_unique<proxy::ReturnSession>(
        "test", std::make_unique<test::MemoryStream>(client->to_gate, client->from_gate, 1U << 20U),
        *parse_ip("192.0.2.1"),
        proxy::SessionContext{.buffer = buffer,
                              .routes = routes,
                              .contacts = contacts,
                              .findings = findings,
                              .clock = [] { return *parse_time("2026-03-02T12:00:00Z"); },
                              .returns = &returns,
                              .contexts = &contexts,
                              .return_mail_room = &room},
        settings);
    asio::co_spawn(context, client->session->run(),
                   [](const std::exception_ptr& failure) { CHECK(!failure); });
    CHECK(say(*client,
              "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<" + recipient + "@bounce.example>\r\n") == 250);
    CHECK(say(*client, "DATA\r\n") == 354);
    return client;
  }

  // The code of the last reply to it; 0: none.
  int say(Client& client, const std::string& octets) {
    client.to_gate->put(octets);
    context.restart();
    context.poll();
    std::string replies;
    for (const auto& piece : client.from_gate->chunks) replies += piece;
    client.from_gate->chunks.clear();
    if (!replies.ends_with("\r\n")) return 0;
    replies.resize(replies.size() - 2);
    return std::stoi(replies.substr(replies.rfind('\n') + 1));
  }

  void leave(Client& client) {
    client.to_gate->close();
    context.restart();
    context.poll();
  }

  asio::io_context context;
  std::array<char, 4096> buffer{};
  proxy::Routes routes;
  NoContacts contacts;
  policy::Findings findings;
  ReadOnly returns;
  NoContexts contexts;
  proxy::Room room{7000};
  std::shared_ptr<proxy::SessionSettings> settings = std::make_shared<proxy::SessionSettings>();
};

const std::string mail = "Subject: x\r\n\r\n" + std::string(1900, 'x') + "\r\n";

}  // namespace

TEST_CASE("return session: mail that all of them hold together is bounded, and who waits is fine") {
  Listener listener;
  auto first = listener.connect();
  auto second = listener.connect();
  CHECK(listener.say(*first, mail) == 0);
  CHECK(listener.say(*second, mail) == 0);
  CHECK(listener.say(*second, ".\r\n") == 452);  // read to its end, and then told
  CHECK(listener.say(*first, ".\r\n") == 250);
  // The session goes on, and there is room again.
  CHECK(listener.say(*second, "MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\n") == 250);
  CHECK(listener.say(*second, "DATA\r\n") == 354);
  CHECK(listener.say(*second, mail + ".\r\n") == 250);
  listener.leave(*first);
  listener.leave(*second);
}

TEST_CASE("return session: strangers' mail leaves half of the room to answers") {
  Listener listener;
  auto stranger = listener.connect();
  auto another = listener.connect("complaints");
  CHECK(listener.say(*stranger, mail) == 0);
  CHECK(listener.say(*another, mail + ".\r\n") == 452);
  auto answer = listener.connect("some-mailbox");
  auto second_answer = listener.connect("some-mailbox");
  CHECK(listener.say(*answer, mail) == 0);
  CHECK(listener.say(*second_answer, mail + ".\r\n") == 250);
  CHECK(listener.say(*answer, ".\r\n") == 250);
  CHECK(listener.say(*stranger, ".\r\n") == 250);
  for (auto* client : {stranger.get(), another.get(), answer.get(), second_answer.get()}) {
    listener.leave(*client);
  }
}

TEST_CASE("return session: who leaves in the middle, or is refused, gives its room back") {
  Listener listener;
  auto gone = listener.connect();
  CHECK(listener.say(*gone, mail) == 0);
  listener.leave(*gone);
  auto refused = listener.connect();
  CHECK(listener.say(*refused, mail + "a bare\nLF\r\n") == 0);
  auto next = listener.connect();
  CHECK(listener.say(*next, mail + ".\r\n") == 250);
  CHECK(listener.say(*refused, ".\r\n") == 550);
  listener.leave(*refused);
  listener.leave(*next);
}

TEST_CASE("return session: BDAT is not offered, and what it announces is no command") {
  Listener listener;
  auto client = listener.connect();
  CHECK(listener.say(*client, mail + ".\r\n") == 250);
  CHECK(listener.say(*client, "BDAT 6 LAST\r\nQUI") == 0);
  CHECK(listener.say(*client, "T\r\n") == 502);
  client->to_gate->put("EHLO x\r\n");
  listener.context.restart();
  listener.context.poll();
  std::string offered;
  for (const auto& piece : client->from_gate->chunks) offered += piece;
  CHECK(offered.find("PIPELINING") != std::string::npos);
  CHECK(offered.find("CHUNKING") == std::string::npos);
  listener.leave(*client);
}
