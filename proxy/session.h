// A client's session: reads whatever has arrived, has it decided together, asks the upstream once,
// answers once. It reads like the dialogue of RFC 5321; what to say is Dialogue's, how a message
// flows is MessageFlow's. One thread: no locks here.
#pragma once

#include "base/config.h"
#include "base/network.h"
#include "base/repeated_warnings.h"
#include "policy/contacts.h"
#include "policy/ledger.h"
#include "policy/link.h"
#include "policy/return_contexts.h"
#include "policy/return_domain.h"
#include "policy/returns.h"
#include "policy/stream.h"
#include "policy/traffic.h"
#include "proxy/client_side.h"
#include "proxy/client_table.h"
#include "proxy/delivery_plan.h"
#include "proxy/dialogue.h"
#include "proxy/held_message.h"
#include "proxy/message.h"
#include "proxy/pool.h"
#include "proxy/return_paths.h"
#include "proxy/room.h"
#include "proxy/routes.h"

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
  LimitConfig limits;  // what of the listener's own is narrower is in here
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
  ListenerTls tls{};
  bool auth = false;                // clients may authenticate, to their upstream
  std::vector<Network> xforward{};  // peers whose XFORWARD is believed
  ListenerLimits listener_limits{};
  std::vector<Network> proxy_protocol{};  // who says first whom they speak for
  bool normalize_lines = false;           // a bare LF ends a line of a message
};

// The keys of today; from any thread. Null for as long as they are not known.
using LinkKeySource = std::function<std::shared_ptr<const policy::LinkKeys>()>;

// What a session borrows from its thread, which outlives it.
struct SessionContext {
  std::span<char> buffer;  // shared by the thread's sessions: never kept across a co_await
  Routes& routes;
  policy::ContactReader& contacts;
  policy::Findings& findings;  // scratch for one lookup at a time
  Time (*clock)();
  policy::TrafficLog* traffic = nullptr;     // null: nobody keeps what was let through and refused
  policy::Ledger* ledger = nullptr;          // null: a retry sends every copy again
  const LinkKeySource* link_keys = nullptr;  // null: no links
  policy::Returns* returns = nullptr;        // null: nobody reads return mail
  policy::ReturnContexts* contexts = nullptr;  // null: no return domain
  ClientTable* clients = nullptr;              // null: nobody's messages are counted
  PartialDeliveries* partial = nullptr;        // null: like `ledger`
  Room* return_mail_room = nullptr;            // null: there is no end of it
  RepeatedWarnings* warnings = nullptr;        // null: refusals by limits are not logged
  std::size_t listener = 0;                    // its place in the configuration
};

// A message of that login, or where it is empty of that address, may begin now.
[[nodiscard]] bool may_send(const SessionContext& context, const SessionSettings& settings,
                            std::string_view login, const IpAddress& address);

class Session final : public ClientSide {
 public:
  Session(std::string id, std::unique_ptr<Stream> client, IpAddress peer, SessionContext context,
          std::shared_ptr<const SessionSettings> settings);

  ~Session() override;

  [[nodiscard]] boost::asio::awaitable<void> run() override;
  void drain() override;

 private:
  [[nodiscard]] const Capabilities& offered() const;
  [[nodiscard]] Pool& pool();
  void warn_of_upstream(const Pool& pool, std::string_view why) const;
  [[nodiscard]] wire::ClientFacts facts() const;
  [[nodiscard]] boost::asio::awaitable<bool> serve(Plan plan);
  void end_behind_failure(Plan& plan);
  // Of AUTH (session_auth.cpp).
  struct Exchange;
  [[nodiscard]] boost::asio::awaitable<bool> authenticate(wire::Command command);
  [[nodiscard]] boost::asio::awaitable<wire::Reply> relay_exchange(Exchange& exchange);
  [[nodiscard]] boost::asio::awaitable<std::optional<wire::Reply>> ask_who(Exchange& exchange);
  [[nodiscard]] boost::asio::awaitable<Result<Lease>> connect_for(const Exchange& exchange,
                                                                  Pool& pool);
  [[nodiscard]] boost::asio::awaitable<std::optional<wire::Reply>> next_response(
      Exchange& exchange, const wire::Reply& challenge);
  [[nodiscard]] boost::asio::awaitable<bool> end_exchange(Exchange& exchange, wire::Reply reply);
  [[nodiscard]] boost::asio::awaitable<Dialogue::Settled> ask_upstream(Plan& plan);
  [[nodiscard]] boost::asio::awaitable<Answers> ask_once(const Plan& plan, bool fresh);
  struct Message;
  [[nodiscard]] boost::asio::awaitable<bool> relay_message(bool data_held);
  [[nodiscard]] boost::asio::awaitable<void> take_output(Message& message, std::string_view octets,
                                                         const MessageFlow::Output& output);
  [[nodiscard]] boost::asio::awaitable<void> cut_short(const Message& message, Error error);
  [[nodiscard]] boost::asio::awaitable<bool> end_message(Message& message);
  // Of BDAT (session_chunks.cpp).
  [[nodiscard]] boost::asio::awaitable<bool> relay_chunk(Plan::Chunk chunk, bool data_held);
  [[nodiscard]] boost::asio::awaitable<Result<std::string>> next_of_chunk(
      std::uint64_t taken, std::uint64_t left, std::chrono::steady_clock::time_point begun);
  [[nodiscard]] std::chrono::steady_clock::time_point chunks_until() const;
  [[nodiscard]] boost::asio::awaitable<void> take_stuffed(std::string octets);
  void give_up_message();
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
  void begin_pairs();
  void end_pairs(Time until);
  void hold(Message& message, std::span<const std::string_view> pieces);
  [[nodiscard]] std::string trace() const;

  SessionContext context_;
  std::shared_ptr<const SessionSettings> settings_;
  Gatekeeper gatekeeper_;
  std::unique_ptr<Pool> own_pool_;  // of who authenticated
  Pool* pool_ = nullptr;            // of the transaction under way
  Lease upstream_;
  std::uint32_t auth_failures_ = 0;
  // Of the last message: on record until the client shows that it read our 250.
  std::vector<policy::CopyKey> on_record_;
  std::vector<PartialDeliveries::Pair> pairs_;  // and of whom
  std::unique_ptr<Message> message_;            // of which some chunks came, and not the last
  bool relaying_ = false;                       // past DATA, or in a chunk
};

}  // namespace postern::proxy
