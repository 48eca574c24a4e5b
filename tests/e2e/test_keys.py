"""The keys of unsubscribe links: listed, rotated, kept; never shown."""

import json
import re
from datetime import datetime, timedelta, timezone

from processes import run_postern


def listed(store):
    return [json.loads(line) for line in run_postern("keys", "--store", store, "--json").stdout.splitlines()]


def test_keys_are_listed_and_rotated_while_the_gate_serves(gate):
    now = datetime.now(timezone.utc)
    days = {(now + timedelta(days=number)).date().isoformat() for number in (0, 1)}
    [first] = listed(gate.store)
    assert first["id"] == 1 and first["seals"] is True and first["made"] in days
    shown = gate.run("keys", "--rotate").stdout
    assert re.fullmatch(r" +1  \d{4}-\d\d-\d\d  opens\n +2  \d{4}-\d\d-\d\d  seals and opens\n", shown), shown
    assert [(key["id"], key["seals"]) for key in listed(gate.store)] == [(1, False), (2, True)]
    assert gate.run("keys").stdout == shown
    gate.run("verify")


def test_no_secret_is_shown(gate, directory):
    gate.run("keys", "--rotate")
    backup = directory / "backup"
    gate.run("backup", backup)
    octets = (backup / "data.mdb").read_bytes()
    # Version 1, two keys: number, day and secret of each.
    at = octets.index(b"link-keys\x01\x00\x00\x00\x02") + len("link-keys") + 5
    secrets = [octets[at + 8:at + 72], octets[at + 80:at + 144]]
    assert len(set(secrets)) == 2 and all(len(set(secret)) > 20 for secret in secrets)
    for arguments in (["keys"], ["keys", "--json"], ["keys", "--rotate"], ["stats", "--json"], ["export"], ["verify"]):
        done = gate.run(*arguments)
        said = (done.stdout + done.stderr).lower()
        assert not any(secret[:8].hex() in said for secret in secrets)


def test_a_backup_and_a_compaction_keep_them(gate, directory):
    gate.run("keys", "--rotate")
    keys = listed(gate.store)
    gate.run("backup", directory / "backup")
    gate.run("compact")
    assert listed(gate.store) == keys
    restored = directory / "restored"
    run_postern("restore", directory / "backup", "--store", restored)
    assert listed(restored) == keys


def test_where_there_is_no_store(directory):
    done = run_postern("keys", "--store", directory / "none", expect=3)
    assert "no store" in done.stderr or str(directory / "none") in done.stderr
    assert done.stdout == ""
