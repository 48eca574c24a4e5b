// What a request to the public pages comes to: a function of the request, of what stands for the
// person, and of what the store answered. No socket is seen here. INTERFACE.md, "The web
// listeners".
#pragma once

#include "base/config.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "policy/contacts.h"
#include "policy/opt_outs.h"
#include "policy/stream.h"
#include "web/http.h"
#include "web/page.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::web {

// How long the page's undo works.
inline constexpr std::chrono::minutes undo_time{10};
inline constexpr std::uintmax_t max_logo = 512U << 10U;  // octets

// Of the configuration; immutable, a reload makes another.
struct SiteSettings {
  policy::Streams streams;
  std::string brand;
  std::string stylesheet;
  std::string icon;
  std::string logo;  // its octets; empty: none
  std::string logo_type;
  std::string prefix;  // of the path of [unsubscribe] url: "" or "/news"
};
// Reads the logo. Errc::not_found, Errc::invalid (too large, not what its name says): the text
// names the file.
[[nodiscard]] Result<std::shared_ptr<const SiteSettings>> site_settings(const Config& config);

class Site {
 public:
  using Reply = std::function<void(Response)>;
  struct Parts {
    policy::OptOuts& opt_outs;
    policy::ContactReader& contacts;
    metrics::Registry& metrics;
    // Runs a function later on the site's own thread.
    std::function<void(std::function<void()>)> post;
  };
  Site(std::shared_ptr<const SiteSettings> settings, const Parts& parts);

  // On the site's thread, as everything here; `reply` is called once, then or later.
  void handle(const Request& request, Time now, Reply reply);

  // What is answered when handle() has not, for too long.
  [[nodiscard]] Response late(const Request& request) const;

  // Of requests that come from then on.
  void reload(std::shared_ptr<const SiteSettings> settings) { settings_ = std::move(settings); }

 private:
  // Whose link it is, and what it leaves.
  struct Subject {
    policy::LinkSubject link;
    policy::Scope scope;
    std::vector<policy::Scope> names;              // of coming back: the stream's, former ones too
    const policy::Stream* stream = nullptr;        // null: all newsletters
    std::string token;                             // lower case
    std::optional<std::string> title;              // nullopt: all newsletters
    std::shared_ptr<const SiteSettings> settings;  // that `stream` is of
  };
  struct Question;
  using Asked = std::shared_ptr<const Question>;

  void answer_link(const Request& request, std::string_view token, Time now, Reply reply);
  void answer_form(const Asked& asked, const Request& request, const Reply& reply);
  [[nodiscard]] Subject subject_of(policy::LinkSubject link, std::string_view token,
                                   Language language) const;
  void one_click(const Asked& asked, const Reply& reply);
  void leave(const Asked& asked, policy::OptOuts::Leave leave, GoodbyePage page,
             const Reply& reply);
  void undo(const Asked& asked, std::string_view token, const Reply& reply);
  void come_back(const Asked& asked, const Reply& reply);
  [[nodiscard]] Response choices(const Question& asked);
  [[nodiscard]] Response goodbye(const Question& asked, GoodbyePage page,
                                 const std::vector<policy::PlacedHold>& placed);
  [[nodiscard]] bool is_held(const Question& asked);
  [[nodiscard]] std::string note_of(const Question& asked, std::string note);
  void count_leave(const Question& asked, std::string_view way, bool changed);
  [[nodiscard]] std::string title_of(const policy::Stream& stream, Language language) const;

  std::shared_ptr<const SiteSettings> settings_;
  policy::OptOuts& opt_outs_;
  policy::ContactReader& contacts_;
  std::function<void(std::function<void()>)> post_;
  metrics::Counter& one_clicks_;
  metrics::Counter& page_leaves_;
  metrics::Histogram& time_to_honour_;
};

}  // namespace postern::web
