// What a value of the configuration may be, apart from its type. Each answers the empty string for
// a good value, else what is wrong and what is allowed. No TOML is seen here.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace postern::config {

inline constexpr std::size_t max_name = 64;  // of a stream, listener or source, octets

// Names of streams, listeners and sources: letters, digits, ".", "_" and "-".
[[nodiscard]] std::string check_name(std::string_view name);
// Of a stream besides: "all" is what a scope of every stream is called.
[[nodiscard]] std::string check_stream_name(std::string_view name);
// What stands in the brackets of a List-Id (RFC 2919 section 2); empty is none.
[[nodiscard]] std::string check_list_id(std::string_view list_id);
// The body of a Feedback-ID: printable ASCII that fits a line; empty is none.
[[nodiscard]] std::string check_feedback_id(std::string_view feedback_id);
// The name of a header field (RFC 5322 section 2.2).
[[nodiscard]] std::string check_field_name(std::string_view name);
// A pattern of envelope senders: "*@news.example.com", "bounce-*@example.com".
[[nodiscard]] std::string check_sender_pattern(std::string_view pattern);
// A pattern of who authenticates: "*@sales.example.com", "anna".
[[nodiscard]] std::string check_login_pattern(std::string_view pattern);
// The name of a user of this system, as useradd(8) takes it; empty is none.
[[nodiscard]] std::string check_user(std::string_view name);
// The domain of return addresses: as below, and short enough for a path that begins with 61 octets
// of its own (RFC 5321 section 4.5.3.1.3).
[[nodiscard]] std::string check_return_domain(std::string_view domain);
// A local part of the return domain: letters, digits, ".", "_" and "-", not "postmaster", which is
// always there; empty is none.
[[nodiscard]] std::string check_complaints(std::string_view local_part);
// A domain in the form in which addresses are compared: A-labels, lower case.
[[nodiscard]] std::string check_domain(std::string_view domain);

// The known key that was probably meant, empty where none is close.
[[nodiscard]] std::string_view nearest(std::string_view key,
                                       std::span<const std::string_view> known);

// What people read on a page: one line of UTF-8, at most 200 octets.
[[nodiscard]] std::string check_shown_text(std::string_view text);
// "https://unsub.example.com/news"; http on the loopback interface alone; no query, no fragment.
[[nodiscard]] std::string check_public_url(std::string_view url);
// "#1d4ed8", against which white text is readable: a contrast of 4.5:1 (WCAG 2.1, 1.4.3).
[[nodiscard]] std::string check_colour(std::string_view colour);
// .png, .svg, .jpg or .jpeg.
[[nodiscard]] std::string check_image_name(const std::filesystem::path& file);

}  // namespace postern::config
