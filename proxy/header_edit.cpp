#include "proxy/header_edit.h"

#include "base/text.h"
#include "proxy/wire/header.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace postern::proxy {
namespace {

constexpr std::size_t max_signatures = 100;
constexpr std::size_t max_tags = 100;
constexpr std::size_t max_replaced = 10;
constexpr std::size_t max_replaced_octets = 500;
constexpr std::size_t max_list_id = 255;  // RFC 2919 section 2
constexpr std::size_t max_title = 255;
constexpr std::size_t max_feedback_id = 900;  // one word of it must fit a line
constexpr std::size_t line_wanted = 78;       // RFC 5322 section 2.1.1
constexpr std::size_t line_limit = 998;
constexpr std::string_view crlf = "\r\n";

using Wish = HeaderWishes::ListUnsubscribe;

// The fields that are edited; a signature is asked about each of them.
enum Edited : std::size_t { list_unsubscribe, list_unsubscribe_post, list_id, feedback_id };
constexpr std::array<std::string_view, 4> edited_names{"List-Unsubscribe", "List-Unsubscribe-Post",
                                                       "List-Id", "Feedback-ID"};
using Counts = std::array<std::size_t, edited_names.size()>;

std::optional<Edited> edited_field(std::string_view name) {
  const auto found = std::ranges::find_if(
      edited_names, [&](std::string_view edited) { return equal_nocase(name, edited); });
  if (found == edited_names.end()) return std::nullopt;
  return static_cast<Edited>(found - edited_names.begin());
}

// Takes off what is in front of the first `separator`, and that too.
std::string_view take_part(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

// --- Signatures ---

struct Signature {
  bool dkim = false;    // not ARC
  bool unread = false;  // must be expected to name anything
  Counts named{};       // how often h= names each
};

// RFC 6376 section 3.2 has letters, digits and underscores behind it; python3-dkim takes anything.
bool is_tag_name(std::string_view name) {
  return !name.empty() && ascii_lower(name.front()) >= 'a' && ascii_lower(name.front()) <= 'z';
}

bool contains(const std::vector<std::string_view>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// h=: names with colons between them. A blank inside of a name is no RFC 6376, but some verifiers
// drop it.
Counts names_of(std::string_view value) {
  Counts counts{};
  while (!value.empty()) {
    std::string name(take_part(value, ':'));
    std::erase_if(name, [](char c) { return c == ' ' || c == '\t'; });
    if (const auto field = edited_field(name)) ++counts[*field];
  }
  return counts;
}

// Nothing where the tags are no signature: a verifier ignores it (RFC 6376 section 6.1.1). An empty
// part between semicolons is forgiven, as some verifiers do.
std::optional<Signature> read_signature(std::string_view tags) {
  std::vector<std::string_view> names;
  Signature signature;
  while (!tags.empty()) {
    std::string_view value = trim(take_part(tags, ';'));
    if (value.empty()) continue;
    if (names.size() == max_tags) return Signature{.unread = true};
    const bool has_value = value.contains('=');
    const std::string_view name = trim(take_part(value, '='));
    if (!has_value || !is_tag_name(name) || contains(names, name)) return std::nullopt;
    names.push_back(name);
    if (name == "h") signature.named = names_of(value);
  }
  // What DKIM-Signature and ARC-Message-Signature both must have (RFC 6376 section 3.5, RFC 8617
  // section 4.1.2).
  for (const std::string_view name : {"a", "b", "bh", "d", "h", "s"}) {
    if (!contains(names, name)) return std::nullopt;
  }
  return signature;
}

// --- The message as it came ---

struct Survey {
  std::vector<std::pair<Edited, wire::Field>> unsubscribe;  // both fields, in the section's order
  Counts present{};
  std::vector<Signature> signatures;
  std::size_t signatures_seen = 0;

  [[nodiscard]] bool is_signed() const { return std::ranges::any_of(signatures, &Signature::dkim); }
  // A signature would break if such a field were added or removed.
  [[nodiscard]] bool forbids(Edited field) const {
    return std::ranges::any_of(
        signatures, [&](const Signature& one) { return one.unread || one.named[field] > 0; });
  }
  // One signature names every List-Unsubscribe and -Post that there is.
  [[nodiscard]] bool covers_unsubscribe() const {
    const auto covers = [&](const Signature& one, Edited field) {
      return present[field] > 0 && one.named[field] >= present[field];
    };
    return std::ranges::any_of(signatures, [&](const Signature& one) {
      return one.dkim && covers(one, list_unsubscribe) && covers(one, list_unsubscribe_post);
    });
  }
};

void note_signature(Survey& survey, const wire::Field& field, bool dkim) {
  if (++survey.signatures_seen > max_signatures + 1) return;
  auto signature = survey.signatures_seen > max_signatures
                       ? Signature{.unread = true}
                       : read_signature(wire::unfolded(field.folded, field.folded.size()));
  if (!signature) return;
  signature->dkim = dkim;
  survey.signatures.push_back(*signature);
}

Survey survey_section(std::string_view section) {
  Survey survey;
  wire::FieldWalk walk(section);
  while (const auto field = walk.next()) {
    if (const auto edited = edited_field(field->name)) {
      ++survey.present[*edited];
      if (*edited == list_unsubscribe || *edited == list_unsubscribe_post) {
        survey.unsubscribe.emplace_back(*edited, *field);
      }
    } else if (equal_nocase(field->name, "DKIM-Signature")) {
      note_signature(survey, *field, true);
    } else if (equal_nocase(field->name, "ARC-Message-Signature")) {
      note_signature(survey, *field, false);
    }
  }
  return survey;
}

// --- The plan ---

DkimCase dkim_case(const Survey& survey, const HeaderPlan& plan) {
  if (!plan.add_list_unsubscribe && !plan.kept) return DkimCase::oversigned;
  if (plan.kept && survey.covers_unsubscribe()) return DkimCase::covered;
  return survey.is_signed() ? DkimCase::uncovered : DkimCase::unsigned_;
}

// A field that a signature names is signed, if it is there, or must stay away: either way hands
// off, and half of the pair is no use.
void plan_list_unsubscribe(const Survey& survey, Wish wish, HeaderPlan& plan) {
  const bool present = survey.present[list_unsubscribe] > 0;
  const bool wanted = wish == Wish::replace || (wish == Wish::add && !present);
  plan.add_list_unsubscribe =
      wanted && !survey.forbids(list_unsubscribe) && !survey.forbids(list_unsubscribe_post);
  plan.kept = present && !plan.add_list_unsubscribe;
  if (wish != Wish::off) plan.dkim = dkim_case(survey, plan);
  if (!plan.add_list_unsubscribe) return;
  for (const auto& [edited, field] : survey.unsubscribe) {
    if (!plan.removed.empty() && plan.removed.back().end == field.octets.begin) {
      plan.removed.back().end = field.octets.end;
    } else {
      plan.removed.push_back(field.octets);
    }
    if (edited != list_unsubscribe || plan.replaced.size() == max_replaced) continue;
    plan.replaced.push_back(
        printable(wire::unfolded(field.folded, max_replaced_octets), max_replaced_octets));
  }
}

// --- Fields of ours ---

bool is_printable_word(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

bool is_list_id(std::string_view id) {
  return !id.empty() && id.size() <= max_list_id && is_printable_word(id) &&
         id.find_first_of("<>") == std::string_view::npos;
}

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Words of atoms (RFC 5322 section 3.2.3), which nobody takes for encoded words.
bool is_plain_phrase(std::string_view text) {
  return text.find("=?") == std::string_view::npos && std::ranges::all_of(text, [](char c) {
           return is_alphanumeric(c) || std::string_view("!#$%&'*+-/=?^_`{|}~ ").contains(c);
         });
}

// One character for a "Q" encoded word of a phrase (RFC 2047 section 5 (3)).
std::string q_encoded(std::string_view character) {
  std::string encoded;
  for (const char c : character) {
    if (is_alphanumeric(c)) {
      encoded += c;
    } else if (c == ' ') {
      encoded += '_';
    } else {
      encoded += fmt::format("={:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

// RFC 2047: no character cut, a line for each word, none over 76 octets: "List-Id: " stands in
// front of the first.
std::string encoded_words(std::string_view text) {
  constexpr std::string_view begin = "=?utf-8?Q?";
  constexpr std::string_view end = "?=";
  constexpr std::size_t payload = 66 - begin.size() - end.size();
  std::string words(begin);
  std::size_t used = 0;
  while (!text.empty()) {
    std::size_t size = 1;
    while (size < std::min<std::size_t>(text.size(), 4) && wire::is_inside_character(text[size])) {
      ++size;
    }
    const std::string encoded = q_encoded(text.substr(0, size));
    text.remove_prefix(size);
    if (used + encoded.size() > payload) {
      words.append(end).append(crlf).append(" ").append(begin);
      used = 0;
    }
    words += encoded;
    used += encoded.size();
  }
  return words.append(end);
}

std::string phrase_of(std::string_view title) {
  std::size_t size = std::min(title.size(), max_title);
  while (size < title.size() && size > 0 && wire::is_inside_character(title[size])) --size;
  std::string text(title.substr(0, size));
  std::ranges::replace_if(text, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }, ' ');
  const std::string_view trimmed = trim(text);
  if (trimmed.empty()) return {};
  constexpr std::size_t fits_beside_the_name = line_wanted - std::string_view("List-Id: ").size();
  const bool plain = is_plain_phrase(trimmed) && trimmed.size() <= fits_beside_the_name;
  return plain ? std::string(trimmed) : encoded_words(trimmed);
}

std::size_t last_line_size(std::string_view text) {
  const std::size_t end = text.rfind(crlf);
  return end == std::string_view::npos ? text.size() : text.size() - end - crlf.size();
}

// A word more, on the same line if it fits. Not for the first word of a field: a first line of
// nothing but the name is legal, and too much for some readers.
void append_word(std::string& field, std::string_view word) {
  const bool fits = last_line_size(field) + 1 + word.size() <= line_wanted;
  field.append(fits ? " " : "\r\n ").append(word);
}

std::string list_id_field(std::string_view id, std::string_view title) {
  std::string field = "List-Id: ";
  const std::string phrase = phrase_of(title);
  const std::string identity = fmt::format("<{}>", id);
  if (phrase.empty()) {
    field += identity;
  } else {
    field += phrase;
    append_word(field, identity);
  }
  return field.append(crlf);
}

std::string feedback_id_field(std::string_view body) {
  std::string text(trim(body.substr(0, max_feedback_id)));
  std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, '_');
  return fmt::format("Feedback-ID: {}\r\n", text);
}

std::string uri_in_brackets(std::string_view uri) {
  std::string text = "<";
  for (const char c : uri) {
    const bool allowed = c > ' ' && c <= '~' && c != '<' && c != '>';
    if (allowed) {
      text += c;
    } else {
      text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return text.append(">");
}

// Folds where a line would be too long, whatever stands there.
std::string cut_to_limit(std::string_view field) {
  constexpr std::size_t piece = line_limit - 1;  // behind the blank of a continuation
  std::string lines;
  while (!field.empty()) {
    const std::size_t end = field.find(crlf);
    std::string_view line = field.substr(0, end);
    field.remove_prefix(end == std::string_view::npos ? field.size() : end + crlf.size());
    for (; line.size() > piece; line.remove_prefix(piece)) {
      lines.append(line.substr(0, piece)).append("\r\n ");
    }
    lines.append(line).append(crlf);
  }
  return lines;
}

// --- List-Id ---

// Up to behind what the quoted string or the comment that begins at `at` ends with.
std::size_t skip_quoted(std::string_view text, std::size_t at) {
  const bool comment = text[at] == '(';
  std::size_t depth = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\\') {
      ++at;
    } else if (comment ? c == '(' : (c == '"' && depth == 0)) {
      ++depth;
    } else if (c == (comment ? ')' : '"') && --depth == 0) {
      return at + 1;
    }
  }
  return text.size();
}

// RFC 2919 section 3, to the letter.
std::string_view bracketed(std::string_view body) {
  std::size_t at = 0;
  while (at < body.size() && body[at] != '<') {
    at = body[at] == '"' || body[at] == '(' ? skip_quoted(body, at) : at + 1;
  }
  const std::size_t end = body.find('>', at);
  return end == std::string_view::npos ? std::string_view{} : body.substr(at + 1, end - at - 1);
}

std::string_view last_bracketed(std::string_view body) {
  const std::size_t begin = body.rfind('<');
  if (begin == std::string_view::npos) return {};
  const std::size_t end = body.find('>', begin);
  return end == std::string_view::npos ? std::string_view{}
                                       : body.substr(begin + 1, end - begin - 1);
}

std::string_view identifier(std::string_view body) {
  for (const std::string_view found : {trim(bracketed(body)), trim(last_bracketed(body))}) {
    if (!found.empty()) return found;
  }
  const bool alone = body.find_first_of(" \t<>\"(") == std::string_view::npos;
  return alone ? body : std::string_view{};
}

}  // namespace

HeaderPlan plan_header_edit(std::string_view section, const HeaderWishes& wishes) {
  HeaderPlan plan;
  const bool is_body = wire::begins_folded(section);
  const Survey survey = survey_section(is_body ? std::string_view{} : section);
  plan_list_unsubscribe(survey, wishes.list_unsubscribe, plan);
  const auto may_add = [&](Edited field) {
    return survey.present[field] == 0 && !survey.forbids(field);
  };
  if (is_list_id(wishes.list_id) && may_add(list_id)) {
    plan.added += list_id_field(wishes.list_id, wishes.list_title);
  }
  if (!trim(wishes.feedback_id).empty() && may_add(feedback_id)) {
    plan.added += feedback_id_field(wishes.feedback_id);
  }
  return plan;
}

std::string edited_section(std::string_view section, const HeaderPlan& plan,
                           std::string_view in_front) {
  std::string edited(in_front);
  edited += plan.added;
  if (!edited.empty() && wire::begins_folded(section)) edited += crlf;
  std::size_t at = 0;
  for (const auto& [begin, end] : plan.removed) {
    edited.append(section.substr(at, begin - at));
    at = end;
  }
  return edited.append(section.substr(at));
}

std::string unsubscribe_fields(std::string_view link, std::string_view mailto) {
  std::string field = "List-Unsubscribe: ";
  const std::string button = uri_in_brackets(link);
  if (mailto.empty()) {
    field += button;
  } else {
    field.append(uri_in_brackets(mailto)).append(",");
    append_word(field, button);
  }
  return cut_to_limit(field) + "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
}

std::string list_id_of(std::string_view section) {
  const std::string body = wire::field_body(section, edited_names[list_id], section.size());
  std::string id = to_lower(identifier(body));
  std::erase_if(id, [](char c) { return c == ' ' || c == '\t'; });
  if (id.size() > max_list_id) {
    std::size_t size = max_list_id;
    while (size > 0 && wire::is_inside_character(id[size])) --size;
    id.resize(size);
  }
  return id;
}

}  // namespace postern::proxy
