// Any file, read with any options, is rows or rejections, in order, each with its line; and what
// was read is written so that it reads back. The last octet is the options.
#include "base/config_values.h"
#include "base/text.h"
#include "base/time.h"
#include "store/rows/csv.h"
#include "store/rows/row_reader.h"

#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>

namespace {

using namespace postern;

void want(bool condition) {
  if (!condition) std::abort();
}

rows::ReadOptions options_of(std::uint8_t bits) {
  constexpr std::string_view columns[] = {"1", "email", "b", "3"};
  rows::ReadOptions options;
  options.dates = static_cast<rows::DateOrder>(bits % 3);
  if ((bits & 0x10U) != 0) options.columns.emplace_back("address", columns[bits % 4]);
  if ((bits & 0x20U) != 0) options.columns.emplace_back("stream", columns[bits / 4 % 4]);
  const auto formats = rows::formats();
  if ((bits & 0xC0U) == 0xC0U) options.format = formats[(bits & 0x3FU) % formats.size()];
  return options;
}

std::string exported(const rows::Row& row, const rows::Statement& said) {
  std::string except;
  for (const std::string& stream : said.except) except += stream + ' ';
  const auto& evidence = said.evidence;
  std::string out =
      "address,status,stream,date,until,source,reason,hold,except,evidence,code,diagnostic,"
      "campaign,remote_mta,reporting_mta,message_id\n";
  for (const std::string& field :
       {row.address.text, std::string(said.status ? to_string(*said.status) : ""), said.stream,
        said.date ? format_time(*said.date) : "", said.until ? format_time(*said.until) : "",
        said.source, evidence ? std::string(to_string(evidence->reason)) : said.note,
        said.hold ? to_hex(said.hold->octets) : "", except,
        std::string(evidence ? to_string(evidence->type) : ""),
        evidence ? evidence->status : std::string(), evidence ? said.note : std::string(),
        said.campaign, said.remote_mta, said.reporting_mta, said.message_id}) {
    if (!out.ends_with('\n')) out += ',';
    rows::append_csv(out, field);
  }
  return out;
}

// Blanks that are not seen are dropped around an address wherever it stands.
bool has_unseen_blank(std::string_view address) {
  return address.contains("\xC2\xA0") || address.contains("\xE2\x80\x8B") ||
         address.contains("\xEF\xBB\xBF");
}

void check(const rows::Row& row) {
  want(!row.address.text.empty());
  for (const rows::Statement& said : row.statements) {
    want(said.stream.empty() || config::check_name(said.stream).empty());
    const std::string text = exported(row, said);
    if (text.size() > 60UL * 1024 || has_unseen_blank(row.address.text)) continue;
    std::istringstream in(text);
    rows::RowReader reader(in, {});
    want(reader.recognise().has_value());
    const auto next = reader.next();
    want(next && next->row && next->row->statements.size() == 1);
    const rows::Statement& again = next->row->statements.front();
    want(next->row->address == row.address);
    want(again.status == said.status && again.stream == said.stream && again.date == said.date);
    want(again.until == said.until && again.source == said.source && again.note == said.note);
    want(again.hold == said.hold && again.except == said.except);
    want(again.evidence == said.evidence && again.campaign == said.campaign);
    want(again.remote_mta == said.remote_mta && again.reporting_mta == said.reporting_mta);
    want(again.message_id == said.message_id);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::uint8_t bits = size > 0 ? data[size - 1] : 0;
  std::istringstream in(std::string(reinterpret_cast<const char*>(data), size));
  rows::RowReader reader(in, options_of(bits));
  if (const auto known = reader.recognise(); !known) {
    want(!known.error().text.empty());
    return 0;
  }
  std::uint64_t line = 0;
  bool stopped = false;
  while (const auto next = reader.next()) {
    // Escaped, an octet is four; and UTF-16's two octets are up to three of UTF-8.
    want(!stopped && next->line >= line && next->line > 0 && next->text.size() <= 6 * size + 200);
    want(reader.octets() <= size);
    line = next->line;
    stopped = next->stop;
    if (next->row) {
      check(*next->row);
    } else {
      want(!next->row.error().text.empty());
    }
  }
  want(stopped || reader.octets() == size);
  return 0;
}
