// edit_header off|add|replace: the message on standard input, dot-stuffed and with CRLF, is written
// out with its header section edited: what tests that judge signatures need of the gate.
#include "proxy/header_edit.h"
#include "proxy/wire/header.h"

#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>

using namespace postern;

int main(int argc, char** argv) {
  using Wish = proxy::HeaderWishes::ListUnsubscribe;
  const std::map<std::string_view, Wish> modes{
      {"off", Wish::off}, {"add", Wish::add}, {"replace", Wish::replace}};
  const auto mode = modes.find(argc == 2 ? argv[1] : "");
  if (mode == modes.end()) {
    std::cerr << "edit_header off|add|replace\n";
    return 2;
  }
  const std::string message{std::istreambuf_iterator<char>(std::cin), {}};
  const std::string_view section =
      std::string_view(message).substr(0, wire::header_end(message, 0));
  const auto plan = proxy::plan_header_edit(section, {.list_unsubscribe = mode->second,
                                                      .list_id = "news.example.org",
                                                      .list_title = "Nouvelles d'\xc3\xa9t\xc3\xa9",
                                                      .feedback_id = "spring:news:example"});
  const std::string own = plan.add_list_unsubscribe
                              ? proxy::unsubscribe_fields("https://unsub.example.org/u/token",
                                                          "mailto:u-token@bounce.example.org")
                              : "";
  std::cout << proxy::edited_section(section, plan, own) << message.substr(section.size());
  return std::cout.flush() ? 0 : 3;
}
