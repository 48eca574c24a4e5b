"""One gate and a crowd: what a few well-behaved senders get of it, alone and beside 20,000 idle connections, beside 1,000
messages in flight to an upstream that does not answer, beside clients that send an octet now and then, beside clients that
never read. Each round: alone, then with the crowd, of a gate with one thread.
"""

import contextlib
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import contenders
import mail
from memory import Client
from measuring import Failure, most_files, private_memory, raise_file_limit, temporary_folder

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))

from fake_upstream import FakeUpstream  # noqa: E402

IDLE = 20_000
SPARE_FILES = 1_000  # the gate's own, and its connections upstream
IN_FLIGHT = 1_000
SLOW = 200  # clients
DRIP_EVERY = 0.5  # seconds
LONGEST = 120  # seconds until a crowd stands, or has gone
ANSWERS, MESSAGES = 4_000, 8_000  # of those who are measured
MIB = 1 << 20

SETTINGS = """\
connections = {connections}
[limits]
connections = 100000
[[route]]
sender = ["*@slow.example.com"]
address = "127.0.0.1:{slow}"
connections = {connections}
"""


@dataclass
class Measured:
    """Of each round: p50 and p99 of the answer to RCPT in microseconds, messages a second, private octets of the gate."""

    p50: list = field(default_factory=list)
    p99: list = field(default_factory=list)
    rate: list = field(default_factory=list)
    memory: list = field(default_factory=list)

    def take(self, tools, gate):
        said = mail.send(tools, gate.port, latency=ANSWERS)
        self.p50.append(said["p50_ns"] / 1000)
        self.p99.append(said["p99_ns"] / 1000)
        self.rate.append(MESSAGES / mail.send(tools, gate.port, messages=MESSAGES)["seconds"])
        self.memory.append(private_memory(gate.pid))


class Slow(FakeUpstream):
    """Takes messages, and answers none until it is let go."""

    def __init__(self):
        self.go_on = threading.Event()
        super().__init__(END=self._wait)

    def _wait(self, _line):
        self.go_on.wait(LONGEST)


def until(ready, what):
    end = time.monotonic() + LONGEST
    while not ready():
        if time.monotonic() > end:
            raise Failure(f"not within {LONGEST} s: {what}")
        time.sleep(0.02)


def begin_message(port, sender, number):
    """A client whose DATA was answered with 354."""
    client = Client(port)
    for command, code in ((b"EHLO client.example.com", b"250"), (b"MAIL FROM:<%s>" % sender, b"250"),
                          (b"RCPT TO:<p%d@example.net>" % number, b"250"), (b"DATA", b"354")):
        client.ask(command, code)
    return client


@contextlib.contextmanager
def idle(bench):
    with mail.idle(bench.tools, bench.folder, [bench.gate], bench.idle):
        yield


@contextlib.contextmanager
def in_flight(bench):
    """All of them have sent their final dot, and the upstream has every message; in the end each gets its 250."""
    slow = bench.slow
    slow.go_on.clear()
    before = len(slow.messages)
    with contextlib.ExitStack() as stack:
        clients = []
        for number in range(IN_FLIGHT):
            client = stack.enter_context(contextlib.closing(begin_message(bench.gate.port, b"a@slow.example.com", number)))
            # The same message again would be a retry.
            client.connection.sendall(b"Message-ID: <%d.%d@example.com>\r\n\r\n%s.\r\n" % (before, number, b"text\r\n" * 600))
            clients.append(client)
        until(lambda: len(slow.messages) - before == IN_FLIGHT, f"{IN_FLIGHT} messages at the slow upstream")
        yield
        slow.go_on.set()
        for client in clients:
            client.expect(b"250")


@contextlib.contextmanager
def dripping(bench):
    """Each in the middle of a message, of which an octet comes every half second."""
    bench.slow.go_on.set()
    gone = threading.Event()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(begin_message(bench.gate.port, b"a@slow.example.com", number)))
                   for number in range(SLOW)]

        def drip():
            while not gone.wait(DRIP_EVERY):
                for client in clients:
                    client.connection.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield
        finally:
            gone.set()
            thread.join()


@contextlib.contextmanager
def deaf(bench):
    """Each has sent commands until nothing more went in, and reads no answer."""
    with contextlib.ExitStack() as stack:
        for _ in range(SLOW):
            client = stack.enter_context(contextlib.closing(Client(bench.gate.port)))
            client.ask(b"EHLO client.example.com", b"250")
            client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while client.connection.send(b"NOOP\r\n" * 2_000):
                    pass
        yield


CROWDS = {
    "{idle:,} idle connections": idle,
    "{flight:,} messages in flight, upstream silent": in_flight,
    "{slow:,} clients sending an octet now and then": dripping,
    "{slow:,} clients that never read": deaf,
}


class Bench:
    def __init__(self, options, folder, stack):
        self.folder, self.tools = folder, mail.Tools()
        self.idle = min(IDLE, most_files() - SPARE_FILES)
        self.slow = Slow()
        stack.callback(self.slow.stop)
        stack.callback(self.slow.go_on.set)
        sink = stack.enter_context(mail.sink(self.tools, folder))
        settings = SETTINGS.format(slow=self.slow.address[1], connections=IN_FLIGHT + SLOW)
        self.gate = stack.enter_context(contenders.gate(options.gate, folder / "gate", sink, more=settings))

    def compare(self, crowd, rounds):
        """(alone, beside the crowd)"""
        alone, beside = Measured(), Measured()
        for _ in range(rounds):
            alone.take(self.tools, self.gate)
            with crowd(self):
                beside.take(self.tools, self.gate)
        return alone, beside


def row(name, alone, beside):
    cells = [f"{name:52}"]
    for what in ("p50", "p99"):
        mine, others = median(getattr(alone, what)), median(getattr(beside, what))
        cells.append(f"{mine:9,.0f}{others:9,.0f}{others / mine:7.2f}")
    mine, others = median(alone.rate), median(beside.rate)
    cells.append(f"{mine:9,.0f}{others:9,.0f}{others / mine:7.2f}")
    return "".join(cells) + f"{max(beside.memory) / MIB:9.1f}"


HEADING = (f"{'beside':52}{'p50 us':>9}{'beside':>9}{'ratio':>7}{'p99 us':>9}{'beside':>9}{'ratio':>7}"
           f"{'mails/s':>9}{'beside':>9}{'ratio':>7}{'gate MiB':>9}")


def run(options):
    raise_file_limit(min(IDLE + SPARE_FILES, most_files()))
    with temporary_folder() as folder, contextlib.ExitStack() as stack:
        bench = Bench(options, folder, stack)
        print(f"the answer to RCPT, and R2's messages, alone and beside a crowd, {options.rounds} rounds; medians", flush=True)
        if bench.idle < IDLE:
            print(f"a process may have {most_files():,} open files here (ulimit -Hn): {bench.idle:,} idle connections")
        print(HEADING, flush=True)
        for name, crowd in CROWDS.items():
            alone, beside = bench.compare(crowd, options.rounds)
            print(row(name.format(idle=bench.idle, flight=IN_FLIGHT, slow=SLOW), alone, beside), flush=True)
