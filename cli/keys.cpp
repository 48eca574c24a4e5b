// `keys`: which keys seal and open the links of mail, and one more of them. The secrets stay in the
// store.
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/verbs.h"

#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace postern::cli {

int keys(const KeysOptions& options) {
  const auto mode = options.rotate ? store::Mode::read_write : store::Mode::read_only;
  const auto context = open_context(options.where, mode);
  if (!context) return context.error();
  if (options.rotate) {
    const auto done = write_to(
        *context, [&](store::Store& store) { return store.rotate_link_key(context->now); });
    if (!done) return complain(done.error());
  }
  const auto list = context->store->list_link_keys();
  if (!list) return complain(list.error());
  for (const auto& key : *list) {
    const bool seals = key.id == list->back().id;
    const auto made = format_date(key.made);
    if (options.json) {
      say(boost::json::object{{"id", key.id}, {"made", made}, {"seals", seals}});
    } else {
      say(fmt::format("{:>4}  {}  {}", key.id, made, seals ? "seals and opens" : "opens"));
    }
  }
  return exit_done;
}

}  // namespace postern::cli
