"""Clients and upstreams that take what they can: others are served, memory is bounded, and what was held is let go.

Every test ends with as many descriptors as the gate had before, and with a client that is served; it prints what the
worst of it cost.
"""

import contextlib
import re
import socket
import threading
from pathlib import Path

import pytest

from fake_upstream import HANG, FakeUpstream, Then, Trickle
from processes import DEADLINE, keeps_what_was_freed, wait_until
from smtp_client import Client, Closed, letter

MORE = """
idle_close = "0ms"

[web]
address = "127.0.0.1:0"

[unsubscribe]
url = "https://unsub.example.com"

[timeouts]
command = "2s"
data_block = "2s"
greeting = "2s"
mail = "2s"
rcpt = "2s"
data = "2s"
data_end = "2s"
pool = "1s"

[[stream]]
name = "plain"
kind = "transactional"
sender = ["news@example.org"]

[[stream]]
name = "split"
sender = ["split@example.org"]
"""
MIB = 1 << 20
MOST = 64 * MIB  # more than before, whatever is done to it


class Watch:
    """What the gate has, before and after."""

    def __init__(self, gate, upstream, capsys):
        self.gate, self.upstream, self.capsys = gate, upstream, capsys
        self.serve("first")
        wait_until(lambda: all(connection.ended for connection in upstream.connections), "no idle connection")
        self.before, self.descriptors_before = self.private(), self.descriptors()
        self.most = self.before

    def serve(self, subject):
        """A client that behaves is served."""
        with Client(self.gate.address) as client:
            assert client.deliver(["good@example.com"], letter(subject)).code == 250
            assert client.ask("QUIT").code == 221

    def descriptors(self):
        return len(list(Path(f"/proc/{self.gate.process.process.pid}/fd").iterdir()))

    def private(self):
        """Octets that are the gate's own: pages of the store are the kernel's."""
        status = Path(f"/proc/{self.gate.process.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1)) * 1024

    def look(self):
        self.most = max(self.most, self.private())

    def end(self, what):
        self.look()
        self.serve("last")
        wait_until(lambda: self.descriptors() <= self.descriptors_before, f"let go: {what}")
        with self.capsys.disabled():
            print(f"\n{what}: {(self.most - self.before) / MIB:.1f} MiB more than before")
        if not keeps_what_was_freed():
            assert self.most - self.before < MOST


@pytest.fixture
def watch(new_gate, upstream, capsys):
    return Watch(new_gate(upstream.address, more=MORE).start(), upstream, capsys)


def connect(watch):
    peer = socket.create_connection(watch.gate.address, DEADLINE)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer


def until_closed(peer):
    """The gate ends it, with or without a word."""
    with contextlib.suppress(OSError):
        peer.settimeout(DEADLINE)
        while peer.recv(65536):
            pass


def test_clients_that_send_an_octet_now_and_then(watch):
    dialogue = b"EHLO slow.test\r\nMAIL FROM:<news@example.org>\r\nRCPT TO:<you@example.com>\r\nDATA\r\n"
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(connect(watch)) for _ in range(200)]
        for number, octet in enumerate(dialogue):
            for peer in peers:
                peer.send(bytes([octet]))
            if number % 20 == 0:
                watch.serve(f"meanwhile {number}")
                watch.look()
        # And then nothing: their time is over.
        for peer in peers:
            until_closed(peer)
    watch.end("200 clients that send octet by octet")


def test_clients_that_never_read(watch):
    """The gate stops reading what it cannot answer, and hangs up when nothing moves."""
    lines = {"NOOP": b"NOOP\r\n", "RCPT": b"RCPT TO:<you@example.com>\r\n", "VRFY": b"VRFY you\r\n", "EHLO": b"EHLO x.test\r\n"}
    with contextlib.ExitStack() as stack:
        peers = []
        for line in lines.values():
            for _ in range(3):
                peer = stack.enter_context(socket.socket())
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                peer.connect(watch.gate.address)
                peer.settimeout(0.2)
                with contextlib.suppress(OSError):
                    peer.sendall(b"EHLO never.test\r\nMAIL FROM:<news@example.org>\r\n")
                    while True:
                        peer.send(line * 2000)
                watch.look()
                peers.append(peer)
        watch.serve("meanwhile")
        wait_until(lambda: watch.descriptors() <= watch.descriptors_before, "hung up on")
    watch.end("12 clients that never read")


def test_thousands_of_connections(watch):
    peers = []
    for _ in range(3_000):
        peers.append(connect(watch))
    wait_until(lambda: watch.descriptors() >= watch.descriptors_before + 3_000 or watch.look(), "all of them are there")
    watch.serve("meanwhile")
    watch.look()
    for peer in peers:
        peer.close()
    watch.end("3,000 connections")


def test_more_connections_than_there_may_be(new_gate, upstream):
    gate = new_gate(upstream.address, more="[limits]\nconnections = 20\n").start()
    clients = [Client(gate.address, ehlo=None) for _ in range(40)]
    codes = [client.greeting.code for client in clients]
    assert codes.count(220) == 20 and codes.count(421) == 20
    for client in clients:
        client.close()
    wait_until(lambda: accepted(gate), "there is room again")


def accepted(gate):
    with Client(gate.address, ehlo=None) as client:
        return client.greeting.code == 220


@pytest.mark.parametrize("name, octets, code", [
    ("one line of 30 MiB", b"x" * MIB, 552),
    ("lines of a header section, 30 MiB", b"X-Filler: and so on\r\n" * (MIB // 21), 552),
    ("a folded field of 30 MiB", b" and so on\r\n" * (MIB // 12), 552),
], ids=["a line", "lines", "a folded field"])
def test_endless_header_sections(name, octets, code, watch):
    with Client(watch.gate.address) as client:
        client.envelope(["you@example.com"])
        assert client.ask("DATA").code == 354
        client.send(b"Subject: x\r\n")
        for _ in range(30):
            client.send(octets)
            watch.look()
        client.send(b"\r\n\r\nbody\r\n.\r\n")
        assert client.reply().code == code
    watch.end(name)


@pytest.mark.parametrize("sender", ["news@example.org", "split@example.org"])
def test_a_hundred_thousand_header_lines(sender, watch):
    """Within the limit of octets: it is mail, and takes no longer than its size."""
    header = b"".join(b"X%d:1\r\n" % (number % 1000) for number in range(100_000))
    with Client(watch.gate.address) as client:
        assert client.deliver(["a@example.com", "b@example.com"], b"Subject: x\r\n" + header + b"\r\nbody\r\n", sender).code == 250
    watch.end(f"100,000 header lines from {sender}")


def test_a_million_recipients(watch):
    """Over the limit each has its 452, and costs nothing that stays."""
    count, of_a_piece = 1_000_000, 10_000
    codes = {}

    def read(client):
        last = b""
        while sum(codes.values()) < count:
            octets = last + client.socket.recv(1 << 18)
            lines = octets.split(b"\r\n")
            last = lines.pop()
            for line in lines:
                codes[line[:3]] = codes.get(line[:3], 0) + 1

    with Client(watch.gate.address) as client:
        assert client.ask("MAIL FROM:<news@example.org>").code == 250
        reader = threading.Thread(target=read, args=(client,), daemon=True)
        reader.start()
        for start in range(0, count, of_a_piece):
            client.send(b"".join(b"RCPT TO:<r%d@example.com>\r\n" % number for number in range(start, start + of_a_piece)))
            if start % 100_000 == 0:
                watch.look()
                watch.serve(f"meanwhile {start}")
        reader.join(DEADLINE)
    assert codes == {b"250": 1_000, b"452": count - 1_000}
    watch.end("a million recipients")


@pytest.mark.parametrize("announced, codes", [
    ("SIZE=0", {250}), ("SIZE=1", {250}), ("SIZE=10485760", {250}), ("SIZE=10485761", {552}),
    ("SIZE=18446744073709551615", {552, 501}), ("SIZE=99999999999999999999", {552, 501}), ("SIZE=-1", {501}), ("SIZE=", {501}),
])
def test_lies_about_the_size(announced, codes, watch):
    with Client(watch.gate.address) as client:
        reply = client.ask(f"MAIL FROM:<news@example.org> {announced}")
        assert reply.code in codes, reply
        if reply.code != 250:
            return
        assert client.ask("RCPT TO:<you@example.com>").code == 250
        assert client.data(letter("larger", b"x" * 70 + b"\r\n" + b"y" * 3_000_000 + b"\r\n")).code == 250
    assert len(watch.upstream.messages[-1].content) > 3_000_000


def test_a_held_message_over_the_upstreams_limit(watch):
    """It announced nothing: it is read to its end, and not kept."""
    with Client(watch.gate.address) as client:
        client.envelope(["a@example.com", "b@example.com"], "split@example.org")
        assert client.ask("DATA").code == 354
        client.send(b"Subject: x\r\n\r\n")
        for _ in range(30):
            client.send(b"x" * (MIB - 2) + b"\r\n")
            watch.look()
        client.send(b".\r\n")
        assert client.reply().code == 552
    watch.end("a held message of 30 MiB")


@pytest.mark.parametrize("sender", ["news@example.org", "split@example.org"])
def test_clients_that_go_away_in_the_middle(sender, watch):
    """What was held of a message, and the connection to the upstream, are let go."""
    messages = len(watch.upstream.messages)
    for _ in range(20):
        with Client(watch.gate.address) as client:
            client.envelope(["a@example.com", "b@example.com"], sender)
            assert client.ask("DATA").code == 354
            client.send(b"Subject: half\r\n\r\n" + b"x" * (3 * MIB))
            watch.look()
    wait_until(lambda: watch.descriptors() <= watch.descriptors_before, "files and connections are closed")
    wait_until(lambda: all(connection.ended for connection in watch.upstream.connections), "the upstream's too")
    assert len(watch.upstream.messages) == messages
    watch.end(f"20 clients of {sender} that go away in the middle")


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "END"])
def test_an_upstream_that_hangs_for_some(verb, watch):
    """Thirty messages for which it never answers; the others go their way meanwhile."""
    stuck = set()

    def choose(connection, asked, line):
        mail = line if asked == "MAIL" else connection.mail
        if asked == verb and mail and b"split" in mail:
            stuck.add(connection.peer)
            return HANG
        return None

    watch.upstream.choose = choose
    codes = []

    def send(number):
        with contextlib.suppress(Closed), Client(watch.gate.address) as client:
            replies = client.envelope([f"a{number}@example.com", f"b{number}@example.com"], "split@example.org")
            codes.append(replies[0].code if replies[0].code != 250 else client.data(letter(f"stuck {number}")).code)

    senders = [threading.Thread(target=send, args=(number,), daemon=True) for number in range(30)]
    for sender in senders:
        sender.start()
    wait_until(lambda: len(stuck) >= 10, "they hang")
    for number in range(20):
        watch.serve(f"meanwhile {number}")
        watch.look()
    for sender in senders:
        sender.join(DEADLINE)
    assert set(codes) == {451} and len(codes) == 30
    watch.end(f"30 messages for which the upstream hangs at {verb}")


def test_an_upstream_whose_connections_are_all_taken(new_gate):
    """Who waits is told to try again, in time; when they are free, everybody is served."""
    hold = threading.Event()
    upstream = FakeUpstream(END=lambda data: hold.wait(DEADLINE) and None)
    gate = new_gate(upstream.address, more='connections = 1\n\n[timeouts]\npool = "1s"\n').start()
    with Client(gate.address) as first, Client(gate.address) as second:
        first.envelope(["a@example.com"])
        assert first.ask("DATA").code == 354
        first.send(letter("first") + b".\r\n")
        upstream.wait_messages(1)
        reply = second.envelope(["b@example.com"])[0]
        assert reply.text.startswith("451 4.4.1 "), reply
        hold.set()
        assert first.reply().code == 250
        second.ask("RSET")
        assert second.deliver(["b@example.com"], letter("second")).code == 250
    upstream.stop()


def test_an_upstream_that_sends_octet_by_octet(watch):
    watch.upstream.choose = lambda connection, verb, line: Trickle(watch.upstream.usual(verb))
    done = []

    def send(number):
        with Client(watch.gate.address) as client:
            done.append(client.deliver([f"a{number}@example.com"], letter(f"slow {number}")).code)

    senders = [threading.Thread(target=send, args=(number,), daemon=True) for number in range(30)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(DEADLINE)
    assert done == [250] * 30
    watch.end("an upstream that sends octet by octet")


def test_an_upstream_that_never_stops_talking(watch):
    """A reply without an end, as much of it as one likes."""
    def choose(connection, verb, line):
        if verb != "RCPT" or b"endless" not in line:
            return None
        for _ in range(64):
            connection.peer.sendall(b"250-and on\r\n" * 20_000)
        return Then(b"", HANG)

    watch.upstream.choose = choose
    with Client(watch.gate.address) as client:
        assert client.envelope(["endless@example.com"])[0].text.startswith("451 4.4.2 ")
        watch.look()
    watch.end("a reply without an end")
