#include "policy/return_mail/delivery_status.h"

#include "base/text.h"
#include "policy/return_mail/address_scan.h"
#include "policy/return_mail/header.h"
#include "policy/return_mail/reading.h"
#include "policy/return_mail/status.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <utility>

namespace postern::return_mail {
namespace {

enum class Name {
  reporting_mta,
  other,
  original,
  final,
  actual,
  action,
  status,
  diagnostic,
  remote_mta
};

struct Known {
  std::string_view text;
  Name name;
};
constexpr std::array known{
    Known{"reporting-mta", Name::reporting_mta},
    Known{"arrival-date", Name::other},
    Known{"original-envelope-id", Name::other},
    Known{"received-from-mta", Name::other},
    Known{"dsn-gateway", Name::other},
    Known{"last-attempt-date", Name::other},
    Known{"will-retry-until", Name::other},
    Known{"final-log-id", Name::other},
    Known{"original-recipient", Name::original},
    Known{"final-recipient", Name::final},
    Known{"x-actual-recipient", Name::actual},
    Known{"action", Name::action},
    Known{"status", Name::status},
    Known{"diagnostic-code", Name::diagnostic},
    Known{"remote-mta", Name::remote_mta},
};

std::optional<Name> name_of(std::string_view text) {
  const auto* const found =
      std::ranges::find_if(known, [&](const Known& one) { return equal_nocase(one.text, text); });
  if (found == known.end()) return std::nullopt;
  return found->name;
}

// "failed (expired)": the word.
std::string first_word(std::string_view value) {
  value = trim(value);
  return to_lower(value.substr(0, value.find_first_of(" \t(;")));
}

// "smtp; 550 ...": what was said.
std::string_view without_type(std::string_view value) {
  const std::size_t semicolon = value.find(';');
  const std::string_view type = trim(value.substr(0, semicolon));
  const bool is_type = semicolon != std::string_view::npos && !type.empty() && type.size() <= 20 &&
                       std::ranges::all_of(type, [](char c) {
                         return c == '-' || (c > ' ' && c < '\x7f' && c != ',');
                       });
  return trim(is_type ? value.substr(semicolon + 1) : value);
}

void cut(std::string& text, std::size_t limit) {
  if (text.size() > limit) text.resize(limit);
}

class Collector {
 public:
  void blank_line() {
    flush();
    group_ended_ = true;
  }
  // True where the field is one of a report.
  bool field(std::string_view name, std::string_view value) {
    flush();
    name_ = name_of(name);
    if (!name_) return false;
    value_ = trim(value);
    return true;
  }
  void continuation(std::string_view line) {
    if (!name_ || value_.size() > max_diagnostic) return;
    const std::string_view more = trim(line);
    if (!value_.empty() && !more.empty()) value_ += ' ';
    value_ += more;
  }
  DeliveryStatus done() && {
    flush();
    end_recipient();
    // Beside those with a name, a group without one is a part of theirs that a blank line cut off.
    auto& all = status_.recipients;
    if (std::ranges::any_of(all, &RecipientFields::named)) {
      std::erase_if(all, [](const RecipientFields& one) { return !one.named; });
    }
    return std::move(status_);
  }

 private:
  void end_recipient() {
    // Whoever knows to whom the message went needs no name.
    const bool told = !current_.action.empty() && !current_.status.empty();
    if ((current_.named || told) && status_.recipients.size() < max_findings) {
      status_.recipients.push_back(std::move(current_));
    }
    current_ = {};
    has_ = {};
  }

  // A field that the group has already begins another: blank lines between groups get lost. So does
  // one of a new group, unless the group before it has no more than names: blank lines get in
  // between, too.
  void begin(Name name) {
    const auto index = static_cast<std::size_t>(name);
    const bool complete = has_.at(static_cast<std::size_t>(Name::action)) ||
                          has_.at(static_cast<std::size_t>(Name::status));
    if ((has_.at(index) && name != Name::diagnostic) ||
        (group_ended_ && current_.named && complete)) {
      end_recipient();
    }
    group_ended_ = false;
    has_.at(index) = true;
  }

  void flush() {
    if (!name_) return;
    const Name name = *std::exchange(name_, std::nullopt);
    const std::string value = std::exchange(value_, {});
    if (name == Name::reporting_mta) status_.reporting_mta = host_of_field(value);
    if (name == Name::reporting_mta || name == Name::other) return;
    begin(name);
    store(name, value);
  }

  void store(Name name, const std::string& value) {
    if (name == Name::original || name == Name::final || name == Name::actual) {
      // An X-Actual-Recipient alone names nobody that the sender knows.
      current_.named = true;
      auto& address = name == Name::original ? current_.original
                      : name == Name::final  ? current_.final
                                             : current_.actual;
      address = address_of_field(value);
      cut(address, max_field);
    } else if (name == Name::action) {
      current_.action = first_word(value);
      cut(current_.action, 20);
    } else if (name == Name::status) {
      current_.status = find_status(value);
    } else if (name == Name::remote_mta) {
      current_.remote_mta = host_of_field(value);
    } else if (current_.diagnostic.empty()) {
      current_.diagnostic = without_type(value);
      cut(current_.diagnostic, max_diagnostic);
    }
  }

  DeliveryStatus status_;
  RecipientFields current_;
  std::array<bool, 9> has_{};
  bool group_ended_ = false;
  std::optional<Name> name_;
  std::string value_;
};

}  // namespace

std::string host_of_field(std::string_view value) {
  value = trim(value);
  const std::size_t semicolon = value.find(';');
  if (semicolon != std::string_view::npos && semicolon <= 12)
    value = trim(value.substr(semicolon + 1));
  std::string host(value.substr(0, value.find_first_of(" \t(;")));
  cut(host, max_field);
  return host;
}

DeliveryStatus parse_delivery_status(std::string_view text) {
  Collector collector;
  bool in_field = false;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (trim(line).empty()) {
      collector.blank_line();
      in_field = false;
      continue;
    }
    const std::string_view content = trim(line);
    const bool folded = line.front() == ' ' || line.front() == '\t';
    const std::string_view name = field_name(content);
    // A group may be indented as a whole; a folded line of a diagnostic may hold a colon.
    if (!name.empty() && (!folded || !in_field || name_of(name))) {
      in_field = collector.field(name, content.substr(content.find(':', name.size()) + 1));
    } else if (in_field && folded) {
      collector.continuation(line);
    } else {
      in_field = false;
    }
  }
  return std::move(collector).done();
}

}  // namespace postern::return_mail
