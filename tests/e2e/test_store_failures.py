"""A store that cannot be asked: the gate runs, answers 451, and recovers without a restart. And what stops it at start."""

import shutil
import socket
import time

import pytest

from processes import POSTERN, Process, run_postern, text_of, wait_until
from smtp_client import Client


def rcpt(gate, recipient="you@example.com"):
    with Client(gate.address) as client:
        return client.envelope([recipient])[0]


def answers_451(gate):
    reply = rcpt(gate)
    assert reply.text.startswith("451 4.3.0 "), reply
    with Client(gate.address) as client:
        client.send(b"MAIL FROM:<news@example.org>\r\nRCPT TO:<you@example.com>\r\nDATA\r\n")
        assert client.replies(3)[2].code in (451, 503, 554)
    return True


def test_something_else_where_the_store_should_be(new_gate, upstream):
    gate = new_gate(upstream.address)
    gate.store.write_text("a file, not a folder")
    gate.start()
    answers_451(gate)
    assert str(gate.store) in gate.process.log
    assert gate.run("show", "you@example.com", expect=3).stderr.count("\n") == 1
    gate.store.unlink()
    wait_until(lambda: rcpt(gate).code == 250, "the gate opens the store")
    gate.run("unsubscribe", "you@example.com")
    assert rcpt(gate).code == 550
    assert upstream.messages == []


def test_a_damaged_store(new_gate, upstream):
    gate = new_gate(upstream.address)
    gate.run("unsubscribe", "you@example.com", expect=3)  # none there yet: only serve and import make one
    gate.run("import", "-", input="you@example.com\n")
    good = gate.directory / "good"
    shutil.copytree(gate.store, good)
    [data] = [path for path in gate.store.iterdir() if path.stat().st_size > 8192 and "lock" not in path.name]
    data.write_bytes(b"this is no database" * 5_000)
    gate.start()
    answers_451(gate)
    shutil.rmtree(gate.store)
    good.rename(gate.store)
    wait_until(lambda: rcpt(gate).code == 550, "the gate opens the store that was put back")


def test_a_store_of_a_newer_version(new_gate, upstream):
    gate = new_gate(upstream.address)
    gate.run("import", "-", input="you@example.com\n")
    [data] = [path for path in gate.store.iterdir() if "lock" not in path.name]
    ours, newer = b"schema\0\0\0\3", b"schema\0\0\0\4"
    octets = data.read_bytes()
    assert ours in octets
    data.write_bytes(octets.replace(ours, newer))
    for verb in (["show", "you@example.com"], ["unsubscribe", "other@example.com"], ["stats"], ["import", "-"]):
        said = gate.run(*verb, input="", expect=3).stderr
        assert "format 3" in said and said.count("\n") == 1, said
    gate.start()
    answers_451(gate)
    assert "format 3" in gate.process.log
    data.write_bytes(octets)
    wait_until(lambda: rcpt(gate).code == 550, "the gate opens the store that it can read")


def test_a_store_that_is_not_there_is_made_by_serve(new_gate, upstream):
    gate = new_gate(upstream.address)
    assert "no store" in gate.run("stats", expect=3).stderr
    gate.start()
    assert rcpt(gate).code == 250
    gate.run("stats")


def test_a_store_that_goes_away(gate):
    """Removed, or a volume that is not mounted any more: an empty store in its place would let everybody through."""
    gate.run("unsubscribe", "you@example.com")
    kept = gate.directory / "kept"
    gate.store.rename(kept)
    wait_until(lambda: rcpt(gate).code != 550, "the gate notices")
    gate.store.mkdir(exist_ok=True)  # an empty mount point
    # It looks every second.
    end = time.monotonic() + 3
    while time.monotonic() < end:
        answers_451(gate)
    assert list(gate.store.iterdir()) == [], "none is made in its place"
    gate.store.rmdir()
    kept.rename(gate.store)
    wait_until(lambda: rcpt(gate).code == 550, "the gate opens it again")


def test_a_store_that_is_replaced(gate, directory):
    gate.run("unsubscribe", "old@example.com")
    run_postern("import", "--store", directory / "other", "-", input="new@example.com\n")
    shutil.rmtree(gate.store)
    (directory / "other").rename(gate.store)
    wait_until(lambda: rcpt(gate, "new@example.com").code == 550, "the gate opens the other one")
    assert rcpt(gate, "old@example.com").code == 250


def test_a_port_in_use(new_gate, upstream):
    gate = new_gate(upstream.address)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = text_of(taken.getsockname())
        gate.configure(listen=address)
        process = Process([POSTERN, "serve", "--config", gate.config])
        assert process.wait() == 3
    [line] = [line for line in process.log.splitlines() if address in line]
    assert "cannot listen on" in line


@pytest.mark.parametrize("line, key, wanted", [
    ('surprise = 1', "surprise", "unknown"),
    ('[listner]', "listner", "unknown"),
    ('[upstream2]\naddress = "x"', "upstream2", "unknown"),
    ('[timeouts]\nmail = "soon"', "timeouts.mail", "soon"),
    ('[limits]\nheader = "1 GB"', "limits.header", "1 GB"),
    ('[[stream]]\nname = "x"\nkind = "spam"', "stream.kind", "marketing"),
    ('[[stream]]\nname = "x"\nlist_unsubscribe = "always"', "stream.list_unsubscribe", "replace"),
    ('[admin]\naddress = "0.0.0.0:8526"', "admin.address", "loopback"),
    ('[log]\nlevel = ', "", ""),
])
def test_a_wrong_configuration(line, key, wanted, new_gate, upstream):
    gate = new_gate(upstream.address, more=line)
    text = gate.config.read_text()
    number = text[:text.index(line)].count("\n") + 1 + line.count("\n")
    for verb in ("check-config", "serve"):
        done = gate.run(verb, expect=2)
        said = done.stdout + done.stderr
        [complaint] = [row for row in said.splitlines() if "postern.toml:" in row]
        assert f"postern.toml:{number}: " in complaint or f"postern.toml:{number - line.count(chr(10))}: " in complaint
        assert key in complaint and wanted in complaint


def test_every_problem_is_named_at_once(new_gate, upstream):
    gate = new_gate(upstream.address, more="[limits]\nhops = 0\nerrors = -1\nrecipients = 'many'\n")
    done = gate.run("check-config", expect=2)
    said = done.stdout + done.stderr
    for key in ("limits.hops", "limits.errors", "limits.recipients"):
        assert key in said


def test_a_configuration_that_is_not_there(directory):
    done = run_postern("serve", "--config", directory / "none.toml", expect=2)
    assert "none.toml" in done.stderr


def test_a_good_configuration(new_gate, upstream):
    gate = new_gate(upstream.address)
    gate.run("check-config")
    gate.start()
    gate.run("unsubscribe", "you@example.com", "--stream", "gone")
    done = gate.run("check-config", expect=None)
    assert "gone" in done.stdout + done.stderr, "holds of a stream that no configuration has"
