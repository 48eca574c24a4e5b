// Whether a [[source]] has been forgotten: when it last brought something, by the store's list of
// imports, and whether that is too long ago.
#pragma once

#include "base/config.h"
#include "base/time.h"
#include "store/imports.h"

#include <chrono>
#include <span>
#include <string>
#include <string_view>

namespace postern::cli {

// Not where every row was rejected. An export of nobody is one, too.
[[nodiscard]] bool brought_something(const store::ImportCounts& counts);

// The newest import of that source that brought something, came to its end and was not undone. One
// by hand, with --source, counts too. nullptr: there is none.
[[nodiscard]] const store::ImportRecord* newest_import(std::span<const store::ImportRecord> imports,
                                                       std::string_view source);

// Its stale_after, in whole seconds as times are; 0 where it has none.
[[nodiscard]] std::chrono::seconds patience(const SourceConfig& source);
// Nothing for longer than that, where there is one.
[[nodiscard]] bool is_stale(const SourceConfig& source, Time last, Time now);

// "nothing for 40 days (stale_after 35 days)".
[[nodiscard]] std::string describe_silence(const SourceConfig& source, Time last, Time now);
// "35 days", "36 hours": rounded down, of the largest unit of which there are two.
[[nodiscard]] std::string in_words(std::chrono::seconds span);

}  // namespace postern::cli
