// What stands behind the pages in their tests: one person, and a configuration.
#pragma once

#include "base/config.h"
#include "policy/contacts.h"
#include "policy/decision.h"
#include "policy/link.h"
#include "policy/opt_outs.h"
#include "policy/stream.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace postern {

using policy::PlacedHold;
using policy::Scope;

inline constexpr Time now{std::chrono::seconds{1'772'366'400}};  // 2026-03-01T12:00:00Z
inline constexpr std::uint32_t today = 20'513;

inline policy::HoldPlaced held(Scope scope,
                               policy::HoldKind kind = policy::HoldKind::unsubscribed) {
  return {kind, std::move(scope), std::nullopt, std::nullopt};
}

// A store of one contact, kept as policy folds it.
class FakeStore final : public policy::OptOuts, public policy::ContactReader {
 public:
  FakeStore() : keys_(*policy::LinkKeys::create({*policy::random_link_key(1)})) {}

  void leave(Leave leave, Done<std::vector<PlacedHold>> done) override {
    if (silent) {
      const std::scoped_lock lock(mutex_);
      return unanswered_.push_back(std::move(done));
    }
    if (broken) return done(fail(Errc::io, "the store is away"));
    std::vector<PlacedHold> placed;
    for (const auto& scope : leave.scopes) {
      bool known = false;
      for (const auto& hold : contact.holds) known = known || stands(hold, scope);
      if (known) continue;
      const auto event = add(held(scope));
      placed.push_back({policy::hold_id(event), scope});
    }
    leaves.push_back(std::move(leave));
    done(placed);
  }
  void undo(Undo undo, Done<void> done) override {
    if (broken) return done(fail(Errc::io, "the store is away"));
    for (const auto& [id, scope] : undo.holds) {
      add(policy::HoldsLifted{.holds = {id}, .scope = scope});
    }
    done({});
  }
  void come_back(ComeBack wish, Done<void> done) override {
    if (broken) return done(fail(Errc::io, "the store is away"));
    for (const auto& scope : wish.scopes) {
      policy::HoldsLifted lifted{.holds = {}, .scope = scope};
      for (const auto& hold : contact.holds) {
        if (hold.kind == policy::HoldKind::unsubscribed) lifted.holds.push_back(hold.id);
      }
      add(std::move(lifted));
    }
    add(policy::ConsentGiven{wish.scopes.front()});
    done({});
  }
  void probe(Done<void> done) override {
    done(broken ? fail(Errc::io, "the store is away") : Result<void>{});
  }
  Result<std::shared_ptr<const policy::LinkKeys>> link_keys() override {
    return std::make_shared<const policy::LinkKeys>(keys_);
  }
  Result<void> find(const policy::CanonicalAddress& address, policy::Findings& findings) override {
    findings.clear();
    if (broken) return fail(Errc::io, "the store is away");
    if (address.text == "marie@example.fr") {
      findings.add(policy::Findings::Found::Form::mailbox).contact = contact;
    }
    return {};
  }
  Result<std::string> note(const policy::EventId& /*event*/) override { return std::string(); }
  Result<policy::ContactRef> ref(const policy::CanonicalAddress& /*address*/) override {
    return policy::ContactRef{};
  }

  policy::EventId add(policy::Facts facts, Time when = now) {
    const policy::EventId id{1, ++events};
    policy::apply(contact, {id, when, when, std::move(facts)});
    return id;
  }
  std::string token(const std::string& stream, const std::string& campaign = {},
                    std::uint32_t day = today) {
    return *keys_.seal({{"marie@example.fr"}, stream, campaign, day});
  }

  policy::Contact contact;
  std::vector<Leave> leaves;
  std::uint64_t events = 0;
  bool broken = false;
  std::atomic<bool> silent = false;  // leave() keeps what it is to answer with
  std::vector<Done<std::vector<PlacedHold>>> take_unanswered() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(unanswered_, {});
  }

 private:
  bool stands(const policy::Hold& hold, const Scope& scope) const {
    for (const auto& lift : contact.lifts) {
      if (lift.hold == hold.id) return false;
    }
    return hold.scope == scope;
  }
  policy::LinkKeys keys_;
  std::mutex mutex_;
  std::vector<Done<std::vector<PlacedHold>>> unanswered_;
};

inline Config configuration() {
  Config config;
  policy::Stream letter;
  letter.name = "newsletter";
  letter.title = "Our <newsletter>";
  letter.formerly = {"letters"};
  policy::Stream offers;
  offers.name = "offers";
  offers.title = "Offers & more";
  offers.description = "Twice a week";
  offers.offer = true;
  policy::Stream secret;
  secret.name = "secret";
  secret.title = "Nobody is told";
  policy::Stream invoices;
  invoices.name = "invoices";
  invoices.kind = policy::Stream::Kind::transactional;
  config.streams = {letter, offers, secret, invoices};
  config.unsubscribe.url = "https://unsub.example.com/news";
  config.unsubscribe.brand = "Example & Co";
  return config;
}

}  // namespace postern
