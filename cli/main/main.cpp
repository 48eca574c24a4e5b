#include "cli/run.h"

#include <csignal>

int main(int argc, char** argv) {
  // A write beyond `ulimit -f` is an error to report, not the end.
  std::signal(SIGXFSZ, SIG_IGN);
  return postern::cli::run(argc, argv);
}
