#include "web/form.h"

#include <string>

#include <doctest/doctest.h>

using namespace postern::web;

TEST_CASE("form: urlencoded") {
  const auto form = parse_form("application/x-www-form-urlencoded; charset=UTF-8",
                               "List-Unsubscribe=One-Click&a=1+2%26%C3%A9&&b&=x&a=%zz%4");
  CHECK(form.get("List-Unsubscribe") == "One-Click");
  CHECK(form.get("a") == "1 2&é");
  CHECK(form.all("a") == std::vector<std::string_view>{"1 2&é", "%zz%4"});
  CHECK(form.get("b").empty());
  CHECK(form.get("").starts_with("x"));
  CHECK(form.get("absent").empty());
  CHECK(parse_form("", "").empty());
  CHECK(parse_form("", "List-Unsubscribe=One-Click").get("List-Unsubscribe") == "One-Click");
}

TEST_CASE("form: multipart, as RFC 8058 section 3.1 has it") {
  const std::string body =
      "--FormBoundaryjWmhtjORrn\r\n"
      "Content-Disposition: form-data; name=\"List-Unsubscribe\"\r\n"
      "\r\n"
      "One-Click\r\n"
      "--FormBoundaryjWmhtjORrn--\r\n";
  const auto type = "multipart/form-data; boundary=FormBoundaryjWmhtjORrn";
  CHECK(parse_form(type, body).get("List-Unsubscribe") == "One-Click");
  CHECK(parse_form(type, body).size() == 1);
}

TEST_CASE("form: multipart as clients write it") {
  struct Case {
    std::string type, body, why;
  };
  const Case cases[] = {
      {"Multipart/Form-Data; charset=x; Boundary=\"a b\"",
       "preamble\r\n--a b\r\ncontent-disposition: form-data; filename=\"x\"; NAME=k\r\n"
       "Content-Type: text/plain\r\n\r\nv\r\n--a b--",
       "case, quotes, another order"},
      {"multipart/form-data;boundary=x",
       "--x\nContent-Disposition: form-data; name=\"k\"\n\nv\n--x--\n", "line feeds alone"},
      {"multipart/form-data; boundary=x",
       "--x\r\n\r\nno name\r\n--x\r\nContent-Disposition: form-data; name=k\r\n\r\nv", "cut short"},
      {"multipart/form-data; boundary=x",
       "--x  \r\nContent-Disposition: form-data; name=\"\\k\"\r\n\r\nv\r\n--x--",
       "escapes, blanks"},
  };
  for (const auto& [type, body, why] : cases) {
    CAPTURE(why);
    CHECK(parse_form(type, body).get("k") == "v");
  }
  CHECK(parse_form("multipart/form-data", cases[1].body).empty());
  CHECK(parse_form("multipart/form-data; boundary=" + std::string(71, 'x'), "--x").empty());
  CHECK(parse_form("multipart/form-data; boundary=y", cases[1].body).empty());
}

TEST_CASE("form: the number of fields is bounded") {
  std::string body;
  std::string parts;
  for (std::size_t i = 0; i < 2 * max_form_fields; ++i) {
    body += "a=1&";
    parts += "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n";
  }
  CHECK(parse_form("", body).size() == max_form_fields);
  CHECK(parse_form("multipart/form-data; boundary=x", parts).size() == max_form_fields);
}
