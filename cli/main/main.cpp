#include "cli/run.h"

int main(int argc, char** argv) { return postern::cli::run(argc, argv); }
