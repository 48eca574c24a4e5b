"""What was let through and refused: from the session over the store to `postern report`."""

import csv
import io
import json

from processes import run_postern, wait_until
from smtp_client import Client, letter

CONFIGURATION = """
[[stream]]
name = "newsletter"
formerly = ["letters"]
sender = ["*@news.example.org"]

[[stream]]
name = "orders"
kind = "transactional"
sender = ["*@shop.example.org"]
"""
SENDER = "n@news.example.org"


def rows(gate, *arguments):
    return [json.loads(line) for line in gate.run("report", "--json", *arguments).stdout.splitlines()]


def counts(gate, *arguments):
    """{(stream, campaign): (passed, refused)} of mail; who left is told apart."""
    return {(row["stream"], row.get("campaign")): (row["passed"], row["refused"]) for row in rows(gate, *arguments)
            if row["passed"] or row["refused"]}


def await_counts(gate, wanted, *arguments):
    wait_until(lambda: counts(gate, *arguments) == wanted, f"a report of {wanted}")


def campaign(name, subject="hello"):
    return b"X-Campaign-ID: " + name.encode() + b"\r\n" + letter(subject)


def test_what_was_let_through_and_refused(new_gate, upstream):
    gate = new_gate(upstream.address, more=CONFIGURATION).make_store()
    gate.run("unsubscribe", "left@example.com")
    gate.run("block", "@blocked.example")
    gate.start()
    with Client(gate.address) as client:
        replies = client.envelope(["one@example.com", "Left@example.com", "two@example.com"], SENDER)
        assert [reply.code for reply in replies] == [250, 550, 250]
        assert client.data(campaign("spring")).code == 250
        assert client.deliver(["one@example.com"], campaign("spring"), SENDER).code == 250
        assert client.envelope(["x@blocked.example"], SENDER)[0].code == 550
        client.ask("RSET")
        assert client.deliver(["left@example.com"], letter(), "s@shop.example.org").code == 250
    await_counts(gate, {("newsletter", "spring"): (3, 1), ("newsletter", None): (0, 1), ("orders", None): (1, 0)})

    [spring] = rows(gate, "--campaign", "spring")
    assert spring["refused_unsubscribed"] == 1 and spring["refused_blocked"] == 0 and spring["bounced"] == 0
    assert counts(gate, "--stream", "orders") == {("orders", None): (1, 0)}
    assert rows(gate, "--since", "2999-01-01") == []
    assert len(counts(gate, "--since", "2020-01-01")) == 3

    refused = {row["reason"]: row for row in rows(gate, "--recipients") if row["result"] == "refused"}
    assert set(refused) == {"unsubscribed", "blocked"}
    assert refused["unsubscribed"]["address"] == "left@example.com"
    assert refused["unsubscribed"]["campaign"] == "spring"
    assert refused["unsubscribed"]["last_sender"] == SENDER
    assert refused["blocked"]["count"] == 1 and "campaign" not in refused["blocked"]

    text = gate.run("report").stdout
    assert "unsubscribed 1" in text and "blocked 1" in text and text.splitlines()[-1].startswith("all ")
    table = list(csv.DictReader(io.StringIO(gate.run("report", "--format", "csv").stdout)))
    of_mail = [(row["stream"], row["campaign"], row["passed"], row["refused"]) for row in table if row["stream"]]
    assert of_mail == [
        ("newsletter", "", "0", "1"), ("newsletter", "spring", "3", "1"), ("orders", "", "1", "0")]


def test_who_left_and_bounced(gate):
    gate.run("import", "-", "--source", "old list", input="before@example.com\n")
    gate.run("unsubscribe", "left@example.com")
    [total] = rows(gate)
    assert (total["unsubscribed"], total["passed"], total["refused"]) == (1, 0, 0), "imports are none"
    [row] = rows(gate, "--recipients")
    assert (row["result"], row["address"], row["count"]) == ("unsubscribed", "left@example.com", 1)


def test_nothing_went_through_that_the_upstream_did_not_take(new_gate, upstream):
    upstream.answers["RCPT"] = lambda line: b"550 5.1.1 unknown\r\n" if b"unknown" in line else None
    upstream.answers["END"] = lambda data: b"554 5.7.1 spam\r\n" if b"Subject: spam" in data else None
    gate = new_gate(upstream.address).make_store()
    gate.run("unsubscribe", "left@example.com")
    gate.start()
    with Client(gate.address) as client:
        client.envelope(["unknown@example.com", "one@example.com", "left@example.com"])
        assert client.data(campaign("good")).code == 250
        client.envelope(["one@example.com", "left@example.com"])
        assert client.data(campaign("bad", "spam")).code == 554
    await_counts(gate, {("default", "good"): (1, 1), ("default", "bad"): (0, 1)})


def test_a_refusal_is_told_however_the_session_ends(new_gate, upstream):
    gate = new_gate(upstream.address, more='[timeouts]\ncommand = "1s"').make_store()
    gate.run("unsubscribe", "left@example.com")
    gate.start()
    # Hung up on, in the dialogue and in the message; and not heard from again.
    with Client(gate.address) as client:
        client.envelope(["left@example.com"])
    with Client(gate.address) as client:
        client.envelope(["left@example.com", "one@example.com"])
        assert client.ask("DATA").code == 354
        client.send(b"X-Campaign-ID: half\r\n\r\nand then")
    with Client(gate.address) as client:
        client.envelope(["left@example.com"])
        assert client.reply().text.startswith("421 4.4.2 ")
    await_counts(gate, {("default", None): (0, 2), ("default", "half"): (0, 1)})


def test_what_waits_at_the_end_is_written(new_gate, upstream):
    gate = new_gate(upstream.address).start()
    with Client(gate.address) as client:
        assert client.deliver(["one@example.com"], letter()).code == 250
    assert gate.terminate() == 0
    assert counts(gate) == {("default", None): (1, 0)}


def test_a_store_that_was_away_gets_what_happened_before(gate):
    with Client(gate.address) as client:
        # The store goes while the message is under way: its recipients were looked up.
        assert client.envelope(["one@example.com"])[0].code == 250
        kept = gate.directory / "kept"
        gate.store.rename(kept)
        gate.process.wait_log("was removed or replaced")
        assert client.data(letter()).code == 250
    gate.run("report", expect=3)
    kept.rename(gate.store)
    await_counts(gate, {("default", None): (1, 0)})


def test_a_stream_that_was_renamed(new_gate, upstream):
    gate = new_gate(upstream.address, more=CONFIGURATION.replace('"newsletter"', '"letters"', 1)
                    .replace('formerly = ["letters"]\n', "")).start()
    with Client(gate.address) as client:
        assert client.deliver(["one@example.com"], letter(), SENDER).code == 250
    gate.terminate()
    gate.configure(CONFIGURATION)
    gate.start()
    with Client(gate.address) as client:
        assert client.deliver(["one@example.com"], letter(), SENDER).code == 250
    wanted = {("newsletter", None): (2, 0)}
    await_counts(gate, wanted)
    assert counts(gate, "--stream", "newsletter") == counts(gate, "--stream", "letters") == wanted


def test_a_wrong_call(gate, directory):
    assert "--format" in gate.run("report", "--format", "xml", expect=2).stderr
    assert "--since" in gate.run("report", "--since", "yesterday", expect=2).stderr
    assert "default" in gate.run("report", "--stream", "letters", expect=2).stderr
    run_postern("report", "--store", directory / "none", expect=3)
    assert not (directory / "none").exists()
