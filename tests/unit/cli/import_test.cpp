#include "program.h"

#include <algorithm>

#include <boost/json/parse.hpp>

TEST_CASE(
    "import: makes the store that was named; rejected rows by file and line, the others done") {
  const Folder folder;
  const auto list = folder.write("list.txt", "ann@example.com\nnobody\nbob@example.com\n");
  const auto store = folder.file("new");
  const auto ran = postern_run({"import", list, "--store", store});
  CHECK(ran.status == 1);
  CHECK(ran.out == "3 rows: 2 added, 0 unchanged, 1 rejected\n");
  CHECK(ran.err.starts_with(list + ":2: \"nobody\" is no address"));
  const auto again = postern_run({"import", list, "--store", store});
  CHECK(again.out == "3 rows: 0 added, 2 unchanged, 1 rejected\n");
}

TEST_CASE("import: the one mailbox without a domain is a rejected row with its reason") {
  const Folder folder;
  const auto ran = postern_with_input("email\n<postmaster>\nann@example.com\n",
                                      {"import", "-", "--store", folder.file("store")});
  CHECK(ran.status == 1);
  CHECK(ran.out == "2 rows: 1 added, 0 unchanged, 1 rejected\n");
  CHECK(has(ran.err, ":2: \"postmaster\" is no address"));
}

TEST_CASE("import: several files make one summary; who came back, and who is kept, is counted") {
  const Folder folder;
  const auto store =
      folder.store("email,date\nann@example.com,2026-03-01\nbob@example.com,2026-03-01\n");
  REQUIRE(
      postern_run({"resubscribe", "ann@example.com", "--consent", "x", "--store", store}).status ==
      0);
  const auto same = folder.write(
      "same.csv", "email,date\nann@example.com,2026-03-01\nbob@example.com,2026-03-01\n");
  const auto back = folder.write(
      "back.csv", "email,status\nbob@example.com,subscribed\nnew@example.com,subscribed\n");
  const auto ran = postern_run({"import", same, back, "--source", "test", "--store", store});
  CHECK(ran.status == 1);
  CHECK(ran.out ==
        "4 rows: 1 added, 1 unchanged, 1 returned since (stay lifted), 1 kept (they stay held), 0 "
        "rejected\nkept: unsubscribed 1\n");
}

TEST_CASE("import: no file is read before all can be opened") {
  const Folder folder;
  const auto store = folder.store();
  const auto list = folder.write("list.txt", "ann@example.com\n");
  for (const auto& missing : {folder.file("none"), folder.file(".")}) {
    const auto ran = postern_run({"import", list, missing, "--store", store});
    CHECK(ran.status == 3);
    CHECK(has(ran.err, missing));
  }
  CHECK(postern_run({"show", "ann@example.com", "--store", store}).status == 1);
  CHECK(postern_run({"import", list, "--status", "gone", "--store", store}).status == 2);
}

TEST_CASE("import and export: what one writes the other reads, to the last octet") {
  const Folder folder;
  const auto store = folder.store(
      "email,status,stream,date,until,reason\n"
      "ann@example.com,unsubscribed,news,2026-03-01T12:34:56Z,,\"a, \"\"b\"\"\"\n"
      "bob@example.com,blocked,,2026-03-02,2999-01-01,\n"
      "@example.net,blocked,,2026-03-03,,\n"
      "carl@example.com,subscribed,,2026-03-04,,form\n");
  for (const auto format : {"csv", "jsonl"}) {
    CAPTURE(format);
    const auto written = postern_run({"export", "--format", format, "--store", store});
    REQUIRE(written.status == 0);
    const auto copy = folder.file(std::string("copy-") + format);
    CHECK(postern_with_input(written.out, {"import", "-", "--store", copy}).out ==
          "4 rows: 4 added, 0 unchanged, 0 rejected\n");
    const auto sorted = [](const std::string& text) {
      std::istringstream in(text);
      std::vector<std::string> lines;
      for (std::string line; std::getline(in, line);) lines.push_back(line);
      std::ranges::sort(lines);
      return lines;
    };
    const auto copied = postern_run({"export", "--format", format, "--store", copy});
    CHECK(sorted(copied.out) == sorted(written.out));
  }
  CHECK(has(postern_run({"export", "--format", "postfix", "--store", store}).out,
            "bob@example.com REJECT"));
  CHECK(postern_run({"export", "--status", "blocked", "--store", store}).out.find("ann@") ==
        std::string::npos);
  CHECK(postern_run({"export", "--format", "xml", "--store", store}).status == 2);
  CHECK(postern_run({"export", "--status", "gone", "--store", store}).status == 2);
}

TEST_CASE("stats: the same numbers for people and programs") {
  const Folder folder;
  const auto store = folder.store("ann@example.com\nbob@example.com\n");
  const auto text = postern_run({"stats", "--store", store});
  CHECK(text.status == 0);
  CHECK(text.out.starts_with("contacts                   2\n"));
  const auto json = boost::json::parse(postern_run({"stats", "--json", "--store", store}).out);
  CHECK(json.at("contacts") == 2);
  CHECK(json.at("unsubscribed") == 2);
  CHECK(json.at("domains") == 0);
}

TEST_CASE("import: where a file fails in its middle, what was done until then is said") {
  const Folder folder;
  const auto list = folder.write("list.txt", "ann@example.com\nnobody\n");
  const std::string unreadable = "/proc/self/mem";  // can be opened; its first page cannot be read
  const auto ran = postern_run({"import", list, unreadable, "--store", folder.file("store")});
  CHECK(ran.status == 3);
  CHECK(ran.out == "2 rows: 1 added, 0 unchanged, 1 rejected\n");
  CHECK(has(ran.err, list + ":2: "));
  CHECK(has(ran.err, "postern: " + unreadable + ": "));
}

TEST_CASE(
    "export: of a stream that nobody knows nothing is written; of one that a hold has, it is") {
  const Folder folder;
  const auto store = folder.store("email,stream\nann@example.com,offers\nbob@example.com,other\n");
  const auto slip = postern_run({"export", "--stream", "ofers", "--store", store});
  CHECK(slip.status == 2);
  CHECK(slip.out.empty());
  CHECK(has(slip.err, "no stream is named ofers, and no hold either; there are: default"));
  const auto ran = postern_run({"export", "--stream", "offers", "--store", store});
  CHECK(ran.status == 0);
  CHECK(has(ran.out, "ann@example.com,unsubscribed,offers,"));
}
