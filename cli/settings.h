// Which configuration and store a verb works with. INTERFACE.md: --store, --config, the
// environment's POSTERN_CONFIG, /etc/postern/postern.toml, ./postern-data.
#pragma once

#include "base/config.h"
#include "cli/verbs.h"
#include "store/store.h"

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

namespace postern::cli {

struct Settings {
  Config config;                              // the defaults where no file is in use
  std::optional<std::filesystem::path> file;  // that it was read from
  // The file was named for this store. Any other may be about another store, and its providers'
  // rules must not key this one: the gate keeps the keys by its own.
  bool rules_are_its = false;
};

// The file that `config` names, or that is found; nullopt where there is none.
[[nodiscard]] std::optional<std::filesystem::path> find_config(std::string_view config);

// Where a line about what is wrong goes.
using SayProblem = std::function<void(std::string_view)>;

// The configuration that `serve` with the same options would run by: --store overrides the file's.
// An error is the exit status; what is wrong was said, on standard error if nowhere else.
[[nodiscard]] std::expected<Settings, int> load_settings(const Where& where,
                                                         const SayProblem& say_problem = {});

// What a verb reads of the store: here and there, or most of it.
enum class Reads : std::uint8_t { little, most };

// The store of the settings; where it cannot be opened, that was said on standard error.
[[nodiscard]] std::expected<std::unique_ptr<store::Store>, int> open_store(const Settings& settings,
                                                                           store::Mode mode,
                                                                           Reads reads);

}  // namespace postern::cli
