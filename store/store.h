// The store: events, appended and folded into contacts (DESIGN.md 2-4). One environment, one
// process may hold it open several times only through one Store. Readers never wait; changes go
// through the Writer, or through change() where a verb of the command line is alone with its
// thread.
#pragma once

#include "base/config.h"
#include "base/result.h"
#include "policy/address.h"
#include "policy/contact.h"
#include "policy/contacts.h"
#include "policy/ledger.h"
#include "policy/link.h"
#include "policy/return_contexts.h"
#include "policy/traffic.h"
#include "store/change.h"
#include "store/imports.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postern::store {

enum class Mode : std::uint8_t { read_only, read_write, create };

struct Options {
  std::filesystem::path path;
  Mode mode = Mode::read_write;
  std::uint64_t map_size = 1ULL << 40U;
  // Providers besides the built-in ones. nullopt: as the store has them (a verb without a
  // configuration); otherwise the folded keys are rebuilt when the rules differ from those that the
  // store was keyed with.
  std::optional<std::vector<ProviderConfig>> providers;
  // Most of it is about to be read, in its order: the disk may read ahead. Lookups here and there
  // would be slower for it.
  bool read_ahead = false;
};

// One entry of `show`'s history.
struct HistoryEntry {
  policy::Event event;
  std::string source;
  std::string note;
  std::string by;
  std::string import;  // the name of the import that brought it
  MailDetails mail;    // of return mail
};
struct ContactRecord {
  enum class Form : std::uint8_t { mailbox, domain, digest };
  Form form = Form::mailbox;
  policy::CanonicalAddress address;  // empty where the text was erased
  policy::Contact contact;
};

struct Stats {
  std::uint64_t contacts = 0;  // mailboxes
  std::uint64_t active = 0;    // of them: no hold stands
  std::uint64_t domains = 0;   // domain-wide entries
  std::uint64_t hashed = 0;    // entries of hash lists
  std::uint64_t events = 0;
  std::uint64_t unsubscribed =
      0;  // contacts with such a hold that is neither over nor lifted for its whole scope
  std::uint64_t complained = 0;
  std::uint64_t bounced = 0;
  std::uint64_t blocked = 0;
  std::uint64_t consents = 0;  // contacts with a consent
  std::uint64_t copies = 0;    // rows of the ledger, expired ones that are not swept yet included
  std::uint64_t return_mail = 0;  // mail that was not understood, kept for a look
  std::uint64_t bytes_used = 0;   // pages in use
  std::uint64_t bytes_file = 0;   // on disk
  bool compaction_owed = false;   // erased texts are in free pages still
};

struct UndoSummary {
  ImportRecord import;
  std::uint64_t lifted = 0;
  std::uint64_t withdrawn = 0;           // consents
  std::uint64_t shared = 0;              // another import said the same: stays
  std::uint64_t own = 0;                 // the contact or the operator did: stays
  std::vector<std::string> shared_with;  // the names of such imports
  std::uint64_t gone = 0;                // lifted already
  bool was_undone = false;               // before: this lifted what that may have left
};
struct ForgetSummary {
  std::uint64_t contacts = 0;  // spellings and digests
  std::uint64_t texts = 0;
  std::uint64_t rows = 0;  // of the report
};
struct VerifySummary {
  std::uint64_t contacts = 0;  // domains and digests too
  std::uint64_t events = 0;
  std::uint64_t wrong = 0;
};

class Absence;
struct Compaction;
struct KeptMail;
struct Reactivation;
struct TrafficFilter;
struct TrafficReport;
class Writer;

class Store {
 public:
  // Errors: not_found (no store there: which verb creates one), version (newer or other format),
  // busy, unsupported (network file system), full, damaged, io. Each text names the path and what
  // to do.
  [[nodiscard]] static Result<std::unique_ptr<Store>> open(const Options& options);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // A reader for one thread. Holds a slot of the reader table and one read transaction that is
  // renewed where somebody has committed since, and rests from refresh() to the next lookup; must
  // die before the Store. find() takes no lock and allocates nothing
  // once it is warm (a provider's rule, a quoted subaddress and a found stream's long name cost a
  // string each).
  [[nodiscard]] Result<std::unique_ptr<policy::ContactReader>> reader() const;

  // Readers answer for those who are not in the store from a filter in memory (absence.h), once it
  // is built: in the background, by this, to be called now and then from one thread. True: it is
  // there, and current. Never called there is none, and readers ask the store.
  bool keep_filter();
  [[nodiscard]] std::shared_ptr<Absence> filter() const;  // null: there is none

  // Applies changes in one transaction, in their order, and commits with fsync. All or nothing.
  [[nodiscard]] Result<std::vector<Outcome>> change(std::span<const Change> changes, Time now);

  // The same, but a change that is wrong by itself (Errc::invalid) fails alone: an outcome for
  // each.
  [[nodiscard]] Result<std::vector<Result<Outcome>>> change_each(std::span<const Change> changes,
                                                                 Time now);

  // Only closing it and opening it again helps: another process has let the store grow past this
  // one's map, or a write failed so that LMDB does no more. Set by the call that met it, of any
  // thread.
  [[nodiscard]] bool must_reopen() const;

  // Closes it and opens it again, as must_reopen() asks for. No reader may be left.
  [[nodiscard]] Result<void> reopen();

  [[nodiscard]] Result<policy::Contact> contact(const policy::CanonicalAddress& address) const;
  [[nodiscard]] Result<std::vector<HistoryEntry>> history(
      const policy::CanonicalAddress& address) const;  // newest first
  // The same of a contact that was found (policy::Findings), whose address may have been erased:
  // then it is empty.
  [[nodiscard]] Result<std::vector<HistoryEntry>> history(const policy::ContactRef& ref) const;
  [[nodiscard]] Result<policy::CanonicalAddress> address(const policy::ContactRef& ref) const;
  // What it is found by, and what a token of its says, known or not.
  [[nodiscard]] Result<policy::ContactRef> ref(const policy::CanonicalAddress& address) const;
  // Every contact, a page of `limit` at a time, each in a read transaction of its own (no long
  // reader): `after` is the last key of the page before, empty at first; empty again at the end.
  struct Page {
    std::vector<ContactRecord> records;
    std::string last_key;
  };
  [[nodiscard]] Result<Page> contacts(std::string_view after, std::size_t limit) const;
  [[nodiscard]] Result<HistoryEntry> event(const policy::EventId& id) const;
  // Names that holds, lifts and consents use: for check-config, which names those that no
  // configuration has.
  [[nodiscard]] Result<std::vector<std::string>> stream_names() const;
  [[nodiscard]] Result<Stats> stats(Time now) const;
  // What became of recipients (store/traffic.h), in one commit with fsync.
  [[nodiscard]] Result<void> record(std::span<const policy::Passages> passages);
  // Some of the rows that are beyond their time, and kept mail that is.
  [[nodiscard]] Result<void> prune_report(Time now);
  [[nodiscard]] Result<TrafficReport> report(const TrafficFilter& filter) const;
  // The keys that seal and open links (link_keys.h). Errc::not_found: none yet, in a store that was
  // made by an earlier program and is open for reading only.
  [[nodiscard]] Result<policy::LinkKeys> link_keys() const;
  struct LinkKeyNote {
    std::uint32_t id = 0;
    Time made{};  // the day, UTC
  };
  // Oldest first; the last one seals.
  [[nodiscard]] Result<std::vector<LinkKeyNote>> list_link_keys() const;
  // One more, which seals from now on. Errc::full where there are max_link_keys already.
  [[nodiscard]] Result<void> rotate_link_key(Time now);

  // Which of these copies the ledger has as taken (policy/ledger.h). From any thread, in a read
  // transaction of its own: no reader stays behind for a compaction to wait for.
  [[nodiscard]] Result<std::vector<bool>> taken(std::span<const policy::CopyKey> copies,
                                                Time now) const;
  // The latest `until` in the ledger, which is read whole; of an empty one: 1970.
  [[nodiscard]] Result<Time> last_copy_until() const;
  struct CopyChange {
    policy::CopyKey copy;
    Time until{};       // not later than `now`: the row goes
    bool taken = true;  // false: makes no row, and prolongs none
  };
  // In their order, in one commit with fsync. Expired rows go, some with each call.
  [[nodiscard]] Result<void> keep_copies(std::span<const CopyChange> changes, Time now);

  // Contexts of return addresses, in one commit with fsync; none where they are on record already.
  // Expired ones go, some with each commit.
  [[nodiscard]] Result<void> keep_contexts(std::span<const policy::ReturnContexts::Entry> entries,
                                           Time now);
  // Nothing: none of that hash is on record. From any thread, in a read transaction of its own.
  [[nodiscard]] Result<std::optional<policy::ReturnContext>> context(std::uint64_t hash) const;

  // Providers in force: the built-in ones and those that the store was keyed with.
  [[nodiscard]] const std::vector<ProviderConfig>& providers() const;
  // Clears the slots of readers that died; at open and on a timer. Returns how many.
  [[nodiscard]] Result<int> clear_stale_readers();

  [[nodiscard]] Result<std::vector<ImportRecord>> imports() const;  // oldest first
  // What an import alone put there is lifted, its consents are withdrawn. With `preview` it is only
  // counted. Errc::not_found: no import of that name or number. Broken off, it goes on when called
  // again.
  [[nodiscard]] Result<UndoSummary> undo_import(std::string_view name, bool preview,
                                                const Origin& origin, Time now);
  // Erases every text about a contact, under each spelling that is the same mailbox and in hash
  // lists; what stands goes on standing. The hashes go to `ledger` first (forgotten.h), so that a
  // restored backup forgets too. The bytes are gone from the disk after compact().
  [[nodiscard]] Result<ForgetSummary> forget(const policy::CanonicalAddress& address,
                                             const std::filesystem::path& ledger,
                                             const Origin& origin, Time now);
  // See reactivation.h. What reactivate() would answer, and what it did.
  [[nodiscard]] Result<Reactivation> reactivation(const policy::CanonicalAddress& address,
                                                  bool seen, Time now) const;
  [[nodiscard]] Result<Reactivation> reactivate(const policy::CanonicalAddress& address, bool seen,
                                                const Origin& origin, Time now);

  // Return mail that was not understood (kept_mail.h); its number. The oldest goes where there is
  // too much.
  [[nodiscard]] Result<std::uint64_t> keep_return_mail(const KeptMail& mail, Time now);
  [[nodiscard]] Result<std::vector<KeptMail>> return_mail() const;  // newest first, no messages
  [[nodiscard]] Result<KeptMail> return_mail(std::uint64_t number) const;  // Errc::not_found

  // The store in a new file without its free pages, and without the bytes of what was erased
  // (compaction.h). It must be opened anew afterwards.
  [[nodiscard]] Result<Compaction> compact();
  // What the file names is forgotten again: after a backup was restored. How many contacts had
  // something to forget.
  [[nodiscard]] Result<std::uint64_t> forget_again(const std::filesystem::path& ledger, Time now);
  // Since when texts were erased whose bytes are in the file still; nothing where there are none.
  [[nodiscard]] Result<std::optional<Time>> owes_compaction() const;
  // See backup.h. Errc::damaged, and the backup stays, where its tables do not agree with its
  // events.
  [[nodiscard]] Result<void> backup(const std::filesystem::path& to) const;
  // Every table against a fold of the events, in short snapshots; `wrong` is called with each thing
  // that does not agree. It believes the pages: check_store_pages() (pages.h) is asked first.
  [[nodiscard]] Result<VerifySummary> verify(const std::function<void(std::string)>& wrong) const;

  struct Impl;  // for the files that implement it

 private:
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
  friend class Writer;
  friend class Importer;
};

// The one writer thread of a process: changes queue to it, and it commits them in batches (group
// commit).
class Writer {
 public:
  using Done = std::function<void(Result<Outcome>)>;  // called on the writer's thread, after the
                                                      // commit that holds it
  // Starts the thread. At most `queue` changes wait; submit() beyond that is refused (Errc::full).
  explicit Writer(Store& store, std::size_t queue = 65'536);
  ~Writer();  // finishes what is queued, then ends the thread
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  [[nodiscard]] Result<void> submit(Change change, Time now, Done done);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace postern::store
