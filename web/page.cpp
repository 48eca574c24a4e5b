#include "web/page.h"

#include "web/embedded.h"
#include "web/texts.h"

#include <initializer_list>
#include <kainjow/mustache.hpp>
#include <utility>

namespace postern::web {
namespace {

using kainjow::mustache::data;
using kainjow::mustache::mustache;

// Stand for <strong> and </strong> until a text is escaped: no value holds control characters.
constexpr char strong_begins = '\x01';
constexpr char strong_ends = '\x02';

std::string strong(std::string_view value) {
  std::string out(1, strong_begins);
  out += value;
  out += strong_ends;
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case strong_begins:
        out += "<strong>";
        break;
      case strong_ends:
        out += "</strong>";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string filled(std::string_view name, const data& values) {
  mustache made{std::string(embedded(name))};
  return made.render(values);
}

std::string in_layout(const PageFrame& frame, const std::string& heading, std::string content) {
  const auto& texts = Texts::of(frame.language);
  data page;
  page.set("lang", std::string(tag(frame.language)));
  page.set("heading", heading);
  if (!frame.brand.empty()) page.set("brand", frame.brand);
  page.set("branded", frame.logo || !frame.brand.empty());
  page.set("logo", frame.logo);
  page.set("language", texts.get("language"));
  page.set("content", std::move(content));
  data offered(data::type::list);
  for (const auto language : languages) {
    data entry;
    entry.set("tag", std::string(tag(language)));
    entry.set("name", std::string(name(language)));
    entry.set("current", language == frame.language);
    offered.push_back(entry);
  }
  page.set("languages", offered);
  return filled("templates/layout.html", page);
}

data button(std::string text, std::string value = {}) {
  data made;
  made.set("text", std::move(text));
  made.set("value", std::move(value));
  return made;
}

// "Write to me again".
data return_button(const Texts& texts, const std::optional<std::string>& stream) {
  auto made = button(texts.get("return"));
  made.set("help",
           stream ? texts.get("return_help", {{"stream", *stream}}) : texts.get("return_help_all"));
  return made;
}

// Of pages that say what was done.
class Done {
 public:
  Done(const PageFrame& frame, std::string_view heading)
      : frame_(frame), texts_(Texts::of(frame.language)), heading_(texts_.get(heading)) {
    values_.set("heading", heading_);
  }
  void say(std::string_view key, Texts::Values values = {}) {
    data paragraph;
    paragraph.set("text", escaped(texts_.get(key, values)));
    paragraphs_.push_back(paragraph);
  }
  void set(const char* key, data value) { values_.set(key, std::move(value)); }
  [[nodiscard]] const Texts& texts() const { return texts_; }
  void link_back() {
    auto link = button(texts_.get("back"));
    link.set("query", "lang=" + std::string(tag(frame_.language)));
    values_.set("back", link);
  }
  [[nodiscard]] std::string render() {
    values_.set("paragraphs", paragraphs_);
    return in_layout(frame_, heading_, filled("templates/done.html", values_));
  }

 private:
  const PageFrame& frame_;
  const Texts& texts_;
  std::string heading_;
  data values_;
  data paragraphs_{data::type::list};
};

std::string heading_of(const Texts& texts, const ChoicesPage& page) {
  if (page.left) return texts.get("left_title");
  return page.stream ? texts.get("question", {{"stream", *page.stream}})
                     : texts.get("question_all");
}

std::string state_of(const Texts& texts, const ChoicesPage& page) {
  const auto address = strong(page.address);
  if (page.left) {
    const auto date = format_date(*page.left);
    return page.stream ? texts.get("already",
                                   {{"address", address}, {"stream", *page.stream}, {"date", date}})
                       : texts.get("already_all", {{"address", address}, {"date", date}});
  }
  if (page.held && page.stream) {
    return texts.get("held", {{"address", address}, {"stream", *page.stream}});
  }
  return {};
}

void add_others(const Texts& texts, const ChoicesPage& page, data& values) {
  if (page.others.empty()) return;
  data others(data::type::list);
  for (const auto& other : page.others) {
    data entry;
    entry.set("name", other.name);
    entry.set("title", other.title);
    if (!other.description.empty()) entry.set("description", other.description);
    others.push_back(entry);
  }
  data choice;
  choice.set("keep", texts.get("keep"));
  choice.set("keep_help", texts.get("keep_help"));
  choice.set("others", others);
  values.set("choice", choice);
}

void add_leaving(const Texts& texts, const ChoicesPage& page, data& values) {
  const bool leaves_stream = !page.left && page.stream;
  if (!leaves_stream && page.others.empty() && !page.may_leave_all) return;
  data leaving;
  data offered(data::type::list);
  for (const auto reason : reasons) {
    offered.push_back(button(texts.get("reason_" + std::string(reason)), std::string(reason)));
  }
  leaving.set("reasons", offered);
  for (const auto* key : {"why", "comment", "comment_help"}) leaving.set(key, texts.get(key));
  if (leaves_stream) {
    leaving.set("leave", button(texts.get("leave", {{"stream", *page.stream}}), "leave"));
  } else if (!page.others.empty()) {
    leaving.set("leave", button(texts.get("leave_others"), "others"));
  }
  if (page.may_leave_all) leaving.set("leave_all", button(texts.get("leave_all")));
  values.set("leaving", leaving);
}

}  // namespace

std::string render(const PageFrame& frame, const ChoicesPage& page) {
  const auto& texts = Texts::of(frame.language);
  const auto heading = heading_of(texts, page);
  data values;
  values.set("heading", heading);
  if (!page.left) {
    values.set("about", escaped(texts.get("about", {{"address", strong(page.address)}})));
  }
  if (const auto state = state_of(texts, page); !state.empty()) {
    values.set("state", escaped(state));
  }
  add_others(texts, page, values);
  add_leaving(texts, page, values);
  if (page.left) values.set("return", return_button(texts, page.stream));
  values.set("still", texts.get("still"));
  values.set("forwarded", texts.get("forwarded"));
  return in_layout(frame, heading, filled("templates/choices.html", values));
}

std::string render(const PageFrame& frame, const GoodbyePage& page) {
  const bool nothing = !page.all && page.left.empty();
  Done done(frame, nothing ? "title" : "left_title");
  const auto address = strong(page.address);
  if (nothing) {
    done.say("left_nothing");
    done.link_back();
    return done.render();
  }
  if (!page.changed) done.say("left_before");
  if (page.all) {
    done.say("left_all", {{"address", address}});
  } else {
    done.say("left", {{"address", address}});
    data titles(data::type::list);
    for (const auto& title : page.left) {
      data entry;
      entry.set("title", title);
      titles.push_back(entry);
    }
    data listed;
    listed.set("titles", titles);
    done.set("listed", listed);
  }
  done.set("still", done.texts().get("still"));
  if (!page.undo.empty()) {
    auto undo = button(done.texts().get("undo"));
    undo.set("help", done.texts().get("undo_help"));
    undo.set("token", page.undo);
    done.set("undo", undo);
  }
  done.set("return", return_button(done.texts(), page.stream));
  return done.render();
}

std::string render(const PageFrame& frame, const UndonePage& page) {
  Done done(frame, "undone_title");
  done.say("undone", {{"address", strong(page.address)}});
  done.link_back();
  return done.render();
}

std::string render(const PageFrame& frame, const UndoLatePage& page) {
  Done done(frame, "undo_late_title");
  done.say("undo_late");
  done.set("return", return_button(done.texts(), page.stream));
  done.link_back();
  return done.render();
}

std::string render(const PageFrame& frame, const ReturnedPage& page) {
  Done done(frame, page.held ? "title" : "returned_title");
  const auto address = strong(page.address);
  if (page.held) {
    done.say("returned_held", {{"address", address}});
  } else if (page.stream) {
    done.say("returned", {{"address", address}, {"stream", *page.stream}});
  } else {
    done.say("returned_all", {{"address", address}});
  }
  done.link_back();
  return done.render();
}

std::string render(const PageFrame& frame, const UnknownPage& /*page*/) {
  Done done(frame, "unknown_title");
  done.say("unknown");
  done.say("unknown_help");
  return done.render();
}

std::string render(const PageFrame& frame, const LaterPage& /*page*/) {
  Done done(frame, "later_title");
  done.say("later");
  done.say("later_help");
  return done.render();
}

std::string in_colour(std::string_view file, std::string_view colour) {
  constexpr std::string_view placeholder = "COLOUR";
  std::string_view rest = embedded(file);
  std::string out;
  for (auto at = rest.find(placeholder); at != rest.npos; at = rest.find(placeholder)) {
    out += rest.substr(0, at);
    out += colour;
    rest.remove_prefix(at + placeholder.size());
  }
  return out += rest;
}

}  // namespace postern::web
