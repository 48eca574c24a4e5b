#include "store/csv.h"

#include <algorithm>

namespace postern::store {
namespace {

// A cursor over a record; each step leaves `at_` on what comes next.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : text_(text) {}

  [[nodiscard]] Result<void> field(std::string& into) {
    into.clear();
    if (at_ < text_.size() && text_[at_] == '"') return quoted(into);
    const std::size_t end = std::min(text_.find_first_of(",\n", at_), text_.size());
    into = text_.substr(at_, end - at_);
    if (ends_line(end) && into.ends_with('\r')) into.pop_back();
    at_ = end;
    if (into.contains('"')) return fail(Errc::invalid, "a quote inside a field without quotes");
    return {};
  }

  // Over a comma: there is another field.
  [[nodiscard]] bool more() {
    if (at_ >= text_.size() || text_[at_] != ',') return false;
    ++at_;
    return true;
  }

  [[nodiscard]] CsvRecord finish() {
    if (at_ < text_.size()) ++at_;
    const std::string_view read = text_.substr(0, at_);
    const auto ends = static_cast<std::size_t>(std::ranges::count(read, '\n'));
    return {at_, ends + (read.ends_with('\n') ? 0 : 1)};
  }

 private:
  [[nodiscard]] bool ends_line(std::size_t at) const {
    return at == text_.size() || text_[at] == '\n';
  }

  [[nodiscard]] Result<void> quoted(std::string& into) {
    for (++at_;;) {
      const std::size_t quote = text_.find('"', at_);
      if (quote == text_.npos) return fail(Errc::invalid, "a quote that is not closed");
      into += text_.substr(at_, quote - at_);
      at_ = quote + 1;
      if (at_ == text_.size() || text_[at_] != '"') break;
      into += '"';
      ++at_;
    }
    if (at_ < text_.size() && text_[at_] == '\r' && ends_line(at_ + 1)) ++at_;
    if (!ends_line(at_) && text_[at_] != ',') {
      return fail(Errc::invalid, "text behind a closing quote");
    }
    return {};
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<CsvRecord> read_csv(std::string_view text, std::vector<std::string>& fields) {
  CsvReader reader(text);
  std::size_t count = 0;
  do {
    if (count == fields.size()) fields.emplace_back();
    if (auto read = reader.field(fields[count]); !read) return std::unexpected(read.error());
    ++count;
  } while (reader.more());
  fields.resize(count);
  return reader.finish();
}

void append_csv(std::string& out, std::string_view field) {
  if (field.find_first_of(",\"\r\n") == field.npos) {
    out += field;
    return;
  }
  out += '"';
  for (const char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

}  // namespace postern::store
