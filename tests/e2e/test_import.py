"""What other tools export comes in as they export it, adds restrictions, lifts none, and can be undone."""

import csv
import hashlib
import json

import pytest

from processes import ROOT, run_postern
from smtp_client import Client

SAMPLES = sorted(path for path in (ROOT / "tests" / "golden" / "imports").iterdir()
                 if path.suffix in (".csv", ".json", ".txt"))


def rows(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def options_of(sample):
    """What has to be said of a sample whose header does not tell it all."""
    path = sample.with_suffix(".options")
    if not path.exists():
        return []
    words = dict(line.split(" ", 1) for line in path.read_text().splitlines())
    names = {"format": "--format", "columns": "--map", "dates": "--dates"}
    return [word for key, value in words.items() for word in (names[key], value)]


def wanted_of(sample):
    """What its .rows say: (address, status) of each statement; the row's number of those that are wrong."""
    head, *lines = sample.with_name(sample.name + ".rows").read_text().splitlines()
    implied = head.split(" ")[4]
    said, wrong = set(), 0
    for line in lines:
        words = line.split(" ", 1)[1]
        if words.startswith("! "):
            wrong += 1
        elif not words.endswith((" nothing", " active")):
            address, status = (words.split("|") + [""])[:2]
            said.add((address, status or (implied if implied != "-" else "unsubscribed")))
    return said, wrong


@pytest.mark.parametrize("sample", SAMPLES, ids=[path.name for path in SAMPLES])
def test_every_format(sample, directory):
    store = directory / "store"
    said, wrong = wanted_of(sample)
    call = ["import", "--store", store, *options_of(sample), "--source", "test", "--rejected", directory / "rejected"]
    done = run_postern(*call, sample, expect=None, cwd=directory)
    summary = done.stdout.splitlines()[0]
    assert summary.endswith(f", {wrong} rejected"), done.stderr
    standing = run_postern("export", "--store", store, "--format", "jsonl")
    got = {(row["address"], row["status"]) for row in rows(standing)}
    # An end that is past: it was a hold, and is over.
    past = {(address, status) for address, status in said - got
            if '"state":"over"' in run_postern("show", "--store", store, "--json", address).stdout}
    assert got | past == said
    again = run_postern(*call, sample, expect=None, cwd=directory)
    assert " 0 added, " in again.stdout


def test_kept_and_returned(gate):
    gate.run("unsubscribe", "held@example.com", "also@example.com")
    gate.run("block", "@banned.example")
    done = gate.run("import", "-", "--status", "subscribed", "--source", "the fair", expect=1, input=(
        "email\nheld@example.com\nalso@example.com\nx@banned.example\nnew@example.com\n"))
    assert done.stdout == ("4 rows: 1 added, 0 unchanged, 3 kept (they stay held), 0 rejected\n"
                           "kept: unsubscribed 2, blocked 1\n")
    assert "standard input:2: kept: held@example.com, unsubscribed since" in done.stderr
    with Client(gate.address) as client:
        replies = client.envelope(["held@example.com", "x@banned.example", "new@example.com"])
    assert [reply.code for reply in replies] == [550, 550, 250]


def test_consent_needs_a_source(gate):
    done = gate.run("import", "-", "--status", "subscribed", input="email\na@example.com\n", expect=1)
    assert "without a source" in done.stderr and " 1 rejected" in done.stdout


def test_bounces_are_not_imported_as_subscribed(gate, directory):
    sample = ROOT / "tests/golden/imports/mailchimp_cleaned.csv"
    wrong = gate.run("import", "--status", "subscribed", "--source", "x", sample, expect=2)
    assert "--force-format" in wrong.stderr
    assert gate.run("import", "--list").stdout == ""
    gate.run("import", "--status", "subscribed", "--source", "x", "--force-format", sample)


def test_rejected_rows_go_to_a_file(gate, directory):
    path = directory / "list.csv"
    path.write_text("email,date\nnobody,2024-01-01\na@example.com,\nb@example.com,someday\n")
    done = gate.run("import", path, expect=1)
    rejected = directory / "list.csv.rejected"
    assert f"rejected rows are in {rejected}" in done.stderr
    lines = rejected.read_text().splitlines()
    assert lines[0] == "line,reason,row"
    assert [line.split(",")[0] for line in lines[1:]] == ["2", "4"]
    other = directory / "elsewhere"
    gate.run("import", path, "--rejected", other, expect=1)
    assert other.read_text() == rejected.read_text()


def test_rejected_rows_can_be_put_right(gate, directory):
    path = directory / "list.csv"
    path.write_text("email,reason\njéé@,École, fermée\nb@example.com,ok\n", encoding="latin-1")
    done = gate.run("import", path, expect=1)
    assert "j\\xc3\\xa9\\xc3\\xa9@" in done.stderr
    rejected = directory / "list.csv.rejected"
    [row] = csv.DictReader(rejected.read_text(encoding="utf-8").splitlines())
    assert row["line"] == "2" and row["row"] == "jéé@,École, fermée"
    path.write_text(f"email,reason\n{row['row'].replace('jéé@', 'a@example.com').replace(', f', ' f')}\n")
    gate.run("import", path)
    assert not rejected.exists()
    assert "École fermée" in gate.run("show", "a@example.com").stdout

    rejected.write_text("somebody else's\n")
    gate.run("import", path)
    assert rejected.read_text() == "somebody else's\n"


def test_a_date_that_is_yet_to_come(gate):
    done = gate.run("import", "-", input="email,date\na@example.com,2099-01-01\nb@example.com,2024-01-01\n")
    assert done.stdout == "2 rows: 2 added, 0 unchanged, 0 rejected; 1 dated in the future\n"
    gate.run("check", "a@example.com", expect=1)


def test_what_aws_prints(gate):
    summary = {"EmailAddress": "a@example.com", "Reason": "BOUNCE", "LastUpdateTime": "2020-04-10T21:03:05Z"}
    whole = json.dumps({"SuppressedDestinationSummaries": [summary]}, indent=4)
    assert "jq -c '.SuppressedDestinationSummaries[]'" in gate.run("import", "-", input=whole, expect=2).stderr
    done = gate.run("import", "-", input=json.dumps(summary) + "\n")
    assert " 1 added" in done.stdout and "taken for ses" in done.stderr
    assert "bounced since 2020-04-10" in gate.run("show", "a@example.com").stdout


def test_dates_that_could_be_two(gate, directory):
    path = directory / "left.csv"
    path.write_text("Email;Unsubscribed on\na@example.com;25/12/2023\nb@example.com;03/04/2024\n")
    wrong = gate.run("import", path, "--map", "address=Email,date=Unsubscribed on", expect=2)
    assert "--dates dmy" in wrong.stderr and "line 3" in wrong.stderr
    assert gate.run("stats", "--json").stdout.count('"contacts":0') == 1
    gate.run("import", path, "--map", "address=Email,date=Unsubscribed on", "--dates", "dmy")
    assert "unsubscribed on 2024-04-03" in gate.run("check", "b@example.com", expect=1).stdout


def test_encodings_and_delimiters(gate, directory):
    for number, (encoding, delimiter) in enumerate(
            [("utf-8-sig", ","), ("utf-16", ";"), ("utf-16-le", "\t"), ("latin-1", ";")]):
        path = directory / f"{encoding}.csv"
        text = delimiter.join(["Adresse e-mail", "Prénom", "Motif"]) + "\r\n"
        text += delimiter.join([f"Jean <jean{number}@example.fr> ", "Jean", '"désolé,\n""adieu"""']) + "\r\n"
        path.write_bytes(text.encode(encoding))
        gate.run("import", path)
        assert 'désolé, "adieu"' in gate.run("show", f"jean{number}@example.fr").stdout


def test_dry_run(gate, directory):
    path = directory / "list.txt"
    path.write_text("a@example.com\nb@example.com\nnobody\n")
    done = gate.run("import", "--dry-run", path, expect=1)
    assert done.stdout == "dry run, nothing was written: 3 rows: 2 added, 0 unchanged, 1 rejected\n"
    assert not (directory / "list.txt.rejected").exists()
    gate.run("check", "a@example.com")
    assert gate.run("import", "--list").stdout == ""


def test_undo(gate, directory):
    gate.run("unsubscribe", "own@example.com")
    path = directory / "list.csv"
    path.write_text("email\nown@example.com\na@example.com\nb@example.com\n")
    gate.run("import", path, "--source", "mistake")
    [listed] = rows(gate.run("import", "--list", "--json"))
    assert listed["import"].startswith("mistake-20") and listed["added"] == 3 and listed["state"] == "done"
    assert listed["import"] in gate.run("show", "a@example.com").stdout
    preview = gate.run("import", "--undo", listed["import"], "--dry-run")
    assert "would undo it: 3 holds lifted" in preview.stdout
    gate.run("check", "a@example.com", expect=1)
    assert "3 holds lifted" in gate.run("import", "--undo", listed["import"]).stdout
    gate.run("check", "a@example.com", "b@example.com")
    gate.run("check", "own@example.com", expect=1)
    assert "was undone" in gate.run("import", "--undo", "1").stdout
    gate.run("import", "--undo", "no such import", expect=2)
    # An undone import is nobody's return.
    assert "3 added" in gate.run("import", path, "--source", "mistake").stdout
    gate.run("check", "a@example.com", expect=1)


def test_hash_lists(gate):
    addresses = ["Jane@Example.com", "joe@example.com", "ann@example.com"]
    digests = [hashlib.new(kind, address.lower().encode()).hexdigest()
               for kind, address in zip(("md5", "sha1", "sha256"), addresses)]
    digests[0] = digests[0].upper()
    gate.run("import", "-", input="\n".join(digests) + "\n")
    with Client(gate.address) as client:
        replies = client.envelope([*addresses, "jane+tag@example.com", "free@example.com"])
    assert [reply.code for reply in replies] == [550, 550, 550, 550, 250]
    assert json.loads(gate.run("stats", "--json").stdout)["hashed"] == 3


def test_the_same_file_twice_changes_nothing_and_says_so(gate, directory):
    path = directory / "list.csv"
    path.write_text("Email Address,UNSUB_TIME\n" + "".join(f"a{i}@example.com,2024-01-01 10:00:00\n" for i in range(500)))
    assert gate.run("import", path).stdout == "500 rows: 500 added, 0 unchanged, 0 rejected\n"
    events = json.loads(gate.run("stats", "--json").stdout)["events"]
    assert gate.run("import", path).stdout == "500 rows: 0 added, 500 unchanged, 0 rejected\n"
    assert json.loads(gate.run("stats", "--json").stdout)["events"] == events
    gate.run("resubscribe", "a7@example.com", "--consent", "her letter")
    assert gate.run("import", path).stdout == (
        "500 rows: 0 added, 499 unchanged, 1 returned since (stay lifted), 0 rejected\n")


def test_a_header_of_nobody(gate):
    wrong = gate.run("import", "-", input="Vorname,Kennung\nJane,17\n", expect=2)
    assert "Kennung" in wrong.stderr and "--map" in wrong.stderr
