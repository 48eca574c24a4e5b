// What an SMTP server offers: read from an upstream's EHLO reply, and written into ours. The gate
// offers what the upstream offers and the gate can carry (DESIGN.md, "Whose reply is whose").
#pragma once

#include "proxy/wire/command.h"
#include "proxy/wire/reply.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postern::proxy {

struct Capabilities {
  bool pipelining = false;
  bool eight_bit_mime = false;
  bool smtputf8 = false;
  bool dsn = false;
  bool size = false;
  std::uint64_t size_limit = 0;  // octets; 0: none was named (RFC 1870 section 4)
  bool starttls = false;
  bool chunking = false;
  std::vector<std::string> auth{};  // mechanisms, upper case, each once, in the server's order
  // Names of attributes, upper case, a blank between two: "NAME ADDR LOGIN"; empty: not offered.
  std::string xclient{};
  std::string xforward{};
  friend bool operator==(const Capabilities&, const Capabilities&) = default;

  // Before the upstream was reached for the first time.
  [[nodiscard]] static Capabilities unknown_upstream() {
    return {.pipelining = true, .eight_bit_mime = true};
  }
};

// A positive reply to EHLO; keywords the gate knows nothing of are passed over. RFC 5321
// section 4.1.1.1.
[[nodiscard]] Capabilities parse_capabilities(const wire::Reply& reply);

// What is the gate's own to offer, whatever the upstream does.
struct OwnExtensions {
  bool starttls = false;
  bool chunking = false;
  bool xforward = false;
};
// Our reply to EHLO. PIPELINING and ENHANCEDSTATUSCODES are the gate's own too and always there; of
// AUTH the mechanisms of `offered`.
[[nodiscard]] wire::Reply ehlo_reply(std::string_view hostname, const Capabilities& offered,
                                     const OwnExtensions& own);

// The extensions that parameters make use of. SIZE is left out: it is a hint.
[[nodiscard]] Capabilities needed_by(const wire::MailParameters& parameters);
[[nodiscard]] bool needs_dsn(const wire::RecipientParameters& parameters);

// The keyword of the first extension of `needed` that `offered` does not have; empty when all are
// there.
[[nodiscard]] std::string_view missing(const Capabilities& offered, const Capabilities& needed);

}  // namespace postern::proxy
