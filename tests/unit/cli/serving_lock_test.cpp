#include "cli/serving_lock.h"

#include "program.h"

#include <optional>

#include <unistd.h>

using namespace postern;
using cli::ServingLock;

TEST_CASE("serving lock: one at a time, and the other is told who") {
  const Folder folder;
  const auto store = folder.file("deep/store");
  std::optional<Result<ServingLock>> first = ServingLock::take(store);
  REQUIRE(first->has_value());
  const auto second = ServingLock::take(store);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == Errc::busy);
  CHECK(has(second.error().text, "the store " + store + " is served already, by process " +
                                     std::to_string(::getpid()) + ": "));
  CHECK(ServingLock::take(folder.file("other")));
  // The other verbs do not ask.
  CHECK(postern_run({"import", "--store", store, "-"}).status == 0);
  CHECK(postern_run({"block", "--store", store, "a@example.com"}).status == 0);
  first.reset();
  CHECK(ServingLock::take(store));
}

TEST_CASE("serving lock: where it cannot be made is another error") {
  const Folder folder;
  const auto file = folder.write("file", "no folder");
  const auto lock = ServingLock::take(file + "/store");
  REQUIRE_FALSE(lock);
  CHECK(lock.error().code != Errc::busy);
}
