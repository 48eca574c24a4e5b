// A form's body: application/x-www-form-urlencoded, or multipart/form-data (RFC 7578), which RFC
// 8058 section 3.1 asks for. Nothing in it is trusted, and nothing of it is an error: what cannot
// be read is not there.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::web {

inline constexpr std::size_t max_form_fields = 2'000;  // those beyond are left out

class Form {
 public:
  Form() = default;
  explicit Form(std::vector<std::pair<std::string, std::string>> fields)
      : fields_(std::move(fields)) {}
  // The first of that name; empty where there is none.
  [[nodiscard]] std::string_view get(std::string_view name) const;
  [[nodiscard]] std::vector<std::string_view> all(std::string_view name) const;
  [[nodiscard]] bool empty() const { return fields_.empty(); }
  [[nodiscard]] std::size_t size() const { return fields_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// Of a body without a content type, or with one that is unknown, as if it were urlencoded.
[[nodiscard]] Form parse_form(std::string_view content_type, std::string_view body);

}  // namespace postern::web
