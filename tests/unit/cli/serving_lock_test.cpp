#include "cli/serving_lock.h"

#include "program.h"

#include <filesystem>
#include <optional>

#include <unistd.h>

using namespace postern;
using cli::ServingLock;

TEST_CASE("serving lock: one at a time, and the other is told who") {
  const Folder folder;
  const auto store = folder.file("deep/store");
  std::optional<ServingLock> first(store);
  REQUIRE(first->take());
  ServingLock second(store);
  const auto taken = second.take();
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == Errc::busy);
  CHECK(has(taken.error().text, "the store " + store + " is served already, by process " +
                                    std::to_string(::getpid()) + ": "));
  CHECK(ServingLock(folder.file("other")).take());
  // The other verbs do not ask.
  CHECK(postern_run({"import", "--store", store, "-"}).status == 0);
  CHECK(postern_run({"block", "--store", store, "a@example.com"}).status == 0);
  first.reset();
  CHECK(ServingLock(store).take());
}

TEST_CASE("serving lock: it goes with the name, where another folder is put in its place") {
  const Folder folder;
  const auto store = folder.file("store");
  ServingLock serving(store);
  REQUIRE(serving.take());
  std::filesystem::rename(store, folder.file("lost"));
  serving.look();
  CHECK_FALSE(std::filesystem::exists(store));
  std::filesystem::create_directory(store);
  serving.look();
  CHECK(std::filesystem::is_empty(store));
  CHECK(postern_run({"import", "--store", store, "-"}).status == 0);
  serving.look();
  const auto taken = ServingLock(store).take();
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == Errc::busy);
}

TEST_CASE("serving lock: where it cannot be made is another error") {
  const Folder folder;
  const auto file = folder.write("file", "no folder");
  const auto taken = ServingLock(file + "/store").take();
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code != Errc::busy);
}
