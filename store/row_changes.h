// What a row asks of the store, once it is known what the caller said of the file; and how it waits
// to be sorted.
#pragma once

#include "base/result.h"
#include "store/exchange.h"
#include "store/octets.h"
#include "store/rows/row.h"
#include "store/store.h"

#include <string>
#include <vector>

namespace postern::store {

// `source`: of the import. Errc::invalid where the row asks what cannot be.
[[nodiscard]] Result<std::vector<Change>> changes_of(const rows::Row& row,
                                                     const rows::Recognised& file,
                                                     const ImportOptions& options,
                                                     const std::string& source);

// Octets of a row's changes, all about `address`, and back.
void encode(const policy::CanonicalAddress& address, const std::vector<Change>& changes,
            OctetWriter& out);
[[nodiscard]] bool decode(Octets octets, std::vector<Change>& changes);

}  // namespace postern::store
