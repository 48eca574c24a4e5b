// `restore`: makes a store of a backup. Who was forgotten since the backup is forgotten again,
// before anybody can read it.
#include "cli/context.h"
#include "cli/output.h"
#include "cli/run.h"
#include "cli/settings.h"
#include "cli/verbs.h"
#include "store/backup.h"
#include "store/compaction.h"
#include "store/forgotten.h"

#include <cstdint>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

namespace postern::cli {
namespace {

// Their bytes came with the backup.
int compact_restored(const Settings& settings) {
  auto store = open_store(settings, store::Mode::read_write, Reads::little);
  if (!store) return store.error();
  const auto done = (*store)->compact();
  if (!done) return complain(done.error());
  warn_of_old_readers(*done);
  return exit_done;
}

void say_what_was_saved(const store::Salvaged& saved) {
  if (saved.entries == 0) return;
  say(fmt::format(
      "{} damaged pages; {} entries of the others were read, {} contacts made anew from "
      "their events; postern verify names what is missing",
      saved.damaged_pages, saved.entries, saved.contacts));
}

}  // namespace

int restore(const RestoreOptions& options) {
  if (options.where.store.empty() && options.where.config.empty()) {
    return wrong_call("restore makes a store: say where with --store or --config");
  }
  const auto settings = load_settings(options.where);
  if (!settings) return settings.error();
  const Config& config = settings->config;
  std::filesystem::path ledger = options.forgotten;
  if (ledger.empty()) ledger = config.forgotten;
  if (ledger.empty()) ledger = store::default_ledger(config.store_path);
  std::error_code error;
  const bool listed = std::filesystem::exists(ledger, error);
  if (!listed && !options.forgotten.empty()) {
    return complain({Errc::not_found, fmt::format("{}: there is no such file", ledger.string())});
  }
  std::uint64_t forgotten = 0;
  const auto forget_again = [&](store::Store& store) -> Result<void> {
    const auto done = store.forget_again(ledger, current_time());
    if (!done) return std::unexpected(done.error());
    forgotten = *done;
    return {};
  };
  const auto done = store::restore(
      options.backup,
      {.path = config.store_path, .map_size = config.store_map_size, .providers = {}}, forget_again,
      options.salvage ? store::Damage::salvaged : store::Damage::refused);
  if (!done) return complain(done.error());
  say_what_was_saved(*done);
  say(fmt::format("{}: restored from {}", config.store_path.string(), one_line(options.backup)));
  if (!listed) {
    warn(
        fmt::format("there is no {}: whoever was forgotten since the backup is back; if the store "
                    "that was lost had such a file, restore again with --forgotten FILE",
                    ledger.string()));
  }
  if (forgotten == 0) return exit_done;
  say(fmt::format("{} contacts that were forgotten since are forgotten again", forgotten));
  return compact_restored(*settings);
}

}  // namespace postern::cli
