#include "proxy/header_edit.h"

#include "proxy/wire/header.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

using namespace postern;
using proxy::DkimCase;
using proxy::HeaderWishes;
using proxy::list_id_of;
using proxy::plan_header_edit;
using proxy::unsubscribe_fields;
using Wish = HeaderWishes::ListUnsubscribe;

namespace {

// A DKIM-Signature that parses; what it is worth nobody checks here.
std::string signature(std::string_view names, std::string_view field = "DKIM-Signature") {
  return std::string(field) +
         ": v=1; a=rsa-sha256; c=relaxed/simple; d=example.org; s=s1;\r\n\th=" +
         std::string(names) + ";\r\n\tbh=abcd=; b=efgh\r\n =\r\n";
}

const std::string one_click = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
const std::string theirs = "List-Unsubscribe: <https://x.example/>\r\n";

std::size_t longest_line(std::string_view text) {
  std::size_t longest = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find("\r\n"), text.size());
    longest = std::max(longest, end);
    text.remove_prefix(std::min(text.size(), end + 2));
  }
  return longest;
}

std::string added(std::string_view section, const HeaderWishes& wishes) {
  return plan_header_edit(section, wishes).added;
}

}  // namespace

TEST_CASE("List-Unsubscribe: added, kept or replaced") {
  struct Case {
    std::string section;
    Wish wish;
    bool add;
    bool kept;
    DkimCase dkim;
    std::string removed;
    std::string_view why;
  };
  const auto pair = theirs + one_click;
  const auto covering = signature("From:List-Unsubscribe:List-Unsubscribe-Post");
  const std::vector<Case> cases{
      {"A: b\r\n\r\n", Wish::off, false, false, DkimCase::unsigned_, "", "no wish"},
      {"A: b\r\n\r\n", Wish::add, true, false, DkimCase::unsigned_, "", "none there"},
      {"A: b\r\n\r\n", Wish::replace, true, false, DkimCase::unsigned_, "", "none there"},
      {"", Wish::add, true, false, DkimCase::unsigned_, "", "no header at all"},
      {"\r\n", Wish::add, true, false, DkimCase::unsigned_, "", "an empty header section"},

      {pair + "\r\n", Wish::off, false, true, DkimCase::unsigned_, "", "off touches nothing"},
      {pair + "\r\n", Wish::add, false, true, DkimCase::unsigned_, "", "it stays"},
      {theirs + "\r\n", Wish::add, false, true, DkimCase::unsigned_, "", "no -Post beside theirs"},
      {"LIST-unsubscribe \t: <x>\r\n\r\n", Wish::add, false, true, DkimCase::unsigned_, "",
       "case, blanks before the colon"},
      {"List-Unsubscribe:\r\n\r\n", Wish::add, false, true, DkimCase::unsigned_, "", "empty"},
      {"List-Unsubscribe: no URI\r\n\r\n", Wish::add, false, true, DkimCase::unsigned_, "",
       "malformed"},
      {".List-Unsubscribe: <x>\r\n\r\n", Wish::add, false, true, DkimCase::unsigned_, "",
       "a dot in front for the way"},
      {"X-List-Unsubscribe: a\r\nA: b\r\n List-Unsubscribe: c\r\n\r\nList-Unsubscribe: d\r\n",
       Wish::add, true, false, DkimCase::unsigned_, "", "another name, a continuation, the body"},
      {"A: b\r\n" + one_click + "C: d\r\n\r\n", Wish::add, true, false, DkimCase::unsigned_,
       one_click, "a lone -Post goes, for there must be one"},

      {pair + "\r\n", Wish::replace, true, false, DkimCase::unsigned_, pair, "both go"},
      {theirs + "A: b\r\n" + theirs + "C: d\r\n" + one_click + one_click + "\r\n", Wish::replace,
       true, false, DkimCase::unsigned_, theirs + theirs + one_click + one_click, "repeated"},
      {"list-unsubscribe :\r\n <a>,\r\n\t<b>\r\nA: b\r\n\r\n", Wish::replace, true, false,
       DkimCase::unsigned_, "list-unsubscribe :\r\n <a>,\r\n\t<b>\r\n", "folded, oddly spelled"},

      {signature("From:To") + "\r\n", Wish::add, true, false, DkimCase::uncovered, "",
       "a signature cannot name what comes later"},
      {signature("From:To") + pair + "\r\n", Wish::add, false, true, DkimCase::uncovered, "", ""},
      {signature("From:To") + pair + "\r\n", Wish::replace, true, false, DkimCase::uncovered, pair,
       "no signature names it"},
      {covering + pair + "\r\n", Wish::add, false, true, DkimCase::covered, "", ""},
      {covering + pair + "\r\n", Wish::replace, false, true, DkimCase::covered, "",
       "to remove it would break the signature"},
      {covering + pair + "\r\n", Wish::off, false, true, DkimCase::unsigned_, "", "not looked at"},
      {signature("List-Unsubscribe") + pair + "\r\n", Wish::add, false, true, DkimCase::uncovered,
       "", "RFC 8058 wants both in h="},
      {signature("List-Unsubscribe") + pair + "\r\n", Wish::replace, false, true,
       DkimCase::uncovered, "", "half of the pair is signed"},
      {signature("List-Unsubscribe-Post") + pair + "\r\n", Wish::replace, false, true,
       DkimCase::uncovered, "", "half of the pair is signed"},
      {signature("List-Unsubscribe") + signature("List-Unsubscribe-Post") + pair + "\r\n",
       Wish::add, false, true, DkimCase::uncovered, "", "not both in one signature"},
      {covering + theirs + "\r\n", Wish::add, false, true, DkimCase::uncovered, "",
       "there is no -Post to be covered"},
      {covering + pair + theirs + "\r\n", Wish::add, false, true, DkimCase::uncovered, "",
       "the upper one of two is not signed"},
      {signature("From") + covering + pair + "\r\n", Wish::add, false, true, DkimCase::covered, "",
       "one of two signatures is enough"},
      {signature("List-Unsubscribe-Post") + one_click + "\r\n", Wish::add, false, false,
       DkimCase::oversigned, "", "a lone -Post that is signed"},

      {covering + "\r\n", Wish::add, false, false, DkimCase::oversigned, "", "over-signed"},
      {covering + "\r\n", Wish::replace, false, false, DkimCase::oversigned, "", "over-signed"},
      {signature("List-Unsubscribe") + "\r\n", Wish::add, false, false, DkimCase::oversigned, "",
       ""},
      {signature("List-Unsubscribe-Post") + "\r\n", Wish::add, false, false, DkimCase::oversigned,
       "", "neither without the other"},
      {signature("List-Unsubscribe") + one_click + "\r\n", Wish::add, false, false,
       DkimCase::oversigned, "", "then the lone -Post stays too"},
      {signature("List-Unsubscribe:List-Unsubscribe") + theirs + "\r\n", Wish::replace, false, true,
       DkimCase::uncovered, "", "named more often than it is there"},
      {signature("From : To\r\n\t : list-\r\n\tunSubscribe \t:\r\n Subject") + "\r\n", Wish::add,
       false, false, DkimCase::oversigned, "", "case, blanks and folding in h="},
      {"dkim-signature :v=1;a=x;b=;bh=;d=x;s=x;h=List-Unsubscribe;;\r\n\r\n", Wish::add, false,
       false, DkimCase::oversigned, "", "the signature's own name; empty tags"},
      {"DKIM-Signature: a=x;b=;bh=;d=x;s=x;x-odd.tag=1;h=List-Unsubscribe\r\n\r\n", Wish::add,
       false, false, DkimCase::oversigned, "", "a tag's name that some verifiers let pass"},
      {"DKIM-Signature: a=x;b=;bh=;d=x;s=x;1=1;h=List-Unsubscribe\r\n\r\n", Wish::add, true, false,
       DkimCase::unsigned_, "", "none lets this one pass"},
      {signature("List-Unsubscribe", "ARC-Message-Signature") + "\r\n", Wish::add, false, false,
       DkimCase::oversigned, "", "ARC"},
      {signature("List-Unsubscribe:List-Unsubscribe-Post", "ARC-Message-Signature") + pair + "\r\n",
       Wish::replace, false, true, DkimCase::unsigned_, "", "ARC forbids, and is no DKIM"},

      {"DKIM-Signature: v=1; a=x; b=y; bh=z; d=x; s=x\r\n\r\n", Wish::add, true, false,
       DkimCase::unsigned_, "", "no h="},
      {"DKIM-Signature: a=x; b=y; bh=z; d=x; s=x; h=From; h=List-Unsubscribe\r\n\r\n", Wish::add,
       true, false, DkimCase::unsigned_, "", "a tag twice"},
      {"DKIM-Signature: h=List-Unsubscribe\r\n\r\n", Wish::add, true, false, DkimCase::unsigned_,
       "", "what a signature must have is missing"},
      {"DKIM-Signature: List-Unsubscribe\r\n\r\n", Wish::add, true, false, DkimCase::unsigned_, "",
       "garbage"},
      {"DKIM-Signature:\r\n\r\n", Wish::add, true, false, DkimCase::unsigned_, "", "empty"},
      {signature("X-List-Unsubscribe:List-Unsubscribed") + "\r\n", Wish::add, true, false,
       DkimCase::uncovered, "", "other names"},

      {" folded\r\n" + covering + pair + "\r\n", Wish::replace, true, false, DkimCase::unsigned_,
       "", "all of it is body behind an empty line"},
  };
  for (const auto& test : cases) {
    CAPTURE(test.section);
    CAPTURE(test.why);
    const auto plan = plan_header_edit(test.section, {.list_unsubscribe = test.wish});
    CHECK(plan.add_list_unsubscribe == test.add);
    CHECK(plan.kept == test.kept);
    CHECK(plan.dkim == test.dkim);
    CHECK(plan.added.empty());
    std::string removed;
    for (const auto& [begin, end] : plan.removed)
      removed += test.section.substr(begin, end - begin);
    CHECK(removed == test.removed);
  }
}

TEST_CASE("what was replaced is noted on one line, printable, within bounds") {
  std::string section =
      "List-Unsubscribe: <mailto:a@b.example>,\r\n <https://b.example/\xc3\xbc>\r\n" + one_click +
      "List-Unsubscribe:\r\nList-Unsubscribe: <" + std::string(5'000, 'x') + ">\r\n";
  auto plan = plan_header_edit(section, {.list_unsubscribe = Wish::replace});
  REQUIRE(plan.replaced.size() == 3);
  CHECK(plan.replaced[0] == R"(<mailto:a@b.example>, <https://b.example/\xc3\xbc>)");
  CHECK(plan.replaced[1].empty());
  CHECK(plan.replaced[2].size() <= 500);
  CHECK(plan.removed == std::vector<wire::Range>{{.begin = 0, .end = section.size()}});

  for (int i = 0; i < 1'000; ++i) section += theirs;
  plan = plan_header_edit(section, {.list_unsubscribe = Wish::replace});
  CHECK(plan.replaced.size() == 10);
}

TEST_CASE("List-Id and Feedback-ID: only where there is none, and no signature forbids it") {
  const HeaderWishes wishes{.list_id = "news.example.com", .feedback_id = "spring:news:acme"};
  const std::string id = "List-Id: <news.example.com>\r\n";
  const std::string feedback = "Feedback-ID: spring:news:acme\r\n";
  CHECK(added("A: b\r\n\r\n", wishes) == id + feedback);
  CHECK(added("", wishes) == id + feedback);
  CHECK(added("A: b\r\n\r\n", {}).empty());
  CHECK(added("list-ID : <x>\r\n\r\n", wishes) == feedback);
  CHECK(added("List-Id:\r\n\r\n", wishes) == feedback);
  CHECK(added("FEEDBACK-ID: a\r\n\r\n", wishes) == id);
  CHECK(added(signature("From") + "\r\n", wishes) == id + feedback);
  CHECK(added(signature("From:List-Id") + "\r\n", wishes) == feedback);
  CHECK(added(signature("From:feedback-id") + "\r\n", wishes) == id);
  CHECK(added(signature("List-Unsubscribe") + "\r\n", wishes) == id + feedback);
  CHECK(added(signature("List-Id", "ARC-Message-Signature") + "\r\n", wishes) == feedback);
  CHECK(added(" folded\r\nList-Id: <x>\r\n\r\n", wishes) == id + feedback);

  CHECK(added("", {.list_id = "a b"}).empty());
  CHECK(added("", {.list_id = "a\r\nX: y"}).empty());
  CHECK(added("", {.list_id = "a>"}).empty());
  CHECK(added("", {.list_id = std::string(256, 'a')}).empty());
  CHECK(added("", {.list_id = std::string(255, 'a')}).size() == 255 + 13);
  CHECK(added("", {.feedback_id = " \r\n"}).empty());
  CHECK(added("", {.feedback_id = "\xc3\xa9t\xc3\xa9:a\r\nX: y"}) ==
        "Feedback-ID: __t__:a__X: y\r\n");
  CHECK(longest_line(added("", {.feedback_id = std::string(5'000, 'a')})) <= 998);
}

TEST_CASE("the phrase of List-Id") {
  const auto field = [](std::string_view title, std::string_view id = "n.example") {
    return added("", {.list_id = std::string(id), .list_title = std::string(title)});
  };
  CHECK(field("Our newsletter") == "List-Id: Our newsletter <n.example>\r\n");
  CHECK(field(" \t") == "List-Id: <n.example>\r\n");
  CHECK(field("News, weekly") == "List-Id: =?utf-8?Q?News=2C_weekly?= <n.example>\r\n");
  CHECK(field("=?x?q?y?=") == "List-Id: =?utf-8?Q?=3D=3Fx=3Fq=3Fy=3F=3D?= <n.example>\r\n");
  CHECK(field("\xc3\xa9t\xc3\xa9") == "List-Id: =?utf-8?Q?=C3=A9t=C3=A9?= <n.example>\r\n");
  CHECK(field("a\r\nX: y") == "List-Id: =?utf-8?Q?a__X=3A_y?= <n.example>\r\n");
  CHECK(field("Our newsletter", "a-rather-long-identifier-of-the-list.newsletters.example.com") ==
        "List-Id: Our newsletter\r\n "
        "<a-rather-long-identifier-of-the-list.newsletters.example.com>\r\n");
  // RFC 2047 section 2: 75 octets a word, 76 a line; section 5 (3): whole characters.
  CHECK(
      field(
          "\xe4\xbb\x8a\xe9\x80\xb1\xe3\x81\xae\xe3\x81\x8a\xe7\x9f\xa5\xe3\x82\x89\xe3\x81\x9b") ==
      "List-Id: =?utf-8?Q?=E4=BB=8A=E9=80=B1=E3=81=AE=E3=81=8A=E7=9F=A5=E3=82=89?=\r\n"
      " =?utf-8?Q?=E3=81=9B?= <n.example>\r\n");
  std::string long_title;
  for (int i = 0; i < 1'000; ++i) long_title += "\xf0\x9f\x92\x8c";
  const std::string folded = field(long_title);
  CHECK(longest_line(folded) <= 76);
  CHECK(folded.size() < 1'500);
  CHECK(folded.ends_with(" <n.example>\r\n"));
  CHECK(longest_line(field(std::string(300, '\x80'))) <= 76);
}

TEST_CASE("the fields of one-click unsubscription") {
  CHECK(unsubscribe_fields("https://u.example/u/T", "") ==
        "List-Unsubscribe: <https://u.example/u/T>\r\n" + one_click);
  CHECK(unsubscribe_fields("https://u.example/u/T", "mailto:u@b.example") ==
        "List-Unsubscribe: <mailto:u@b.example>, <https://u.example/u/T>\r\n" + one_click);
  const std::string link = "https://u.example/u/" + std::string(100, 'T');
  CHECK(unsubscribe_fields(link, "mailto:u@b.example") ==
        "List-Unsubscribe: <mailto:u@b.example>,\r\n <" + link + ">\r\n" + one_click);
  CHECK(unsubscribe_fields(link, "") == "List-Unsubscribe: <" + link + ">\r\n" + one_click);
  CHECK(unsubscribe_fields("https://u.example/\r\n>\xc3\xbc ", "mailto:<") ==
        "List-Unsubscribe: <mailto:%3C>, <https://u.example/%0D%0A%3E%C3%BC%20>\r\n" + one_click);
  for (const std::size_t size : {976U, 977U, 978U, 979U, 995U, 996U, 997U, 998U, 3'000U}) {
    CAPTURE(size);
    for (const std::string_view mailto : {"", "mailto:a@b"}) {
      const std::string fields = unsubscribe_fields(std::string(size, 'x'), mailto);
      CHECK(longest_line(fields) <= 998);
      CHECK(std::ranges::count(fields, 'x') == static_cast<std::ptrdiff_t>(size));
      CHECK(wire::count_fields(fields, "List-Unsubscribe") == 1);
      CHECK(wire::count_fields(fields, "List-Unsubscribe-Post") == 1);
    }
  }
}

TEST_CASE("the identifier of a List-Id") {
  const std::vector<std::pair<std::string_view, std::string_view>> cases{
      {"", ""},
      {"A: b\r\n\r\n", ""},
      {"List-Id: <news.example.com>\r\n\r\n", "news.example.com"},
      {"LIST-ID : Our News\r\n <News.Example.COM>\r\n\r\n", "news.example.com"},
      {"List-Id: <a.example>\r\nList-Id: <b.example>\r\n\r\n", "a.example"},
      {"List-Id: \"not <this.one>\" <a.example>\r\n", "a.example"},
      {R"(List-Id: "a \" <b> \\" <a.example>)", "a.example"},
      {"List-Id: (nor (this) <one>) <a.example>\r\n", "a.example"},
      {R"(List-Id: (\) <b>) <a.example>)", "a.example"},
      {"List-Id: <a.example> <b.example>\r\n", "a.example"},
      {"List-Id: <\r\n\ta.\r\n example >\r\n", "a.example"},
      {"List-Id: =?utf-8?Q?=C3=BC?= <a.example>\r\n", "a.example"},
      {"List-Id: Bob's \"list <a.example>\r\n", "a.example"},
      {"List-Id: News :( <a.example>\r\n", "a.example"},
      {"List-Id: news.example.com\r\n", "news.example.com"},
      {"List-Id: Our newsletter\r\n", ""},
      {"List-Id: <>\r\n", ""},
      {"List-Id: <a.example\r\n", ""},
      {"List-Id:\r\n", ""},
      {"A: b\r\n\r\nList-Id: <a.example>\r\n", ""},
  };
  for (const auto& [section, want] : cases) {
    CAPTURE(section);
    CHECK(list_id_of(section) == want);
  }
  CHECK(list_id_of("List-Id: <" + std::string(1'000, 'A') + ">\r\n") == std::string(255, 'a'));
  CHECK(list_id_of("List-Id: <" + std::string(254, 'a') + "\xc3\xbc>\r\n") ==
        std::string(254, 'a'));
  CHECK(list_id_of("List-Id: " + std::string(500'000, '(') + "<a>\r\n") == "a");
}

TEST_CASE("more signatures or tags than are read: hands off") {
  const HeaderWishes wishes{.list_unsubscribe = Wish::replace, .list_id = "n.example"};
  std::string section;
  for (int i = 0; i < 100; ++i) section += signature("From");
  CHECK(plan_header_edit(section + theirs, wishes).add_list_unsubscribe);
  section += signature("From");
  const auto plan = plan_header_edit(section, wishes);
  CHECK_FALSE(plan.add_list_unsubscribe);
  CHECK(plan.added.empty());
  CHECK(plan.dkim == DkimCase::oversigned);
  CHECK(plan_header_edit(section + theirs, wishes).kept);

  std::string tags = "DKIM-Signature: ";
  for (int i = 0; i < 101; ++i) tags += "t" + std::to_string(i) + "=;";
  CHECK(plan_header_edit(tags + "\r\n", wishes).dkim == DkimCase::oversigned);
}

TEST_CASE("a section of a mebibyte is read in linear time") {
  constexpr std::size_t size = 1U << 20U;
  const auto filled = [](std::string_view line) {
    std::string text;
    while (text.size() < size) text += line;
    return text;
  };
  const HeaderWishes wishes{.list_unsubscribe = Wish::replace, .list_id = "n.example"};
  const std::vector<std::string> sections{
      filled("a:\r\n"),
      filled("List-Unsubscribe:\r\n"),
      filled("List-Unsubscribe:\r\na:\r\n"),
      filled(signature("From")),
      "DKIM-Signature: " + filled("a=;") + "\r\n",
      "DKIM-Signature: " + filled("a;") + "\r\n",
      "DKIM-Signature: a=;b=;bh=;d=;s=;h=" + filled("a:") + "\r\n",
      "DKIM-Signature:" + filled("\r\n ") + "\r\n",
      "List-Id: " + filled("(\"<") + "\r\n",
  };
  const auto begin = std::chrono::steady_clock::now();
  for (const auto& section : sections) {
    static_cast<void>(plan_header_edit(section, wishes));
    static_cast<void>(list_id_of(section));
  }
  // A quadratic reading takes minutes; the sanitizers slow this one down tenfold.
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(30));
}
