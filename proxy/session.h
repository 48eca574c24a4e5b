// A client's session: reads whatever has arrived, has it decided together, asks the upstream once,
// answers once. It reads like the dialogue of RFC 5321; what to say is Dialogue's, how a message
// flows is MessageFlow's. One thread: no locks here.
#pragma once

#include "base/config.h"
#include "base/network.h"
#include "policy/contacts.h"
#include "policy/ledger.h"
#include "policy/link.h"
#include "policy/return_contexts.h"
#include "policy/return_domain.h"
#include "policy/returns.h"
#include "policy/stream.h"
#include "policy/traffic.h"
#include "proxy/client_side.h"
#include "proxy/delivery_plan.h"
#include "proxy/dialogue.h"
#include "proxy/held_message.h"
#include "proxy/message.h"
#include "proxy/pool.h"
#include "proxy/return_paths.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::proxy {

// What a listener for return mail has of its own.
struct ReturnSettings {
  policy::ReturnDomain domain;
  bool forward = true;  // return mail is passed on to the original sender
};

// What sessions of one configuration share; immutable. A reload makes a new one for new sessions.
struct SessionSettings {
  ListenerConfig::Role role = ListenerConfig::Role::relay;
  std::string hostname;
  TimeoutConfig timeouts;
  LimitConfig limits;
  std::vector<Network> trusted;
  bool received_header = true;
  std::shared_ptr<const policy::Streams> streams;
  std::string listener{};   // its name
  std::string links_url{};  // of the public pages; empty: no links
  std::vector<std::string> campaign_header{};
  std::uint32_t split_connections = 4;
  std::shared_ptr<const Counts> counts{};               // null: nobody counts
  std::shared_ptr<const ReturnSettings> return_mail{};  // of a listener for return mail alone
  std::shared_ptr<const ReturnRules> returns{};         // null: envelope senders stay as they are
};

// The keys of today; from any thread. Null for as long as they are not known.
using LinkKeySource = std::function<std::shared_ptr<const policy::LinkKeys>()>;

// What a session borrows from its thread, which outlives it.
struct SessionContext {
  std::span<char> buffer;  // shared by the thread's sessions: never kept across a co_await
  Pool& pool;
  policy::ContactReader& contacts;
  policy::Findings& findings;  // scratch for one lookup at a time
  Time (*clock)();
  policy::TrafficLog* traffic = nullptr;     // null: nobody keeps what was let through and refused
  policy::Ledger* ledger = nullptr;          // null: a retry sends every copy again
  const LinkKeySource* link_keys = nullptr;  // null: no links
  policy::Returns* returns = nullptr;        // null: nobody reads return mail
  policy::ReturnContexts* contexts = nullptr;  // null: no return domain
};

class Session final : public ClientSide {
 public:
  Session(std::string id, std::unique_ptr<Stream> client, IpAddress peer, SessionContext context,
          std::shared_ptr<const SessionSettings> settings);

  [[nodiscard]] boost::asio::awaitable<void> run() override;
  void drain() override;

 private:
  [[nodiscard]] boost::asio::awaitable<bool> serve(Plan plan);
  [[nodiscard]] boost::asio::awaitable<Dialogue::Settled> ask_upstream(Plan& plan);
  [[nodiscard]] boost::asio::awaitable<Answers> ask_once(const Plan& plan, bool fresh);
  struct Message;
  [[nodiscard]] boost::asio::awaitable<bool> relay_message(bool data_held);
  [[nodiscard]] boost::asio::awaitable<void> pass_on(Message& message,
                                                     const MessageFlow::Output& output);
  [[nodiscard]] boost::asio::awaitable<wire::Reply> final_reply(Message& message);
  [[nodiscard]] boost::asio::awaitable<wire::Reply> send_copies(Message& message);
  void tell_refusal(const wire::Reply& reply);
  [[nodiscard]] boost::asio::awaitable<std::optional<wire::Reply>> ask_for_data();
  [[nodiscard]] boost::asio::awaitable<std::optional<wire::Reply>> forward(
      const MessageFlow& flow, std::span<const std::string_view> pieces);
  [[nodiscard]] LinkMaking links() const;
  [[nodiscard]] boost::asio::awaitable<std::optional<wire::Reply>> keep_context();
  [[nodiscard]] boost::asio::awaitable<std::optional<wire::Reply>> keep_contexts(
      std::vector<policy::ReturnContexts::Entry> entries);
  [[nodiscard]] boost::asio::awaitable<void> take_first_piece(Message& message,
                                                              const MessageFlow::Output& output);
  void release_copies(Time until);
  void hold(Message& message, std::span<const std::string_view> pieces);
  [[nodiscard]] std::string trace() const;

  SessionContext context_;
  std::shared_ptr<const SessionSettings> settings_;
  Gatekeeper gatekeeper_;
  Lease upstream_;
  // Of the last message: on record until the client shows that it read our 250.
  std::vector<policy::CopyKey> on_record_;
  bool relaying_ = false;  // past DATA
};

}  // namespace postern::proxy
