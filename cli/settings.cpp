#include "cli/settings.h"

#include "cli/output.h"
#include "cli/run.h"

#include <cstdlib>
#include <iostream>

namespace postern::cli {
namespace {

constexpr const char* system_config = "/etc/postern/postern.toml";

// A file that is there and cannot be looked at is in use all the same: reading it says why it
// cannot be.
bool is_there(const std::filesystem::path& file) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  return status.type() != std::filesystem::file_type::not_found;
}

}  // namespace

std::optional<std::filesystem::path> find_config(std::string_view config) {
  if (!config.empty()) return config;
  const char* named = std::getenv("POSTERN_CONFIG");
  if (named != nullptr && *named != '\0') return named;
  if (is_there(system_config)) return system_config;
  return std::nullopt;
}

std::expected<Settings, int> load_settings(const Where& where, const SayProblem& say_problem) {
  Settings settings{.config = Config::defaults(),
                    .file = find_config(where.config),
                    .rules_are_its = !where.config.empty() && where.store.empty()};
  if (settings.file) {
    auto loaded = load_config(*settings.file);
    if (!loaded) {
      for (const auto& problem : loaded.error()) {
        const auto line = to_string(problem, settings.file->string());
        say_problem ? say_problem(line) : static_cast<void>(std::cerr << line << '\n');
      }
      return std::unexpected(exit_call);
    }
    settings.config = *std::move(loaded);
  }
  if (!where.store.empty()) settings.config.store_path = where.store;
  return settings;
}

std::expected<std::unique_ptr<store::Store>, int> open_store(const Settings& settings,
                                                             store::Mode mode, Reads reads) {
  store::Options options{.path = settings.config.store_path,
                         .mode = mode,
                         .map_size = settings.config.store_map_size,
                         .providers = std::nullopt,
                         .read_ahead = reads == Reads::most};
  if (settings.rules_are_its) options.providers = settings.config.providers;
  auto store = store::Store::open(options);
  if (!store) return std::unexpected(complain(store.error()));
  return *std::move(store);
}

}  // namespace postern::cli
