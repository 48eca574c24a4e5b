#include "store/rows/json_line.h"

#include "store/rows/layout.h"

#include <array>
#include <cstddef>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace postern::rows {
namespace {

namespace json = boost::json;

constexpr int max_depth = 8;  // of objects in objects that may hold a column

// Texts, numbers and truth values; nothing for the rest.
void append_scalar(std::string& out, const json::value& value) {
  if (const auto* text = value.if_string()) {
    out.append(text->data(), text->size());
  } else if (const auto* number = value.if_int64()) {
    fmt::format_to(std::back_inserter(out), "{}", *number);
  } else if (const auto* positive = value.if_uint64()) {
    fmt::format_to(std::back_inserter(out), "{}", *positive);
  } else if (const auto* real = value.if_double()) {
    fmt::format_to(std::back_inserter(out), "{}", *real);
  } else if (const auto* truth = value.if_bool()) {
    out += *truth ? "true" : "false";
  }
}

}  // namespace

struct JsonReader::Walk {
  JsonReader& reader;
  std::string prefix;

  [[nodiscard]] bool object(const json::object& object, int depth) {
    for (const auto& [name, value] : object) {
      if (const auto* inner = value.if_object(); inner != nullptr && depth < max_depth) {
        const std::size_t outer = prefix.size();
        prefix.append(name.data(), name.size());
        prefix += '.';
        if (!this->object(*inner, depth + 1)) return false;
        prefix.resize(outer);
      } else if (!member({name.data(), name.size()}, value)) {
        return false;
      }
    }
    return true;
  }

  [[nodiscard]] bool member(std::string_view name, const json::value& value) {
    if (reader.count_ == max_columns) return false;
    if (reader.count_ == reader.names_.size()) {
      reader.names_.emplace_back();
      reader.texts_.emplace_back();
    }
    reader.names_[reader.count_] = prefix;
    reader.names_[reader.count_] += name;
    std::string& text = reader.texts_[reader.count_];
    ++reader.count_;
    text.clear();
    const auto* list = value.if_array();
    if (list == nullptr) {
      append_scalar(text, value);
      return true;
    }
    for (const json::value& item : *list) {
      if (!text.empty()) text += ',';
      append_scalar(text, item);
    }
    return true;
  }
};

Result<void> JsonReader::read(std::string_view line) {
  count_ = 0;
  std::array<unsigned char, 8192> memory;
  json::monotonic_resource resource(memory.data(), memory.size());
  json::error_code error;
  const json::value value = json::parse({line.data(), line.size()}, error, &resource);
  const json::object* object = value.if_object();
  if (error || object == nullptr) return fail(Errc::invalid, "not a JSON object");
  if (!Walk{*this, {}}.object(*object, 0)) {
    return fail(Errc::invalid, fmt::format("more than {} members", max_columns));
  }
  return {};
}

}  // namespace postern::rows
