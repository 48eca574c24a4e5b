// `dsn`: what return mail says, file by file. It touches no store.
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "policy/return_mail/reading.h"

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <system_error>

#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace postern::cli {
namespace {

constexpr std::string_view standard_input = "-";

// As much of it as is looked at, in the buffer.
Result<std::string_view> read_message(std::istream& in, std::string& buffer) {
  in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
  if (in.bad()) return fail(Errc::io, std::generic_category().message(errno));
  return std::string_view(buffer).substr(0, static_cast<std::size_t>(in.gcount()));
}

Result<std::string_view> read_file(const std::string& name, std::string& buffer) {
  if (name == standard_input) return read_message(std::cin, buffer);
  std::error_code error;
  if (std::filesystem::is_directory(name, error)) return fail(Errc::io, "it is a folder");
  std::ifstream file(name, std::ios::binary);
  if (!file) return fail(Errc::io, std::generic_category().message(errno));
  return read_message(file, buffer);
}

void set(boost::json::object& object, std::string_view name, std::string_view value) {
  if (!value.empty()) object[name] = value;
}

boost::json::object line_of(const std::string& file, policy::ReturnType type) {
  boost::json::object object;
  object["file"] = file;
  object["type"] = to_string(type);
  return object;
}

void print(const std::string& file, const return_mail::Reading& reading) {
  const auto finish = [&](boost::json::object& object) {
    set(object, "reporting_mta", reading.reporting_mta);
    set(object, "message_id", reading.message_id);
    set(object, "feedback_type", reading.feedback_type);
    say(object);
  };
  if (reading.findings.empty()) {
    auto object = line_of(file, reading.type);
    return finish(object);
  }
  for (const auto& finding : reading.findings) {
    auto object = line_of(file, finding.type);
    if (finding.bounce_class) object["class"] = to_string(*finding.bounce_class);
    if (finding.reason) object["reason"] = to_string(*finding.reason);
    set(object, "recipient", finding.recipient);
    set(object, "final_recipient", finding.final_recipient);
    set(object, "status", finding.status);
    set(object, "action", finding.action);
    set(object, "diagnostic", finding.diagnostic);
    set(object, "remote_mta", finding.remote_mta);
    finish(object);
  }
}

}  // namespace

int dsn(const DsnOptions& options) {
  int status = exit_done;
  // One for all of them: to clear a mebibyte costs as much as to read a bounce.
  std::string buffer(return_mail::max_read, '\0');
  for (const auto& name : options.files) {
    const auto message = read_file(name, buffer);
    if (!message) {
      status = complain(
          {message.error().code, fmt::format("{}: {}", one_line(name), message.error().text)});
      continue;
    }
    print(name, return_mail::read(*message, classify::Classifier::built_in()));
  }
  return status;
}

}  // namespace postern::cli
