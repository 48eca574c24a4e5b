"""Messages a second and CPU a message: smtp-source straight to smtp-sink against the same through the gate.

Both ways are taken in turn, round by round, in one run, so that what else the machine does falls on both alike; what
is printed are medians. Each round sends as many messages over connections that carry many (-d) and at one a connection.
"""

import os
import subprocess
import time
from dataclasses import dataclass, field
from statistics import median

from measuring import Failure, cpu_seconds, gate, smtp_sink, temporary_folder

SESSIONS = {"many messages a connection": ["-d"], "one message a connection": []}


@dataclass
class Series:
    """What the rounds of one way and kind of session gave; CPU in microseconds a message."""

    rate: list = field(default_factory=list)
    source: list = field(default_factory=list)
    sink: list = field(default_factory=list)
    gate: list = field(default_factory=list)


def send(options, flags, port, messages):
    """Runs smtp-source to its end: (seconds, its CPU seconds)."""
    command = ["/usr/sbin/smtp-source", *flags, "-s", str(options.connections), "-m", str(messages)]
    command += ["-l", str(options.size), "-f", "sender@example.com", "-t", "recipient@example.net"]
    began = time.monotonic()
    try:
        process = subprocess.Popen([*command, f"127.0.0.1:{port}"], stdin=subprocess.DEVNULL)
    except OSError as error:
        raise Failure(f"cannot start {command[0]}: {error.strerror}; scripts/setup --test installs it") from error
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise Failure(f"smtp-source ended with status {process.returncode}: not every message was taken")
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime


def measure(options, flags, port, sink_pid, gate_pid, series):
    sink_before, gate_before = cpu_seconds(sink_pid), cpu_seconds(gate_pid)
    seconds, source = send(options, flags, port, options.messages)
    microseconds = 1e6 / options.messages
    series.rate.append(options.messages / seconds)
    series.source.append(source * microseconds)
    series.sink.append((cpu_seconds(sink_pid) - sink_before) * microseconds)
    series.gate.append((cpu_seconds(gate_pid) - gate_before) * microseconds)


def rounds(options, folder):
    """{(session, way): Series}, the ways being "direct" and "gate"."""
    results = {(session, way): Series() for session in SESSIONS for way in ("direct", "gate")}
    with smtp_sink(folder) as (sink_process, sink_port):
        with gate(options.gate, folder / "gate", sink_port) as (gate_process, gate_port):
            ways = [("direct", sink_port), ("gate", gate_port)]
            for flags in SESSIONS.values():
                for _, port in ways:
                    send(options, flags, port, max(1, options.messages // 10))
            for number in range(options.rounds):
                # Who goes first changes, so that neither way always follows the other.
                for session, flags in SESSIONS.items():
                    for way, port in ways if number % 2 == 0 else reversed(ways):
                        measure(options, flags, port, sink_process.pid, gate_process.pid, results[session, way])
    return results


def print_table(options, results):
    print(
        f"{options.messages:,} messages of {options.size:,} octets over {options.connections} connections, "
        f"{options.rounds} rounds; medians"
    )
    print(f"{'':28}{'':8}{'messages/s':>12}{'lowest':>9}{'highest':>9}{'CPU in us a message:':>24}")
    print(f"{'':66}{'source':>9}{'sink':>9}{'gate':>9}")
    for session in SESSIONS:
        for way in ("direct", "gate"):
            row = results[session, way]
            print(
                f"{session:28}{way:8}{median(row.rate):12,.0f}{min(row.rate):9,.0f}{max(row.rate):9,.0f}"
                f"{median(row.source):9.0f}{median(row.sink):9.0f}"
                + (f"{median(row.gate):9.0f}" if way == "gate" else f"{'-':>9}")
            )
        direct, through = results[session, "direct"], results[session, "gate"]
        ratio = median(g / d for g, d in zip(through.rate, direct.rate))
        cpu = median(g / d for g, d in zip(through.gate, direct.sink) if d > 0)
        print(f"{'':28}{'ratio':8}{ratio:12.2f}   the gate's CPU against that of the sink alone: {cpu:.2f}")


def run(options):
    with temporary_folder() as folder:
        results = rounds(options, folder)
    print_table(options, results)
