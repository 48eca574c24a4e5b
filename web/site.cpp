#include "web/site.h"

#include "base/log.h"
#include "base/text.h"
#include "policy/decision.h"
#include "web/embedded.h"
#include "web/form.h"
#include "web/mask.h"
#include "web/texts.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ranges>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace postern::web {

using policy::OptOuts;
using policy::PlacedHold;
using policy::Scope;

namespace {

constexpr std::size_t max_comment = 500;  // octets that are kept of what a person wrote
constexpr std::string_view html = "text/html; charset=utf-8";
constexpr std::string_view not_recorded = "not recorded; try again";
constexpr std::string_view retry_after = "60";  // seconds

Response html_page(std::string body, unsigned status = 200) {
  Response response;
  response.status = status;
  response.content_type = html;
  response.body = std::move(body);
  return response;
}

Response later(Response response) {
  response.status = 503;
  response.headers.emplace_back("Retry-After", retry_after);
  return response;
}

// Files may be kept by a browser; pages may not.
Response file(std::string_view type, std::string_view octets) {
  Response response;
  response.content_type = type;
  response.body = octets;
  response.headers.emplace_back("Cache-Control", "public, max-age=3600");
  response.route = "static";
  return response;
}

std::string logo_type(const std::filesystem::path& file) {
  const auto ending = to_lower(file.extension().string());
  if (ending == ".svg") return "image/svg+xml";
  return ending == ".png" ? "image/png" : "image/jpeg";
}

bool is_what_it_says(std::string_view octets, std::string_view type) {
  if (type == "image/png") return octets.starts_with("\x89PNG\r\n\x1a\n");
  if (type == "image/jpeg") return octets.starts_with("\xff\xd8\xff");
  return octets.contains("<svg");
}

Result<std::string> read_logo(const std::filesystem::path& file) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  if (error) {
    return fail(Errc::not_found,
                fmt::format("unsubscribe.logo: {}: {}", file.string(), error.message()));
  }
  if (size > max_logo) {
    return fail(Errc::invalid,
                fmt::format("unsubscribe.logo: {} has {} octets, and {} are allowed: people load "
                            "it on their phones",
                            file.string(), size, max_logo));
  }
  std::ifstream in(file, std::ios::binary);
  std::string octets{std::istreambuf_iterator<char>(in), {}};
  if (!is_what_it_says(octets, logo_type(file))) {
    return fail(Errc::invalid, fmt::format("unsubscribe.logo: {} is not the image that its name "
                                           "says",
                                           file.string()));
  }
  return octets;
}

std::string path_of(std::string_view url) {
  const auto authority = url.find("//");
  if (authority == url.npos) return {};
  const auto path = url.find('/', authority + 2);
  return path == url.npos ? std::string() : std::string(url.substr(path));
}

// One line, cut between two characters.
std::string kept_comment(std::string_view text) {
  std::string out;
  for (const char c : trim(text)) {
    const auto octet = static_cast<unsigned char>(c);
    const bool control = octet < ' ' || octet == 0x7f;
    if (control && (out.empty() || out.back() == ' ')) continue;
    out += control ? ' ' : c;
  }
  if (out.size() <= max_comment) return out;
  std::size_t end = max_comment;
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xc0U) == 0x80U) --end;
  out.resize(end);
  return out;
}

// "Too many messages: every day!", in English whatever the page's language was.
std::string said(const Form& form) {
  const auto reason = form.get("reason");
  auto comment = kept_comment(form.get("comment"));
  if (std::ranges::find(reasons, reason) == reasons.end()) return comment;
  auto text = Texts::of(Language::english).get("reason_" + std::string(reason));
  if (!comment.empty()) text += ": " + comment;
  return text;
}

std::string packed(const std::vector<PlacedHold>& holds) {
  std::string out;
  for (const auto& hold : holds) {
    out.append(hold.id.octets.begin(), hold.id.octets.end());
    out += static_cast<char>(hold.scope.kind);
    out += static_cast<char>(hold.scope.stream.size());
    out += hold.scope.stream;
  }
  return out;
}

// Nothing where it is not what packed() made.
std::vector<PlacedHold> unpacked(std::string_view octets) {
  std::vector<PlacedHold> holds;
  while (!octets.empty()) {
    PlacedHold hold;
    const auto fixed = hold.id.octets.size() + 2;
    if (octets.size() < fixed) return {};
    std::ranges::copy(octets.substr(0, hold.id.octets.size()), hold.id.octets.begin());
    hold.scope.kind = static_cast<Scope::Kind>(octets[fixed - 2]);
    const auto size = static_cast<unsigned char>(octets[fixed - 1]);
    octets.remove_prefix(fixed);
    if (octets.size() < size) return {};
    hold.scope.stream = octets.substr(0, size);
    octets.remove_prefix(size);
    holds.push_back(std::move(hold));
  }
  return holds;
}

std::string undo_purpose(std::string_view token) { return "undo " + std::string(token); }

bool is_marketing(const policy::Stream& stream) {
  return stream.kind == policy::Stream::Kind::marketing;
}

// Left by the person, as far as they remember; a block or a bounce is not.
bool has_left(const policy::Verdict& verdict) {
  return verdict.reason == policy::Reason::unsubscribed ||
         verdict.reason == policy::Reason::complained;
}

Language language_of(const Request& request) {
  const auto query = split_target(request.target).second;
  const auto asked = parse_language(parse_form({}, query).get("lang"));
  return asked ? *asked : choose_language(request.accept_language);
}

bool is_one_click(const Form& form) {
  return equal_nocase(form.get("List-Unsubscribe"), "One-Click");
}

}  // namespace

// A request about a link that opened, until it is answered.
struct Site::Question {
  Subject subject;
  PageFrame frame;
  Time now;
  std::chrono::steady_clock::time_point came = std::chrono::steady_clock::now();
  [[nodiscard]] std::string address() const { return masked(subject.link.address); }
};

Result<std::shared_ptr<const SiteSettings>> site_settings(const Config& config) {
  auto settings = std::make_shared<SiteSettings>();
  settings->streams = policy::Streams(config.streams);
  settings->brand = config.unsubscribe.brand;
  settings->stylesheet = in_colour("static/page.css", config.unsubscribe.colour);
  settings->icon = in_colour("static/icon.svg", config.unsubscribe.colour);
  settings->prefix = path_of(config.unsubscribe.url);
  if (const auto& logo = config.unsubscribe.logo; !logo.empty()) {
    auto octets = read_logo(logo);
    if (!octets) return std::unexpected(octets.error());
    settings->logo = *std::move(octets);
    settings->logo_type = logo_type(logo);
  }
  return settings;
}

Site::Site(std::shared_ptr<const SiteSettings> settings, const Parts& parts)
    : settings_(std::move(settings)),
      opt_outs_(parts.opt_outs),
      contacts_(parts.contacts),
      post_(parts.post),
      one_clicks_(parts.metrics.counter("postern_unsubscribes_total",
                                        "Opt-outs that changed something, by their way.",
                                        {{"via", "one-click"}})),
      page_leaves_(parts.metrics.counter("postern_unsubscribes_total",
                                         "Opt-outs that changed something, by their way.",
                                         {{"via", "page"}})),
      time_to_honour_(parts.metrics.histogram(
          "postern_time_to_honour_seconds",
          "From the arrival of an opt-out to its being in force and on the disk.",
          metrics::seconds_of_a_request())) {}

void Site::handle(const Request& request, Time now, Reply reply) {
  auto path = split_target(request.target).first;
  const auto is_link = [&] {
    return path.starts_with("/u/") && path.size() > 3 && path.find('/', 3) == path.npos;
  };
  // A proxy may have taken the prefix off, which may look like a path of ours.
  if (!is_link() && !settings_->prefix.empty() && path.starts_with(settings_->prefix + "/")) {
    path.remove_prefix(settings_->prefix.size());
  }
  if (is_link()) {
    return answer_link(request, path.substr(3), now, std::move(reply));
  }
  const bool reads = request.method == "GET" || request.method == "HEAD";
  Response response = plain(404, "not found");
  if (path == "/healthz") {
    response = reads ? plain(200, "ok") : not_allowed("GET, HEAD");
    response.route = "healthz";
  } else if (path == "/robots.txt") {
    response = reads ? plain(200, "User-agent: *\nDisallow: /") : not_allowed("GET, HEAD");
    response.route = "static";
  } else if (path == "/static/pico.min.css") {
    response = reads ? file("text/css; charset=utf-8", embedded("static/pico.min.css"))
                     : not_allowed("GET, HEAD");
  } else if (path == "/static/page.css") {
    response =
        reads ? file("text/css; charset=utf-8", settings_->stylesheet) : not_allowed("GET, HEAD");
  } else if (path == "/static/icon.svg") {
    response = reads ? file("image/svg+xml", settings_->icon) : not_allowed("GET, HEAD");
  } else if (path == "/static/logo" && !settings_->logo.empty()) {
    response = reads ? file(settings_->logo_type, settings_->logo) : not_allowed("GET, HEAD");
  }
  reply(std::move(response));
}

Response Site::late(const Request& request) const {
  const PageFrame frame{language_of(request), settings_->brand, !settings_->logo.empty()};
  const bool one_click = is_one_click(parse_form(request.content_type, request.body));
  auto response =
      later(one_click ? plain(503, not_recorded) : html_page(render(frame, LaterPage{})));
  response.route = "unsubscribe";
  return response;
}

std::string Site::title_of(const policy::Stream& stream, Language language) const {
  if (!stream.title.empty()) return stream.title;
  if (&stream != &settings_->streams.fallback()) return stream.name;
  return Texts::of(language).get("unnamed");
}

// A stream that was renamed is itself. One that is in no configuration is left as the rules have
// it, for every marketing stream; and so is one that is transactional now: nobody may lose their
// invoices by an old link.
Site::Subject Site::subject_of(policy::LinkSubject link, std::string_view token,
                               Language language) const {
  Subject subject;
  subject.settings = settings_;
  subject.token = to_lower(token);
  const auto* stream = settings_->streams.find(link.stream);
  if (stream != nullptr && is_marketing(*stream)) {
    subject.stream = stream;
    subject.title = title_of(*stream, language);
    subject.scope = {Scope::Kind::stream, stream->name};
    subject.names.push_back(subject.scope);
    for (const auto& name : stream->formerly) {
      subject.names.push_back({Scope::Kind::stream, name});
    }
  } else {
    subject.scope = {Scope::Kind::marketing, {}};
    if (stream == nullptr && !link.stream.empty()) {
      subject.scope = {Scope::Kind::stream, link.stream};
    }
    subject.names.push_back({Scope::Kind::marketing, {}});
    if (subject.scope.kind == Scope::Kind::stream) subject.names.push_back(subject.scope);
  }
  subject.link = std::move(link);
  return subject;
}

void Site::answer_link(const Request& request, std::string_view token, Time now, Reply reply) {
  const Reply routed = [reply = std::move(reply)](Response response) {
    response.route = "unsubscribe";
    reply(std::move(response));
  };
  const bool posts = request.method == "POST";
  if (!posts && request.method != "GET" && request.method != "HEAD") {
    return routed(not_allowed("GET, HEAD, POST"));
  }
  const PageFrame frame{language_of(request), settings_->brand, !settings_->logo.empty()};
  const auto keys = opt_outs_.link_keys();
  if (!keys) {
    log::warning("page: " + keys.error().text);
    return routed(later(html_page(render(frame, LaterPage{}))));
  }
  auto link = (*keys)->open(token);
  if (!link) return routed(html_page(render(frame, UnknownPage{}), 404));
  const auto asked = std::make_shared<const Question>(Question{
      .subject = subject_of(*std::move(link), token, frame.language), .frame = frame, .now = now});
  if (posts) return answer_form(asked, request, routed);
  routed(choices(*asked));
}

void Site::answer_form(const Asked& asked, const Request& request, const Reply& reply) {
  const auto form = parse_form(request.content_type, request.body);
  if (is_one_click(form)) return one_click(asked, reply);
  const auto action = form.get("do");
  if (action == "undo") return undo(asked, form.get("undo"), reply);
  if (action == "return") return come_back(asked, reply);
  if (action != "leave" && action != "others" && action != "all") return reply(choices(*asked));

  const auto& subject = asked->subject;
  OptOuts::Leave leave{.address = subject.link.address,
                       .scopes = {},
                       .way = "page",
                       .campaign = subject.link.campaign,
                       .note = note_of(*asked, said(form))};
  GoodbyePage page;
  page.all = action == "all" || (action == "leave" && subject.stream == nullptr);
  if (action == "leave") {
    leave.scopes.push_back(subject.scope);
    if (subject.title) page.left.push_back(*subject.title);
  } else if (action == "all") {
    leave.scopes.push_back({Scope::Kind::marketing, {}});
  }
  if (action != "all") {
    const auto kept = form.all("keep");
    for (const auto name : form.all("shown")) {
      const auto* other = subject.settings->streams.find(name);
      if (other == nullptr || other == subject.stream || !other->offer || !is_marketing(*other)) {
        continue;
      }
      const Scope scope{Scope::Kind::stream, other->name};
      if (std::ranges::find(kept, name) != kept.end() ||
          std::ranges::find(leave.scopes, scope) != leave.scopes.end()) {
        continue;
      }
      leave.scopes.push_back(scope);
      page.left.push_back(title_of(*other, asked->frame.language));
    }
  }
  this->leave(asked, std::move(leave), std::move(page), reply);
}

// RFC 8058 section 3.2: nobody looks at what is answered but a mail service.
void Site::one_click(const Asked& asked, const Reply& reply) {
  OptOuts::Leave leave{.address = asked->subject.link.address,
                       .scopes = {asked->subject.scope},
                       .way = "one-click",
                       .campaign = asked->subject.link.campaign,
                       .note = note_of(*asked, {})};
  opt_outs_.leave(std::move(leave), [this, asked, reply](Result<std::vector<PlacedHold>> done) {
    post_([this, asked, reply, done = std::move(done)] {
      if (!done) {
        log::warning("page: an opt-out was not recorded: " + done.error().text);
        return reply(later(plain(503, not_recorded)));
      }
      count_leave(*asked, "one-click", !done->empty());
      reply(plain(200, "unsubscribed"));
    });
  });
}

void Site::leave(const Asked& asked, OptOuts::Leave leave, GoodbyePage page, const Reply& reply) {
  if (leave.scopes.empty()) return reply(goodbye(*asked, std::move(page), {}));
  opt_outs_.leave(std::move(leave), [this, asked, page = std::move(page),
                                     reply](Result<std::vector<PlacedHold>> done) {
    post_([this, asked, page, reply, done = std::move(done)] {
      if (!done) {
        log::warning("page: an opt-out was not recorded: " + done.error().text);
        return reply(later(html_page(render(asked->frame, LaterPage{}))));
      }
      count_leave(*asked, "page", !done->empty());
      reply(goodbye(*asked, page, *done));
    });
  });
}

Response Site::goodbye(const Question& asked, GoodbyePage page,
                       const std::vector<PlacedHold>& placed) {
  page.address = asked.address();
  page.stream = asked.subject.title;
  page.changed = !placed.empty();
  if (page.changed) {
    const auto keys = opt_outs_.link_keys();
    if (keys) {
      auto undo =
          (*keys)->seal(undo_purpose(asked.subject.token), packed(placed), asked.now + undo_time);
      if (undo) page.undo = *std::move(undo);
    }
  }
  return html_page(render(asked.frame, page));
}

void Site::undo(const Asked& asked, std::string_view token, const Reply& reply) {
  const auto keys = opt_outs_.link_keys();
  if (!keys) return reply(later(html_page(render(asked->frame, LaterPage{}))));
  const auto opened = (*keys)->open(undo_purpose(asked->subject.token), token, asked->now);
  auto holds = unpacked(opened.value_or(std::string()));
  if (holds.empty()) {
    return reply(html_page(render(asked->frame, UndoLatePage{asked->subject.title})));
  }
  opt_outs_.undo({asked->subject.link.address, std::move(holds)},
                 [this, asked, reply](Result<void> done) {
                   post_([asked, reply, done = std::move(done)] {
                     if (done) {
                       return reply(html_page(render(asked->frame, UndonePage{asked->address()})));
                     }
                     log::warning("page: an undo was not recorded: " + done.error().text);
                     reply(later(html_page(render(asked->frame, LaterPage{}))));
                   });
                 });
}

void Site::come_back(const Asked& asked, const Reply& reply) {
  OptOuts::ComeBack wish{.address = asked->subject.link.address,
                         .scopes = asked->subject.names,
                         .note = "asked on the unsubscribe page to be written to again"};
  opt_outs_.come_back(std::move(wish), [this, asked, reply](Result<void> done) {
    post_([this, asked, reply, done = std::move(done)] {
      if (!done) {
        log::warning("page: a wish to be written to was not recorded: " + done.error().text);
        return reply(later(html_page(render(asked->frame, LaterPage{}))));
      }
      reply(html_page(render(
          asked->frame, ReturnedPage{asked->address(), asked->subject.title, is_held(*asked)})));
    });
  });
}

// What binds still, once it was lifted what the person may lift: somebody else's hold.
bool Site::is_held(const Question& asked) {
  policy::Findings findings;
  if (!contacts_.find(asked.subject.link.address, findings)) return false;
  const auto& streams = asked.subject.settings->streams;
  const auto held = [&](const policy::Stream& stream) {
    return !policy::decide(findings, stream, streams, asked.now).allowed();
  };
  if (asked.subject.stream != nullptr) return held(*asked.subject.stream);
  auto marketing = streams.all() | std::views::filter(is_marketing);
  return std::ranges::all_of(marketing, held);
}

Response Site::choices(const Question& asked) {
  const auto& subject = asked.subject;
  const auto& streams = subject.settings->streams;
  policy::Findings findings;
  if (auto found = contacts_.find(subject.link.address, findings); !found) {
    log::warning("page: " + found.error().text);
    return later(html_page(render(asked.frame, LaterPage{})));
  }
  ChoicesPage page;
  page.address = asked.address();
  page.stream = subject.title;
  bool left_all = true;
  std::optional<Time> last;
  for (const auto& stream : streams.all()) {
    if (!is_marketing(stream)) continue;
    const auto verdict = policy::decide(findings, stream, streams, asked.now);
    if (has_left(verdict)) last = std::max(last.value_or(verdict.date), verdict.date);
    left_all = left_all && has_left(verdict);
    if (&stream == subject.stream) {
      if (has_left(verdict)) page.left = verdict.date;
      page.held = !verdict.allowed();
    } else if (stream.offer && verdict.allowed()) {
      page.others.push_back(
          {stream.name, title_of(stream, asked.frame.language), stream.description});
    }
  }
  if (subject.stream == nullptr && left_all) page.left = last;
  page.may_leave_all = !left_all;
  return html_page(render(asked.frame, page));
}

// An old link beside a newer consent: honoured, and told (FIELD.md, E4).
std::string Site::note_of(const Question& asked, std::string note) {
  policy::Findings findings;
  if (!contacts_.find(asked.subject.link.address, findings)) return note;
  const Time made{std::chrono::days{asked.subject.link.day}};
  std::optional<Time> newer;
  for (std::size_t i = 0; i < findings.size; ++i) {
    for (const auto& consent : findings.entries[i].contact.consents) {
      if (consent.date >= made + std::chrono::days{1} && (!newer || consent.date > *newer)) {
        newer = consent.date;
      }
    }
  }
  if (!newer) return note;
  return fmt::format("{}{}by a link of {}, older than the consent of {}", note,
                     note.empty() ? "" : "; ", format_date(made), format_date(*newer));
}

void Site::count_leave(const Question& asked, std::string_view way, bool changed) {
  if (changed) (way == "page" ? page_leaves_ : one_clicks_).add();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - asked.came;
  time_to_honour_.observe(took.count());
}

}  // namespace postern::web
