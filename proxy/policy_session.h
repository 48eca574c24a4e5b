// A connection on which Postfix asks before it takes a recipient: any number of requests, whatever
// has arrived of them answered in one write. One thread: no locks here.
#pragma once

#include "base/network.h"
#include "proxy/policy_check.h"
#include "proxy/served.h"
#include "proxy/session.h"
#include "proxy/stream.h"

#include <memory>
#include <string>
#include <string_view>

namespace postern::proxy {

class PolicySession final : public Served {
 public:
  PolicySession(std::string id, std::unique_ptr<Stream> client, IpAddress peer,
                SessionContext context, std::shared_ptr<const SessionSettings> settings);

  // A peer that is not trusted is hung up on; so is one that asks what is no request, for there is
  // no answer that could not be taken for another's. Postfix makes 451 4.3.5 of both.
  [[nodiscard]] boost::asio::awaitable<void> run() override;
  // What has arrived is answered still.
  void drain() override;

 private:
  [[nodiscard]] boost::asio::awaitable<bool> wait();
  [[nodiscard]] boost::asio::awaitable<bool> answer();
  [[nodiscard]] bool take(std::string_view octets, std::string& answers);

  std::string id_;
  std::unique_ptr<Stream> client_;
  IpAddress peer_;
  SessionContext context_;
  std::shared_ptr<const SessionSettings> settings_;
  PolicyCheck check_;
  std::string pending_;  // read, but not yet a whole request
  bool waiting_ = false;
  bool draining_ = false;
};

}  // namespace postern::proxy
