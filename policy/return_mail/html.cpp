#include "policy/return_mail/html.h"

#include "base/text.h"
#include "policy/return_mail/charset.h"
#include "policy/return_mail/lists.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>

namespace postern::return_mail {
namespace {

// Elements that stand on lines of their own, and those after which a blank line is seen.
constexpr std::array<std::string_view, 10> block_elements{"br", "div", "tr",  "li", "hr",
                                                          "dt", "dd",  "pre", "ul", "ol"};
constexpr std::array<std::string_view, 9> paragraph_elements{"p",  "h1", "h2",    "h3",        "h4",
                                                             "h5", "h6", "table", "blockquote"};
// Their content is not shown.
constexpr std::array<std::string_view, 3> hidden_elements{"script", "style", "title"};

struct Entity {
  std::string_view name;
  std::string_view text;
};
constexpr std::array entities{
    Entity{"lt", "<"},    Entity{"gt", ">"},     Entity{"amp", "&"},    Entity{"quot", "\""},
    Entity{"apos", "'"},  Entity{"ndash", "-"},  Entity{"mdash", "-"},  Entity{"lsquo", "'"},
    Entity{"rsquo", "'"}, Entity{"ldquo", "\""}, Entity{"rdquo", "\""}, Entity{"hellip", "..."}};
// The characters from U+00A0 on by their names (HTML 4, section 24.2).
constexpr std::uint32_t first_latin = 0xA0;
constexpr std::array<std::string_view, 96> latin_entities{
    "nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",
    "copy",   "ordf",   "laquo",  "not",    "shy",    "reg",    "macr",   "deg",    "plusmn",
    "sup2",   "sup3",   "acute",  "micro",  "para",   "middot", "cedil",  "sup1",   "ordm",
    "raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",  "Atilde",
    "Auml",   "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",   "Igrave",
    "Iacute", "Icirc",  "Iuml",   "ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde",
    "Ouml",   "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",
    "szlig",  "agrave", "aacute", "acirc",  "atilde", "auml",   "aring",  "aelig",  "ccedil",
    "egrave", "eacute", "ecirc",  "euml",   "igrave", "iacute", "icirc",  "iuml",   "eth",
    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide", "oslash", "ugrave",
    "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml"};
constexpr std::size_t longest_entity = 10;

// The reference at the beginning of `html`, which begins with "&"; its length, 0: it is none.
std::size_t append_entity(std::string& out, std::string_view html) {
  const std::size_t end = html.substr(0, longest_entity).find(';');
  if (end == std::string_view::npos) return 0;
  std::string_view name = html.substr(1, end - 1);
  if (name.starts_with('#')) {
    name.remove_prefix(1);
    const bool hex = name.starts_with('x') || name.starts_with('X');
    if (hex) name.remove_prefix(1);
    std::uint32_t code = 0;
    const auto read = std::from_chars(name.data(), name.data() + name.size(), code, hex ? 16 : 10);
    if (read.ec != std::errc() || read.ptr != name.data() + name.size()) return 0;
    // A no-break space is a blank here, as in the markup.
    append_code_point(out, code == 0xA0 || code < 0x20 ? ' ' : code);
    return end + 1;
  }
  const auto* const latin = std::ranges::find(latin_entities, name);
  if (latin != latin_entities.end()) {
    const auto code = first_latin + static_cast<std::uint32_t>(latin - latin_entities.begin());
    append_code_point(out, code == first_latin ? ' ' : code);
    return end + 1;
  }
  const auto* const found = std::ranges::find(entities, name, &Entity::name);
  if (found == entities.end()) return 0;
  out += found->text;
  return end + 1;
}

void end_line(std::string& out) {
  if (!out.empty() && out.back() != '\n') out += '\n';
}

// Name of an element from the inside of its tag, "/p class=x": "p".
std::string element_of(std::string_view tag) {
  if (tag.starts_with('/')) tag.remove_prefix(1);
  return to_lower(tag.substr(0, tag.find_first_of(" \t\n/")));
}

class Reducer {
 public:
  explicit Reducer(std::string_view html) : rest_(html) { out_.reserve(html.size() / 2); }
  std::string run() && {
    while (!rest_.empty()) step();
    return std::move(out_);
  }

 private:
  void step() {
    const char c = rest_.front();
    if (c == '<') return take_tag();
    if (c == '&') {
      if (const std::size_t length = append_entity(out_, rest_); length != 0) {
        return rest_.remove_prefix(length);
      }
    }
    // Line ends of the source are blanks; so are several of them.
    const bool blank = c == ' ' || c == '\t' || c == '\n';
    if (!blank || preformatted_) {
      out_ += c;
    } else if (!out_.empty() && out_.back() != ' ' && out_.back() != '\n') {
      out_ += ' ';
    }
    rest_.remove_prefix(1);
  }

  void take_tag() {
    if (rest_.starts_with("<!--")) return skip_past("-->");
    // An address in brackets that was not escaped is text.
    const std::size_t end = rest_.substr(0, 4096).find('>');
    const bool tag =
        rest_.size() > 1 && (rest_[1] == '/' || rest_[1] == '!' ||
                             (ascii_lower(rest_[1]) >= 'a' && ascii_lower(rest_[1]) <= 'z'));
    if (!tag || end == std::string_view::npos ||
        (rest_.substr(0, end).contains('@') && !rest_.substr(0, end).contains(' '))) {
      out_ += '<';
      return rest_.remove_prefix(1);
    }
    const std::string_view inside = rest_.substr(1, end - 1);
    const std::string element = element_of(inside);
    const bool closes = inside.starts_with('/');
    rest_.remove_prefix(end + 1);
    if (element == "pre") preformatted_ = !closes;
    if (!closes && has(hidden_elements, element)) {
      skip_past("</" + element);
      return skip_past(">");
    }
    if (has(block_elements, element)) {
      out_ += '\n';
    } else if (has(paragraph_elements, element)) {
      end_line(out_);
      out_ += '\n';
    } else if (element == "td" || element == "th") {
      out_ += ' ';
    }
  }

  void skip_past(std::string_view mark) {
    const auto same = [](char a, char b) { return ascii_lower(a) == ascii_lower(b); };
    const auto found = std::ranges::search(rest_, mark, same);
    rest_ = {found.end(), rest_.end()};
  }

  std::string_view rest_;
  std::string out_;
  bool preformatted_ = false;
};

}  // namespace

std::string html_to_text(std::string_view html) { return Reducer(html).run(); }

}  // namespace postern::return_mail
