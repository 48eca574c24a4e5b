// `reactivate`: the operator says that a contact takes mail again. Lifts bounce holds, within the
// limits of store/reactivation.h; without --confirm it says what there is, and what to mend first.
#include "cli/changes.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/returned.h"
#include "cli/run.h"
#include "cli/standing.h"
#include "cli/suggestion.h"
#include "cli/verbs.h"
#include "store/reactivation.h"

#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace postern::cli {
namespace {

using policy::BounceReason;
using store::Reactivation;
using Answer = Reactivation::Answer;

std::string_view hint(const store::BounceHold& one) {
  if (!one.evidence) return "no return mail says why: look into where the bounce is known from";
  switch (one.evidence->reason) {
    case BounceReason::user_unknown:
      return "the receiver knows no such mailbox: mail goes there again only where mail came from "
             "it since; check the spelling first";
    case BounceReason::domain_unknown:
      return "the domain did not exist or took no mail: check its spelling, and that it has an MX "
             "record now";
    case BounceReason::moved:
      return "the contact has another address: ask for it, and write there";
    case BounceReason::not_accepting:
      return "the mailbox takes no mail: ask the contact, or the receiver's postmaster, whether "
             "that "
             "has changed";
    case BounceReason::disabled:
      return "the mailbox was switched off: ask the contact whether it is in use again";
    case BounceReason::mailbox_full:
      return "the mailbox was full, again and again: ask the contact, in another way, to make room";
    default:
      return "mend what the diagnostic names first, or it bounces again";
  }
}

void print(const std::string& address, const Reactivation& found) {
  say(address);
  for (const auto& one : found.holds) {
    say("  " + describe(one.hold) + in_brackets(one.source, one.note));
    if (one.evidence) say("  " + describe(*one.evidence, {}));
    say(fmt::format("  {}", hint(one)));
  }
}

void print_month(const Reactivation& found) {
  say(fmt::format("reactivations this month (UTC): {} of {} used, {} left", found.used, found.limit,
                  found.limit - std::min(found.used, found.limit)));
}

// Why not, on standard error; empty where it may be.
std::string refusal(const std::string& address, const Reactivation& found) {
  switch (found.answer) {
    case Answer::allowed:
      return {};
    case Answer::nothing:
      return address + ": no bounce hold stands on it: there is nothing to lift";
    case Answer::once_already:
      return fmt::format(
          "{}: was reactivated on {}, and bounced again: that is done once a contact", address,
          format_date(*found.before));
    case Answer::user_unknown:
      return address +
             ": the receiver knows no such mailbox: it is reactivated only where mail came from it "
             "since; say how you know with --seen";
    case Answer::month_spent:
      return fmt::format("{}: all {} reactivations of this month are used: wait for the next",
                         address, found.limit);
  }
  return {};
}

int answer(const Context& context, const policy::CanonicalAddress& contact,
           const Reactivation& found) {
  const auto address = one_line(contact.text);
  if (const auto why = refusal(address, found); !why.empty()) {
    if (found.answer != Answer::nothing) print(address, found);
    say(why);
    if (found.answer == Answer::nothing) {
      if (const auto said = say_what_stands(context, contact); !said) return complain(said.error());
    } else {
      print_month(found);
    }
    return exit_no;
  }
  return exit_done;
}

}  // namespace

int reactivate(const ReactivateOptions& options) {
  const auto addresses = parse_contacts({&options.address, 1}, true);
  if (!addresses) return addresses.error();
  const auto& contact = addresses->front();
  const auto context = open_context(
      options.where, options.confirm ? store::Mode::read_write : store::Mode::read_only);
  if (!context) return context.error();
  const bool seen = !options.seen.empty();
  if (!options.confirm) {
    const auto found = context->store->reactivation(contact, seen, context->now);
    if (!found) return complain(found.error());
    if (const int status = answer(*context, contact, *found); status != exit_done) return status;
    print(one_line(contact.text), *found);
    say("nothing was changed; lift it with: " + reactivate_command(contact.text, options.seen));
    print_month(*found);
    return exit_no;
  }
  const auto origin = said_by_operator("reactivate", options.seen);
  const auto found = write_to(*context, [&](store::Store& store) {
    return store.reactivate(contact, seen, origin, context->now);
  });
  if (!found) return complain(found.error());
  if (const int status = answer(*context, contact, *found); status != exit_done) return status;
  for (const auto& one : found->holds) {
    say(one_line(contact.text) + ": lifted: " + describe(one.hold) +
        in_brackets(one.source, one.note));
  }
  if (const auto said = say_what_stands(*context, contact); !said) return complain(said.error());
  print_month(*found);
  return exit_done;
}

}  // namespace postern::cli
