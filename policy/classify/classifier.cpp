#include "policy/classify/classifier.h"

#include "policy/classify/codes.h"
#include "policy/classify/embedded.h"
#include "policy/classify/named_host.h"
#include "policy/classify/normal_text.h"
#include "policy/classify/rule_file.h"
#include "policy/classify/rule_set.h"

#include <stdexcept>
#include <utility>

namespace postern::classify {
namespace {

using policy::BounceReason;

// A mistake in the file that was compiled in is a mistake of the program; a test reads it.
std::vector<Rule> built_in_rules() {
  const auto& file = embedded_files().front();
  auto rules = read_rules(file.octets, file.name);
  if (!rules) throw std::logic_error(rules.error().text);
  return *std::move(rules);
}

// What nobody can tell before he has heard of a recipient.
bool is_of_recipient(BounceReason reason) {
  return policy::class_of(reason) == policy::BounceClass::hard ||
         reason == BounceReason::disabled || reason == BounceReason::mailbox_full;
}

bool is_of_domain(BounceReason reason) {
  return reason == BounceReason::domain_unknown || reason == BounceReason::not_accepting;
}

}  // namespace

const Classifier& Classifier::built_in() {
  static const Classifier classifier(std::make_shared<const RuleSet>(built_in_rules()));
  return classifier;
}

Result<Classifier> Classifier::create(std::string_view own_rules, std::string_view file_name) {
  auto rules = read_rules(own_rules, file_name);
  if (!rules) return std::unexpected(rules.error());
  for (auto& rule : *rules) rule.own = true;
  auto others = built_in_rules();
  rules->insert(rules->end(), std::make_move_iterator(others.begin()),
                std::make_move_iterator(others.end()));
  return Classifier(std::make_shared<const RuleSet>(*std::move(rules)));
}

Judgement Classifier::judge(const Evidence& evidence) const {
  const auto diagnostic = evidence.diagnostic.substr(0, max_text);
  const auto status = counting_code(evidence.status.substr(0, max_text), diagnostic);
  const std::string text = normal_text(diagnostic);
  // Whoever reports speaks for himself where nobody else was asked.
  const std::string host =
      normal_text(evidence.remote_mta.empty() ? evidence.reporting_mta : evidence.remote_mta);
  const auto reply = reply_code(diagnostic);
  const Rule* rule = rules_->decide({.text = text, .host = host, .status = status, .reply = reply});
  Judgement judgement;
  if (status) judgement.status = to_string(*status);
  if (rule == nullptr) return judgement;
  judgement.reason = rule->reason;
  judgement.rule = rule->name;
  judgement.certain = rule->tier < Tier::weak;
  if (is_of_recipient(rule->reason)) {
    auto command = evidence.command;
    if (command == Command::unknown) command = command_of(diagnostic);
    judgement.wants_command = command == Command::unknown && (reply != 0 || diagnostic.empty());
    if (command == Command::mail) {
      judgement.reason = BounceReason::policy;
      judgement.certain = true;
    } else if (command != Command::rcpt && rule->unless_rcpt && reply != 0) {
      judgement.reason = *rule->unless_rcpt;
    }
  }
  // The relay that could not be found is an outage of ours, and everybody's mail comes back.
  if (is_of_domain(judgement.reason) &&
      names_other_host(diagnostic, evidence.recipient, evidence.reporting_mta)) {
    judgement.reason = BounceReason::network;
    judgement.certain = true;
  }
  judgement.bounce_class = policy::class_of(judgement.reason);
  return judgement;
}

}  // namespace postern::classify
