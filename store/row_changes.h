// What a row asks of the store, once it is known what the caller said of the file; and how it waits
// to be sorted.
#pragma once

#include "base/result.h"
#include "policy/contact.h"
#include "store/exchange.h"
#include "store/octets.h"
#include "store/rows/row.h"
#include "store/store.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::store {

// Imported identities, kept by kind, scope, source and date: rows of one day are alike.
class HoldNames {
 public:
  [[nodiscard]] const policy::HoldId& of(policy::HoldKind kind, const policy::Scope& scope,
                                         std::string_view source, std::optional<Time> date);

 private:
  struct Known {
    policy::HoldKind kind{};
    policy::Scope scope;
    std::string source;
    std::optional<Time> date;
    std::optional<policy::HoldId> id;
  };
  std::array<Known, 1024> known_;
};

// Into octets and back, within one import: they are no format.
class RowChanges {
 public:
  // `source`: of the import, as it is kept. All three for as long as this lives.
  RowChanges(const rows::Recognised& file, const ImportOptions& options, const std::string& source)
      : file_(file), options_(options), source_(source) {}

  // Appends the changes of a row, all about its address. Errc::invalid where it asks what cannot
  // be.
  [[nodiscard]] Result<void> encode(const rows::Row& row, OctetWriter& out);
  // Into what `changes` has room for. False where these are none of ours.
  [[nodiscard]] bool decode(Octets octets, std::vector<Change>& changes) const;

 private:
  [[nodiscard]] Result<void> encode(const rows::Row& row, const rows::Statement& statement,
                                    rows::Status status, OctetWriter& out);
  void encode_hold(const rows::Statement& statement, rows::Status status, OctetWriter& out);
  void encode_names(const rows::Statement& statement, bool own, policy::HoldKind kind,
                    std::string_view source, OctetWriter& out);
  void encode_origin(const rows::Statement& statement, std::string_view source, OctetWriter& out);
  void read_hold(OctetReader& in, std::string_view address, Change& into) const;
  void read_consent(OctetReader& in, std::string_view address, Change& into) const;
  void read_origin(OctetReader& in, unsigned has, std::optional<Time>& date, Origin& origin) const;
  [[nodiscard]] std::string_view source_of(const rows::Statement& statement);

  const rows::Recognised& file_;
  const ImportOptions& options_;
  const std::string& source_;
  HoldNames names_;
  std::vector<policy::Scope> scopes_;  // of the change that is encoded
  std::string kept_;                   // a text that had to be cut
};

}  // namespace postern::store
