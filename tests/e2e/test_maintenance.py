"""Compaction, backup and restore with the real program, most of them while the gate serves."""

import json
import os
import signal
import subprocess
import threading
import time

import pytest

from processes import DEADLINE, POSTERN, run_postern, wait_until
from smtp_client import Client, Closed

COMPACTIONS = 5


class Asking(threading.Thread):
    """A client that asks for recipients without a pause and keeps count of the answers."""

    def __init__(self, gate, recipients, stop):
        super().__init__(daemon=True)
        self.gate, self.recipients, self.stop_event = gate, recipients, stop
        self.answers = {}
        self.failure = None

    def run(self):
        try:
            while not self.stop_event.is_set():
                with Client(self.gate.address) as client:
                    for _ in range(50):
                        for reply in client.envelope(self.recipients):
                            self.answers[reply.code] = self.answers.get(reply.code, 0) + 1
                        client.ask("RSET")
        except (OSError, Closed, AssertionError) as error:
            self.failure = error


def rcpt(gate, recipient):
    with Client(gate.address) as client:
        return client.envelope([recipient])[0].code


def test_nobody_is_deferred_while_the_store_is_compacted(new_gate, upstream):
    gate = new_gate(upstream.address)
    gate.run("import", "-", input="".join(f"reader{number}@example.com\n" for number in range(5_000)))
    gate.start()
    stop = threading.Event()
    clients = [Asking(gate, ["reader7@example.com", "nobody@example.com"], stop) for _ in range(3)]
    for client in clients:
        client.start()
    for number in range(COMPACTIONS):
        gate.run("compact")
        gate.run("unsubscribe", f"after{number}@example.com")
        assert rcpt(gate, f"after{number}@example.com") == 550, "acknowledged, so it is in force"
    stop.set()
    for client in clients:
        client.join(DEADLINE)
        assert client.failure is None
        assert set(client.answers) == {250, 550}, client.answers
        assert client.answers[250] == client.answers[550]
    wait_until(lambda: gate.process.log.count("was compacted, or replaced") == COMPACTIONS, "each is in the log")
    assert "recipients are deferred" not in gate.process.log


def test_changes_beside_compactions_are_all_kept(new_gate, upstream):
    gate = new_gate(upstream.address)
    gate.run("import", "-", input="first@example.com\n")
    gate.start()
    stop = threading.Event()
    kept, failures = [], []

    def change(name):
        count = 0
        while not stop.is_set():
            address = f"{name}{count}@example.com"
            done = gate.run("unsubscribe", address, expect=None)
            (kept if done.returncode == 0 else failures).append(address if done.returncode == 0 else done.stderr)
            count += 1

    threads = [threading.Thread(target=change, args=(name,), daemon=True) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for number in range(COMPACTIONS):
        at = len(kept)
        gate.run("compact")
        wait_until(lambda: len(kept) > at or failures, "changes go on")
    stop.set()
    for thread in threads:
        thread.join(DEADLINE)
    assert failures == []
    with Client(gate.address) as client:
        assert {reply.code for reply in client.envelope(kept[:900])} == {550}
    gate.run("verify")


def test_an_import_goes_on_over_a_compaction(new_gate, upstream, directory):
    gate = new_gate(upstream.address).make_store()
    rows = directory / "rows.txt"
    rows.write_text("".join(f"reader{number}@example.com\n" for number in range(60_000)))
    importer = subprocess.Popen([POSTERN, "import", "--config", gate.config, rows], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def contacts():
        return json.loads(gate.run("stats", "--json").stdout)["contacts"]

    for _ in range(3):
        at = contacts()
        wait_until(lambda: contacts() > at or importer.poll() is not None, "the import goes on")
        gate.run("compact")
    _, err = importer.communicate()
    assert importer.returncode == 0, err
    assert contacts() == 60_000
    gate.run("verify")


def test_killed_compactions(new_gate, upstream):
    """Whenever it is killed, the store is there, whole, and the gate goes on."""
    gate = new_gate(upstream.address)
    gate.run("import", "-", input="".join(f"reader{number}@example.com\n" for number in range(20_000)))
    gate.start()
    kept = []
    for number in range(20):
        compaction = subprocess.Popen([POSTERN, "compact", "--config", gate.config], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
        try:
            compaction.wait(0.005 * number)
        except subprocess.TimeoutExpired:
            compaction.send_signal(signal.SIGKILL)
            compaction.wait()
        address = f"after{number}@example.com"
        gate.run("unsubscribe", address)
        kept.append(address)
    gate.run("verify")
    wait_until(lambda: {rcpt(gate, address) for address in kept} == {550}, "what was acknowledged is in force")
    gate.run("compact")
    assert sorted(path.name for path in gate.store.iterdir()) == ["data.mdb", "lock.mdb", "serve.lock"]
    assert {rcpt(gate, address) for address in kept} == {550}


def test_compact_if_owed(new_gate, upstream):
    gate = new_gate(upstream.address)
    gate.run("import", "-", input="jane.secret@example.com\n")
    inode = (gate.store / "data.mdb").stat().st_ino
    assert "nothing was erased" in gate.run("compact", "--if-owed").stdout
    assert (gate.store / "data.mdb").stat().st_ino == inode
    gate.run("forget", "jane.secret@example.com")
    assert "compacted" in gate.run("compact", "--if-owed").stdout
    assert "nothing was erased" in gate.run("compact", "--if-owed").stdout
    for path in gate.store.iterdir():
        assert b"jane.secret" not in path.read_bytes()
    assert gate.run("check", "jane.secret@example.com", expect=1).stdout.startswith("550 ")


def test_the_gate_compacts_at_night_what_was_forgotten_by_day(new_gate, upstream, monkeypatch):
    monkeypatch.setenv("TZ", f"NIGHT{time.gmtime().tm_hour - 3:+d}")  # it is three o'clock there
    gate = new_gate(upstream.address)
    gate.run("import", "-", input="jane.secret@example.com\n")
    gate.run("forget", "jane.secret@example.com")
    assert b"jane.secret" in (gate.store / "data.mdb").read_bytes()
    gate.start()
    gate.process.wait_log("nightly compaction is done")
    for path in gate.store.iterdir():
        assert b"jane.secret" not in path.read_bytes()
    wait_until(lambda: rcpt(gate, "jane.secret@example.com") == 550, "the gate answers from the new file")
    assert "recipients are deferred" not in gate.process.log


def test_backup_while_serving_and_restore(gate, directory):
    gate.run("unsubscribe", "jane@example.com", "--reason", "asked by phone")
    backup = directory / "backups" / "monday"
    assert str(backup) in gate.run("backup", backup).stdout
    assert [path.name for path in backup.iterdir()] == ["data.mdb"]
    assert (backup.stat().st_mode & 0o777, (backup / "data.mdb").stat().st_mode & 0o777) == (0o700, 0o600)
    gate.run("unsubscribe", "later@example.com")

    assert "not empty" in gate.run("backup", backup, expect=3).stderr
    assert "move it away" in gate.run("restore", backup, expect=3).stderr
    assert "--store" in run_postern("restore", backup, expect=2).stderr
    assert rcpt(gate, "later@example.com") == 550

    # The gate notices that its store is lost, and takes the restored one.
    gate.store.rename(directory / "lost")
    wait_until(lambda: rcpt(gate, "jane@example.com") == 451, "the gate notices")
    gate.run("restore", backup)
    wait_until(lambda: rcpt(gate, "jane@example.com") == 550, "the gate serves from the restored one")
    assert rcpt(gate, "later@example.com") == 250
    assert "asked by phone" in gate.run("show", "jane@example.com").stdout
    gate.run("verify")


def test_who_was_forgotten_stays_forgotten_in_a_restored_backup(gate, directory):
    gate.run("unsubscribe", "jane.secret@example.com")
    gate.run("backup", directory / "backup")
    assert b"jane.secret" in (directory / "backup" / "data.mdb").read_bytes()
    gate.run("forget", "jane.secret@example.com", "--now")
    gate.store.rename(directory / "lost")
    assert "forgotten again" in gate.run("restore", directory / "backup").stdout
    for path in gate.store.iterdir():
        assert b"jane.secret" not in path.read_bytes()
    assert gate.run("check", "jane.secret@example.com", expect=1).stdout.startswith("550 ")


def test_a_damaged_backup_is_not_restored(gate, directory):
    gate.run("import", "-", input="".join(f"reader{number}@example.com\n" for number in range(2_000)))
    backup = directory / "backup"
    gate.run("backup", backup)
    octets = bytearray((backup / "data.mdb").read_bytes())
    octets[9 * 4096:10 * 4096] = bytes(4096)
    (backup / "data.mdb").write_bytes(octets)
    place = directory / "place"
    said = run_postern("restore", backup, "--store", place, expect=3).stderr
    assert "page 9 of " in said and str(backup) in said and said.count("\n") == 1
    assert not place.exists()
    assert "no backup" in run_postern("restore", directory, "--store", place, expect=3).stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_full_disk(gate, directory):
    gate.run("import", "-", input="".join(f"reader{number}@example.com\n" for number in range(5_000)))
    small = directory / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", small], capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        assert "disk is full" in gate.run("backup", small / "backup", expect=3).stderr
        assert list(small.iterdir()) == []
        gate.run("backup", directory / "backup")
        assert "disk is full" in run_postern("restore", directory / "backup", "--store", small / "store",
                                             expect=3).stderr
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)
