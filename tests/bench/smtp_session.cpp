#include "smtp_session.h"

#include <fmt/format.h>

namespace postern::bench {

void append_recipient(std::string& out, const Work& work, Progress& progress) {
  const auto number = progress.next_recipient++;
  out += "RCPT TO:<";
  if (!work.to.empty()) {
    out += work.to[number % work.to.size()];
  } else {
    const fmt::format_int text(number * 2654435761U % work.range);
    out.append(work.before).append(text.data(), text.size()).append(work.behind);
  }
  out += ">\r\n";
}

Session::Session(int socket, SSL_CTX* context, const Work& work, const Text& text,
                 Progress& progress)
    : channel_(socket, context, true, work.delayed_acks),
      work_(work),
      text_(text),
      progress_(progress) {}

bool Session::readable(std::span<char> room) {
  for (;;) {
    const auto count = channel_.read(room);
    if (count < 0) return stage_ == Stage::end ? false : broken("the connection was closed");
    if (count == 0) return true;
    if (!take({room.data(), static_cast<std::size_t>(count)})) return false;
    if (static_cast<std::size_t>(count) < room.size()) return true;
  }
}

bool Session::take(std::string_view octets) {
  std::string joined;
  if (!rest_.empty()) {
    joined = std::move(rest_);
    joined += octets;
    octets = joined;
  }
  for (auto end = octets.find('\n'); end != std::string_view::npos; end = octets.find('\n')) {
    const auto line = octets.substr(0, end + 1);
    octets.remove_prefix(end + 1);
    if (line.size() < 5 || !line.ends_with("\r\n"))
      return broken(fmt::format("a reply: {:.60}", line));
    if (line[3] != '-' && !reply(line)) return false;
  }
  rest_ = octets;
  return true;
}

// The last line of a reply, to the oldest command that has none.
bool Session::reply(std::string_view line) {
  const auto unexpected = [&] { return broken(fmt::format("an unexpected reply: {:.200}", line)); };
  switch (stage_) {
    case Stage::greeting:
      if (!line.starts_with("220")) return unexpected();
      stage_ = Stage::hello;
      return channel_.send("EHLO client.example.com\r\n") || broken("the connection broke");
    case Stage::hello:
      return line.starts_with("250") ? begin_message() : unexpected();
    case Stage::reset:
      stage_ = Stage::mail;
      return line.starts_with("250") || unexpected();
    case Stage::mail:
      stage_ = Stage::recipients;
      return line.starts_with("250") || unexpected();
    case Stage::recipients:
      if (!line.starts_with(work_.expect)) return unexpected();
      ++progress_.recipients;
      if (++answered_ == work_.recipients) stage_ = Stage::data;
      return true;
    case Stage::data:
      if (line.starts_with("354")) return send_text();
      if (!line.starts_with('5') || work_.expect.starts_with('2')) return unexpected();
      ++progress_.taken;
      reset_ = true;
      return begin_message();
    case Stage::text:
      if (!line.starts_with("250")) return unexpected();
      ++progress_.taken;
      return begin_message();
    case Stage::quit:
      stage_ = Stage::end;
      return line.starts_with("221") || unexpected();
    case Stage::end:
      return unexpected();
  }
  return false;
}

bool Session::begin_message() {
  if (begun_ == work_.each || progress_.begun == work_.messages) {
    stage_ = Stage::quit;
    return channel_.send("QUIT\r\n") || broken("the connection broke");
  }
  ++begun_;
  ++progress_.begun;
  answered_ = 0;
  out_.clear();
  if (reset_) out_ += "RSET\r\n";
  stage_ = reset_ ? Stage::reset : Stage::mail;
  reset_ = false;
  out_.append("MAIL FROM:<").append(work_.sender).append(">\r\n");
  for (std::size_t count = 0; count < work_.recipients; ++count)
    append_recipient(out_, work_, progress_);
  last_ = progress_.next_recipient - 1;
  out_ += "DATA\r\n";
  return channel_.send(out_) || broken("the connection broke");
}

bool Session::send_text() {
  stage_ = Stage::text;
  out_.clear();
  if (!work_.message.empty()) {
    // The same message again would be a retry: each has an identity of its own, by its recipient.
    out_ =
        fmt::format("Message-ID: <{}.{}>\r\n", last_,
                    work_.to.empty() ? "bench@mx.example.net" : work_.to[last_ % work_.to.size()]);
    return channel_.send(out_, work_.message, ".\r\n") || broken("the connection broke");
  }
  const auto number = progress_.begun;
  const auto line = number * 37;
  const auto body = text_.body(line, work_.size);
  append_fields(out_, {number, line, body.size()});
  out_ += "\r\n";
  return channel_.send(out_, body, ".\r\n") || broken("the connection broke");
}

bool Session::broken(std::string_view what) {
  if (progress_.error.empty()) {
    progress_.error = fmt::format("{} (stage {})", what, static_cast<int>(stage_));
  }
  return false;
}

}  // namespace postern::bench
