#include "../certs/pair.h"
#include "program.h"

TEST_CASE("check-config: problems are its result") {
  const Folder folder;
  const auto bad = folder.write("bad.toml", "[[listener]]\nadress = \"127.0.0.1:25\"\n");
  const auto ran = postern_run({"check-config", "--config", bad});
  CHECK(ran.status == 2);
  CHECK(ran.out == bad + ":2: listener.adress: unknown key; did you mean address?\n");
  CHECK(ran.err.empty());

  const auto none = postern_run({"check-config", "--config", folder.file("none.toml")});
  CHECK(none.status == 2);
  CHECK(has(none.out, "none.toml: cannot be read: "));
}

TEST_CASE("check-config: a good one, and the store's streams that it does not have") {
  const Folder folder;
  const auto config = folder.write("good.toml", "[store]\npath = \"" + folder.file("store") +
                                                    "\"\n[[stream]]\nname = \"news\"\n");
  CHECK(postern_run({"check-config", "--config", config}).out == config + ": ok\n");

  REQUIRE(postern_with_input("email,stream\na@example.com,news\nb@example.com,offers\n",
                             {"import", "--config", config, "-"})
              .status == 0);
  const auto ran = postern_run({"check-config", "--config", config});
  CHECK(ran.status == 0);
  CHECK(ran.out.starts_with(config + ": ok\n" + config + ": warning: "));
  CHECK(has(ran.out, "a stream offers, which is not configured"));
  CHECK_FALSE(has(ran.out, "news"));
}

TEST_CASE(
    "check-config: a return domain that nobody here takes the mail of, or that looks shared") {
  const Folder folder;
  const auto said = [&](const std::string& hostname, const std::string& more) {
    const auto config =
        folder.write("returns.toml", "hostname = \"" + hostname + "\"\n[store]\npath = \"" +
                                         folder.file("store") +
                                         "\"\n[return_path]\ndomain = \"example.com\"\n" + more);
    const auto ran = postern_run({"check-config", "--config", config});
    CHECK(ran.status == 0);
    return ran.out;
  };
  const std::string listener =
      "[[listener]]\nname = \"returns\"\nrole = \"return-path\"\naddress = \"127.0.0.1:2526\"\n";
  CHECK(has(said("gate.example.org", ""),
            "bounces come to whoever is the MX of example.com; nobody"));
  CHECK_FALSE(has(said("gate.example.org", listener), "example.com"));
  CHECK(has(said("gate.example.com", listener), "as in bounce.example.com"));
  CHECK(has(said("example.com", listener), "as in bounce.example.com"));
}

TEST_CASE("check-config: a certificate that expires soon") {
  const Folder folder;
  const postern::test::Pair pair("soon");  // of one day
  const auto config = folder.write(
      "tls.toml", "[store]\npath = \"" + folder.file("store") +
                      "\"\n[[listener]]\ntls = \"starttls\"\ncertificate = \"" +
                      pair.certificate().string() + "\"\nkey = \"" + pair.key().string() + "\"\n");
  const auto ran = postern_run({"check-config", "--config", config});
  CHECK(ran.status == 0);
  CHECK(has(ran.out, config + ": warning: listener relay: certificate " +
                         pair.certificate().string() + " expires on 2"));
}
