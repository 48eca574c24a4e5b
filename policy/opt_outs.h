// How the page asks and acts for a person: what is behind it writes to the store, the page knows
// nothing of that. Every call returns at once; `done` is called once, on any thread, when the
// change is on the disk or could not be brought there in time (a few seconds). An error then means
// that nobody may be told it was done; what was asked may be asked again.
#pragma once

#include "base/result.h"
#include "policy/address.h"
#include "policy/contact.h"
#include "policy/link.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace postern::policy {

// What this one request put there; what stood before is not among it.
struct PlacedHold {
  HoldId id;
  Scope scope;
  friend bool operator==(const PlacedHold&, const PlacedHold&) = default;
};

class OptOuts {
 public:
  template <class T>
  using Done = std::function<void(Result<T>)>;

  virtual ~OptOuts() = default;

  struct Leave {
    CanonicalAddress address;
    std::vector<Scope> scopes;  // a hold for each
    std::string_view way;       // "one-click" or "page"
    std::string campaign;       // of the message with the link; empty where it had none
    std::string note;           // what the person said
  };
  // All of it in one commit.
  virtual void leave(Leave leave, Done<std::vector<PlacedHold>> done) = 0;

  struct Undo {
    CanonicalAddress address;
    std::vector<PlacedHold> holds;
  };
  // Lifts these, and no other.
  virtual void undo(Undo undo, Done<void> done) = 0;

  struct ComeBack {
    CanonicalAddress address;
    std::vector<Scope> scopes;  // the first is consented to: a stream's present name
    std::string note;
  };
  // Lifts unsubscriptions and complaints, and records the consent.
  virtual void come_back(ComeBack come_back, Done<void> done) = 0;

  // Whether the store takes changes now.
  virtual void probe(Done<void> done) = 0;

  // Of links, as the store has them now; from any thread.
  [[nodiscard]] virtual Result<std::shared_ptr<const LinkKeys>> link_keys() = 0;
};

}  // namespace postern::policy
