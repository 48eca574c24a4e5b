// A self-signed certificate for trying things out, made at first use. No client trusts it by
// itself: it never stands in silently for a real one.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "certs/key_pair.h"

#include <filesystem>
#include <string>

namespace postern::certs {

// development.pem and development.key in `folder`, for `hostname`, localhost and loopback
// addresses. What is there is used again, whoever put it there; where it does not load or is about
// to expire, it is set aside as *.old and made anew. The folder is made with mode 0700 where it is
// missing, the key has mode 0600. Errc::io: the folder cannot be written, or what is in it not be
// read.
[[nodiscard]] Result<CertificateFiles> development_certificate(const std::filesystem::path& folder,
                                                               const std::string& hostname,
                                                               Time now);

}  // namespace postern::certs
