#include "cli/arguments.h"

#include "base/text.h"
#include "cli/output.h"
#include "cli/run.h"

#include <algorithm>
#include <functional>
#include <iostream>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace postern::cli {
namespace {

constexpr const char* about =
    "Postern stands before a mail server and refuses, at RCPT TO, recipients who do not want mail.";

constexpr const char* about_status =
    "\nExit status: 0 done, 1 the answer is no, 2 the call or the configuration is wrong, 3 it "
    "could "
    "not be done.\n\nWhich store: --store, --config, the environment's POSTERN_CONFIG, "
    "/etc/postern/postern.toml,\n./postern-data. Only serve, and import and restore with --store "
    "or --config, "
    "create one. Verbs work while the gate\nserves from the same store. 'postern VERB --help' has "
    "an "
    "example for each verb.";

// An option that is given says something: --store "$UNSET" must not mean another store.
const CLI::Validator& said() {
  static const CLI::Validator validator(
      [](std::string& text) {
        return trim(text).empty() ? std::string("may not be empty") : std::string();
      },
      "");
  return validator;
}

// Every verb with its options, and where CLI11 writes them.
class Grammar {
 public:
  Grammar() {
    app_.set_version_flag("--version", "postern " POSTERN_VERSION, "Print the version");
    app_.set_help_flag("-h,--help", "Print this help");
    app_.require_subcommand(1);
    app_.footer(about_status);
    add_gate();
    add_questions();
    add_changes();
    add_files();
    add_keeping();
  }
  Grammar(const Grammar&) = delete;
  Grammar& operator=(const Grammar&) = delete;

  std::expected<Command, int> parse(int argc, const char* const* argv) {
    if (argc < 2) {
      std::cerr << app_.help();
      return std::unexpected(exit_call);
    }
    const std::string first = argv[1];
    if (!first.starts_with('-') && !is_verb(first)) {
      return std::unexpected(wrong_call(
          fmt::format("'{}' is no verb; there are: {}", printable(first, 60), verb_names())));
    }
    try {
      app_.parse(argc, argv);
    } catch (const CLI::Success& asked) {
      app_.exit(asked, std::cout, std::cerr);
      return std::unexpected(exit_done);
    } catch (const CLI::ParseError& error) {
      return std::unexpected(
          wrong_call(fmt::format("{} (postern {}--help tells more)", one_line(error.what()),
                                 is_verb(first) ? first + " " : std::string())));
    }
    const auto chosen =
        std::ranges::find_if(verbs_, [](const auto& verb) { return verb.first->parsed(); });
    return chosen->second();
  }

 private:
  // The verb's page: what it does, then an example and what the exit status tells.
  template <class Options>
  CLI::App* verb(const char* name, const char* does, Options& options, const char* example) {
    auto* page = app_.add_subcommand(name, does);
    page->footer(std::string("\nExample:\n") + example);
    verbs_.emplace_back(page, [&options] { return Command(options); });
    return page;
  }

  static void text(CLI::App* page, const char* name, std::string& value, const char* does,
                   const char* type) {
    page->add_option(name, value, does)->type_name(type)->check(said());
  }
  static void where(CLI::App* page, Where& value) {
    text(page, "--store", value.store, "The store's folder", "DIR");
    text(page, "--config", value.config, "The configuration", "FILE");
  }
  static void addresses(CLI::App* page, std::vector<std::string>& value, const char* does) {
    page->add_option("ADDRESS", value, does)->required()->type_name("");
  }

  void add_gate() {
    auto* page = verb("serve", "Run the gate", serve_,
                      "  postern serve --store ./postern-data --listen 127.0.0.1:2525 "
                      "--upstream 127.0.0.1:25\n"
                      "Runs until SIGTERM, which lets messages under way finish; SIGHUP reads the "
                      "configuration again.\n"
                      "Exit status: 0 stopped as asked, 2 wrong call or configuration, 3 a port is "
                      "taken or the like.");
    text(page, "--config", serve_.config, "The configuration; flags override it", "FILE");
    text(page, "--store", serve_.store, "The store's folder; made where it is missing", "DIR");
    text(page, "--listen", serve_.listen, "Where clients connect (127.0.0.1:2525)", "ADDRESS");
    text(page, "--upstream", serve_.upstream, "Where mail goes (127.0.0.1:25)", "ADDRESS");
    text(page, "--web", serve_.web, "Where the unsubscribe page is (127.0.0.1:8525)", "ADDRESS");

    page =
        verb("sink", "Be a mail server that keeps what it is given, for trying the gate out", sink_,
             "  postern sink --listen 127.0.0.1:2526 --maildir ./postern-mail\n"
             "Exit status: 0 stopped as asked, 2 wrong call, 3 a port is taken or the like.");
    text(page, "--listen", sink_.listen, "Where the gate connects (127.0.0.1:2526)", "ADDRESS");
    text(page, "--maildir", sink_.maildir, "Where messages are kept (./postern-mail)", "DIR");

    page = verb("check-config", "Say what is wrong with the configuration", check_config_,
                "  postern check-config --config postern.toml\n"
                "  postern.toml:4: listener.adress: unknown key; did you mean address?\n"
                "Exit status: 0 it is good, 2 it is not, or there is none.");
    text(page, "--config", check_config_.config, "The configuration", "FILE");
  }

  void add_questions() {
    auto* page =
        verb("check", "Say what the gate would answer to a recipient, and why", check_,
             "  postern check jane@example.com --stream newsletter\n"
             "  550 5.7.1 <jane@example.com>: recipient unsubscribed on 2026-03-01\n"
             "Exit status: 0 all would be accepted, 1 one would be refused, 2 wrong call, 3 "
             "the store cannot be read.");
    addresses(page, check_.addresses, "The recipients");
    text(page, "--stream", check_.stream, "Of which stream the mail is (default)", "STREAM");
    text(page, "--at", check_.at, "When: 2026-03-01 or 2026-03-01T12:00:00Z (now)", "TIME");
    page->add_flag("--json", check_.json, "One JSON object a line");
    where(page, check_.where);

    page = verb("show", "Show a contact: holds, consents and history, newest first", show_,
                "  postern show jane@example.com\n"
                "Exit status: 0 shown, 1 not known, 2 wrong call, 3 the store cannot be read.");
    page->add_option("ADDRESS", show_.address, "A mailbox, @DOMAIN or @.DOMAIN")
        ->required()
        ->type_name("");
    page->add_flag("--json", show_.json, "One JSON object a line");
    where(page, show_.where);

    page =
        verb("dsn", "Read bounces, complaints and other return mail, and say what they mean", dsn_,
             "  postern dsn bounce.eml\n"
             "  {\"file\":\"bounce.eml\",\"type\":\"bounce\",\"class\":\"hard\",...}\n"
             "One JSON object a line for each file and recipient. No store is touched.\n"
             "Exit status: 0 read, 2 wrong call, 3 a file could not be read.");
    page->add_option("FILE", dsn_.files, "The messages; - is standard input")
        ->type_name("")
        ->required();

    page = verb("report", "Show what was let through, refused and why, and who left or bounced",
                report_,
                "  postern report --stream newsletter --since 2026-03-01\n"
                "Exit status: 0 shown, 2 wrong call, 3 the store cannot be read.");
    text(page, "--campaign", report_.campaign,
         "Of this campaign alone: X-Campaign-ID or Feedback-ID", "CAMPAIGN");
    text(page, "--stream", report_.stream, "Of this stream alone, its former names too", "STREAM");
    text(page, "--since", report_.since, "From that day on: 2026-03-01 (UTC; kept for 400 days)",
         "TIME");
    page->add_flag("--recipients", report_.recipients,
                   "Who was refused, left or bounced, and why, one by one, instead of sums");
    text(page, "--format", report_.format, "text (if not given), csv or jsonl", "FORMAT");
    page->add_flag("--json", report_.json, "As --format jsonl: one JSON object a line");
    where(page, report_.where);

    page =
        verb("return-mail", "List or show mail that came back and was not understood", return_mail_,
             "  postern return-mail list\n  postern return-mail show 12\n"
             "The last 200 of 30 days are kept, of each the first 64 KiB.\n"
             "Exit status: 0 shown, 1 no such number, 2 wrong call, 3 the store cannot be read.");
    page->add_option("ACTION", return_mail_.action, "list or show")->required()->type_name("");
    page->add_option("NUMBER", return_mail_.number, "Of show: which")->type_name("");
    page->add_flag("--json", return_mail_.json, "One JSON object a line");
    where(page, return_mail_.where);

    page = verb(
        "stats", "Show how much is in the store", stats_,
        "  postern stats --json\nExit status: 0 shown, 2 wrong call, 3 the store cannot be read.");
    page->add_flag("--json", stats_.json, "One JSON object");
    where(page, stats_.where);
  }

  void add_changes() {
    constexpr const char* stream = "Of this stream alone; every marketing stream if not given";
    auto* page =
        verb("unsubscribe", "The contact asked not to be written to", unsubscribe_,
             "  postern unsubscribe jane@example.com --reason 'asked by phone'\n"
             "Exit status: 0 done, 2 wrong call (nothing was changed), 3 the store cannot be "
             "written.");
    addresses(page, unsubscribe_.addresses, "The mailboxes");
    text(page, "--stream", unsubscribe_.stream, stream, "STREAM");
    page->add_option("--reason", unsubscribe_.reason, "What was said")->type_name("TEXT");
    where(page, unsubscribe_.where);

    page = verb("resubscribe",
                "The contact asked to be written to again: lifts unsubscriptions and complaints",
                resubscribe_,
                "  postern resubscribe jane@example.com --consent 'her mail of 2026-04-01'\n"
                "Bounces and blocks are not lifted; what still stands is said.\n"
                "Exit status: 0 done, 2 wrong call (nothing was changed), 3 the store cannot be "
                "written.");
    addresses(page, resubscribe_.addresses, "Mailboxes, @DOMAIN or @.DOMAIN");
    text(page, "--stream", resubscribe_.stream, "To this stream alone; to every one if not given",
         "STREAM");
    page->add_option("--consent", resubscribe_.consent, "How we know that they asked")
        ->required()
        ->type_name("TEXT")
        ->check(said());
    where(page, resubscribe_.where);

    page = verb(
        "reactivate", "The contact takes mail again: lifts a bounce, within limits", reactivate_,
        "  postern reactivate jane@example.com --confirm --seen 'her mail of 2026-04-01'\n"
        "Without --confirm it says why the contact bounced, what to mend first, and what is "
        "left of the month.\nComplaints, unsubscriptions and blocks are not lifted.\n"
        "Exit status: 0 lifted, 1 not, 2 wrong call, 3 the store cannot be written.");
    page->add_option("ADDRESS", reactivate_.address, "The mailbox")->required()->type_name("");
    page->add_flag("--confirm", reactivate_.confirm, "Do it");
    text(page, "--seen", reactivate_.seen,
         "How we know that mail came from the contact since: wanted where the mailbox was unknown",
         "TEXT");
    where(page, reactivate_.where);

    page = verb("link", "Print the unsubscribe links of mailboxes, as messages to them bear them",
                link_,
                "  postern link jane@example.com --stream newsletter\n"
                "  http://127.0.0.1:8525/u/aeaaaaab...\n"
                "For looking at the page; whoever has the link can unsubscribe the mailbox.\n"
                "Exit status: 0 printed, 2 wrong call, or no [unsubscribe] url, 3 the store cannot "
                "be read.");
    addresses(page, link_.addresses, "The mailboxes");
    text(page, "--stream", link_.stream, "Of which stream (default)", "STREAM");
    text(page, "--campaign", link_.campaign, "Of which campaign", "CAMPAIGN");
    where(page, link_.where);

    page = verb("block", "Ban a mailbox, a domain (@DOMAIN) or its subdomains (@.DOMAIN)", block_,
                "  postern block @example.net --reason 'spam trap' --until 2027-01-01\n"
                "Exit status: 0 done, 2 wrong call (nothing was changed), 3 the store cannot be "
                "written.");
    addresses(page, block_.addresses, "Mailboxes, @DOMAIN or @.DOMAIN");
    page->add_option("--reason", block_.reason, "Why; senders read it")->type_name("TEXT");
    text(page, "--until", block_.until, "When it ends: 2027-01-01 or 2027-01-01T12:00:00Z", "TIME");
    where(page, block_.where);

    page = verb("unblock", "Lift such a ban", unblock_,
                "  postern unblock @example.net\n"
                "Exit status: 0 done, 2 wrong call (nothing was changed), 3 the store cannot be "
                "written.");
    addresses(page, unblock_.addresses, "Mailboxes, @DOMAIN or @.DOMAIN");
    where(page, unblock_.where);
  }

  void add_files() {
    auto* page = verb(
        "import", "Read contacts from CSV, JSON lines or plain lists", import_,
        "  postern import --store ./postern-data --source shop unsubscribed.csv\n"
        "  3 rows: 3 added, 0 unchanged, 0 rejected\n"
        "Exports of many tools are recognised by their header (docs/import-formats.md). An import "
        "adds restrictions\nand never lifts one. With --store or --config a missing store is "
        "made.\n"
        "Exit status: 0 every row was recorded, 1 rows were rejected or kept held, 2 wrong call, "
        "3 files or store failed.");
    page->add_option("FILE", import_.files, "The files; - is standard input")->type_name("");
    text(page, "--status", import_.status,
         "Of rows that say none: unsubscribed (if not given), bounced, complained, blocked, "
         "subscribed",
         "STATUS");
    text(page, "--stream", import_.stream,
         "Of rows that say none; every marketing stream if not given", "STREAM");
    text(page, "--source", import_.source,
         "Where the rows come from: known by it when they come again (as the file is recognised)",
         "TEXT");
    text(page, "--format", import_.format,
         "What the files are: auto (if not given), or a name of "
         "docs/import-formats.md",
         "FORMAT");
    text(page, "--map", import_.map, "Which column is what: address=E-mail,date=Left,...", "MAP");
    text(page, "--dates", import_.dates, "How 03/04/2026 is read: dmy or mdy", "ORDER");
    text(page, "--rejected", import_.rejected, "Where rejected rows go (FILE.rejected)", "FILE");
    page->add_flag("--dry-run", import_.dry_run, "Say what would come of it, write nothing");
    page->add_flag("--force-format", import_.force_format,
                   "Take a list of bounces or opt-outs as subscribed all the same");
    page->add_flag("--list", import_.list, "Show the imports there were");
    text(page, "--undo", import_.undo,
         "Lift what this import alone put there; with --dry-run, say what that is", "IMPORT");
    page->add_flag("--json", import_.json, "With --list: one JSON object a line");
    where(page, import_.where);

    page =
        verb("export", "Write contacts as import reads them, or as a Postfix access map", export_,
             "  postern export --status unsubscribed > unsubscribed.csv\n"
             "Exit status: 0 done, 2 wrong call, 3 the store cannot be read or the output not "
             "written.");
    text(page, "--status", export_.status,
         "Only unsubscribed, bounced, complained, blocked or subscribed", "STATUS");
    text(page, "--stream", export_.stream, "Only of this stream", "STREAM");
    text(page, "--reason", export_.reason, "Only those whose reason contains this", "TEXT");
    text(page, "--since", export_.since, "Only those dated then or later: 2026-03-01", "TIME");
    text(page, "--hashed", export_.hashed,
         "Digests for addresses: sha256, sha1 or md5; anyone who has a list of addresses can undo "
         "them",
         "DIGEST");
    text(page, "--format", export_.format, "csv (if not given), jsonl or postfix", "FORMAT");
    where(page, export_.where);
  }

  void add_keeping() {
    auto* page =
        verb("forget", "Erase what is known of a person; the opt-out stays in force", forget_,
             "  postern forget jane@example.com --now\n"
             "The bytes are gone from the disk after the next compaction: at night, or at "
             "once with --now.\n"
             "Exit status: 0 done, 1 not known, 2 wrong call, 3 the store cannot be "
             "written.");
    page->add_option("ADDRESS", forget_.address, "The mailbox")->required()->type_name("");
    page->add_flag("--now", forget_.now, "Compact the store at once");
    where(page, forget_.where);

    page =
        verb("verify", "Check every page of the store, and every table against the events", verify_,
             "  postern verify --store ./postern-data\n"
             "Exit status: 0 it is sound, 1 it is not, 2 wrong call, 3 it cannot be read.");
    page->add_flag("--json", verify_.json, "One JSON object a line");
    where(page, verify_.where);

    page =
        verb("keys", "Show the keys of unsubscribe links, or add one that seals from now on", keys_,
             "  postern keys --rotate\n"
             "Links that older keys sealed go on working.\n"
             "Exit status: 0 done, 2 wrong call, 3 the store cannot be read or written.");
    page->add_flag("--rotate", keys_.rotate, "Add a key");
    page->add_flag("--json", keys_.json, "One JSON object a line");
    where(page, keys_.where);

    page = verb("compact", "Give the store's free space back, and the bytes of what was erased",
                compact_,
                "  postern compact --store ./postern-data\n"
                "  compacted: 114688 octets, 425984 before\n"
                "Works while the gate serves; changes wait for it. The gate does it at night where "
                "something was erased.\n"
                "Exit status: 0 done, 2 wrong call, 3 it could not be done.");
    page->add_flag("--if-owed", compact_.if_owed, "Only if something was erased since the last");
    where(page, compact_.where);

    page = verb("backup", "Write a copy of the store, checked, while the gate serves", backup_,
                "  postern backup /var/backups/postern/monday\n"
                "Exit status: 0 done, 2 wrong call, 3 it could not be done, or is damaged.");
    page->add_option("DIR", backup_.directory, "Where to: made, or empty")
        ->required()
        ->type_name("")
        ->check(said());
    where(page, backup_.where);

    page = verb("restore", "Make a store of a backup", restore_,
                "  postern restore /var/backups/postern/monday --store /var/lib/postern\n"
                "Who was forgotten since the backup is forgotten again.\n"
                "Exit status: 0 done, 2 wrong call, 3 a store is there already, or the backup is "
                "damaged.");
    page->add_option("DIR", restore_.backup, "The backup")
        ->required()
        ->type_name("")
        ->check(said());
    text(page, "--forgotten", restore_.forgotten,
         "The file of forgotten hashes of the store that was lost (as the configuration has it, or "
         "beside the store)",
         "FILE");
    page->add_flag("--salvage", restore_.salvage,
                   "Of a damaged store or backup, take what still reads");
    where(page, restore_.where);
  }

  [[nodiscard]] bool is_verb(const std::string& name) const {
    return std::ranges::any_of(verbs_,
                               [&](const auto& verb) { return verb.first->get_name() == name; });
  }
  [[nodiscard]] std::string verb_names() const {
    std::string names;
    for (const auto& [page, take] : verbs_) {
      names += (names.empty() ? "" : ", ") + page->get_name();
    }
    return names;
  }

  CLI::App app_{about, "postern"};
  std::vector<std::pair<CLI::App*, std::function<Command()>>> verbs_;
  ServeOptions serve_;
  SinkOptions sink_;
  CheckConfigOptions check_config_;
  CheckOptions check_;
  ShowOptions show_;
  UnsubscribeOptions unsubscribe_;
  ResubscribeOptions resubscribe_;
  LinkOptions link_;
  ReactivateOptions reactivate_;
  ReturnMailOptions return_mail_;
  BlockOptions block_;
  UnblockOptions unblock_;
  ImportOptions import_;
  ExportOptions export_;
  DsnOptions dsn_;
  ReportOptions report_;
  StatsOptions stats_;
  ForgetOptions forget_;
  VerifyOptions verify_;
  KeysOptions keys_;
  CompactOptions compact_;
  BackupOptions backup_;
  RestoreOptions restore_;
};

}  // namespace

std::expected<Command, int> parse_arguments(int argc, const char* const* argv) {
  return Grammar().parse(argc, argv);
}

}  // namespace postern::cli
