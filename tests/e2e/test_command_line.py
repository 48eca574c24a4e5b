"""The verbs: what they print, how they exit, which store they find; with the gate serving from the same store."""

import json
import os
import re
import signal
import subprocess
import threading

import pytest

import maildir
from processes import POSTERN, run_postern
from smtp_client import Client

TODAY = r"\d{4}-\d\d-\d\d"


def codes(gate, *recipients, sender="news@example.org"):
    with Client(gate.address) as client:
        return [reply.code for reply in client.envelope(recipients, sender)]


def rows(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_help_and_version():
    top = run_postern("--help").stdout
    for verb in ("serve", "sink", "check-config", "check", "show", "unsubscribe", "resubscribe", "block", "unblock",
                 "import", "export", "report", "forget", "verify", "stats", "reactivate", "return-mail"):
        assert re.search(rf"^\s+{verb}\s", top, re.MULTILINE), verb
        assert "Usage" in run_postern(verb, "--help").stdout
    assert re.search(r"\d+\.\d+", run_postern("--version").stdout)


@pytest.mark.parametrize("arguments", [
    [], ["frobnicate"], ["unsubscribe"], ["check", "--at", "yesterday", "a@example.com"], ["export", "--format", "xml"],
    ["import", "--status", "happy", "-"], ["resubscribe", "a@example.com"], ["serve", "--surprise"],
    ["block", "a@example.com", "--until", "soon"], ["serve", "--listen", "nowhere"],
])
def test_a_wrong_call_exits_2(arguments, directory):
    done = run_postern(*arguments, expect=2, cwd=directory)
    assert done.stderr and not done.stdout
    assert list(directory.iterdir()) == []


def test_which_store(directory):
    """--store, --config, POSTERN_CONFIG, ./postern-data, in this order."""
    plain = {name: value for name, value in os.environ.items() if name != "POSTERN_CONFIG"}
    for name in ("flag", "file", "variable", "postern-data"):
        run_postern("import", "--store", directory / name, "-", input=f"{name}@example.com\n", cwd=directory)
    for name in ("file", "variable"):
        (directory / f"{name}.toml").write_text(f'[store]\npath = "{directory / name}"\n')
    variable = {**plain, "POSTERN_CONFIG": str(directory / "variable.toml")}
    file = ["--config", directory / "file.toml"]

    def found(*arguments, env=plain):
        return run_postern("export", *arguments, cwd=directory, env=env).stdout

    assert "postern-data@example.com" in found()
    assert "variable@example.com" in found(env=variable)
    assert "file@example.com" in found(*file, env=variable)
    assert "flag@example.com" in found("--store", directory / "flag", *file, env=variable)


def test_no_store(directory):
    for arguments in (["show", "a@example.com"], ["check", "a@example.com"], ["unsubscribe", "a@example.com"],
                      ["block", "@example.com"], ["export"], ["stats"], ["import", "-"]):
        done = run_postern(*arguments, expect=3, cwd=directory, input="")
        assert "postern-data" in done.stderr and done.stderr.count("\n") == 1, arguments
    assert list(directory.iterdir()) == [], "none of them makes one"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for somebody else")
def test_files_belong_to_the_owner_of_the_directory(directory):
    store = directory / "store"
    store.mkdir()
    os.chown(store, 65534, 65534)
    run_postern("import", "--store", store, "-", input="a@example.com\n")
    run_postern("unsubscribe", "--store", store, "b@example.com")
    assert {(path.stat().st_uid, path.stat().st_gid) for path in store.iterdir()} == {(65534, 65534)}


def test_unsubscribe_binds_at_once_and_resubscribe_lifts(gate):
    assert codes(gate, "you@example.com") == [250]
    assert gate.run("check", "you@example.com").returncode == 0
    gate.run("unsubscribe", "you@example.com", "--reason", "by telephone")
    assert codes(gate, "you@example.com", "You+tag@example.com", "other@example.com") == [550, 550, 250]
    done = gate.run("check", "you@example.com", expect=1)
    assert re.search(rf"550 5\.7\.1 <you@example\.com>: recipient unsubscribed on {TODAY}", done.stdout)
    shown = gate.run("show", "YOU@example.com").stdout
    assert "unsubscribed" in shown and "by telephone" in shown

    gate.run("resubscribe", "you@example.com", "--consent", "asked for it on the stand")
    assert codes(gate, "you@example.com") == [250]
    shown = gate.run("show", "you@example.com").stdout
    history = shown[shown.index("history"):]
    assert history.index("asked for it on the stand") < history.index("by telephone"), "newest first"
    gate.run("check", "you@example.com")


def test_streams_on_the_command_line(new_gate, upstream):
    gate = new_gate(upstream.address, more='\n'.join(
        f'[[stream]]\nname = "{name}"\nsender = ["*@{name}.example.org"]' for name in ("news", "offers")))
    gate.start()
    gate.run("unsubscribe", "you@example.com", "--stream", "news")
    assert codes(gate, "you@example.com", sender="x@news.example.org") == [550]
    assert codes(gate, "you@example.com", sender="x@offers.example.org") == [250]
    gate.run("check", "you@example.com", "--stream", "news", expect=1)
    gate.run("check", "you@example.com", "--stream", "offers")
    gate.run("unsubscribe", "all@example.com")
    gate.run("resubscribe", "all@example.com", "--stream", "offers", "--consent", "ticked the box")
    assert codes(gate, "all@example.com", sender="x@offers.example.org") == [250]
    assert codes(gate, "all@example.com", sender="x@news.example.org") == [550]


def test_blocks(gate):
    gate.run("block", "@example.net", "--reason", "competitor")
    gate.run("block", "@.example.edu")
    assert "in the past" in gate.run("block", "one@example.com", "--until", "2020-01-01", expect=2).stderr
    gate.run("block", "two@example.com", "--until", "2999-01-01T00:00:00Z")
    recipients = ["a@example.net", "a@sub.example.net", "a@example.edu", "a@sub.example.edu", "a@x.y.example.edu",
                  "one@example.com", "two@example.com"]
    assert codes(gate, *recipients) == [550, 250, 250, 550, 550, 250, 550]
    gate.run("check", "two@example.com", "--at", "2999-01-02")
    gate.run("check", "two@example.com", "--at", "2998-12-31", expect=1)
    # A block stands above every other state, and only unblock lifts it.
    gate.run("resubscribe", "two@example.com", "--consent", "says so", expect=None)
    assert codes(gate, "two@example.com") == [550]
    gate.run("unblock", "two@example.com", "@example.net", "@.example.edu")
    assert codes(gate, *recipients) == [250] * 7


def test_an_address_that_is_not_one(gate):
    for verb in (["unsubscribe"], ["check"], ["show"], ["block"], ["resubscribe", "--consent", "x"]):
        done = gate.run(verb[0], "not an address", *verb[1:], expect=2)
        assert "not an address" in done.stderr
    gate.run("unsubscribe", "@example.com", expect=2)


def test_json(gate):
    gate.run("unsubscribe", "you@example.com", "--reason", "by letter")
    [verdict, other] = rows(gate.run("check", "--json", "you@example.com", "other@example.com", expect=1))
    assert verdict["address"] == "you@example.com" and verdict["reason"] == "unsubscribed"
    assert other["address"] == "other@example.com"
    shown = gate.run("show", "--json", "you@example.com")
    assert rows(shown) and "by letter" in shown.stdout
    [stats] = rows(gate.run("stats", "--json"))
    assert stats["contacts"] == 1 and stats["unsubscribed"] == 1


def test_import(gate):
    done = gate.run("import", "-", "--source", "old list", expect=1, input=(
        "email,status,date,reason,stream\n"
        "a@example.com,unsubscribed,2026-03-01,no more,\n"
        "b@example.com,bounced,2026-02-01,550 5.1.1 no such user,\n"
        "not an address,unsubscribed,,,\n"
        "c@example.com,complained,2026-01-01,,\n"
        "d@example.com,blocked,2025-12-01,lawyer,\n"
        "e@example.com,whatever,,,\n"))
    assert done.stdout == "6 rows: 4 added, 0 unchanged, 2 rejected\n"
    assert re.search(r"^standard input:4: .*not an address", done.stderr, re.MULTILINE)
    assert re.search(r"^standard input:7: .*whatever", done.stderr, re.MULTILINE)
    with Client(gate.address) as client:
        replies = client.envelope([f"{name}@example.com" for name in "abcd"])
    assert [reply.text for reply in replies] == [
        "550 5.7.1 <a@example.com>: recipient unsubscribed on 2026-03-01",
        "550 5.1.1 <b@example.com>: earlier mail bounced on 2026-02-01: 550 5.1.1 no such user",
        "550 5.7.1 <c@example.com>: recipient complained on 2026-01-01",
        replies[3].text]
    assert replies[3].text.startswith("550 5.7.1 <d@example.com>: blocked")


def test_an_import_again_does_not_silence_who_came_back(gate):
    old = "email,date\nyou@example.com,2026-03-01\n"
    gate.run("import", "-", input=old)
    gate.run("resubscribe", "you@example.com", "--consent", "asked")
    gate.run("import", "-", input=old)
    assert codes(gate, "you@example.com") == [250]
    gate.run("import", "-", input="email,date\nyou@example.com,2026-04-01\n")
    assert codes(gate, "you@example.com") == [550]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_export_and_import(form, new_gate, upstream, directory):
    gate = new_gate(upstream.address)
    gate.run("import", "-", "--source", "old list", input=(
        "email,status,date,reason,stream\n"
        'a@example.com,unsubscribed,2026-03-01,"no, more",\n'
        "b@example.com,bounced,2026-02-01,550 5.1.1 gone,\n"
        "jürgen@bücher.example,complained,2026-01-01,,\n"
        '"""odd name""@example.com",unsubscribed,2026-01-02,,news\n'
        "d@example.com,blocked,2025-12-01,=lawyer,\n"
        "s@example.com,subscribed,2025-11-01,,news\n"))
    gate.run("block", "@example.net", "@.example.net", "--until", "2999-01-01")
    first = gate.run("export", "--format", form).stdout
    assert len(first.splitlines()) == (9 if form == "csv" else 8), first
    run_postern("import", "--store", directory / "copy", "-", input=first)
    second = run_postern("export", "--store", directory / "copy", "--format", form).stdout
    assert sorted(second.splitlines()) == sorted(first.splitlines())
    assert len(gate.run("export", "--status", "blocked", "--format", "jsonl").stdout.splitlines()) == 3


def test_export_as_an_access_map_of_postfix(gate):
    gate.run("unsubscribe", "you@example.com")
    gate.run("block", "@example.net")
    lines = gate.run("export", "--format", "postfix").stdout.splitlines()
    assert any(re.match(r"you@example\.com\s+(550|REJECT) ", line) for line in lines), lines
    assert any(re.match(r"example\.net\s+(550|REJECT) ", line) for line in lines), lines


def test_processes_that_write_at_once(gate, directory):
    files = []
    for number in range(3):
        files.append(directory / f"rows{number}")
        files[-1].write_text("".join(f"file{number}.{row}@example.com\n" for row in range(20_000)))
    failed = []

    def work(arguments):
        done = gate.run(*arguments, expect=None)
        if done.returncode != 0:
            failed.append((arguments, done.stderr))

    calls = [["import", file] for file in files] + [["unsubscribe", f"single{n}@example.com"] for n in range(10)]
    threads = [threading.Thread(target=work, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    [stats] = rows(gate.run("stats", "--json"))
    assert stats["contacts"] == 60_010
    assert codes(gate, "file0.0@example.com", "file2.19999@example.com", "single9@example.com") == [550] * 3


def test_verbs_without_a_gate(new_gate, upstream):
    gate = new_gate(upstream.address)
    gate.run("import", "-", input="you@example.com\n")
    gate.run("unsubscribe", "other@example.com")
    gate.run("check", "other@example.com", expect=1)
    gate.start()
    assert codes(gate, "you@example.com", "other@example.com") == [550, 550]


def test_output_to_a_pipe_that_closes(gate):
    """`postern export | head -1` ends quietly."""
    gate.run("import", "-", input="".join(f"r{n}@example.com\n" for n in range(50_000)))
    done = subprocess.run(["bash", "-c", f"{POSTERN} export --config {gate.config} | head -1; echo ${{PIPESTATUS[0]}}"],
                          capture_output=True, text=True)
    assert done.stderr == ""
    assert int(done.stdout.splitlines()[1]) in (0, 128 + signal.SIGPIPE)


def test_the_sink_keeps_the_envelope(sink, new_gate):
    front = new_gate(sink.address).start()
    with Client(front.address) as client:
        reply = client.deliver(["a@example.com", "b@example.com"], b"Subject: kept\r\n\r\n..dots\r\nbody\r\n")
        assert reply.code == 250
    [message] = maildir.wait_messages(sink.maildir, 1)
    assert maildir.fields(message, "Return-Path") == ["<news@example.org>"]
    assert sorted(maildir.fields(message, "Delivered-To")) == ["a@example.com", "b@example.com"]
    assert maildir.without_trace(message) == b"Subject: kept\r\n\r\n..dots\r\nbody\r\n"
