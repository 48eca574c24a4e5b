#include "policy/return_address.h"

#include <string>

#include <doctest/doctest.h>

using namespace postern::policy;

namespace {

using Kind = ReturnAddress::Kind;

const std::string token = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuvwxyz23";

std::string upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return text;
}

}  // namespace

TEST_CASE("return address: a token is read however it was written around") {
  REQUIRE(token.size() == 60);
  struct Row {
    std::string local_part;
    const char* why;
  };
  const Row rows[] = {
      {token, "as it left"},
      {upper(token), "in upper case"},
      {"\"" + token + "\"", "in quotes that it does not need"},
      {"  " + token + "\t", "with white space around it"},
      {"\" " + token + " \"", "with white space inside of quotes"},
      {"prvs=0123456789=" + token, "BATV, tag first"},
      {"prvs=" + token + "=0123456789", "BATV, tag last"},
      {"PRVS=" + upper(token) + "=61A2B3C4D5", "BATV in upper case"},
      {"prvs=" + token + "/0123456789", "BATV as its first drafts had it"},
      {"msprvs1=19876abcdEFGH=" + token, "BATV of another maker"},
      {"btv1==4567f0e2d1c==" + token, "Barracuda"},
      {"SRS0=HHH=TT=example.org=" + token, "SRS0"},
      {"SRS0+HHH=TT=example.org=" + token, "SRS0 with another separator"},
      {"SRS1=HHH=other.example==HHH=TT=example.org=" + token, "SRS1"},
      {"srs0=hhh=tt=example.org=prvs=0123456789=" + token, "SRS0 around BATV"},
      {token + "+tag", "with a tag"},
      {token + "-tag", "with a tag behind a dash"},
      {token + "=tag", "with a tag behind an equals sign"},
      {token + "+" + token.substr(1), "with a tag that is no token"},
      {"prvs=0123456789=" + token + "+tag", "with BATV and a tag"},
      {"prvs=0123456789=\"" + token + "\"", "with quotes inside"},
  };
  for (const auto& [local_part, why] : rows) {
    CAPTURE(why);
    CHECK(read_return_address(local_part, "complaints") == ReturnAddress{Kind::token, token});
  }
}

TEST_CASE("return address: what is no token") {
  struct Row {
    std::string local_part;
    Kind want;
    const char* why;
  };
  const Row rows[] = {
      {"", Kind::other, "nothing"},
      {"\"\"", Kind::other, "nothing in quotes"},
      {"postmaster", Kind::postmaster, "RFC 5321 section 4.5.1"},
      {"PostMaster", Kind::postmaster, "in any case"},
      {"\"postmaster\"", Kind::postmaster, "quoted"},
      {"postmaster+x", Kind::other, "another mailbox"},
      {"complaints", Kind::complaints, "as configured"},
      {"Complaints", Kind::complaints, "in any case"},
      {"complaints+microsoft", Kind::complaints, "one for each who reports"},
      {"complaintsx", Kind::other, "another mailbox"},
      {"info", Kind::other, "another mailbox"},
      {token.substr(1), Kind::other, "too short"},
      {token + "a", Kind::other, "too long"},
      {"0" + token, Kind::other, "longer than a token"},
      {token.substr(1) + "1", Kind::other, "1 is in no token"},
      {token.substr(0, 30) + "." + token.substr(30), Kind::other, "cut in two"},
      {std::string(250, '=') + token, Kind::other, "longer than a local part may be"},
  };
  for (const auto& [local_part, want, why] : rows) {
    CAPTURE(why);
    CHECK(read_return_address(local_part, "complaints") == ReturnAddress{want});
  }
  CHECK(read_return_address("", "").kind == Kind::other);
  CHECK(read_return_address("+x", "").kind == Kind::other);
}

TEST_CASE("return address: the first of two tokens counts") {
  const std::string other(60, 'z');
  CHECK(read_return_address(token + "+" + other, "").token == token);
}
