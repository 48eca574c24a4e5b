// How the gate asks for contacts: the store implements it, the proxy and the web call it. No LMDB
// is seen here.
#pragma once

#include "base/result.h"
#include "policy/address.h"
#include "policy/decision.h"

#include <string>

namespace postern::policy {

// One for each I/O thread; not shared between threads.
class ContactReader {
 public:
  virtual ~ContactReader() = default;

  // Fills `findings` with what stands under the forms of `address`, and its own ref(). An error
  // means "cannot say": the recipient is answered 451 4.3.0, never let through.
  [[nodiscard]] virtual Result<void> find(const CanonicalAddress& address, Findings& findings) = 0;

  // The personal text beside an event (a reason, a diagnostic); empty where there is none or it was
  // erased.
  [[nodiscard]] virtual Result<std::string> note(const EventId& event) = 0;

  // What the store knows the contact by, whether or not anything is known of it.
  [[nodiscard]] virtual Result<ContactRef> ref(const CanonicalAddress& address) = 0;

  // Once a second, on the reader's thread: lets go of a store that was replaced, and of the
  // snapshot that it reads.
  virtual void refresh() {}
};

}  // namespace postern::policy
