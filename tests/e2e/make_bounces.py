#!/usr/bin/env python3
"""Makes Debian's MTAs bounce in many ways, and saves what they write.

  tests/e2e/make_bounces.py FOLDER [--mta NAME]... [--way NAME]...

FOLDER/MTA-WAY.eml is the report as it reached the envelope sender, FOLDER/MTA-WAY.json what was done and what is to be
read in it: {"mta", "way", "what", "sender", "expected": [{"recipient", "recipient_also", "type", "class", "reason",
"reason_also", "status"}]}, where what is not sure is left out. labels.jsonl has the same, a line for each recipient, for
scripts/score-dsn. Everything stays on loopback; it takes minutes. Needs root, and what scripts/setup --test installs.
"""

import argparse
import json
import shutil
import smtplib
import sys
import tempfile
import threading
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import mta_roots  # noqa: E402
from bounce_ways import PERMANENT, SLOW, WARNED, WAYS, letter  # noqa: E402
from fake_upstream import STEP_BY_STEP, FakeUpstream  # noqa: E402
from foreign_mta import MTAS, UNKNOWN  # noqa: E402
from name_server import NameServer  # noqa: E402
from postfix import SMTPD, Postfix  # noqa: E402
from processes import wait_until  # noqa: E402

HARD = {"user-unknown", "domain-unknown", "moved", "not-accepting"}
SENDER = "b-{way}@return.test"
LIMIT = 40  # seconds for a report
MODES = {PERMANENT: (3600, None), SLOW: (2, None), WARNED: (3600, 1)}  # (patience, warning) in seconds

POSTFIX = """\
myhostname = mx.remote.test
virtual_mailbox_domains = remote.test, late.remote.test
virtual_mailbox_maps = inline:{{ ann@remote.test=ann/, bob@remote.test=bob/, full@remote.test=full }}
virtual_alias_maps = inline:{{ {{ moved@remote.test = ann@remote.test, gone@far.test }} }}
smtpd_reject_unlisted_recipient = no
message_size_limit = 50000
virtual_mailbox_limit = 50000
relayhost = [127.0.0.1]:{smarthost}
transport_maps = inline:{{ far.test=lookup:[mx.far.test]:{next_hop}, .invalid=lookup, nomail.test=lookup,
  nohost.test=lookup, pipe@remote.test=unknown }}
smtp_skip_5xx_greeting = yes
maximal_queue_lifetime = {patience}s
bounce_queue_lifetime = 1d
delay_warning_time = {warning}s
"""
# In a chroot of its own the client asks our name server, not this machine's.
LOOKUP = "lookup unix - - y - - smtp -o disable_dns_lookups=no -o smtp_host_lookup=dns -o relayhost=\n"
PIPE = "unknown unix - n n - - pipe flags=q user=nobody argv={directory}/unknown\n"


class LabPostfix:
    """Postfix with the domains and users of foreign_mta.py."""

    name = "postfix"

    def __init__(self, directory, smarthost, next_hop, patience, warning):
        self._names = NameServer({"mx.far.test": next_hop[0], "nomail.test": (0, "."),
                                  "nohost.test": (10, "mx.nohost.invalid")})
        settings = POSTFIX.format(smarthost=smarthost[1], next_hop=next_hop[1], patience=patience, warning=warning or 0)
        self._postfix = Postfix(directory, settings=settings,
                                smtpd=SMTPD + LOOKUP + PIPE.format(directory=directory))
        self._directory = directory

    def start(self):
        mta_roots.put(self._directory, "queue/etc/resolv.conf", self._names.resolv_conf())
        mta_roots.put(self._directory, "unknown", UNKNOWN, 0o755)
        full = mta_roots.put(self._directory, "mail/full", "From nobody\n\n" + "x" * 49_990, 0o600)
        shutil.chown(full, "nobody")
        self.address = self._postfix.start().address
        return self

    def flush(self):
        """It tries every second by itself."""

    @property
    def log(self):
        return self._postfix.log

    def stop(self):
        self._postfix.stop()
        self._names.stop()


class Bench:
    """One MTA in one mode, its next hop, and where its reports arrive."""

    def __init__(self, name, mode, directory):
        patience, warning = MODES[mode]
        self.smarthost = FakeUpstream()
        self.next_hop = FakeUpstream(host="127.0.0.2")
        self.mta = {**MTAS, "postfix": LabPostfix}[name](directory, self.smarthost.address, self.next_hop.address,
                                                         patience=patience, warning=warning)

    def __enter__(self):
        self.mta.start()
        return self

    def __exit__(self, *_):
        self.mta.stop()
        self.smarthost.stop()
        self.next_hop.stop()

    def reports(self, way):
        """The reports that the way leads to; or a text that says why there is none."""
        self._answer_as(way)
        sender = SENDER.format(way=way.name)
        try:
            refused = self._send(way, sender)
        except smtplib.SMTPException as error:
            refused = error
        if refused:
            return f"refused in the session: {refused}"
        wanted = [fate for fate in way.fates if fate.said]

        def arrived():
            self.mta.flush()
            found = [one.content for one in self.smarthost.messages if f"<{sender}>".encode() in one.recipients[0]]
            return found if all(any(_names(fate, one) for one in found) for fate in wanted) else None

        try:
            return wait_until(arrived, "a report", LIMIT)
        except AssertionError:
            return f"no report within {LIMIT} s"
        finally:
            if way.down:
                self.next_hop.resume()

    def _send(self, way, sender):
        with smtplib.SMTP(*self.mta.address, local_hostname="app.shop.example", timeout=LIMIT) as client:
            client.ehlo()
            asked = [f"RET={way.returned}"] if way.returned and client.has_extn("dsn") else []
            eight = ["BODY=8BITMIME"] if client.has_extn("8bitmime") else []
            of_each = [f"NOTIFY={way.notify}"] if way.notify else []
            return client.sendmail(sender, [fate.recipient for fate in way.fates], way.message or letter(), asked + eight,
                                   of_each)

    def _answer_as(self, way):
        answers = {verb: _octets(answer) for verb, answer in way.answers.items()}
        by_name = {name.encode(): _octets(answer) for name, answer in way.rcpt.items()}

        def rcpt(line):
            local = line.split(b"<", 1)[1].split(b"@", 1)[0].strip(b'"')
            return by_name.get(local)

        self.next_hop.answers = {"RCPT": rcpt, **answers}
        self.next_hop.extensions = [*STEP_BY_STEP, f"SIZE {way.size_limit or 10_485_760}"]
        if way.down:
            self.next_hop.pause()


def _octets(answer):
    return b"".join(line.encode() + b"\r\n" for line in answer.split("\n"))


def _names(fate, message):
    """Whether the report names the recipient; an automatic reply need not."""
    return fate.type == "auto-reply" or any(name.encode() in message for name in (fate.recipient, *fate.also))


def save(folder, mta, way, messages):
    """The files of one way; labels as of scripts/score-dsn."""
    labels = []
    for number, message in enumerate(messages):
        name = f"{mta}-{way.name}" + (f"-{number + 1}" if number else "")
        expected = [_expected(fate, message) for fate in way.fates if fate.said and _names(fate, message)]
        (folder / f"{name}.eml").write_bytes(message)
        (folder / f"{name}.json").write_text(json.dumps(
            {"mta": mta, "way": way.name, "what": way.what, "sender": SENDER.format(way=way.name), "expected": expected},
            indent=1, ensure_ascii=False) + "\n")
        labels += [{"file": f"{name}.eml", **one, "source": "tests/e2e/make_bounces.py"} for one in expected]
    return labels


def _expected(fate, message):
    if fate.type == "auto-reply":
        return {"recipient": None, "type": fate.type}
    said = {"recipient": fate.recipient, "type": fate.type}
    if fate.type == "bounce" and b"Action: delayed" in message:  # OpenSMTPD says it of what it has given up
        return said | {"type": "delayed", "type_also": ["bounce"]}
    if fate.also:
        said["recipient_also"] = list(fate.also)
    if fate.reason:
        classes = {"hard" if reason in HARD else "soft" for reason in (fate.reason, *fate.reason_also)}
        said |= {"reason": fate.reason} | ({"reason_also": list(fate.reason_also)} if fate.reason_also else {})
        said |= {"class": classes.pop()} if len(classes) == 1 else {}
    return said | ({"status": fate.status} if fate.status else {})


def make(name, ways, directory, folder, labels, misses):
    """Of one MTA. An MTA remembers hosts that deferred or were down, so for such ways it is a new one each time."""
    ways = [way for way in ways if name not in way.not_by]
    for number, chosen in enumerate([[way for way in ways if way.mode == PERMANENT],
                                     *([way] for way in ways if way.mode != PERMANENT)]):
        if not chosen:
            continue
        with Bench(name, chosen[0].mode, directory / f"{name}{number}") as bench:
            for way in chosen:
                reports = bench.reports(way)
                if isinstance(reports, str):
                    misses.append(f"{name}-{way.name}: {reports}")
                else:
                    labels += save(folder, name, way, reports)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mta", action="append", choices=["postfix", *MTAS])
    parser.add_argument("--way", action="append", choices=[way.name for way in WAYS])
    return parser.parse_args()


def main():
    options = parse_arguments()
    if reason := mta_roots.reason_against():
        print(f"make_bounces: {reason}", file=sys.stderr)
        return 3
    options.folder.mkdir(parents=True, exist_ok=True)
    ways = [way for way in WAYS if not options.way or way.name in options.way]
    labels, misses = [], []
    with tempfile.TemporaryDirectory(prefix="postern-lab-") as directory:
        directory = Path(directory)
        directory.chmod(0o755)
        threads = [threading.Thread(target=make, args=(name, ways, directory, options.folder, labels, misses))
                   for name in options.mta or ["postfix", *MTAS]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    labels.sort(key=lambda label: (label["file"], label["recipient"] or ""))
    (options.folder / "labels.jsonl").write_text(
        "".join(json.dumps(label, ensure_ascii=False) + "\n" for label in labels))
    print(f"make_bounces: {len({label['file'] for label in labels})} reports in {options.folder}")
    for miss in sorted(misses):
        print(f"make_bounces: {miss}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
