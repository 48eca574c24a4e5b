// What a session asks beside its upstream, as a script has it: contacts, the log of traffic,
// refusals, return addresses.
#pragma once

#include "policy/contacts.h"
#include "policy/return_contexts.h"
#include "policy/return_token.h"
#include "policy/returns.h"
#include "policy/traffic.h"
#include "script.h"
#include "session_parts.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace postern::test {

class ScriptedContacts final : public policy::ContactReader {
 public:
  explicit ScriptedContacts(const Script& script) {
    for (const auto& setting : script.settings) {
      if (setting == "store-fails") fails_ = true;
      const auto blank = setting.find(' ');
      if (blank == std::string::npos) continue;
      if (const auto kind = policy::parse_hold_kind(setting.substr(0, blank))) {
        holds_.emplace_back(*policy::parse_contact(setting.substr(blank + 1), true), *kind);
      }
    }
  }
  Result<void> find(const policy::CanonicalAddress& address, policy::Findings& findings) override {
    if (fails_) return fail(Errc::io, "the store is away");
    findings.clear();
    findings.asked = *ref(address);
    names_.insert_or_assign(findings.asked, address.text);
    for (const auto& [held, kind] : holds_) {
      if (held != address) continue;
      add_hold(findings, kind,
               kind == policy::HoldKind::unsubscribed ? policy::Scope::Kind::marketing
                                                      : policy::Scope::Kind::all);
    }
    return {};
  }
  Result<std::string> note(const policy::EventId& /*event*/) override { return std::string(); }
  // A reference of ours: the beginning of the address.
  Result<policy::ContactRef> ref(const policy::CanonicalAddress& address) override {
    policy::ContactRef ref{};
    std::copy_n(address.text.begin(), std::min(address.text.size(), ref.size()), ref.begin());
    return ref;
  }
  // Who was asked about.
  [[nodiscard]] const std::string& name_of(const policy::ContactRef& ref) const {
    return names_.at(ref);
  }

 private:
  bool fails_ = false;
  std::map<policy::ContactRef, std::string> names_;
  std::vector<std::pair<policy::CanonicalAddress, policy::HoldKind>> holds_;
};

class KeptRefusals final : public policy::Returns {
 public:
  void take(policy::ReturnMail /*mail*/, Done done) override { done(policy::ReturnVerdict{}); }
  void refused(policy::SessionRefusal refusal) override {
    lines.push_back(fmt::format("{} {} {}: {}", refusal.stream, refusal.sender,
                                refusal.recipient.text, refusal.reply));
  }
  std::vector<std::string> lines;
};

class KeptTraffic final : public policy::TrafficLog {
 public:
  explicit KeptTraffic(const ScriptedContacts& contacts) : contacts_(contacts) {}
  void record(policy::Passages passages) override {
    const auto shown = [](const std::string& text) { return text.empty() ? "-" : text; };
    std::vector<std::string> recipients;
    bool delivered = false;
    for (const auto& [recipient, reason] : passages.recipients) {
      recipients.push_back(
          fmt::format("{} {}", contacts_.name_of(recipient), policy::to_string(reason)));
      const bool let_through = reason == policy::Reason::none;
      delivered |= let_through;
      if (!let_through) ++refusals;
    }
    if (delivered) ++deliveries;
    std::ranges::sort(recipients);
    lines.push_back(fmt::format("{} {} {}: {}", passages.stream, shown(passages.campaign),
                                shown(passages.sender), fmt::join(recipients, ", ")));
  }
  std::vector<std::string> lines;
  std::size_t refusals = 0;
  std::size_t deliveries = 0;

 private:
  const ScriptedContacts& contacts_;
};

constexpr std::uint32_t today = 20'514;  // 2026-03-02

// On record when it is asked; it is told of later.
class ScriptedReturns final : public policy::ReturnContexts {
 public:
  explicit ScriptedReturns(const Script& script)
      : fails_(script.has("contexts-fail")), keyless_(script.has("no-keys")) {
    tokens_ = std::make_shared<const policy::ReturnTokens>(link_keys());
  }
  std::shared_ptr<const policy::ReturnTokens> tokens() override {
    return keyless_ ? nullptr : tokens_;
  }
  bool on_record(const Entry& entry) override { return kept_.contains(entry.hash); }
  void keep(std::vector<Entry> entries, std::function<void(Result<void>)> done) override {
    if (fails_) return done(fail(Errc::full, "the disk is full"));
    for (const auto& entry : entries) kept_.insert(entry.hash);
    done({});
  }
  // The line with its tokens; nothing where one of them is not on record.
  [[nodiscard]] std::optional<std::string> expand(std::string line) {
    for (const std::string_view kind : {"{bounce ", "{unsubscribe "}) {
      const auto begin = line.find(kind);
      const auto end = line.find('}', begin);
      if (begin == line.npos || end == line.npos) continue;
      const auto token = token_of(line.substr(begin + 1, end - begin - 1));
      if (!token) return std::nullopt;
      line.replace(begin, end - begin + 1, *token);
    }
    return line;
  }

 private:
  std::optional<std::string> token_of(const std::string& text) {
    std::istringstream words(text);
    std::string kind;
    policy::ReturnContext context;
    std::string recipient;
    words >> kind >> context.stream;
    if (kind == "bounce") words >> context.sender;
    words >> recipient;
    const auto hash = tokens_->hash(context);
    if (!kept_.contains(hash)) return std::nullopt;
    policy::ReturnToken token{
        .kind = kind == "bounce" ? policy::ReturnKind::bounce : policy::ReturnKind::unsubscribe,
        .context = hash,
        .day = today};
    const auto contact = policy::parse_contact(recipient, false).value();
    std::copy_n(contact.text.begin(), std::min(contact.text.size(), token.contact.size()),
                token.contact.begin());
    return tokens_->make(token);
  }
  bool fails_;
  bool keyless_;
  std::shared_ptr<const policy::ReturnTokens> tokens_;
  std::set<std::uint64_t> kept_;
};

}  // namespace postern::test
