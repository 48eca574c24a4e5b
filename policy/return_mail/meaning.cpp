#include "policy/return_mail/meaning.h"

#include "base/text.h"
#include "policy/return_address.h"
#include "policy/return_mail/header.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include <openssl/evp.h>

namespace postern::return_mail {
namespace {

using policy::ReturnRecipient;
using policy::ReturnType;
using Kind = ReturnRecipient::Kind;

// A provider refolds long fields, in the middle of a token too.
std::string without_folds(std::string_view header) {
  std::string text;
  text.reserve(header.size());
  for (std::size_t i = 0; i < header.size(); ++i) {
    const char c = header[i];
    if (c == '\r') continue;
    if (c == '\n' && i + 1 < header.size() && (header[i + 1] == ' ' || header[i + 1] == '\t')) {
      while (i + 1 < header.size() && (header[i + 1] == ' ' || header[i + 1] == '\t')) ++i;
      continue;
    }
    text += c;
  }
  return text;
}

bool is_of_local_part(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '=' || c == '+' || c == '-' ||
         c == '_' || c == '.';
}

bool is_of_link(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '2' && c <= '7');
}

// Our own address of the message that is returned: the envelope sender in Return-Path, the mailto:
// in List-Unsubscribe, or wherever else it stands.
std::optional<policy::ReturnToken> token_in(std::string_view returned, const Known& known,
                                            Time now) {
  const std::string needle = "@" + std::string(known.domain);
  const std::string header = to_lower(returned);
  std::optional<policy::ReturnToken> found;
  for (std::size_t at = 0; at < header.size();) {
    const auto hit = header.find(needle, at);
    if (hit == std::string::npos) break;
    std::size_t begin = hit;
    while (begin > at && hit - begin < policy::max_local_part &&
           is_of_local_part(header[begin - 1])) {
      --begin;
    }
    const auto address =
        policy::read_return_address(std::string_view(header).substr(begin, hit - begin), {});
    const auto token = known.tokens.check(address.token);
    // The envelope's says the stream and the sender; the other one the stream.
    if (token && !policy::expired(*token, now, known.valid_for) &&
        (!found || token->kind == policy::ReturnKind::bounce)) {
      found = token;
    }
    at = hit + needle.size();
  }
  return found;
}

std::optional<policy::LinkSubject> link_in(std::string_view header, const Known& known) {
  if (known.url.empty()) return std::nullopt;
  const std::string needle = std::string(known.url) + "/u/";
  for (std::size_t at = header.find(needle); at != std::string_view::npos;
       at = header.find(needle, at + 1)) {
    const auto begin = at + needle.size();
    auto end = begin;
    while (end < header.size() && is_of_link(header[end])) ++end;
    if (auto subject = known.links.open(header.substr(begin, end - begin))) return subject;
  }
  return std::nullopt;
}

// Of a report: more recipients of one message of ours are not looked up.
constexpr std::size_t max_names = 200;

// How bad it is for the contact: of several findings, none of which is its own, the mildest counts.
int severity(const Finding& finding) {
  switch (finding.type) {
    case ReturnType::bounce:
      return finding.bounce_class == policy::BounceClass::hard ? 3 : 2;
    case ReturnType::delayed:
      return 1;
    default:
      return 0;
  }
}

class Reader {
 public:
  Reader(const policy::ReturnMail& mail, const Reading& reading, const Known& known)
      : mail_(mail),
        reading_(reading),
        known_(known),
        header_(parse_message(mail.octets).header),
        returned_(parse_message(reading.returned_header).header) {
    for (const auto& recipient : mail_.recipients) {
      if (recipient.kind == Kind::bounce) came_for_.insert(recipient.token.contact);
    }
    name_everybody();
  }

  Meaning read() {
    meaning_.type = reading_.type;
    for (const auto& recipient : mail_.recipients) {
      switch (recipient.kind) {
        case Kind::bounce:
          bounce(recipient.token);
          break;
        case Kind::unsubscribe:
          unsubscribe(recipient.token);
          break;
        case Kind::complaints:
          complaint();
          break;
        case Kind::postmaster:
          meaning_.postmaster = true;
          break;
        case Kind::mailbox:
          believe();
          break;
      }
    }
    return std::move(meaning_);
  }

 private:
  void bounce(const policy::ReturnToken& token) {
    add_sender(token.context);
    switch (reading_.type) {
      case ReturnType::auto_reply:
        return;
      case ReturnType::unknown:
        if (is_reply()) {
          note(token, {}).replied = true;
        } else {
          meaning_.understood = false;
        }
        return;
      default: {
        // What was said is about the mail that went to the contact of the token.
        auto said = finding_of(token.contact);
        if (!said) return;
        if (said->type == ReturnType::unknown) said->type = reading_.type;
        note(token, *std::move(said));
      }
    }
  }

  // The address decides first: automatic mail counts too. But nothing was sent from it, so that a
  // delivery report is about nothing.
  void unsubscribe(const policy::ReturnToken& token) {
    if (reading_.type == ReturnType::bounce || reading_.type == ReturnType::delayed ||
        reading_.type == ReturnType::delivered) {
      meaning_.unattributed = true;
      return;
    }
    meaning_.type = ReturnType::unsubscribe;
    Finding asked;
    asked.type = ReturnType::unsubscribe;
    note(token, std::move(asked));
  }

  void complaint() {
    if (reading_.type != ReturnType::complaint && reading_.type != ReturnType::unsubscribe) {
      meaning_.postmaster = true;
      meaning_.understood = false;
      return;
    }
    const auto header = without_folds(reading_.returned_header);
    Finding finding = reading_.findings.empty() ? Finding{} : reading_.findings.front();
    finding.type = reading_.type;
    if (const auto token = token_in(header, known_, mail_.arrived)) {
      if (token->kind == policy::ReturnKind::bounce) add_sender(token->context);
      note(*token, std::move(finding));
    } else if (const auto link = link_in(header, known_)) {
      const auto ref = known_.ref_of(link->address);
      if (!ref) return unproven();
      auto& added = add({.contact = *ref, .address = link->address, .finding = std::move(finding)});
      added.stream = link->stream;
      added.campaign = link->campaign;
    } else if (mail_.believed) {
      believe();
    } else {
      unproven();
    }
  }

  // [return_path] mailbox_evidence: what the report names is what it is about.
  void believe() {
    bool any = false;
    for (const auto& finding : reading_.findings) {
      if (finding.type == ReturnType::unknown || finding.type == ReturnType::auto_reply) continue;
      const auto address = policy::parse_contact(finding.recipient, false);
      const auto ref = address ? known_.ref_of(*address) : std::nullopt;
      if (!ref) continue;
      add({.contact = *ref, .address = *address, .finding = finding});
      any = true;
    }
    if (any) return;
    // Nobody else has it: it is for people.
    meaning_.postmaster = true;
    if (reading_.type != ReturnType::auto_reply) unproven();
  }

  void unproven() {
    meaning_.unattributed = true;
    meaning_.understood = false;
  }

  // An address of the mail, as the store finds it.
  struct Name {
    policy::CanonicalAddress address;
    policy::ContactRef ref;
    const Finding* finding = nullptr;  // that it is the recipient of
  };

  // Once for the mail: a report may name a thousand, and come to a hundred return addresses.
  void name_everybody() {
    for (const auto& finding : reading_.findings) {
      if (names_.size() >= max_names) break;
      add_name(finding.recipient, &finding);
      add_name(finding.final_recipient, &finding);
    }
    add_name(returned_.value("To"), nullptr);
    add_name(header_.value("From"), nullptr);
    if (const auto link = link_in(without_folds(reading_.returned_header), known_)) {
      if (const auto ref = known_.ref_of(link->address)) names_.push_back({link->address, *ref});
    }
  }

  void add_name(std::string_view text, const Finding* finding) {
    if (text.empty()) return;
    auto address = policy::parse_contact(text, false);
    if (!address) return;
    if (const auto ref = known_.ref_of(*address)) {
      names_.push_back({*std::move(address), *ref, finding});
    }
  }

  // Its own where the report names it, by the hash; otherwise the mildest, for the mail may have
  // been passed on to several. What is said of another contact that the mail came for is not about
  // this one: nothing where that is all.
  std::optional<Finding> finding_of(const policy::ContactRef& contact) const {
    std::set<const Finding*> of_others;
    for (const Name& name : names_) {
      if (name.finding == nullptr) continue;
      if (name.ref == contact) return *name.finding;
      if (came_for_.contains(name.ref)) of_others.insert(name.finding);
    }
    if (reading_.findings.empty()) return Finding{};
    const Finding* mildest = nullptr;
    for (const Finding& finding : reading_.findings) {
      if (of_others.contains(&finding)) continue;
      if (mildest == nullptr || severity(finding) < severity(*mildest)) mildest = &finding;
    }
    return mildest != nullptr ? std::optional(*mildest) : std::nullopt;
  }

  // The contact's address, where the mail tells it.
  policy::CanonicalAddress address_of(const policy::ContactRef& contact) const {
    const auto name = std::ranges::find(names_, contact, &Name::ref);
    return name != names_.end() ? name->address : policy::CanonicalAddress{};
  }

  Note& note(const policy::ReturnToken& token, Finding finding) {
    return add({.contact = token.contact,
                .address = address_of(token.contact),
                .context = token.context,
                .finding = std::move(finding)});
  }

  Note& add(Note note) {
    for (const auto& name : known_.campaign_header) {
      if (!note.campaign.empty()) break;
      note.campaign = trim(returned_.value(name));
    }
    return meaning_.notes.emplace_back(std::move(note));
  }

  void add_sender(std::uint64_t context) {
    if (std::ranges::find(meaning_.senders, context) == meaning_.senders.end()) {
      meaning_.senders.push_back(context);
    }
  }

  // A person's: it answers something, and no machine says that it wrote it.
  bool is_reply() const {
    if (mail_.reverse_path.empty()) return false;
    for (const std::string_view name : {"Auto-Submitted", "List-Id", "Precedence"}) {
      const auto* field = header_.find(name);
      if (field != nullptr && !equal_nocase(trim(field->value), "no")) return false;
    }
    return header_.find("In-Reply-To") != nullptr || header_.find("References") != nullptr;
  }

  const policy::ReturnMail& mail_;
  const Reading& reading_;
  const Known& known_;
  Header header_, returned_;
  std::vector<Name> names_;
  std::set<policy::ContactRef> came_for_;  // of the return addresses
  Meaning meaning_;
};

}  // namespace

Meaning meaning_of(const policy::ReturnMail& mail, const Reading& reading, const Known& known) {
  return Reader(mail, reading, known).read();
}

std::array<std::uint8_t, 16> report_digest(std::string_view message, const Note& note) {
  const auto parsed = parse_message(message);
  std::string text;
  for (const std::string_view name : {"From", "To", "Subject", "Date", "Message-ID"}) {
    text += parsed.header.value(name);
    text += '\n';
  }
  text.append(reinterpret_cast<const char*>(note.contact.data()), note.contact.size());
  text += static_cast<char>(note.finding.type);
  text += parsed.body;
  std::array<std::uint8_t, 32> digest{};
  EVP_Q_digest(nullptr, "SHA256", nullptr, text.data(), text.size(), digest.data(), nullptr);
  std::array<std::uint8_t, 16> short_digest{};
  std::ranges::copy_n(digest.begin(), short_digest.size(), short_digest.begin());
  return short_digest;
}

}  // namespace postern::return_mail
