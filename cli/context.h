// What a verb on contacts works with, made once: the settings, the open store, the streams and the
// time; and the checks that its arguments pass before anything is changed. An error is an exit
// status: what is wrong was said on standard error.
#pragma once

#include "base/time.h"
#include "cli/settings.h"
#include "policy/address.h"
#include "policy/contact.h"
#include "policy/stream.h"
#include "store/compaction.h"
#include "store/store.h"

#include <expected>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace postern::cli {

struct Context {
  Settings settings;
  std::unique_ptr<store::Store> store;
  policy::Streams streams;
  Time now;
};
[[nodiscard]] std::expected<Context, int> open_context(const Where& where, store::Mode mode,
                                                       Reads reads = Reads::little);

// Does `change`, which answers a Result. Where the store was compacted while this verb waited for
// its turn, once more, in the new file: nothing was done in the old one.
template <class Function>
[[nodiscard]] auto write_to(const Context& context, Function change) {
  constexpr int most_tries = 10;
  auto outcome = change(*context.store);
  for (int i = 1; i < most_tries && !outcome && context.store->must_reopen(); ++i) {
    if (auto opened = context.store->reopen(); !opened) {
      outcome = std::unexpected(opened.error());
      break;
    }
    outcome = change(*context.store);
  }
  return outcome;
}

// Every address that is none is named. Where domains are, entries of hash lists are allowed too.
[[nodiscard]] std::expected<std::vector<policy::CanonicalAddress>, int> parse_contacts(
    std::span<const std::string> texts, bool domains_allowed);

// Where a compaction left some behind.
void warn_of_old_readers(const store::Compaction& done);

// "news, alerts, default"
[[nodiscard]] std::string known_names(const policy::Streams& streams);

// The scope of a hold: every marketing stream where no name is given; a former name is the stream's
// own. Warns of a name that no stream of the configuration has.
[[nodiscard]] std::expected<policy::Scope, int> hold_scope(const Context& context,
                                                           const std::string& stream);
// The scopes of a permission: every stream where no name is given; otherwise the stream and its
// former names, under which holds may stand. A name that neither the configuration nor the store
// knows is a slip, and an error where there is a configuration.
[[nodiscard]] std::expected<std::vector<policy::Scope>, int> permission_scopes(
    const Context& context, const std::string& stream);

}  // namespace postern::cli
