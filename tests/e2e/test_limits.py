"""What one listener bears: connections, messages a minute, recipients, size, errors; and others are served meanwhile."""

import re
import signal
import socket
import threading

import pytest

from fake_upstream import FakeUpstream
from page import metric
from processes import DEADLINE, wait_until
from smtp_client import Client, letter


def limited(gate, limits, more=""):
    """The gate with these limits of its listener, not started."""
    text = gate.config.read_text()
    text = re.sub(r"(?m)^limits = .*\n", "", text)
    text = text.replace('role = "relay"\n', f'role = "relay"\nlimits = {limits}\n')
    if "[admin]" not in text:
        text += '\n[admin]\naddress = "127.0.0.1:0"\n' + more
    gate.config.write_text(text)
    return gate


@pytest.fixture
def new_limited(new_gate, upstream):
    return lambda limits, more="": limited(new_gate(upstream.address), limits, more).start()


class From(Client):
    """A client with another address of the loopback network."""

    def __init__(self, address, source, ehlo="client.test"):
        self.socket = socket.create_connection(address, DEADLINE, source_address=(source, 0))
        self._buffer = b""
        self.greeting = self.reply()
        if ehlo is not None and self.greeting.code == 220:
            self.ehlo = self.ask(f"EHLO {ehlo}")


def refused(client, text):
    assert client.greeting.text.startswith(text), client.greeting
    assert client.ended()


def test_connections_of_a_listener(new_limited):
    gate = new_limited("{ connections = 2 }")
    first, second = Client(gate.address), From(gate.address, "127.0.0.2")
    refused(From(gate.address, "127.0.0.3"), "421 4.3.2 ")
    assert first.deliver(["you@example.com"], letter("first")).code == 250
    assert metric(gate, 'postern_connections_refused_total{limit="listener"}') == 1
    gate.process.wait_log("warning listener relay: 421 4.3.2 to more than 2 connections, from 127.0.0.3")
    second.close()
    wait_until(lambda: From(gate.address, "127.0.0.3").greeting.code == 220, "a place is free again")


def test_connections_of_an_address(new_limited):
    gate = new_limited("{ connections_per_address = 2 }")
    mine = [From(gate.address, "127.0.0.2") for _ in range(2)]
    refused(From(gate.address, "127.0.0.2"), "421 4.7.0 ")
    with Client(gate.address) as other:
        assert other.deliver(["you@example.com"], letter("other")).code == 250
    assert metric(gate, 'postern_connections_refused_total{limit="address"}') == 1
    mine.pop().close()
    wait_until(lambda: From(gate.address, "127.0.0.2").greeting.code == 220, "a place is free again")


def test_a_flood_from_one_address_disturbs_nobody(new_limited):
    """Connections are opened and left open as fast as it goes: others deliver, and the gate goes on."""
    gate = new_limited("{ connections_per_address = 10 }")
    flooding = threading.Event()
    open_ones = []

    def flood():
        for _ in range(2000):
            if flooding.is_set():
                return
            with socket.socket() as peer:
                peer.settimeout(DEADLINE)
                peer.bind(("127.0.0.2", 0))
                peer.connect(gate.address)
                if not peer.recv(100).startswith(b"421"):
                    open_ones.append(peer.dup())

    flooders = [threading.Thread(target=flood, daemon=True) for _ in range(4)]
    for thread in flooders:
        thread.start()
    wait_until(lambda: (metric(gate, 'postern_connections_refused_total{limit="address"}') or 0) > 100, "a flood")
    for number in range(50):
        with Client(gate.address) as client:
            assert client.deliver(["you@example.com"], letter(f"calm {number}")).code == 250
    flooding.set()
    for thread in flooders:
        thread.join(DEADLINE)
    assert len(open_ones) == 10
    said = "warning listener relay: 421 4.7.0 to more than 10 connections of one address, from 127.0.0.2"
    assert gate.process.log.count(said) == 1, "the others are counted, and named together"


def test_messages_per_minute(new_limited, upstream):
    """Of an address, over all of its connections; others go on, and so does its session."""
    gate = new_limited("{ messages_per_minute = 3 }")
    with Client(gate.address) as one, Client(gate.address) as two:
        for number, client in enumerate((one, two, one)):
            assert client.deliver(["you@example.com"], letter(f"m{number}")).code == 250
        for client in (one, two):
            assert client.ask("MAIL FROM:<news@example.org>").text.startswith("452 4.7.1 ")
        assert one.ask("NOOP").code == 250
    with From(gate.address, "127.0.0.2") as other:
        assert other.deliver(["you@example.com"], letter("other")).code == 250
    assert len(upstream.messages) == 4
    assert metric(gate, "postern_messages_over_rate_total") == 2
    said = "warning listener relay: 452 4.7.1 to more than 3 messages a minute, of client=127.0.0.1\n"
    assert gate.process.log.count(said) == 1


def test_recipients_and_errors(new_limited):
    gate = new_limited("{ recipients = 2, errors = 3 }")
    with Client(gate.address) as client:
        replies = client.envelope([f"you{number}@example.com" for number in range(3)])
        assert [reply.code for reply in replies] == [250, 250, 452]
        assert replies[2].text.startswith("452 4.5.3 ")
        for _ in range(3):
            assert client.ask("WHAT").code == 500
        assert client.ask("WHAT").code == 421
        assert client.ended()


def test_a_listeners_own_limits_are_the_narrower_ones(new_limited):
    gate = new_limited("{ recipients = 100000, errors = 10000 }", "\n[limits]\nrecipients = 1\nerrors = 1\n")
    with Client(gate.address) as client:
        assert [reply.code for reply in client.envelope(["a@example.com", "b@example.com"])] == [250, 452]
        assert [client.ask("WHAT").code for _ in range(2)] == [500, 421]


@pytest.mark.parametrize("extension, said", [("SIZE 5000", "SIZE 1000"), ("SIZE 500", "SIZE 500"), ("SIZE", "SIZE 1000"),
                                             (None, "SIZE 1000")])
def test_the_size_that_is_offered(extension, said, new_gate):
    upstream = FakeUpstream(["PIPELINING", "8BITMIME", *([extension] if extension else [])])
    gate = limited(new_gate(upstream.address), "{ size = 1000 }").start()
    with Client(gate.address) as client:
        assert f"250-{said}\n" in client.ehlo.text
        assert client.ask(f"MAIL FROM:<news@example.org> SIZE={int(said.split()[1]) + 1}").text.startswith("552 5.3.4 ")
        assert client.ask("MAIL FROM:<news@example.org> SIZE=400").code == 250
        assert client.ask("RCPT TO:<you@example.com>").code == 250
        assert client.data(letter(body=b"x\r\n")).code == 250
    upstream.stop()


def test_a_message_that_grows_beyond_the_size(new_limited, upstream):
    """It is read to its end, refused, and nothing of it is taken upstream; the session goes on."""
    gate = new_limited('{ size = "64KiB" }')
    line = b"." * 70 + b"\r\n"
    with Client(gate.address) as client:
        reply = client.deliver(["you@example.com"], letter("large", line * 20000))
        assert reply.text.startswith("552 5.3.4 "), reply
        content = letter("exact", b"")
        rest = 64 * 1024 - len(content)
        exact = content + line * (rest // 72 - 1) + b"." * (rest % 72 + 70) + b"\r\n"
        assert len(exact) == 64 * 1024
        assert client.deliver(["you@example.com"], exact).code == 250
        assert client.deliver(["you@example.com"], exact[:-2] + b"x\r\n").code == 552
    assert [b"Subject: exact" in message.data for message in upstream.messages] == [True]


def test_a_reload_changes_them_for_who_is_connected_too(new_limited):
    gate = new_limited("{ connections_per_address = 0 }")
    open_ones = [Client(gate.address) for _ in range(3)]
    limited(gate, "{ connections_per_address = 3 }")
    start = len(gate.process.log)
    gate.process.signal(signal.SIGHUP)
    gate.process.wait_log("configuration read anew", start)
    wait_until(lambda: Client(gate.address, ehlo=None).greeting.code == 421, "those that stood before count")
    open_ones.pop().close()
    wait_until(lambda: Client(gate.address, ehlo=None).greeting.code == 220, "a place is free")


RETURNS = """
[[listener]]
name = "returns"
address = "127.0.0.1:0"
role = "return-path"
trusted = []
{limits}
[return_path]
domain = "bounce.test"

[limits]
connections = 8
"""


def test_a_flood_of_return_mail_leaves_room(new_gate, upstream):
    """Unless it has a limit of its own, the listener for return mail has a quarter of all connections."""
    gate = new_gate(upstream.address, more=RETURNS.format(limits="")).start()
    returns = gate.process.listening("returns")
    held = [Client(returns) for _ in range(2)]
    refused(Client(returns, ehlo=None), "421 4.3.2 ")
    relayed = [Client(gate.address) for _ in range(6)]
    assert relayed[-1].deliver(["you@example.com"], letter("room")).code == 250
    assert held[0].ask("NOOP").code == 250


def test_a_limit_of_the_return_path_listener_itself(new_gate, upstream):
    gate = new_gate(upstream.address, more=RETURNS.format(limits="limits = { connections = 4, size = 2000 }")).start()
    returns = gate.process.listening("returns")
    held = [Client(returns) for _ in range(4)]
    refused(Client(returns, ehlo=None), "421 4.3.2 ")
    assert "250-SIZE 2000\n" in held[0].ehlo.text
    assert held[0].envelope(["postmaster@bounce.test"], sender="")[0].code == 250
    assert held[0].data(letter("long", b"x" * 70 + b"\r\n" + b"y" * 2000 + b"\r\n")).code == 552


def test_mail_to_what_everybody_knows_may_be_as_large_as_any(new_gate, upstream):
    """A complaint holds the whole message that it is about."""
    gate = new_gate(upstream.address, more=RETURNS.format(limits="")).start()
    returns = gate.process.listening("returns")
    line = b"x" * 998 + b"\r\n"
    with Client(returns) as client:
        offered = int(re.search(r"SIZE (\d+)", client.ehlo.text)[1])
        assert offered == 50 << 20
        for recipient in ("postmaster", "complaints"):
            assert client.envelope([f"{recipient}@bounce.test"], sender="")[0].code == 250
            assert client.data(letter("long", line * 8000)).code == 250
        assert client.envelope(["postmaster@bounce.test"], sender="")[0].code == 250
        assert client.data(letter("too long", line * (offered // 1000 + 1))).text.startswith("552 5.3.4 ")
    assert [len(message.data) > 8_000_000 for message in upstream.wait_messages(2)] == [True, True]


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n"], ids=["LF.LF", "LF.CRLF", "CRLF.LF"])
def test_bare_line_feeds_made_whole(end, new_gate, upstream):
    """`bare_lf = "normalize"`: what looks like the end of data is a line with a dot, and nothing else."""
    gate = new_gate(upstream.address)
    gate.config.write_text(gate.config.read_text().replace('role = "relay"', 'role = "relay"\nbare_lf = "normalize"'))
    gate.start()
    with Client(gate.address) as client:
        assert client.envelope(["you@example.com"])[0].code == 250
        assert client.ask("DATA").code == 354
        client.send(letter(body=b"first\n") .replace(b"\r\n", b"\n") + b"second" + end +
                    b"MAIL FROM:<evil@example.org>\r\n.\r\n")
        assert client.reply().code == 250
        assert client.ask("NOOP").text.startswith("250 ")
    (message,) = upstream.messages
    assert message.content.endswith(b"\r\n\r\nfirst\r\nsecond\r\n.\r\nMAIL FROM:<evil@example.org>\r\n")
    assert message.data.count(b"\n") == message.data.count(b"\r\n")
