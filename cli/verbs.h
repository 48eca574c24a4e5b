// The verbs: each a function of its options, in a file of its name, that answers the exit status
// (cli/run.h). Texts are as they were typed; empty where an option was not given.
// docs/command-line.md shows each.
#pragma once

#include <string>
#include <vector>

namespace postern::cli {

// Which configuration and store: cli/settings.h has the order in which they are sought.
struct Where {
  std::string store;
  std::string config;
};

struct ServeOptions {
  std::string config, store, listen, upstream, web;
};
int serve(const ServeOptions& options);

struct SinkOptions {
  std::string listen = "127.0.0.1:2526";
  std::string maildir = "./postern-mail";
};
int sink(const SinkOptions& options);

struct CheckConfigOptions {
  std::string config;
};
int check_config(const CheckConfigOptions& options);

struct CheckOptions {
  Where where;
  std::vector<std::string> addresses;
  std::string stream, at;
  bool json = false;
};
int check(const CheckOptions& options);

struct ShowOptions {
  Where where;
  std::string address;
  bool json = false;
};
int show(const ShowOptions& options);

struct UnsubscribeOptions {
  Where where;
  std::vector<std::string> addresses;
  std::string stream, reason;
};
int unsubscribe(const UnsubscribeOptions& options);

struct ResubscribeOptions {
  Where where;
  std::vector<std::string> addresses;
  std::string stream, consent;
};
int resubscribe(const ResubscribeOptions& options);

struct ReactivateOptions {
  Where where;
  std::string address, seen;
  bool confirm = false;
};
int reactivate(const ReactivateOptions& options);

struct ReturnMailOptions {
  Where where;
  std::string action, number;
  bool json = false;
};
int return_mail(const ReturnMailOptions& options);

struct LinkOptions {
  Where where;
  std::vector<std::string> addresses;
  std::string stream, campaign;
};
int link(const LinkOptions& options);

struct BlockOptions {
  Where where;
  std::vector<std::string> addresses;
  std::string reason, until;
};
int block(const BlockOptions& options);

struct UnblockOptions {
  Where where;
  std::vector<std::string> addresses;
};
int unblock(const UnblockOptions& options);

struct ImportOptions {
  Where where;
  std::vector<std::string> files;
  std::string status, stream, source, format, map, dates, rejected, undo;
  bool force_format = false, dry_run = false, list = false, json = false;
};
int import(const ImportOptions& options);

struct ExportOptions {
  Where where;
  std::string status, stream, reason, since, hashed, format = "csv";
};
int export_contacts(const ExportOptions& options);

struct DsnOptions {
  std::vector<std::string> files;
};
int dsn(const DsnOptions& options);

struct ReportOptions {
  Where where;
  std::string campaign, stream, since, format = "text";
  bool recipients = false;
  bool json = false;
};
int report(const ReportOptions& options);

struct ForgetOptions {
  Where where;
  std::string address;
  bool now = false;
};
int forget(const ForgetOptions& options);

struct KeysOptions {
  Where where;
  bool rotate = false;
  bool json = false;
};
int keys(const KeysOptions& options);

struct CompactOptions {
  Where where;
  bool if_owed = false;
};
int compact(const CompactOptions& options);

struct BackupOptions {
  Where where;
  std::string directory;
};
int backup(const BackupOptions& options);

struct RestoreOptions {
  Where where;
  std::string backup, forgotten;
  bool salvage = false;
};
int restore(const RestoreOptions& options);

struct VerifyOptions {
  Where where;
  bool json = false;
};
int verify(const VerifyOptions& options);

struct StatsOptions {
  Where where;
  bool json = false;
};
int stats(const StatsOptions& options);

}  // namespace postern::cli
