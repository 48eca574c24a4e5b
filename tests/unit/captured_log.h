// What the log wrote while something ran: it writes to standard error itself, not to std::cerr.
#pragma once

#include <cstdio>
#include <string>

#include <doctest/doctest.h>
#include <unistd.h>

template <class Run>
std::string captured_log(Run&& run) {
  std::FILE* const file = std::tmpfile();
  REQUIRE(file != nullptr);
  const int saved = ::dup(STDERR_FILENO);
  ::dup2(::fileno(file), STDERR_FILENO);
  run();
  std::fflush(stderr);
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  std::string text(static_cast<std::size_t>(::lseek(::fileno(file), 0, SEEK_END)), '\0');
  REQUIRE(::pread(::fileno(file), text.data(), text.size(), 0) ==
          static_cast<::ssize_t>(text.size()));
  std::fclose(file);
  return text;
}

inline std::size_t count_of(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++count;
  return count;
}
