#include "proxy/wire/command.h"

#include "base/text.h"
#include "proxy/wire/auth.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <limits>
#include <span>
#include <utility>

#include <fmt/format.h>

namespace postern::wire {
namespace {

constexpr std::size_t max_envid = 100;                       // RFC 3461 section 4.4
constexpr std::size_t max_orcpt = 500;                       // section 4.2
constexpr std::size_t max_size_digits = 20;                  // RFC 1870 section 3
constexpr std::uint64_t max_size = std::uint64_t{1} << 62U;  // above, a size is as good as this one
constexpr std::size_t max_shown = 60;                        // of a client's word, in a reply

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; }
bool is_upper_hex(char c) { return is_digit(c) || (c >= 'A' && c <= 'F'); }
// RFC 5321 section 4.1.2: esmtp-value.
bool is_value_octet(char c) { return c > ' ' && c <= '~' && c != '='; }

// The text up to the next blank, taken off the front together with the blanks behind it.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(text.find_first_not_of(' ', end), text.size()));
  return word;
}

// RFC 5321 section 4.1.2: esmtp-keyword.
bool is_keyword(std::string_view text) {
  const auto inner = [](char c) { return is_letter(c) || is_digit(c) || c == '-'; };
  return !text.empty() && text.front() != '-' && std::ranges::all_of(text, inner);
}

// RFC 3461 section 4.2: an atom.
bool is_address_type(std::string_view text) {
  constexpr std::string_view atom_specials = "!#$%&'*+-/?^_`{|}~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return is_letter(c) || is_digit(c) || atom_specials.find(c) != std::string_view::npos;
  });
}

bool take_size(std::string_view value, Command& command) {
  if (value.empty() || value.size() > max_size_digits || !std::ranges::all_of(value, is_digit))
    return false;
  std::uint64_t size = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), size);
  command.mail.size = error == std::errc{} ? std::min(size, max_size) : max_size;
  return true;
}

bool take_body(std::string_view value, Command& command) {
  if (equal_nocase(value, "7BIT")) {
    command.mail.body = Body::seven_bit;
  } else if (equal_nocase(value, "8BITMIME")) {
    command.mail.body = Body::eight_bit_mime;
  }
  return command.mail.body != Body::unspecified;
}

bool take_smtputf8(std::string_view /*value*/, Command& command) {
  command.mail.smtputf8 = true;
  return true;
}

bool take_ret(std::string_view value, Command& command) {
  command.mail.ret = to_upper(value);
  return command.mail.ret == "FULL" || command.mail.ret == "HDRS";
}

bool take_envid(std::string_view value, Command& command) {
  command.mail.envid = value;
  return value.size() <= max_envid && is_xtext(value);
}

bool take_notify(std::string_view value, Command& command) {
  command.recipient.notify = to_upper(value);
  std::string_view rest = command.recipient.notify;
  if (rest == "NEVER") return true;
  while (true) {
    const std::size_t comma = rest.find(',');
    const std::string_view when = rest.substr(0, comma);
    if (when != "SUCCESS" && when != "FAILURE" && when != "DELAY") return false;
    if (comma == std::string_view::npos) return true;
    rest.remove_prefix(comma + 1);
  }
}

bool take_orcpt(std::string_view value, Command& command) {
  command.recipient.orcpt = value;
  const std::size_t semicolon = value.find(';');
  if (semicolon == std::string_view::npos || value.size() > max_orcpt) return false;
  const std::string_view address = value.substr(semicolon + 1);
  return is_address_type(value.substr(0, semicolon)) && !address.empty() && is_xtext(address);
}

bool take_auth(std::string_view value, Command& command) {
  command.mail.auth = value;
  return value == "<>" || (value.size() <= max_orcpt && is_xtext(value));
}

struct ParameterRule {
  std::string_view keyword;
  bool has_value;
  bool (*take)(std::string_view value, Command& command);  // false: not a value of this keyword
  std::string_view allowed;
};
constexpr std::array mail_rules{
    ParameterRule{"SIZE", true, take_size, "SIZE= takes a number of octets"},
    ParameterRule{"BODY", true, take_body, "BODY= takes 7BIT or 8BITMIME"},
    ParameterRule{"SMTPUTF8", false, take_smtputf8, "SMTPUTF8 takes no value"},
    ParameterRule{"RET", true, take_ret, "RET= takes FULL or HDRS"},
    ParameterRule{"ENVID", true, take_envid, "ENVID= takes xtext of at most 100 characters"},
    ParameterRule{"AUTH", true, take_auth, "AUTH= takes <>, or xtext of at most 500 characters"},
};
constexpr std::array recipient_rules{
    ParameterRule{"NOTIFY", true, take_notify,
                  "NOTIFY= takes NEVER, or a list of SUCCESS,FAILURE,DELAY"},
    ParameterRule{"ORCPT", true, take_orcpt,
                  "ORCPT= takes a type, \";\" and xtext, of at most 500 characters"},
};

Reply bad_argument(std::string_view text) { return make_reply(501, "5.5.4", text); }
Reply bad_line(std::string_view text) { return make_reply(500, "5.5.2", text); }

std::optional<Reply> parse_parameters(std::string_view text, std::span<const ParameterRule> rules,
                                      Command& command) {
  unsigned seen = 0;  // a bit for each rule
  while (!text.empty()) {
    const std::string_view word = take_word(text);
    const std::size_t equals = word.find('=');
    const std::string_view keyword = word.substr(0, equals);
    if (!is_keyword(keyword)) {
      return bad_argument(fmt::format("not a parameter: {}", printable(word, max_shown)));
    }

    const auto rule = std::ranges::find_if(
        rules, [&](const ParameterRule& r) { return equal_nocase(r.keyword, keyword); });
    if (rule == rules.end()) {
      return make_reply(555, "5.5.4",
                        fmt::format("parameter not recognized: {}", printable(keyword, max_shown)));
    }
    const unsigned bit = 1U << static_cast<unsigned>(rule - rules.begin());
    if ((seen & bit) != 0) return bad_argument(fmt::format("{} is given twice", rule->keyword));
    seen |= bit;

    const bool has_value = equals != std::string_view::npos;
    const std::string_view value = has_value ? word.substr(equals + 1) : std::string_view{};
    const bool wanted = has_value == rule->has_value && value.empty() != rule->has_value;
    if (!wanted || !std::ranges::all_of(value, is_value_octet) || !rule->take(value, command)) {
      return bad_argument(rule->allowed);
    }
  }
  return std::nullopt;
}

// The index just behind the bracket that closes the path in front of `text`; npos: there is none. A
// bracket in a quoted local part closes nothing.
std::size_t path_end(std::string_view text) {
  const std::size_t first = text.find('>');
  if (!text.substr(0, first).contains('"')) return first == text.npos ? first : first + 1;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && text[i] == '>') {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

// What makes MAIL and RCPT differ.
struct PathCommand {
  std::string_view label;       // between the verb and the path
  std::string_view syntax;      // the text for who has it wrong
  std::string_view bad_syntax;  // RFC 3463 section 3.2: of sender or destination
  bool reverse;
  std::span<const ParameterRule> parameters;
};
constexpr PathCommand mail_command{"FROM:", "syntax: MAIL FROM:<address>", "5.1.7", true,
                                   mail_rules};
constexpr PathCommand rcpt_command{"TO:", "syntax: RCPT TO:<address>", "5.1.3", false,
                                   recipient_rules};

std::optional<Reply> parse_path_command(std::string_view text, const PathCommand& form,
                                        Command& command) {
  if (!equal_nocase(text.substr(0, form.label.size()), form.label))
    return bad_argument(form.syntax);
  text.remove_prefix(form.label.size());
  // RFC 5321 section 3.3 allows no blank here; the field sends it.
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  if (text.empty()) return bad_argument(form.syntax);

  const auto bad_path = [&](std::string_view why) { return make_reply(501, form.bad_syntax, why); };
  if (text.front() != '<') return bad_path("the address must be in angle brackets");
  const std::size_t end = path_end(text);
  if (end == std::string_view::npos) return bad_path("the angle bracket is not closed");
  if (end < text.size() && text[end] != ' ')
    return bad_argument("a blank must follow the angle bracket");

  if (!policy::read_plain_mailbox(text.substr(1, end - 2), command.path)) {
    auto mailbox = policy::parse_path(text.substr(0, end), form.reverse);
    if (!mailbox) return bad_path(printable(mailbox.error().text));
    // RFC 5321 section 4.1.1.3: "postmaster" alone is a forward-path, no reverse-path.
    if (form.reverse && mailbox->domain.empty() && !mailbox->empty())
      return bad_path("the address has no domain");
    command.path = std::move(*mailbox);
  }

  std::string_view parameters = text.substr(end);
  parameters.remove_prefix(std::min(parameters.find_first_not_of(' '), parameters.size()));
  if (auto error = parse_parameters(parameters, form.parameters, command)) return error;
  // RFC 6531 section 3.5.
  if (form.reverse && command.path.needs_smtputf8() && !command.mail.smtputf8) {
    return make_reply(553, "5.6.7", "this address needs SMTPUTF8");
  }
  return std::nullopt;
}

// A number of octets; one that is too long for us is as good as the largest.
std::optional<std::uint64_t> chunk_size(std::string_view number) {
  if (number.empty() || !std::ranges::all_of(number, is_digit)) return std::nullopt;
  std::uint64_t octets = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), octets);
  return error == std::errc{} ? octets : std::numeric_limits<std::uint64_t>::max();
}

enum class Argument : std::uint8_t { none, optional, needed, name, path, auth, chunk };
struct CommandRule {
  std::string_view word;
  Verb verb;
  Argument argument;
  std::string_view syntax;
};
constexpr std::array command_rules{
    CommandRule{"HELO", Verb::helo, Argument::name, "syntax: HELO name"},
    CommandRule{"EHLO", Verb::ehlo, Argument::name, "syntax: EHLO name"},
    CommandRule{"MAIL", Verb::mail, Argument::path, {}},
    CommandRule{"RCPT", Verb::rcpt, Argument::path, {}},
    CommandRule{"DATA", Verb::data, Argument::none, "DATA takes no argument"},
    CommandRule{"BDAT", Verb::bdat, Argument::chunk, "syntax: BDAT octets [LAST]"},
    CommandRule{"RSET", Verb::rset, Argument::none, "RSET takes no argument"},
    CommandRule{"NOOP", Verb::noop, Argument::optional, {}},
    CommandRule{"QUIT", Verb::quit, Argument::none, "QUIT takes no argument"},
    CommandRule{"VRFY", Verb::vrfy, Argument::needed, "syntax: VRFY text"},
    CommandRule{"EXPN", Verb::expn, Argument::needed, "syntax: EXPN text"},
    CommandRule{"HELP", Verb::help, Argument::optional, {}},
    CommandRule{"STARTTLS", Verb::starttls, Argument::none, "STARTTLS takes no argument"},
    CommandRule{"AUTH", Verb::auth, Argument::auth, "syntax: AUTH mechanism [initial-response]"},
    CommandRule{"XFORWARD", Verb::xforward, Argument::needed, "syntax: XFORWARD attribute=value"},
};

// Up to eight octets of a word, letters in one case, as a number; 0: it is longer.
constexpr std::uint64_t packed(std::string_view word) {
  if (word.size() > sizeof(std::uint64_t)) return 0;
  std::uint64_t number = 0;
  for (const char c : word) number = number << 8U | static_cast<unsigned char>(ascii_lower(c));
  return number;
}
constexpr auto packed_words = [] {
  std::array<std::uint64_t, command_rules.size()> words{};
  std::ranges::transform(command_rules, words.begin(), packed, &CommandRule::word);
  return words;
}();
static_assert(std::ranges::find(packed_words, 0U) == packed_words.end());

const CommandRule* rule_of(std::string_view word) {
  const auto* const found = std::ranges::find(packed_words, packed(word));
  return found == packed_words.end() ? nullptr
                                     : command_rules.begin() + (found - packed_words.begin());
}

// RFC 5321 section 4.2.4: commands that exist but are not served here get 502, words that are no
// command 500.
constexpr std::array<std::string_view, 6> not_served{"ETRN", "ATRN", "TURN",
                                                     "SEND", "SOML", "SAML"};

Command wrong(std::string_view line, Reply error) {
  Command command;
  if (announces_chunk(line)) command.verb = Verb::bdat;
  command.error = std::move(error);
  return command;
}

Command unserved(std::string_view word) {
  Command command;
  const auto is_word = [&](std::string_view known) { return equal_nocase(known, word); };
  command.error = std::ranges::any_of(not_served, is_word)
                      ? make_reply(502, "5.5.1", "command not implemented")
                      : make_reply(500, "5.5.1", "command not recognized");
  return command;
}

// RFC 4954 section 4: what the response says is the mechanism's question.
std::optional<Reply> parse_auth(std::string_view argument, const CommandRule& rule,
                                Command& command) {
  command.argument = to_upper(take_word(argument));
  command.initial_response = argument;
  if (!is_mechanism(command.argument)) return bad_argument(rule.syntax);
  if (argument == "=" || is_base64(argument)) return std::nullopt;
  return make_reply(501, "5.5.2", "the initial response is not base64");
}

// RFC 3030 section 2.
std::optional<Reply> parse_chunk(std::string_view argument, const CommandRule& rule,
                                 Command& command) {
  command.chunk = chunk_size(take_word(argument));
  command.last = equal_nocase(argument, "LAST");
  if (command.chunk && (argument.empty() || command.last)) return std::nullopt;
  return bad_argument(rule.syntax);
}

std::optional<Reply> parse_argument(std::string_view argument, const CommandRule& rule,
                                    Command& command) {
  switch (rule.argument) {
    case Argument::auth:
      return parse_auth(argument, rule, command);
    case Argument::chunk:
      return parse_chunk(argument, rule, command);
    case Argument::path:
      return parse_path_command(argument, rule.verb == Verb::mail ? mail_command : rcpt_command,
                                command);
    case Argument::none:
      if (!argument.empty()) return bad_argument(rule.syntax);
      break;
    case Argument::name:
      if (argument.size() > policy::max_domain) return bad_argument("the name is too long");
      [[fallthrough]];
    case Argument::needed:
      if (argument.empty()) return bad_argument(rule.syntax);
      break;
    case Argument::optional:
      break;
  }
  command.argument = argument;
  return std::nullopt;
}

}  // namespace

bool is_xtext(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_value_octet(text[i])) return false;
    if (text[i] != '+') continue;
    if (text.size() - i < 3 || !is_upper_hex(text[i + 1]) || !is_upper_hex(text[i + 2]))
      return false;
    i += 2;
  }
  return true;
}

bool announces_chunk(std::string_view line) {
  constexpr std::string_view word = "BDAT";
  if (!equal_nocase(line.substr(0, word.size()), word)) return false;
  return line.size() == word.size() ||
         !(is_letter(line[word.size()]) || is_digit(line[word.size()]));
}

Command parse_command(std::string_view line) {
  // RFC 5321 section 4.1.1: "SHOULD tolerate trailing white space".
  line = line.substr(0, line.find_last_not_of(" \t") + 1);
  if (has_control(line)) return wrong(line, bad_line("control character in a command"));
  std::string_view argument = line;
  const std::string_view word = take_word(argument);
  if (word.empty()) return wrong(line, bad_line("no command"));

  const CommandRule* const rule = rule_of(word);
  const bool has_path = rule != nullptr && rule->argument == Argument::path;
  if (!has_path && !is_ascii(line)) return wrong(line, bad_line("only ASCII is allowed here"));
  if (rule == nullptr) return unserved(word);

  Command command;
  command.verb = rule->verb;
  command.error = parse_argument(argument, *rule, command);
  return command;
}

void append_mail(std::string& out, const policy::Mailbox& reverse_path,
                 const MailParameters& parameters, bool with_size) {
  out += "MAIL FROM:<";
  if (!reverse_path.empty()) policy::append(out, reverse_path);
  out += '>';
  if (with_size && parameters.size)
    fmt::format_to(std::back_inserter(out), " SIZE={}", *parameters.size);
  if (parameters.body == Body::seven_bit) out += " BODY=7BIT";
  if (parameters.body == Body::eight_bit_mime) out += " BODY=8BITMIME";
  if (parameters.smtputf8) out += " SMTPUTF8";
  if (!parameters.ret.empty()) out.append(" RET=").append(parameters.ret);
  if (!parameters.envid.empty()) out.append(" ENVID=").append(parameters.envid);
  if (!parameters.auth.empty()) out.append(" AUTH=").append(parameters.auth);
  out += "\r\n";
}

void append_rcpt(std::string& out, const policy::Mailbox& forward_path,
                 const RecipientParameters& parameters) {
  out += "RCPT TO:<";
  policy::append(out, forward_path);
  out += '>';
  if (!parameters.notify.empty()) out.append(" NOTIFY=").append(parameters.notify);
  if (!parameters.orcpt.empty()) out.append(" ORCPT=").append(parameters.orcpt);
  out += "\r\n";
}

}  // namespace postern::wire
