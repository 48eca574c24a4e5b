"""What is kept, shown and explained; what is forgotten; and what is given back."""

import hashlib
import json
import random
import re
import subprocess

from processes import run_postern
from smtp_client import Client


def files_of(gate):
    return [path for path in gate.store.rglob("*") if path.is_file()]


def test_forget_now(gate, directory):
    address = "jane.roe@example.com"
    gate.run("import", "-", "--source", "shop", input=(
        f"email,date,reason\n{address},2024-01-01,she moved to Rome with Quentin\nother@example.com,2024-01-01,kept words\n"))
    gate.run("unsubscribe", address, "--reason", "Quentin telephoned")
    gate.run("resubscribe", address, "--consent", "Quentin wrote again")
    gate.run("unsubscribe", address, "--reason", "Quentin is sorry")
    gate.run("import", "-", input="".join(f"other{number}@example.com\n" for number in range(3000)))
    texts = [b"jane.roe", b"Quentin", b"moved to Rome"]
    assert any(text in path.read_bytes() for path in files_of(gate) for text in texts)
    done = gate.run("forget", "--now", "JANE.ROE@example.com")
    assert "forgotten" in done.stdout
    found = [(path, text) for path in files_of(gate) for text in texts if text in path.read_bytes()]
    assert found == []
    assert any(b"kept words" in path.read_bytes() for path in files_of(gate))
    with Client(gate.address) as client:
        [reply] = client.envelope([address])
    assert reply.code == 550, reply
    shown = gate.run("show", address).stdout
    assert "forgotten" in shown and "Quentin" not in shown
    again = gate.run("import", "-", "--source", "shop", input=f"email,date,reason\n{address},2024-01-01,\n")
    assert " 0 added, " in again.stdout and " 1 returned since" in again.stdout
    gate.run("verify")
    gate.run("forget", "nobody@example.com", expect=1)
    gate.run("forget", "@example.com", expect=2)
    ledger = gate.directory / "store.forgotten"
    assert ledger.stat().st_mode & 0o777 == 0o600 and len(ledger.read_text().splitlines()) == 1


def test_show_says_who_what_and_why(gate, directory):
    path = directory / "optouts.csv"
    path.write_text("Email Address,UNSUB_TIME,UNSUB_REASON\nann@example.com,2024-05-06 07:08:09,Too many\n")
    gate.run("import", path)
    gate.run("block", "ann@example.com", "--reason", "lawyer")
    shown = gate.run("show", "ann@example.com").stdout
    assert re.search(r"2024-05-06T07:08:09Z unsubscribed, .*\(mailchimp: Too many\), import mailchimp-\S+ by \S+, postern import",
                     shown)
    assert re.search(r"blocked, every stream \(cli: lawyer\), by \S+, postern block", shown)
    assert "stream default: refused, blocked: a block holds for every stream" in shown


def test_show_names_holds_on_other_forms(gate):
    digest = hashlib.sha256(b"ann@example.com").hexdigest()
    gate.run("import", "-", "--source", "partner", input=f"{digest}\n")
    gate.run("block", "@example.com", "--reason", "lawyer")
    shown = gate.run("show", "ann@example.com").stdout
    assert re.search(rf"holds\n  .*unsubscribed since .* \(partner\), on {digest}\n", shown)
    assert re.search(r"\n  blocked since .* \(cli: lawyer\), on @example.com\nrule\n", shown)
    records = [json.loads(line) for line in gate.run("show", "--json", "ann@example.com").stdout.splitlines()]
    assert {one["address"] for one in records if one["record"] == "hold"} == {digest, "@example.com"}


def test_check_at_a_time(gate):
    gate.run("import", "-", input="email,date\nann@example.com,2020-01-01\n")
    assert "250 <ann@example.com>" in gate.run("check", "ann@example.com", "--at", "2020-06-01").stdout
    gate.run("check", "ann@example.com", expect=1)


def test_an_export_answers_alike_in_a_new_store(gate, directory):
    chance = random.Random(11)
    people = [f"p{number}@example{number % 3}.com" for number in range(120)]
    rows = ["address,status,stream,date,until,reason"]
    for person in people:
        for _ in range(chance.randrange(3)):
            status = chance.choice(["unsubscribed", "unsubscribed", "bounced", "complained", "blocked"])
            stream = chance.choice(["", "", "news", "offers", "all"]) if status == "unsubscribed" else ""
            until = chance.choice(["", "2020-01-01", "2999-01-01"]) if status == "blocked" else ""
            rows.append(f"{person},{status},{stream},20{chance.randrange(10, 25)}-03-0{chance.randrange(1, 9)},{until},why")
    gate.run("import", "-", input="\n".join(rows) + "\n")
    gate.run("block", "@example9.com", "@.deep.example")
    gate.run("import", "-", input="0cc175b9c0f1b6a831c399e269772661\n")
    for person in people[::4]:
        gate.run("resubscribe", person, "--consent", "x", *chance.choice([[], ["--stream", "default"]]))
    asked = [*people, "x@example9.com", "y@very.deep.example", "free@example.com"]

    def answers(store):
        done = run_postern("check", "--store", store, "--json", *asked, expect=1, cwd=directory)
        return [(row["address"], row["accepted"], row.get("text")) for row in map(json.loads, done.stdout.splitlines())]

    want = answers(gate.store)
    assert any(accepted for _, accepted, _ in want)
    for form in ("csv", "jsonl"):
        exported = gate.run("export", "--format", form).stdout
        new = directory / form
        done = run_postern("import", "--store", new, "-", input=exported, cwd=directory, expect=None)
        assert done.stdout.splitlines()[0].endswith(" 0 rejected"), done.stderr
        assert answers(new) == want
        run_postern("verify", "--store", new)
        # And back into the store that it came from: nothing new.
        assert " 0 added, " in gate.run("import", "-", input=exported, expect=None).stdout


def test_export_chooses(gate):
    gate.run("import", "-", input=(
        "email,status,date,reason\nann@example.com,bounced,2024-01-01,user-unknown: gone\n"
        "bob@example.com,bounced,2025-01-01,mailbox-full\ncarl@example.com,unsubscribed,2025-02-01,\n"))

    def exported(*options):
        lines = gate.run("export", *options).stdout.splitlines()[1:]
        return [line.split(",")[0] for line in lines]

    assert exported("--reason", "User-Unknown") == ["ann@example.com"]
    assert sorted(exported("--since", "2025-01-01")) == ["bob@example.com", "carl@example.com"]
    assert exported("--status", "bounced", "--since", "2025-01-01") == ["bob@example.com"]
    [digest] = exported("--status", "unsubscribed", "--hashed", "md5")
    done = subprocess.run(["md5sum"], input=b"carl@example.com", capture_output=True, check=True)
    assert digest == done.stdout.decode().split()[0]
    assert "warning" in gate.run("export", "--hashed", "sha256").stderr


def test_an_access_map_that_postfix_takes(gate, directory):
    gate.run("import", "-", input="email,status,date\nann@example.com,bounced,2024-01-01\nbob@example.com,,2024-01-02\n")
    gate.run("block", "@banned.example")
    path = directory / "access"
    path.write_text(gate.run("export", "--format", "postfix").stdout)
    subprocess.run(["postmap", "-o", f"hash:{path}"], check=True, capture_output=True)
    for key, wanted in (("ann@example.com", "REJECT 5.1.1 "), ("bob@example.com", "REJECT 5.7.1 recipient unsub"),
                        ("banned.example", "REJECT 5.7.1 blocked")):
        done = subprocess.run(["postmap", "-q", key, f"hash:{path}"], check=True, capture_output=True, text=True)
        assert done.stdout.startswith(wanted)


def test_verify_names_what_is_wrong(gate):
    gate.run("import", "-", input="".join(f"a{number}@example.com\n" for number in range(2000)))
    assert re.fullmatch(r".*2000 contacts, 2000 events: sound\n", gate.run("verify").stdout, re.DOTALL)


def test_a_damaged_page_is_named_and_the_rest_is_readable(directory):
    store = directory / "store"
    people = [f"person{number}@example.com" for number in range(3000)]
    run_postern("import", "-", "--store", store, "--source", "shop", input="".join(f"{one}\n" for one in people))
    sound = (store / "data.mdb").read_bytes()
    page_size = 4096
    answers = set()
    for page in range(2, len(sound) // page_size, 7):
        damaged = bytearray(sound)
        damaged[page * page_size + 10:(page + 1) * page_size] = b"\xa5" * (page_size - 10)
        (store / "data.mdb").write_bytes(damaged)
        done = run_postern("verify", "--store", store, expect=None)
        answers.add(done.returncode)
        if done.returncode == 1:
            assert re.search(rf"^page {page} of \S+: ", done.stdout, re.MULTILINE), done.stdout
            assert re.search(r"^\S+: \d+ entries on \d+ sound pages read$", done.stdout, re.MULTILINE)
            assert "put a backup in its place" in done.stderr
        else:  # a free page
            assert done.returncode == 0 and "sound" in done.stdout, done
        if done.returncode == 0:
            continue
        run_postern("restore", store, "--store", directory / "refused", expect=3)
        new = directory / f"new{page}"
        saved = run_postern("restore", store, "--salvage", "--store", new, expect=None)
        if saved.returncode == 3:
            assert "the table of its keys" in saved.stderr or "two first pages" in saved.stderr, saved
            continue
        assert re.search(r"^\d+ damaged pages; \d+ entries", saved.stdout), saved
        # One page has some dozens of people at most; and contacts come back from their events.
        lines = run_postern("check", "--store", new, *people, expect=1).stdout.splitlines()
        refused = sum(line.startswith("550 ") for line in lines)
        assert refused > len(people) - 100, (page, done.stdout, refused)
        run_postern("export", "--store", new)
        run_postern("unsubscribe", "somebody@example.org", "--store", new)
    assert answers in ({0, 1}, {1})
