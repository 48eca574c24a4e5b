// The command line as a value. The one reader of it, arguments.cpp, alone includes CLI11.
#pragma once

#include "cli/verbs.h"

#include <expected>
#include <variant>

namespace postern::cli {

using Command =
    std::variant<ServeOptions, SinkOptions, CheckConfigOptions, CheckOptions, ShowOptions,
                 UnsubscribeOptions, ResubscribeOptions, LinkOptions, BlockOptions, UnblockOptions,
                 ImportOptions, ExportOptions, DsnOptions, ReportOptions, StatsOptions,
                 ForgetOptions, VerifyOptions, KeysOptions, CompactOptions, BackupOptions,
                 RestoreOptions, ReactivateOptions, ReturnMailOptions>;

// The verb with its options; or the exit status, where help was asked for and given, or the call is
// wrong and that was said.
[[nodiscard]] std::expected<Command, int> parse_arguments(int argc, const char* const* argv);

}  // namespace postern::cli
