// The fields of one record, by what their columns are, become a row.
#pragma once

#include "base/result.h"
#include "store/rows/date.h"
#include "store/rows/layout.h"
#include "store/rows/row.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::rows {

class Record {
 public:
  explicit Record(DateOrder dates) : dates_(dates) {}

  void begin(const Layout& layout);
  // Of a column's plan; `text` is valid UTF-8 that outlives finish().
  void add(const Plan& plan, std::string_view text);
  // Errc::invalid says why these fields are no row.
  [[nodiscard]] Result<Row> finish();
  // finish() failed for the lack of an option, which every further row may need.
  [[nodiscard]] bool stop() const { return stop_; }

 private:
  struct Slot {
    std::string_view text{};
    const Plan* plan = nullptr;
  };
  struct Field {
    const Plan* plan;
    std::string_view text;
  };
  // What the row says, before streams and remarks are added.
  struct Saying {
    std::optional<Status> status;
    std::optional<Time> date{};
    std::string_view reason{};
    std::string_view stream{};
    bool ends = true;  // the row's `until` is of this
  };

  [[nodiscard]] static std::pair<std::size_t, const Plan*> place(const Field& field);
  [[nodiscard]] std::string_view text(Use use) const {
    return slots_[static_cast<std::size_t>(use)].text;
  }
  [[nodiscard]] Result<std::optional<Time>> date(std::string_view text);
  [[nodiscard]] Result<void> take_flags();
  [[nodiscard]] Result<void> take_flag(const Plan& plan, std::string_view text);
  [[nodiscard]] Result<void> take_status();
  void take_default();
  void drop_repetitions();
  void say(Status status) { sayings_.push_back({.status = status}); }
  [[nodiscard]] Result<void> take_streams();
  [[nodiscard]] Result<void> state(const Saying& saying, std::string_view stream, Statement& said);
  [[nodiscard]] Result<void> add_evidence(Statement& said, const Saying& saying) const;
  [[nodiscard]] Result<void> add_statements(Row& row);
  [[nodiscard]] std::string note(const Saying& saying) const;

  DateOrder dates_;
  const Layout* layout_ = nullptr;
  std::array<Slot, use_count> slots_;
  std::vector<Field> flags_;
  std::vector<Field> reasons_;
  std::vector<Saying> sayings_;
  std::vector<std::string> streams_;
  bool active_ = false;  // a column says that the contact is written to
  bool silent_ = false;  // a column says that this row is nothing
  bool stop_ = false;
};

}  // namespace postern::rows
