#include "cli/run.h"

#include "cli/arguments.h"
#include "cli/output.h"

#include <exception>
#include <iostream>

namespace postern::cli {
namespace {

struct Verbs {
  int operator()(const ServeOptions& options) const { return serve(options); }
  int operator()(const SinkOptions& options) const { return sink(options); }
  int operator()(const CheckConfigOptions& options) const { return check_config(options); }
  int operator()(const CheckOptions& options) const { return check(options); }
  int operator()(const ShowOptions& options) const { return show(options); }
  int operator()(const UnsubscribeOptions& options) const { return unsubscribe(options); }
  int operator()(const ResubscribeOptions& options) const { return resubscribe(options); }
  int operator()(const LinkOptions& options) const { return link(options); }
  int operator()(const BlockOptions& options) const { return block(options); }
  int operator()(const UnblockOptions& options) const { return unblock(options); }
  int operator()(const ImportOptions& options) const { return import(options); }
  int operator()(const ExportOptions& options) const { return export_contacts(options); }
  int operator()(const DsnOptions& options) const { return dsn(options); }
  int operator()(const ReportOptions& options) const { return report(options); }
  int operator()(const StatsOptions& options) const { return stats(options); }
  int operator()(const ForgetOptions& options) const { return forget(options); }
  int operator()(const KeysOptions& options) const { return keys(options); }
  int operator()(const CompactOptions& options) const { return compact(options); }
  int operator()(const BackupOptions& options) const { return backup(options); }
  int operator()(const RestoreOptions& options) const { return restore(options); }
  int operator()(const ReactivateOptions& options) const { return reactivate(options); }
  int operator()(const ReturnMailOptions& options) const { return return_mail(options); }
  int operator()(const VerifyOptions& options) const { return verify(options); }
};

int run_verb(int argc, const char* const* argv) {
  const auto command = parse_arguments(argc, argv);
  const int status = command ? std::visit(Verbs{}, *command) : command.error();
  // A full disk behind standard output shows here at the latest: half an export is none.
  if (!std::cout.flush() && status != exit_failed) {
    return complain({Errc::io, "standard output could not be written"});
  }
  return status;
}

}  // namespace

int run(int argc, const char* const* argv) {
  try {
    return run_verb(argc, argv);
  } catch (const std::exception& error) {
    return complain({Errc::io, error.what()});
  }
}

}  // namespace postern::cli
