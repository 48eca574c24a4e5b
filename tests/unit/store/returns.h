// Return mail in few words, for the tests of what becomes of it.
#pragma once

#include "fixture.h"
#include "store/tables.h"

namespace postern::store::test {

// What a token of the address would name it by.
inline policy::ContactRef ref_of(const Store& store, std::string_view address) {
  auto found = store.ref(contact(address));
  if (!found) FAIL(found.error().text);
  return *found;
}

inline NoteReturn returned(const Store& store, std::string_view address,
                           policy::BounceReason reason) {
  NoteReturn mail;
  mail.ref = ref_of(store, address);
  mail.address = contact(address);
  mail.evidence = {policy::ReturnType::bounce, reason, "5.1.1"};
  mail.bounce_class = policy::class_of(reason);
  mail.stream = "news";
  mail.campaign = "spring";
  mail.diagnostic = "550 no such user";
  mail.remote_mta = "mx.x.example";
  mail.reporting_mta = "mail.example.org";
  mail.message_id = "<1@x>";
  mail.origin = {"return-path", "", ""};
  return mail;
}

}  // namespace postern::store::test
