// How often a benchmark is run: as Google Benchmark finds right, or, for `scripts/bench counts`,
// exactly as often as the environment says: what two numbers of turns differ by is what the turns
// cost, without what came before them.
#pragma once

#include <benchmark/benchmark.h>
#include <cstdlib>

namespace postern::bench {

inline void as_told(benchmark::internal::Benchmark* which) {
  const char* turns = std::getenv("POSTERN_TURNS");
  if (turns != nullptr) which->Iterations(std::atoll(turns));
}

}  // namespace postern::bench
