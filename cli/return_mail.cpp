// `return-mail`: what came back and was not understood, kept for a look (store/kept_mail.h).
#include "base/text.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "store/kept_mail.h"

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace postern::cli {
namespace {

// Of the contact that the mail's token names; empty where there was none, or it was forgotten.
Result<std::string> contact_of(const Context& context, const store::KeptMail& mail) {
  if (mail.ref == policy::ContactRef{}) return std::string();
  auto address = context.store->address(mail.ref);
  if (!address) return std::unexpected(address.error());
  return std::move(address->text);
}

std::string or_dash(std::string_view text) { return text.empty() ? "-" : one_line(text); }

boost::json::object as_object(const store::KeptMail& mail, std::string_view contact) {
  boost::json::object object{{"number", mail.number}, {"time", format_time(mail.time)}};
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) object[name] = value;
  };
  add("address", contact);
  add("stream", mail.stream);
  object["sender"] = mail.sender;
  object["type"] = to_string(mail.type);
  object["size"] = mail.size;
  add("subject", mail.subject);
  return object;
}

// A stranger's octets are no orders to a terminal: lines stay, other controls are shown.
std::string for_terminal(std::string_view message) {
  std::string text;
  while (!message.empty()) {
    const auto end = message.find('\n');
    auto line = message.substr(0, end);
    message.remove_prefix(end == message.npos ? message.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    text += printable(line, 4 * line.size() + 1);
    text += '\n';
  }
  return text;
}

int list(const Context& context, bool json) {
  const auto kept = context.store->return_mail();
  if (!kept) return complain(kept.error());
  for (const auto& mail : *kept) {
    const auto contact = contact_of(context, mail);
    if (!contact) return complain(contact.error());
    if (json) {
      say(as_object(mail, *contact));
    } else {
      say(fmt::format("{:>6}  {}  {:<30}  {:<12}  {:<30}  {:>8}  {}", mail.number,
                      format_time(mail.time), or_dash(*contact), or_dash(mail.stream),
                      mail.sender.empty() ? "<>" : one_line(mail.sender), mail.size,
                      or_dash(mail.subject)));
    }
  }
  if (kept->empty() && !json) say("nothing is kept");
  return exit_done;
}

int show_one(const Context& context, std::uint64_t number, bool json) {
  const auto mail = context.store->return_mail(number);
  if (!mail && mail.error().code == Errc::not_found) {
    complain(mail.error());
    return exit_no;
  }
  if (!mail) return complain(mail.error());
  const auto contact = contact_of(context, *mail);
  if (!contact) return complain(contact.error());
  if (json) {
    auto object = as_object(*mail, *contact);
    object["message"] = for_terminal(mail->message);
    object["whole"] = mail->message.size() == mail->size;
    say(object);
    return exit_done;
  }
  say(fmt::format("{}, to {}, stream {}, from {}, {} octets{}", format_time(mail->time),
                  or_dash(*contact), or_dash(mail->stream),
                  mail->sender.empty() ? "<>" : one_line(mail->sender), mail->size,
                  mail->message.size() < mail->size ? ", the first of which are" : ""));
  say("");
  auto text = for_terminal(mail->message);
  if (text.ends_with('\n')) text.pop_back();
  say(text);
  return exit_done;
}

}  // namespace

int return_mail(const ReturnMailOptions& options) {
  std::optional<std::uint64_t> number;
  if (options.action == "show") {
    std::uint64_t value = 0;
    const auto* const end = options.number.data() + options.number.size();
    const auto read = std::from_chars(options.number.data(), end, value);
    if (options.number.empty() || read.ec != std::errc{} || read.ptr != end) {
      return wrong_call("return-mail show wants the number of a message: postern return-mail list");
    }
    number = value;
  } else if (options.action != "list" || !options.number.empty()) {
    return wrong_call(
        fmt::format("return-mail: '{}' is none of: list, show NUMBER", one_line(options.action)));
  }
  const auto context = open_context(options.where, store::Mode::read_only);
  if (!context) return context.error();
  return number ? show_one(*context, *number, options.json) : list(*context, options.json);
}

}  // namespace postern::cli
