// The program, as main() and the tests call it.
#pragma once

namespace postern::cli {

// INTERFACE.md, "The command": the exit status of every verb.
enum ExitStatus : int {
  exit_done = 0,
  exit_no = 1,      // the answer is no: a refused address, a file with rejected or kept rows
  exit_call = 2,    // the call or the configuration is wrong
  exit_failed = 3,  // it could not be done: I/O, store, network
};

// Reads the arguments and runs the verb. Results go to standard output, everything else to standard
// error. Throws nothing.
[[nodiscard]] int run(int argc, const char* const* argv);

}  // namespace postern::cli
