#include "store/rows/row_reader.h"

#include "base/text.h"
#include "store/rows/access_line.h"
#include "store/rows/address_field.h"
#include "store/rows/decoder.h"
#include "store/rows/json_line.h"
#include "store/rows/line_window.h"
#include "store/rows/recogniser.h"
#include "store/rows/record.h"
#include "store/rows/table_reader.h"

#include <algorithm>
#include <deque>
#include <utility>

#include <fmt/format.h>

namespace postern::rows {
namespace {

constexpr std::size_t max_layouts = 64;  // of objects with different members

constexpr std::size_t max_shown = 200;  // octets of a line that is too long

using Kind = Recognition::Kind;

}  // namespace

struct RowReader::Impl {
  Impl(std::istream& in, ReadOptions how)
      : window(in), options(std::move(how)), record(options.dates) {}

  Result<Recognised> recognise() {
    if (auto named = check_format_name(options.format); !named) {
      return std::unexpected(std::move(named).error());
    }
    const Beginning beginning = window.begin();
    const bool only_utf8 = beginning.encoding == Encoding::utf8 && beginning.bom != 0;
    decoder = Decoder(only_utf8);
    auto known = what_it_is(only_utf8);
    if (!known) return std::unexpected(std::move(known).error());
    known->file.encoding = to_string(beginning.encoding);
    table = TableReader(known->style, only_utf8);
    pass(known->header.used, known->header.lines);
    file = *std::move(known);
    recognised = true;
    return file.file;
  }

  std::optional<Next> next() {
    if (!recognised && !ended) {
      if (auto known = recognise(); !known) {
        ended = true;
        return Next{1, {}, std::unexpected(std::move(known).error()), true};
      }
    }
    if (ended) return std::nullopt;
    for (std::string_view left = window.view(); waiting.empty(); left = window.view()) {
      if (left.empty()) return std::nullopt;
      const auto end = left.find('\n');
      const std::string_view first = left.substr(0, end);
      const std::size_t size = first.size() + (end == left.npos ? 0 : 1);
      if (first.size() > max_line) return over_long(first);
      if (trim(first).empty() || is_comment(first)) {
        pass(size, 1);
        continue;
      }
      if (file.kind != Kind::access) return read(left, first, size);
      read_access(left, first);
    }
    Next next = std::move(waiting.front());
    waiting.pop_front();
    return next;
  }

  std::string line_of(const Next& next) { return next.text.empty() ? quoted(last) : next.text; }

  std::uint64_t octets() const { return window.octets(); }

 private:
  // Of a file without a line that says anything: an empty list.
  Result<Recognition> what_it_is(bool only_utf8) {
    Recogniser recogniser(options, only_utf8);
    for (std::string_view left = window.view(); !left.empty(); left = window.view()) {
      const auto end = left.find('\n');
      const std::string_view first = left.substr(0, end);
      if (first.size() > max_line) break;
      if (!trim(first).empty()) {
        auto known = recogniser.read(left);
        if (!known) return std::unexpected(std::move(known).error());
        if (*known) return **std::move(known);
      }
      pass(first.size() + (end == left.npos ? 0 : 1), 1);
    }
    Recognition list;
    list.file.format = plain_list;
    list.file.source = no_source;
    return list;
  }

  [[nodiscard]] bool is_comment(std::string_view text) const {
    return (file.kind == Kind::list || file.kind == Kind::access) && text.starts_with('#');
  }

  Next read(std::string_view left, std::string_view first, std::size_t size) {
    Next next{line + 1, {}, fail(Errc::invalid, ""), false};
    last = first;
    switch (file.kind) {
      case Kind::table:
        next.row = table_row(left, size);
        break;
      case Kind::objects:
        next.row = object_row(first);
        pass(size, 1);
        break;
      case Kind::list:
        next.row = list_row(first);
        pass(size, 1);
        break;
      case Kind::access:
        break;  // read_access()
    }
    if (!next.row) next.text = quoted(first);
    next.stop = !next.row && record.stop();
    ended = next.stop;
    return next;
  }

  // As somebody would put it right; with escapes where it is in no encoding.
  std::string quoted(std::string_view first) {
    if (first.ends_with('\r')) first.remove_suffix(1);
    const auto text = decoder.decode(first);
    return text ? std::string(*text) : printable(first, max_line);
  }

  // Where a record is broken its first line alone is rejected, and the next line is a new chance.
  Result<Row> table_row(std::string_view left, std::size_t first_size) {
    const auto read = table.read(left);
    if (!read) {
      pass(first_size, 1);
      return std::unexpected(read.error());
    }
    pass(read->used, read->lines);
    const auto fields = table.fields();
    const auto& plans = file.layout.plans;
    if (fields.size() != plans.size()) {
      return fail(Errc::invalid,
                  fmt::format("{} fields where the header has {}", fields.size(), plans.size()));
    }
    record.begin(file.layout);
    for (std::size_t i = 0; i < plans.size(); ++i) record.add(plans[i], fields[i]);
    return record.finish();
  }

  Result<Row> object_row(std::string_view first) {
    record.begin(file.layout);
    const auto text = decoder.decode(first);
    if (!text) return std::unexpected(text.error());
    if (auto read = json.read(trim(*text)); !read) return std::unexpected(std::move(read).error());
    const Layout& layout = layout_of_members();
    record.begin(layout);
    for (std::size_t i = 0; i < layout.plans.size(); ++i) {
      if (layout.plans[i].use != Use::none && json.texts()[i].contains('\0')) {
        return fail(Errc::invalid, "a NUL");
      }
      record.add(layout.plans[i], json.texts()[i]);
    }
    return record.finish();
  }

  // Most objects of a file have the same members, or one of a few sets of them.
  const Layout& layout_of_members() {
    const auto same = std::ranges::find_if(
        layouts, [&](const auto& known) { return std::ranges::equal(known.first, json.names()); });
    if (same != layouts.end()) return same->second;
    if (layouts.size() == max_layouts) layouts.clear();
    std::vector<std::string> names(json.names().begin(), json.names().end());
    Layout layout = lay_out(*file.format, Header(names), options);
    return layouts.emplace_back(std::move(names), std::move(layout)).second;
  }

  Result<Row> list_row(std::string_view first) {
    const auto text = decoder.decode(first);
    if (!text) return std::unexpected(text.error());
    auto address = read_address(*text);
    if (!address) return std::unexpected(std::move(address).error());
    Row row{.address = *std::move(address), .statements = {}};
    row.statements.emplace_back();
    return row;
  }

  // A line may mean two rows, or none.
  void read_access(std::string_view left, std::string_view first) {
    const std::string_view whole = left.substr(0, access_line_size(left));
    const auto lines = std::ranges::count(whole, '\n') + (whole.ends_with('\n') ? 0 : 1);
    const auto add = [&](Result<Row> row) {
      waiting.push_back({line + 1, quoted(first), std::move(row), false});
    };
    const auto text = decoder.decode(whole);
    auto rows = text ? read_access_line(*text) : std::unexpected(text.error());
    if (whole.size() > max_line + 2) {
      add(too_long());
    } else if (!rows) {
      add(std::unexpected(std::move(rows).error()));
    } else {
      std::ranges::for_each(*rows, [&](Row& row) { add(std::move(row)); });
    }
    pass(whole.size(), static_cast<std::size_t>(lines));
  }

  Next over_long(std::string_view first) {
    Next next{line + 1, printable(first, max_shown), too_long(), false};
    window.skip_line();
    ++line;
    return next;
  }

  void pass(std::size_t octets, std::size_t lines) {
    window.consume(octets);
    line += lines;
  }

  LineWindow window;
  ReadOptions options;
  Recognition file;
  Decoder decoder{false};
  TableReader table{{}, false};
  JsonReader json;
  Record record;
  std::deque<std::pair<std::vector<std::string>, Layout>> layouts;
  std::deque<Next> waiting;
  std::string_view last;   // the first line of the record that was given last, in the window
  std::uint64_t line = 0;  // lines that are behind us
  bool recognised = false;
  bool ended = false;
};

RowReader::RowReader(std::istream& in, ReadOptions options)
    : impl_(std::make_unique<Impl>(in, std::move(options))) {}
RowReader::~RowReader() = default;
Result<Recognised> RowReader::recognise() { return impl_->recognise(); }
std::optional<RowReader::Next> RowReader::next() { return impl_->next(); }
std::string RowReader::line_of(const Next& next) const { return impl_->line_of(next); }
std::uint64_t RowReader::octets() const { return impl_->octets(); }

}  // namespace postern::rows
