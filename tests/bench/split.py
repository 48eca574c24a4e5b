"""Messages to many recipients, sent on once for each: the gate with a link in each copy, against a Postfix that is told to
deliver to one recipient at a time (smtp_destination_recipient_limit = 1), before the same smtp-sink, in turn.

A round ends when every copy has arrived: the gate's clients then have their 250; Postfix's queue is then empty.
"""

import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from measuring import Failure, cpu_seconds, gate, smtp_sink, temporary_folder

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))

from postfix import Postfix  # noqa: E402

LINKS = '[web]\naddress = "127.0.0.1:0"\n[unsubscribe]\nurl = "https://unsub.example.com"\n'
LONGEST = 300  # seconds for a round


@dataclass
class Series:
    """What the rounds of one way gave; CPU in microseconds a copy."""

    rate: list = field(default_factory=list)
    cpu: list = field(default_factory=list)


def send(options, port):
    """Runs Postfix's smtp-source to its end."""
    command = ["/usr/sbin/smtp-source", "-r", str(options.recipients), "-s", str(options.connections)]
    command += ["-m", str(options.messages), "-l", str(options.size), "-f", "sender@example.com"]
    try:
        done = subprocess.run([*command, "-t", "recipient@example.net", f"127.0.0.1:{port}"], stdin=subprocess.DEVNULL)
    except OSError as error:
        raise Failure(f"cannot start {command[0]}: {error.strerror}; scripts/setup --test installs it") from error
    if done.returncode != 0:
        raise Failure(f"smtp-source ended with status {done.returncode}: not every message was taken")


def settings(sink_port):
    return (f"virtual_mailbox_domains =\nrelayhost = [127.0.0.1]:{sink_port}\nsmtp_destination_recipient_limit = 1\n"
            "smtpd_relay_restrictions = permit_mynetworks, reject\n")


def wait_empty(postfix):
    end = time.monotonic() + LONGEST
    queue = postfix.directory / "queue"
    while any(any((queue / name).rglob("[0-9A-F]*")) for name in ("maildrop", "incoming", "active", "deferred")):
        if time.monotonic() > end:
            raise Failure("Postfix did not deliver everything in time")
        time.sleep(0.01)


def measure(options, port, pid, series, wait=lambda: None):
    before = cpu_seconds(pid)
    began = time.monotonic()
    send(options, port)
    wait()
    series.rate.append(options.messages / (time.monotonic() - began))
    series.cpu.append((cpu_seconds(pid) - before) * 1e6 / options.messages / options.recipients)


def rounds(options, folder):
    results = {"gate": Series(), "postfix": Series()}
    with smtp_sink(folder) as (_, sink_port):
        with gate(options.gate, folder / "gate", sink_port, LINKS) as (gate_process, gate_port):
            postfix = Postfix(folder / "postfix", settings=settings(sink_port)).start()
            try:
                master = int((postfix.directory / "queue/pid/master.pid").read_text())
                ways = [("gate", gate_port, gate_process.pid, lambda: None),
                        ("postfix", postfix.address[1], master, lambda: wait_empty(postfix))]
                for number in range(-1, options.rounds):  # the first is not counted
                    for way, port, pid, wait in ways if number % 2 == 0 else reversed(ways):
                        measure(options, port, pid, results[way] if number >= 0 else Series(), wait)
            finally:
                postfix.stop()
    return results


def run(options):
    with temporary_folder() as folder:
        results = rounds(options, folder)
    print(f"{options.messages:,} messages of {options.size:,} octets to {options.recipients} recipients each over "
          f"{options.connections} connections, {options.rounds} rounds; medians")
    print(f"{'':12}{'messages/s':>12}{'copies/s':>12}{'CPU in us a copy':>20}")
    for way, series in results.items():
        rate = median(series.rate)
        print(f"{way:12}{rate:>12,.1f}{rate * options.recipients:>12,.0f}{median(series.cpu):>20,.0f}")
    ratio = median(results["gate"].rate) / median(results["postfix"].rate)
    cpu = median(results["gate"].cpu) / median(results["postfix"].cpu)
    print(f"ratio       {ratio:>12.2f}{'':12}{cpu:>20.2f}")
