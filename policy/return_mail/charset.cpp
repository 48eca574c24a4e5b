#include "policy/return_mail/charset.h"

#include "base/text.h"
#include "policy/return_mail/decode.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iconv.h>

namespace postern::return_mail {
namespace {

// Names as mail has them, and the C library's name of the set that is meant: the label of a subset
// stands for the set that is sent under it.
struct Charset {
  std::string_view label;
  const char* name;
};
constexpr std::array charsets{
    Charset{"utf-7", "UTF-7"},
    Charset{"unicode-1-1-utf-7", "UTF-7"},
    Charset{"utf-16", "UTF-16"},
    Charset{"iso-8859-1", "CP1252"},
    Charset{"latin1", "CP1252"},
    Charset{"windows-1252", "CP1252"},
    Charset{"cp1252", "CP1252"},
    Charset{"iso-8859-2", "ISO-8859-2"},
    Charset{"iso-8859-3", "ISO-8859-3"},
    Charset{"iso-8859-4", "ISO-8859-4"},
    Charset{"iso-8859-5", "ISO-8859-5"},
    Charset{"iso-8859-6", "ISO-8859-6"},
    Charset{"iso-8859-7", "ISO-8859-7"},
    Charset{"iso-8859-8", "ISO-8859-8"},
    Charset{"iso-8859-8-i", "ISO-8859-8"},
    Charset{"iso-8859-9", "CP1254"},
    Charset{"iso-8859-10", "ISO-8859-10"},
    Charset{"iso-8859-13", "ISO-8859-13"},
    Charset{"iso-8859-14", "ISO-8859-14"},
    Charset{"iso-8859-15", "ISO-8859-15"},
    Charset{"iso-8859-16", "ISO-8859-16"},
    Charset{"windows-1250", "CP1250"},
    Charset{"cp1250", "CP1250"},
    Charset{"windows-1251", "CP1251"},
    Charset{"cp1251", "CP1251"},
    Charset{"windows-1253", "CP1253"},
    Charset{"windows-1254", "CP1254"},
    Charset{"windows-1255", "CP1255"},
    Charset{"windows-1256", "CP1256"},
    Charset{"windows-1257", "CP1257"},
    Charset{"windows-1258", "CP1258"},
    Charset{"windows-874", "CP874"},
    Charset{"tis-620", "CP874"},
    Charset{"iso-8859-11", "CP874"},
    Charset{"koi8-r", "KOI8-R"},
    Charset{"koi8-u", "KOI8-U"},
    Charset{"ibm866", "CP866"},
    Charset{"cp866", "CP866"},
    Charset{"iso-2022-jp", "ISO-2022-JP-2"},
    Charset{"iso-2022-jp-1", "ISO-2022-JP-2"},
    Charset{"iso-2022-jp-2", "ISO-2022-JP-2"},
    Charset{"shift_jis", "CP932"},
    Charset{"shift-jis", "CP932"},
    Charset{"sjis", "CP932"},
    Charset{"x-sjis", "CP932"},
    Charset{"ms_kanji", "CP932"},
    Charset{"windows-31j", "CP932"},
    Charset{"cp932", "CP932"},
    Charset{"euc-jp", "EUC-JP-MS"},
    Charset{"x-euc-jp", "EUC-JP-MS"},
    Charset{"eucjp", "EUC-JP-MS"},
    Charset{"gb2312", "GB18030"},
    Charset{"gbk", "GB18030"},
    Charset{"x-gbk", "GB18030"},
    Charset{"gb18030", "GB18030"},
    Charset{"cp936", "GB18030"},
    Charset{"big5", "CP950"},
    Charset{"big5-hkscs", "BIG5-HKSCS"},
    Charset{"cp950", "CP950"},
    Charset{"euc-kr", "CP949"},
    Charset{"ks_c_5601-1987", "CP949"},
    Charset{"cp949", "CP949"},
    Charset{"iso-2022-kr", "ISO-2022-KR"},
};

// What octets without a right label are tried as, in this order: stricter sets first.
constexpr std::array<std::string_view, 4> guesses{"euc-jp", "shift_jis", "gb18030", "windows-1252"};

constexpr std::string_view replacement = "\xEF\xBF\xBD";

// iconv_open looks for files and loads them: once for each set and thread.
class Converters {
 public:
  Converters() { handles_.fill(nullptr); }
  Converters(const Converters&) = delete;
  Converters& operator=(const Converters&) = delete;
  ~Converters() {
    for (const iconv_t handle : handles_) {
      if (usable(handle)) iconv_close(handle);
    }
  }
  // Null: the system has no such set.
  iconv_t get(std::size_t index) {
    iconv_t& handle = handles_.at(index);
    if (handle == nullptr) handle = iconv_open("UTF-8", charsets.at(index).name);
    if (!usable(handle)) return nullptr;
    iconv(handle, nullptr, nullptr, nullptr, nullptr);
    return handle;
  }

 private:
  // iconv_open's failure is (iconv_t)-1.
  static bool usable(iconv_t handle) {
    return handle != nullptr && reinterpret_cast<std::intptr_t>(handle) != -1;
  }
  std::array<iconv_t, charsets.size()> handles_{};
};

std::optional<std::size_t> index_of(std::string_view name) {
  const auto* const found = std::ranges::find_if(
      charsets, [&](const Charset& one) { return equal_nocase(one.label, name); });
  if (found == charsets.end()) return std::nullopt;
  return static_cast<std::size_t>(found - charsets.begin());
}

// The rest of `octets` through `handle` into `out`; false where octets are not of the set.
bool run(iconv_t handle, std::string_view octets, std::string& out, bool lenient) {
  std::array<char, 4096> buffer{};
  char* in = const_cast<char*>(octets.data());  // iconv's interface; it does not write there
  std::size_t left = octets.size();
  while (true) {
    char* to = buffer.data();
    std::size_t room = buffer.size();
    const std::size_t done = iconv(handle, left == 0 ? nullptr : &in, &left, &to, &room);
    const int error = errno;
    out.append(buffer.data(), buffer.size() - room);
    if (done != static_cast<std::size_t>(-1)) {
      if (left == 0) return true;
    } else if (error != E2BIG) {
      if (!lenient) return false;
      out += replacement;
      if (left == 0) return true;
      ++in;
      --left;
      if (left == 0) return true;
    }
  }
}

std::size_t sequence_length(std::string_view octets) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(octets[i]); };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || octets.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0U) != 0x80) return 0;
  }
  // No longer than needed, no surrogates, none above U+10FFFF (RFC 3629 section 4).
  const unsigned second = at(1);
  const bool wrong = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
                     (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
  return wrong ? 0 : length;
}

std::string repaired(std::string_view octets) {
  std::string out;
  while (!octets.empty()) {
    const std::size_t length = sequence_length(octets);
    out += length == 0 ? replacement : octets.substr(0, length);
    octets.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

// Latin letters with their marks stand alone between ASCII, and above the octets that most of
// Shift_JIS begins with; to the East Asian sets each would take its right neighbour with it.
bool is_like_latin(std::string_view octets) {
  std::size_t wide = 0, letters = 0;
  bool before = false;  // the octet in front is none of ASCII
  for (std::size_t i = 0; i < octets.size(); ++i) {
    const auto octet = static_cast<unsigned char>(octets[i]);
    const bool behind = i + 1 < octets.size() && static_cast<unsigned char>(octets[i + 1]) >= 0x80;
    wide += octet >= 0x80 ? 1U : 0U;
    letters += octet >= 0xC0 && !before && !behind ? 1U : 0U;
    before = octet >= 0x80;
  }
  return letters > wide / 2;
}

std::string guessed(std::string_view octets) {
  if (is_like_latin(octets)) {
    if (auto text = convert(octets, "windows-1252", true)) return *std::move(text);
  }
  for (const auto name : guesses) {
    if (auto text = convert(octets, name, false)) return *std::move(text);
  }
  return repaired(octets);
}

}  // namespace

void append_code_point(std::string& out, std::uint32_t code) {
  const auto octet = [&](std::uint32_t value) { out += static_cast<char>(value); };
  const auto tail = [&](unsigned shift) { octet(0x80U | (code >> shift & 0x3FU)); };
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
    out += replacement;
  } else if (code < 0x80) {
    octet(code);
  } else if (code < 0x800) {
    octet(0xC0U | code >> 6U);
    tail(0);
  } else if (code < 0x10000) {
    octet(0xE0U | code >> 12U);
    tail(6);
    tail(0);
  } else {
    octet(0xF0U | code >> 18U);
    tail(12);
    tail(6);
    tail(0);
  }
}

bool is_utf8(std::string_view octets) {
  while (!octets.empty()) {
    std::uint64_t block = 0;
    if (octets.size() >= sizeof block) {
      std::memcpy(&block, octets.data(), sizeof block);
      if ((block & 0x8080808080808080U) == 0) {
        octets.remove_prefix(sizeof block);
        continue;
      }
    }
    const std::size_t length = sequence_length(octets);
    if (length == 0) return false;
    octets.remove_prefix(length);
  }
  return true;
}

std::optional<std::string> convert(std::string_view octets, std::string_view name, bool lenient) {
  static thread_local Converters converters;
  const auto index = index_of(name);
  const iconv_t handle = index ? converters.get(*index) : nullptr;
  if (handle == nullptr) return std::nullopt;
  std::string out;
  out.reserve(octets.size() + octets.size() / 2);
  if (!run(handle, octets, out, lenient)) return std::nullopt;
  return out;
}

std::string to_utf8(std::string_view octets, std::string_view charset) {
  constexpr char escape = '\x1b';
  // ISO-2022-JP is all ASCII to the eye, and often sent without a label.
  const bool shifts = octets.contains(escape);
  if (!shifts && is_ascii(octets) && !contains_nocase(charset, "utf-7") &&
      !contains_nocase(charset, "utf-16")) {
    return std::string(octets);
  }
  const bool plain = charset.empty() || equal_nocase(charset, "us-ascii") ||
                     equal_nocase(charset, "utf-8") || equal_nocase(charset, "utf8");
  if (!plain) {
    if (auto text = convert(octets, charset, false)) return *std::move(text);
  }
  if (shifts) {
    if (auto text = convert(octets, "iso-2022-jp", true)) return repaired(*text);
  }
  if (is_utf8(octets)) return std::string(octets);
  if (!plain && !equal_nocase(charset, "iso-2022-jp")) {
    if (auto text = convert(octets, charset, true)) return repaired(*text);
  }
  if (equal_nocase(charset, "utf-8")) return repaired(octets);
  return guessed(octets);
}

}  // namespace postern::return_mail
