// The pages as HTML: what is on them is decided by site.h, here it gets its words and its form.
#pragma once

#include "base/time.h"
#include "policy/address.h"
#include "web/language.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::web {

// Why somebody leaves: the keys of their texts behind "reason_"; kept in history in English.
inline constexpr std::array<std::string_view, 5> reasons{"too_many", "not_relevant", "never_asked",
                                                         "other_address", "other"};

// Of every page.
struct PageFrame {
  Language language = Language::english;
  std::string brand;  // empty: the page bears no name
  bool logo = false;
};

// Before anything was asked for.
struct ChoicesPage {
  struct Other {
    std::string name, title, description;
  };
  std::string address;                // masked
  std::optional<std::string> stream;  // its title; nullopt: all newsletters
  std::optional<Time> left;           // already, then
  bool held = false;                  // nothing is sent to them for another reason
  std::vector<Other> others;          // that may be kept
  bool may_leave_all = false;
};
[[nodiscard]] std::string render(const PageFrame& frame, const ChoicesPage& page);

// Afterwards.
struct GoodbyePage {
  std::string address;
  std::optional<std::string> stream;
  std::vector<std::string> left;  // titles; empty with `all`
  bool all = false;
  bool changed = false;  // something was left now, and not before
  std::string undo;      // its token; empty: there is nothing to undo
};
[[nodiscard]] std::string render(const PageFrame& frame, const GoodbyePage& page);

struct UndonePage {
  std::string address;
};
[[nodiscard]] std::string render(const PageFrame& frame, const UndonePage& page);

// The undo came too late, or with a damaged token.
struct UndoLatePage {
  std::optional<std::string> stream;
};
[[nodiscard]] std::string render(const PageFrame& frame, const UndoLatePage& page);

struct ReturnedPage {
  std::string address;
  std::optional<std::string> stream;
  bool held = false;  // another hold stands
};
[[nodiscard]] std::string render(const PageFrame& frame, const ReturnedPage& page);

struct UnknownPage {};
[[nodiscard]] std::string render(const PageFrame& frame, const UnknownPage& page);

struct LaterPage {};
[[nodiscard]] std::string render(const PageFrame& frame, const LaterPage& page);

// The same in the company's colour: static/page.css, static/icon.svg.
[[nodiscard]] std::string in_colour(std::string_view file, std::string_view colour);

}  // namespace postern::web
