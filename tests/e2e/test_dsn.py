"""The verb dsn: files in, one JSON object a line for each file and recipient out, and no store."""

import json
import os
import shutil
import subprocess

import pytest

from processes import DEADLINE, POSTERN, ROOT, run_postern
from return_mail import plain, report
from smtp_client import letter

GOLDEN = ROOT / "tests" / "golden" / "return_mail"
NOBODY = 65534
TYPES = {"bounce", "delayed", "delivered", "complaint", "unsubscribe", "auto-reply", "unknown"}
HARD = {"user-unknown", "domain-unknown", "moved", "not-accepting"}
FIELDS = {"file", "type", "class", "reason", "recipient", "final_recipient", "status", "action", "diagnostic", "remote_mta",
          "reporting_mta", "message_id", "feedback_type"}


def dsn(*names, cwd, octets=None, expect=0, binary=POSTERN, **more):
    """([objects of standard output], [lines of standard error])"""
    done = subprocess.run([binary, "dsn", *names], input=octets, capture_output=True, cwd=cwd, timeout=DEADLINE, **more)
    assert done.returncode == expect, (names, done)
    return [json.loads(line) for line in done.stdout.decode().splitlines()], done.stderr.decode().splitlines()


@pytest.fixture
def bounce(directory):
    """The name of a file with a bounce."""
    (directory / "bounce.eml").write_bytes(report("ann@remote.test", "x@bounce.test", letter("spring")))
    return "bounce.eml"


def test_a_bounce(bounce, directory):
    [found], said = dsn(bounce, cwd=directory)
    assert found == {
        "file": "bounce.eml", "type": "bounce", "class": "hard", "reason": "user-unknown", "recipient": "ann@remote.test",
        "status": "5.1.1", "action": "failed", "diagnostic": "550 5.1.1 no such user here", "remote_mta": "mx.far.test",
        "reporting_mta": "mx.remote.test", "message_id": "<spring@example.org>"}
    assert said == []
    assert [path.name for path in directory.iterdir()] == ["bounce.eml"], "no store is made"


def test_standard_input(bounce, directory):
    octets = (directory / bounce).read_bytes()
    [found], _ = dsn("-", cwd=directory, octets=octets)
    [of_file], _ = dsn(bounce, cwd=directory)
    assert found == of_file | {"file": "-"}
    # Lines that end as on Unix, and what is no text at all.
    [found], _ = dsn("-", cwd=directory, octets=octets.replace(b"\r\n", b"\n"))
    assert found == of_file | {"file": "-"}
    [found], _ = dsn("-", cwd=directory, octets=bytes(range(256)) * 100)
    assert found == {"file": "-", "type": "unknown"}


@pytest.mark.parametrize("octets", [b"", b"\r\n", letter("spring"),
                                    plain("ann@remote.test", "news@example.org", "hello", "How are you?")],
                         ids=["empty", "blank", "letter", "person"])
def test_what_is_no_return_mail_is_unknown_and_names_nobody(octets, directory):
    (directory / "mail.eml").write_bytes(octets)
    assert dsn("mail.eml", cwd=directory) == ([{"file": "mail.eml", "type": "unknown"}], [])


def test_several_files_in_the_order_read(bounce, directory):
    (directory / "late.eml").write_bytes(
        report("bob@remote.test", "x@bounce.test", b"", "4.4.1", "451 4.4.1 no answer from host", "delayed"))
    (directory / "two.eml").write_bytes((GOLDEN / "qmail-two.eml").read_bytes())
    found, _ = dsn("late.eml", "two.eml", "-", bounce, "late.eml", cwd=directory, octets=b"")
    assert [(one["file"], one["type"], one.get("recipient")) for one in found] == [
        ("late.eml", "delayed", "bob@remote.test"), ("two.eml", "bounce", "ann@dest.example"),
        ("two.eml", "bounce", "bob@dest.example"), ("-", "unknown", None), ("bounce.eml", "bounce", "ann@remote.test"),
        ("late.eml", "delayed", "bob@remote.test")]
    assert "class" not in found[0], "a delay is no bounce"


def test_a_missing_file_is_named_and_the_others_are_read(bounce, directory):
    found, said = dsn("nobody.eml", bounce, cwd=directory, expect=3)
    assert [one["file"] for one in found] == ["bounce.eml"]
    assert said == ["postern: nobody.eml: No such file or directory"]
    _, said = dsn("one\ntwo.eml", cwd=directory, expect=3)
    assert len(said) == 1, "a message stays on its line"


def test_a_folder_and_what_may_not_be_read(bounce, directory):
    (directory / "folder").mkdir()
    found, said = dsn("folder", bounce, cwd=directory, expect=3)
    assert [one["file"] for one in found] == ["bounce.eml"]
    assert len(said) == 1 and said[0].startswith("postern: folder: ")

    # Root may read everything.
    as_user = {"user": NOBODY} if os.geteuid() == 0 else {}
    binary = shutil.copy(POSTERN, directory / "postern")
    (directory / "folder" / "inside.eml").write_bytes(b"")
    (directory / "secret.eml").write_bytes(b"")
    (directory / "secret.eml").chmod(0)
    (directory / "folder").chmod(0)
    try:
        names = ["secret.eml", "folder", "folder/inside.eml"]
        found, said = dsn(*names, bounce, cwd=directory, expect=3, binary=binary, **as_user)
    finally:
        (directory / "folder").chmod(0o755)
    assert [one["file"] for one in found] == ["bounce.eml"]
    assert [line.split(": ")[1] for line in said] == names
    assert said[0].endswith(": Permission denied") and said[2].endswith(": Permission denied")


def test_wrong_calls(directory):
    assert "FILE is required" in run_postern("dsn", cwd=directory, expect=2).stderr
    # It prints JSON always.
    for flag in ("--json", "--store"):
        done = run_postern("dsn", flag, "x.eml", cwd=directory, expect=2)
        assert flag in done.stderr and not done.stdout
    help_text = run_postern("dsn", "--help").stdout
    assert "One JSON object a line" in help_text and "standard input" in help_text and "Exit status" in help_text


def test_no_more_than_a_mebibyte_is_read(directory):
    """What stands behind it is not looked at, and a large file is no error."""
    bounce = report("ann@remote.test", "x@bounce.test")
    (directory / "behind.eml").write_bytes(letter("spring") + b"x" * 70 + b"\r\n" + b" " * (1 << 20) + b"\r\n" + bounce)
    (directory / "before.eml").write_bytes(bounce + b"\r\n" + b"attached\r\n" * (1 << 20))
    found, _ = dsn("behind.eml", "before.eml", cwd=directory)
    assert [(one["type"], one.get("recipient")) for one in found] == [("unknown", None), ("bounce", "ann@remote.test")]


def wanted(path):
    return [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]


def test_golden_files_through_the_verb():
    """The files that the unit tests read, all in one call: type, recipients and codes, and fields of the interface alone."""
    paths = sorted(GOLDEN.glob("*.eml"))
    assert len(paths) >= 40
    found, said = dsn(*(path.name for path in paths), cwd=GOLDEN)
    assert said == []
    assert [name for name in dict.fromkeys(one["file"] for one in found)] == [path.name for path in paths]
    for path in paths:
        mine = [one for one in found if one["file"] == path.name]
        want = wanted(path)
        assert len(mine) == len(want), path.name
        for got, right in zip(mine, want):
            for key in ("type", "recipient", "final_recipient", "status", "action"):
                if key == "type" or "recipient" in right:
                    assert got.get(key) == right.get(key), (path.name, key)
            assert right.get("diagnostic_has", "") in got.get("diagnostic", "").replace("\n", " "), path.name
            assert set(got) <= FIELDS and got["type"] in TYPES, path.name
            assert "" not in got.values(), f"{path.name}: what is not known is left out"
            assert ("class" in got) == (got["type"] == "bounce"), path.name
            assert ("reason" in got) == (got["type"] in ("bounce", "delayed")), path.name
            if got["type"] == "bounce":
                assert got["class"] == ("hard" if got["reason"] in HARD else "soft"), path.name
