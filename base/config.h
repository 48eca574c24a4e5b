// The configuration: a plain struct with defaults and units in its types, read once, then
// immutable. INTERFACE.md, "The configuration file", fixes the names; docs/configuration.md
// explains every key.
#pragma once

#include "base/network.h"
#include "base/result.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern {

// A certificate with its chain and the key, PEM files. "credential:NAME" is that file of
// $CREDENTIALS_DIRECTORY (systemd's LoadCredential).
struct CertificateFiles {
  std::filesystem::path certificate;
  std::filesystem::path key;
  friend bool operator==(const CertificateFiles&, const CertificateFiles&) = default;
};

// What one listener bears, besides the limits of all; 0: no limit of its own.
struct ListenerLimits {
  std::uint32_t connections = 0;              // open at once; 421 4.3.2 above
  std::uint32_t connections_per_address = 0;  // of one client address; 421 4.7.0 above
  std::uint32_t messages_per_minute = 0;  // of one login, else one client address; 452 4.7.1 above
  std::uint32_t recipients = 0;           // of a transaction; 452 4.5.3 above
  std::uint64_t size = 0;                 // octets of a message; 552 5.3.4 above
  std::uint32_t errors = 0;               // bad commands of a session, then 421
  friend bool operator==(const ListenerLimits&, const ListenerLimits&) = default;
};

struct ListenerConfig {
  // return_path: takes return mail, and relays nothing. policy: answers Postfix's policy requests,
  // and takes no mail.
  enum class Role : std::uint8_t { relay, return_path, policy };
  enum class Tls : std::uint8_t { off, starttls, implicit };
  enum class Auth : std::uint8_t { off, passthrough };
  // A bare LF in a message: the message is refused, or the line is ended as it should have been.
  enum class BareLf : std::uint8_t { refuse, normalize };
  std::string name = "relay";
  Endpoint address{"127.0.0.1", 2525};
  std::filesystem::path socket{};  // of a Unix socket, in the place of `address`; policy only
  // May relay without AUTH; nobody else may.
  std::vector<Network> trusted;
  // The Received: line of RFC 5321 section 4.4.
  bool received_header = true;
  Role role = Role::relay;
  Tls tls = Tls::off;
  // By the name that a client asks for; the first for those that name none. Empty with TLS: the
  // development certificate.
  std::vector<CertificateFiles> certificates;
  Auth auth = Auth::off;
  std::vector<Network> proxy_protocol;  // peers that speak PROXY first, each of them always
  std::vector<Network> xforward;        // peers whose XFORWARD is believed
  BareLf bare_lf = BareLf::refuse;
  ListenerLimits limits;
  friend bool operator==(const ListenerConfig&, const ListenerConfig&) = default;
};

struct UpstreamConfig {
  // opportunistic: where it is offered, whoever the other side is; verify: always, and the
  // certificate has to be its own.
  enum class Tls : std::uint8_t { off, opportunistic, verify };
  enum class TlsMode : std::uint8_t { starttls, implicit };
  Endpoint address{"127.0.0.1", 25};
  std::vector<Endpoint> fallback;  // in turn, where no address of the first serves
  Tls tls = Tls::off;
  TlsMode tls_mode = TlsMode::starttls;
  std::filesystem::path ca;                    // PEM; empty: the system's
  std::string tls_name;                        // of its certificate; empty: the host connected to
  bool xclient = false;                        // tell it who the client is
  std::uint32_t connections = 100;             // at most, over all threads
  std::chrono::milliseconds idle_close{4000};  // an idle pooled connection is closed after this
  std::uint32_t split_connections = 4;         // at once, for one message's copies
  // It knows the mailboxes that it refuses: what it says of one is evidence, like a bounce.
  bool authoritative = false;
  friend bool operator==(const UpstreamConfig&, const UpstreamConfig&) = default;
};

// Mail that goes by another upstream. The first that matches; without one, [upstream]. One of the
// two lists is empty.
struct RouteConfig {
  std::vector<std::string> sender;  // patterns of envelope senders, of who does not authenticate
  std::vector<std::string> login;   // patterns of who authenticates
  UpstreamConfig upstream;
  friend bool operator==(const RouteConfig&, const RouteConfig&) = default;
};

struct StreamConfig {
  enum class Kind : std::uint8_t { marketing, transactional };
  enum class ConsentRule : std::uint8_t { opt_out, opt_in };
  // Of marketing mail, where links can be made. add: one that is there stays.
  enum class ListUnsubscribe : std::uint8_t { off, add, replace };
  // The envelope sender. domain: ours, in sessions that authenticated too; off: stays as it is.
  enum class ReturnPath : std::uint8_t { domain, off };
  std::string name;
  std::string title;        // what people read on the unsubscribe page; empty: the name
  std::string description;  // beside the title, on that page
  bool offer = false;       // on the pages of other streams' links too
  std::vector<std::string> formerly;
  Kind kind = Kind::marketing;
  // What mail it is: every one of the three that it has must match, any value of each.
  std::vector<std::string> sender;    // patterns of envelope senders: "*@news.example.com"
  std::vector<std::string> listener;  // names of listeners that it comes in by
  std::vector<std::string> login;     // patterns of who authenticated: "*@sales.example.com"
  std::string list_id;  // lower case: of the message's List-Id, which matches alone; else added
  ListUnsubscribe list_unsubscribe = ListUnsubscribe::add;
  std::string feedback_id;  // added where the message has none; empty: none
  ConsentRule consent = ConsentRule::opt_out;
  std::optional<ReturnPath> return_path;  // none: as [return_path] has it
  friend bool operator==(const StreamConfig&, const StreamConfig&) = default;
};

// A provider for which several spellings are one mailbox (gmail.com: dots do not count,
// googlemail.com is the same).
struct ProviderConfig {
  std::vector<std::string>
      domains;  // A-labels, lower case; the first is the one that the others fold to
  bool ignore_dots = false;
  friend bool operator==(const ProviderConfig&, const ProviderConfig&) = default;
};

// A folder into which another tool's exports are put, to be imported by the gate.
struct SourceConfig {
  enum class Dates : std::uint8_t { ask, day_first, month_first };
  std::string name;  // what its holds are known by
  std::filesystem::path folder;
  std::string format = "auto";  // or the name of one: whoever imports knows which there are
  std::string status;           // of rows that say none; empty: unsubscribed
  std::string stream;           // of rows that name none; empty: every marketing stream
  std::vector<std::pair<std::string, std::string>> map;  // a meaning, and the column that has it
  Dates dates = Dates::ask;                              // how 03/04/2026 is read
  std::chrono::milliseconds stale_after{0};  // brought nothing for longer: warned of; 0: never
  // Of the file, where its format stands; says nothing of the source: equal ones may differ in it.
  struct Line {
    std::uint32_t number = 0;
    friend bool operator==(const Line&, const Line&) { return true; }
  } line;
  friend bool operator==(const SourceConfig&, const SourceConfig&) = default;
};

// The public pages: the one behind a List-Unsubscribe link, and /healthz.
struct WebConfig {
  std::optional<Endpoint> address;    // none: there are no public pages
  std::filesystem::path certificate;  // PEM, the chain; with `key`: HTTPS; both or neither
  std::filesystem::path key;
  friend bool operator==(const WebConfig&, const WebConfig&) = default;
};

// The operator's: /readyz, /metrics, /healthz.
struct AdminConfig {
  std::optional<Endpoint> address;
  friend bool operator==(const AdminConfig&, const AdminConfig&) = default;
};

struct UnsubscribeConfig {
  // Where people reach the public pages, without a final slash; empty: no links are made, or, where
  // [web] listens on the loopback interface, http://ADDRESS.
  std::string url;
  std::string brand;               // whose mail it is
  std::filesystem::path logo;      // PNG, SVG or JPEG
  std::string colour = "#1d4ed8";  // of buttons and links: #rrggbb, readable beside white
  friend bool operator==(const UnsubscribeConfig&, const UnsubscribeConfig&) = default;
};

// Where bounces, complaints and replies come home to.
struct ReturnPathConfig {
  std::string domain;   // A-labels, lower case; empty: envelope senders stay as they are
  bool forward = true;  // pass return mail on to the original sender
  std::string complaints = "complaints";  // local part, lower case; empty: none
  std::vector<std::string> keep;          // patterns of senders that stay as they are
  std::chrono::milliseconds valid_for{std::chrono::days{30}};  // of return addresses
  // Trusted peers of the listener bring mail for any address, and it is believed without a token.
  bool mailbox_evidence = false;
  std::filesystem::path rules;  // the operator's, that say what a bounce means; empty: none
  // So many soft bounces, on so many days, within that time, make a hold.
  std::uint32_t soft_bounces = 5;
  std::uint32_t soft_days = 3;
  std::chrono::milliseconds soft_within{std::chrono::days{30}};
  friend bool operator==(const ReturnPathConfig&, const ReturnPathConfig&) = default;
};

// RFC 5321 section 4.5.3.2, unless configured.
struct TimeoutConfig {
  std::chrono::milliseconds command{std::chrono::minutes{5}};  // the client's next command
  std::chrono::milliseconds data_block{
      std::chrono::minutes{3}};  // the client's next piece of a message; ours to be taken
  std::chrono::milliseconds connect{std::chrono::seconds{30}};  // the upstream's TCP connection
  std::chrono::milliseconds greeting{
      std::chrono::minutes{5}};  // the upstream's 220 and its answer to EHLO
  std::chrono::milliseconds mail{std::chrono::minutes{5}};
  std::chrono::milliseconds rcpt{std::chrono::minutes{5}};
  std::chrono::milliseconds data{std::chrono::minutes{2}};
  std::chrono::milliseconds data_end{std::chrono::minutes{10}};
  std::chrono::milliseconds pool{std::chrono::seconds{30}};       // for a free upstream connection
  std::chrono::milliseconds drain{std::chrono::seconds{30}};      // after SIGTERM
  std::chrono::milliseconds handshake{std::chrono::seconds{30}};  // of TLS, as a whole
  // A refused AUTH is answered so much later, twice as much each time.
  std::chrono::milliseconds auth_failure{std::chrono::seconds{1}};
  friend bool operator==(const TimeoutConfig&, const TimeoutConfig&) = default;
};

struct LimitConfig {
  std::uint32_t connections = 20'000;  // of clients, over all listeners
  std::uint32_t recipients = 1'000;    // of a transaction; 452 4.5.3 above
  std::uint32_t errors = 20;           // bad commands of a session, then 421
  std::uint64_t header = 1ULL << 20U;  // octets of a header section; 552 5.3.4 above
  std::uint32_t hops = 100;            // Received: lines; 554 5.4.6 above
  std::uint32_t auth_failures = 3;     // of a session, then 421
  friend bool operator==(const LimitConfig&, const LimitConfig&) = default;
};

struct Config {
  std::string hostname;  // empty in the file: the machine's name
  std::filesystem::path store_path = "./postern-data";
  std::uint64_t store_map_size = 1ULL << 40U;  // address space that is reserved at open
  std::filesystem::path forgotten;             // the file of forgotten hashes; empty: by the store
  std::vector<ListenerConfig> listeners;       // never empty once loaded
  UpstreamConfig upstream;
  std::vector<RouteConfig> routes;
  std::vector<StreamConfig> streams;
  // The fields that name a message's campaign; the first that it has counts.
  std::vector<std::string> campaign_header{"X-Campaign-ID", "Feedback-ID", "X-Campaign",
                                           "X-Mailgun-Tag", "X-PM-Tag"};
  std::vector<ProviderConfig> providers;  // besides the built-in ones
  std::vector<SourceConfig> sources;
  WebConfig web;
  AdminConfig admin;
  UnsubscribeConfig unsubscribe;
  ReturnPathConfig return_path;
  TimeoutConfig timeouts;
  LimitConfig limits;
  std::uint32_t threads = 0;  // 0: one for each core
  std::string log_level = "info";
  std::string user;  // whom the process becomes once it listens; empty: it stays who it is

  // With no file and no flags: what INTERFACE.md says of `serve`.
  [[nodiscard]] static Config defaults();
};

// One thing that is wrong, or odd: "postern.toml:12: listener.tls: ...". Line 0: the file as a
// whole.
struct ConfigProblem {
  std::uint32_t line = 0;
  std::string key;   // dotted: "listener.tls"; empty for a syntax error
  std::string text;  // what is wrong, and what is allowed
};
[[nodiscard]] std::string to_string(const ConfigProblem& problem, std::string_view file);

// The configuration, or every problem that it has (not just the first), by line. Touches nothing
// but the text: an empty hostname stays empty.
[[nodiscard]] std::expected<Config, std::vector<ConfigProblem>> parse_config(std::string_view text);
// Reads the file, gives an empty hostname the machine's name, and takes the paths of [web],
// [unsubscribe] and [return_path] from the file's folder; a file that cannot be read is one problem
// with line 0.
[[nodiscard]] std::expected<Config, std::vector<ConfigProblem>> load_config(
    const std::filesystem::path& file);

// Where people reach the public pages: [unsubscribe] url; where that is empty and the pages are on
// the loopback interface, http://ADDRESS (https with a certificate). Empty: nowhere.
[[nodiscard]] std::string public_url(const Config& config);

}  // namespace postern
