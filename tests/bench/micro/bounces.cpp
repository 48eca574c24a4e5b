// Why a delivery failed.
#include "as_told.h"
#include "policy/classify/classifier.h"

#include <benchmark/benchmark.h>

namespace postern {
namespace {

void classify_bounce(benchmark::State& state) {
  const classify::Classifier& classifier = classify::Classifier::built_in();
  const classify::Evidence evidence{
      .status = "5.0.0",
      .diagnostic =
          "smtp; 550-Requested action not taken: mailbox unavailable\n"
          "550 The email account that you tried to reach does not exist. Please try "
          "double-checking the recipient's email address for typos",
      .remote_mta = "mx.example.com",
      .reporting_mta = "mail.example.org",
      .action = "failed"};
  for ([[maybe_unused]] auto turn : state) benchmark::DoNotOptimize(classifier.judge(evidence));
}
BENCHMARK(classify_bounce)->Apply(bench::as_told);

}  // namespace
}  // namespace postern
