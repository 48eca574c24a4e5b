// A session at the return-path listener: takes bounces, complaints and replies, has them understood
// and put on record, and passes them on to the original sender (RFC 5321 section 3.9.1: the
// reverse-path stays). 250 only when all of that is done (DESIGN.md 1). One thread: no locks here.
#pragma once

#include "base/network.h"
#include "policy/returns.h"
#include "proxy/client_side.h"
#include "proxy/held_message.h"
#include "proxy/message.h"
#include "proxy/return_check.h"
#include "proxy/session.h"

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::proxy {

class ReturnSession final : public ClientSide {
 public:
  // `settings->return_mail`, `context.returns` and `context.contexts` are there.
  ReturnSession(std::string id, std::unique_ptr<Stream> client, IpAddress peer,
                SessionContext context, std::shared_ptr<const SessionSettings> settings);

  [[nodiscard]] boost::asio::awaitable<void> run() override;

 private:
  struct Message;
  [[nodiscard]] Capabilities offered() const;
  [[nodiscard]] std::uint64_t most_octets() const;
  [[nodiscard]] boost::asio::awaitable<bool> serve(Plan plan);
  [[nodiscard]] boost::asio::awaitable<bool> take_message();
  void keep(Message& message, std::span<const std::string_view> pieces) const;
  [[nodiscard]] boost::asio::awaitable<wire::Reply> final_reply(Message& message);
  [[nodiscard]] Result<policy::ReturnMail> mail_of(const Message& message);
  [[nodiscard]] boost::asio::awaitable<Result<policy::ReturnVerdict>> understand(
      policy::ReturnMail mail);
  [[nodiscard]] boost::asio::awaitable<wire::Reply> pass_on(
      Message& message, const std::vector<policy::Mailbox>& recipients);
  void release_copies(Time until);

  SessionContext context_;
  std::shared_ptr<const SessionSettings> settings_;
  ReturnCheck check_;
  // Of the last mail: on record until the client shows that it read our 250.
  std::vector<policy::CopyKey> on_record_;
};

}  // namespace postern::proxy
