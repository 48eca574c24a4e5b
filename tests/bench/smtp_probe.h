#pragma once

#include "smtp_session.h"

namespace postern::bench {

// RCPT after RCPT over one connection, each in a transaction of its own, waiting for every answer;
// only RCPT's time is counted. Prints the median and the 99th percentile in nanoseconds. Ends the
// program at a reply that is not expected.
void measure_latency(const Work& work);

// Opens the connections, says EHLO on each, prints {"idle": N}, and holds them until standard input
// ends. Fails unless each was answered and all are open then.
void hold_idle(const Work& work);

}  // namespace postern::bench
