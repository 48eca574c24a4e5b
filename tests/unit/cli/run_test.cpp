#include "cli/run.h"

#include "program.h"

using postern::cli::exit_call;
using postern::cli::exit_done;
using postern::cli::exit_failed;
using postern::cli::exit_no;

TEST_CASE(
    "run: the store is where nothing can be written: standard output's failure is one of the "
    "work") {
  const Folder folder;
  const auto store = folder.store();
  class Full : public std::streambuf {
  } full;
  auto* const old = std::cout.rdbuf(&full);
  std::ostringstream err;
  auto* const old_err = std::cerr.rdbuf(err.rdbuf());
  const std::vector<const char*> argv{"postern", "stats", "--store", store.c_str()};
  const int status = postern::cli::run(static_cast<int>(argv.size()), argv.data());
  std::cout.rdbuf(old);
  std::cerr.rdbuf(old_err);
  std::cout.clear();
  CHECK(status == exit_failed);
  CHECK(err.str() == "postern: standard output could not be written\n");
}

TEST_CASE("run: exit status and who hears of it") {
  const Folder folder;
  const auto store = folder.store();
  struct Case {
    std::vector<std::string> arguments;
    int status;
    std::string_view why;
  };
  for (const auto& [arguments, status, why] : {
           Case{{"check", "other@example.com", "--store", store}, exit_done, "accepted"},
           Case{{"check", "first@example.com", "--store", store}, exit_no, "refused"},
           Case{{"show", "other@example.com", "--store", store}, exit_no, "not known"},
           Case{{"check", "no address", "--store", store}, exit_call, "no address"},
           Case{
               {"check", "a@example.com", "--store", folder.file("none")}, exit_failed, "no store"},
           Case{{"unsubscribe", "a@example.com", "--store", folder.file("none")},
                exit_failed,
                "a slip must not make a store"},
           Case{{"import", "--store", store, folder.file("none.csv")}, exit_failed, "no file"},
       }) {
    CAPTURE(why);
    const auto ran = postern_run(arguments);
    CHECK(ran.status == status);
    CHECK(ran.out.empty() == (status > exit_no));
    CHECK(ran.err.empty() == (status <= exit_no));
  }
  CHECK_FALSE(std::filesystem::exists(folder.file("none")));
}
