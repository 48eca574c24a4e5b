// Any octets as a header section: what is planned keeps its promises, and planned again it changes
// nothing more.
#include "proxy/header_edit.h"

#include "base/text.h"
#include "proxy/wire/fields.h"
#include "proxy/wire/header.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace proxy = postern::proxy;
namespace wire = postern::wire;
using Wish = proxy::HeaderWishes::ListUnsubscribe;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void require_lines(std::string_view fields) {
  require(fields.empty() || fields.ends_with("\r\n"));
  while (!fields.empty()) {
    const std::size_t end = fields.find("\r\n");
    require(end > 0 && end <= 998);
    require(fields.substr(0, end).find_first_of("\r\n") == std::string_view::npos);
    fields.remove_prefix(end + 2);
  }
}

// In order, inside, and whole fields: nothing that is left continues what went.
void require_ranges(std::string_view section, const proxy::HeaderPlan& plan) {
  std::size_t last = 0;
  for (const auto& [begin, end] : plan.removed) {
    require(last <= begin && begin < end && end <= section.size());
    require(begin == 0 || section.substr(0, begin).ends_with("\r\n"));
    require(end == section.size() || section.substr(0, end).ends_with("\r\n"));
    require(!wire::continues_field(section.substr(end)));
    last = end;
  }
}

std::size_t unsubscribe_fields_in(std::string_view section) {
  return wire::count_fields(section, "List-Unsubscribe") +
         wire::count_fields(section, "List-Unsubscribe-Post");
}

void check(std::string_view section, const proxy::HeaderWishes& wishes, std::string_view link) {
  const auto plan = proxy::plan_header_edit(section, wishes);
  require_ranges(section, plan);
  require_lines(plan.added);
  const std::string own = plan.add_list_unsubscribe
                              ? proxy::unsubscribe_fields(link, link.substr(link.size() / 2))
                              : std::string{};
  require_lines(own);
  require(plan.add_list_unsubscribe || plan.removed.empty());
  require(!plan.add_list_unsubscribe || wishes.list_unsubscribe != Wish::off);

  const std::string edited = proxy::edited_section(section, plan, own);
  if (own.empty() && plan.added.empty()) require(edited == section);
  // What a reader takes for the header section now: the body may have begun in front of the old
  // one.
  const std::string_view now =
      std::string_view(edited).substr(0, std::min(wire::header_end(edited, 0), edited.size()));
  if (plan.add_list_unsubscribe) {
    require(wire::count_fields(now, "List-Unsubscribe") == 1);
    require(wire::count_fields(now, "List-Unsubscribe-Post") == 1);
  } else if (plan.added.empty()) {
    require(unsubscribe_fields_in(now) == unsubscribe_fields_in(section));
  }
  if (wire::count_fields(plan.added, "List-Id") == 1) {
    require(proxy::list_id_of(now) == wishes.list_id);
  }

  auto again_wishes = wishes;
  if (again_wishes.list_unsubscribe == Wish::replace) again_wishes.list_unsubscribe = Wish::add;
  const auto again = proxy::plan_header_edit(now, again_wishes);
  require(again.removed.empty() && !again.add_list_unsubscribe);
  require(again.added.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 2), size - 2);
  const std::string_view words = input.substr(0, std::min<std::size_t>(data[1], input.size()));
  const proxy::HeaderWishes wishes{
      .list_unsubscribe = static_cast<Wish>(data[0] % 3U),
      .list_id = (data[0] & 4U) != 0 ? "news.example.com" : "",
      .list_title = std::string(words),
      .feedback_id = (data[0] & 8U) != 0 ? std::string(words) : "",
  };
  // As a message has it, and as nobody should give it.
  check(input.substr(0, wire::header_end(input, 0)), wishes, words);
  check(input, wishes, words);
  require(proxy::list_id_of(input).size() <= 255);
  return 0;
}
