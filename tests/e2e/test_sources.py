"""Watched folders: what lands is imported by the gate that serves, and a source that brings nothing is not forgotten."""

import json
import os
import signal

import pytest

from processes import wait_until
from smtp_client import Client

MAILCHIMP = """\
Email Address,First Name,Last Name,OPTIN_TIME,UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_REASON
jane@example.com,Jane,Doe,2024-05-01 08:00:00,2026-03-01 10:11:12,Spring,"No longer interested, thanks"
"""


def source(folder, more="", name="mailchimp"):
    return f'[[source]]\nname = "{name}"\nfolder = "{folder}"\n{more}\n'


@pytest.fixture
def folder(directory):
    path = directory / "exports"
    path.mkdir()
    return path


def rcpt(gate, recipient):
    with Client(gate.address) as client:
        return client.envelope([recipient])[0]


def stats_of(gate):
    """What `stats --json` says of the one source, and its warnings."""
    done = gate.run("stats", "--json")
    [found] = json.loads(done.stdout)["sources"]
    return found, done.stderr


def await_file(path):
    wait_until(path.exists, f"{path} is there")
    return path


def test_an_export_that_lands(new_gate, upstream, folder):
    gate = new_gate(upstream.address, more=source(folder)).start()
    assert rcpt(gate, "jane@example.com").code == 250
    (folder / "list.csv").write_text(MAILCHIMP)
    assert await_file(folder / "done" / "list.csv").read_text() == MAILCHIMP
    assert not (folder / "list.csv").exists()
    wait_until(lambda: rcpt(gate, "jane@example.com").code == 550, "she is refused")
    assert "2026-03-01" in rcpt(gate, "jane@example.com").text
    shown = gate.run("show", "jane@example.com").stdout
    assert "mailchimp" in shown and "postern serve" in shown
    found, warnings = stats_of(gate)
    assert (found["name"], found["rows"], found["added"], found["stale"]) == ("mailchimp", 1, 1, False)
    assert warnings == ""

    # Next month's export has her again; meanwhile she came back.
    gate.run("resubscribe", "jane@example.com", "--consent", "the form of 2026-11-01")
    (folder / "list.csv").write_text(MAILCHIMP + "john@example.com,John,,,2026-04-02 01:00:00,,\n")
    await_file(folder / "done" / "list.csv.1")
    wait_until(lambda: rcpt(gate, "john@example.com").code == 550, "he is refused")
    assert rcpt(gate, "jane@example.com").code == 250
    assert (folder / "done" / "list.csv").read_text() == MAILCHIMP


def test_a_file_that_cannot_be_imported(new_gate, upstream, folder):
    gate = new_gate(upstream.address, more=source(folder)).start()
    (folder / "broken.csv").write_text("Colour,Size\nred,3\n")
    reason = await_file(folder / "rejected" / "broken.csv.reason")
    await_file(folder / "rejected" / "broken.csv")
    assert "Colour" in reason.read_text()
    gate.process.wait_log(r" error source mailchimp: broken\.csv: not imported: ")
    assert list((folder / "done").iterdir()) == []
    # Those behind it are imported all the same, and rows that are none are named.
    (folder / "list.csv").write_text("email,date\nnobody,2026-03-01\njane@example.com,2026-03-01\n")
    await_file(folder / "done" / "list.csv")
    assert "nobody" in (folder / "rejected" / "list.csv.rows").read_text()
    wait_until(lambda: rcpt(gate, "jane@example.com").code == 550, "she is refused")


def test_a_source_that_brings_nothing(new_gate, upstream, folder):
    gate = new_gate(upstream.address, more=source(folder, 'stale_after = "1s"')).start()
    gate.process.wait_log(r" warning source mailchimp: nothing for \d+ seconds \(stale_after 1 second\)")
    found, warnings = stats_of(gate)
    assert found["last"] is None and found["stale"]
    assert warnings == "postern: warning: source mailchimp: nothing ever (stale_after 1 second)\n"

    (folder / "list.csv").write_text(MAILCHIMP)
    gate.process.wait_log("source mailchimp: it brings something again")
    found, _ = stats_of(gate)
    assert found["rows"] == 1

    wait_until(lambda: stats_of(gate)[0]["stale"], "the second is over")
    done = gate.run("stats")
    assert "STALE: nothing for " in done.stdout
    assert "warning: source mailchimp: nothing for " in done.stderr


def test_a_reload_takes_new_sources(new_gate, upstream, folder):
    gate = new_gate(upstream.address).start()
    (folder / "list.csv").write_text(MAILCHIMP)
    gate.configure(more=source(folder))
    gate.process.signal(signal.SIGHUP)
    await_file(folder / "done" / "list.csv")


def test_a_gate_that_is_stopped_while_it_imports(new_gate, upstream, folder):
    gate = new_gate(upstream.address, more=source(folder)).start()
    rows = 200_000
    text = "email,date\n" + "".join(f"a{number}@example.com,2026-03-01\n" for number in range(rows))
    (folder / "list.tmp").write_text(text)
    os.rename(folder / "list.tmp", folder / "list.csv")
    # Sorted by hash, any of them comes first.
    wait_until(lambda: json.loads(gate.run("stats", "--json").stdout)["contacts"], "the import has begun")
    assert gate.terminate() == 0
    gate.start()
    await_file(folder / "done" / "list.csv")
    stats = json.loads(gate.run("stats", "--json").stdout)
    assert stats["unsubscribed"] == rows


def test_a_gate_that_cannot_listen_imports_nothing(new_gate, upstream, folder):
    first = new_gate(upstream.address).start()
    second = new_gate(upstream.address, more=source(folder))
    second.configure(more=source(folder), listen=f"{first.address[0]}:{first.address[1]}")
    (folder / "list.csv").write_text(MAILCHIMP)
    second.run("serve", expect=3)
    assert [path.name for path in folder.iterdir()] == ["list.csv"]
