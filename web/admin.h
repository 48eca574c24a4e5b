// The operator's pages: whether the gate lives, whether it is ready, and what it counts.
#pragma once

#include "base/metrics.h"
#include "policy/opt_outs.h"
#include "web/http.h"

#include <functional>

namespace postern::web {

class Admin {
 public:
  using Reply = std::function<void(Response)>;
  Admin(policy::OptOuts& opt_outs, const metrics::Registry& metrics)
      : opt_outs_(opt_outs), metrics_(metrics) {}

  // `reply` is called once, then or later, on whatever thread.
  void handle(const Request& request, Reply reply);

 private:
  policy::OptOuts& opt_outs_;
  const metrics::Registry& metrics_;
};

}  // namespace postern::web
