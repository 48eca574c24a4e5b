// What return mail says, in the words that the verbs share.
#pragma once

#include "policy/contact.h"
#include "store/change.h"

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

namespace postern::cli {

// Of a hold or a report; nullptr where no return mail is behind it.
[[nodiscard]] const policy::ReturnEvidence* evidence_of(const policy::Facts& facts);

// "user-unknown, 5.1.1, said by mx.example.com, reported by mail.example.org, message <1@x>,
// campaign spring"; of what is known.
[[nodiscard]] std::string describe(const policy::ReturnEvidence& evidence,
                                   const store::MailDetails& mail);
// Fields "type", "reason", "code", "diagnostic", "remote_mta", "reporting_mta", "message_id" and
// "campaign", of those that are known.
void add_return(boost::json::object& object, const policy::ReturnEvidence& evidence,
                std::string_view diagnostic, const store::MailDetails& mail);

}  // namespace postern::cli
