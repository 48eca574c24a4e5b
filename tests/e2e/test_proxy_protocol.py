"""Behind a load balancer: the PROXY protocol, versions 1 and 2, with a real haproxy and by hand."""

import re
import signal
import socket

import pytest

from haproxy import Haproxy
from page import metric
from processes import DEADLINE, wait_until
from smtp_client import Client, Closed, letter

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version1(client):
    family, us = ("TCP6", "::1") if ":" in client else ("TCP4", "127.0.0.1")
    return f"PROXY {family} {client} {us} 12345 25\r\n".encode()


def version2(client, command=1):
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    us = "::1" if ":" in client else "127.0.0.1"
    block = b"".join(socket.inet_pton(family, host) for host in (client, us)) + b"\x30\x39\x00\x19"
    block += b"\x04\x00\x03xyz"
    return (SIGNATURE + bytes([0x20 | command, 0x21 if ":" in client else 0x11]) +
            len(block).to_bytes(2, "big") + block)


class Balanced(Client):
    """Sends octets before it waits for the greeting; from another loopback address where one is given."""

    def __init__(self, address, header, source="127.0.0.1", ehlo="client.test"):
        self.socket = socket.create_connection(address, DEADLINE, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self.send(header)
        self.greeting = self.reply()
        if ehlo is not None:
            assert self.ask(f"EHLO {ehlo}").code == 250


LISTENER = 'proxy_protocol = ["127.0.0.1", "::1"]\n'


def configure(gate, limits="", timeouts="", proxy_protocol=LISTENER, trusted='["192.0.2.0/24", "2001:db8::/32"]'):
    text = gate.config.read_text()
    text = re.sub(r"trusted = .*\n", lambda _: f"trusted = {trusted}\n{proxy_protocol}{limits}", text, count=1)
    gate.config.write_text(text + '\n[admin]\naddress = "127.0.0.1:0"\n' + timeouts)
    return gate


@pytest.fixture
def balanced(new_gate, upstream):
    return configure(new_gate(upstream.address)).start()


@pytest.fixture
def new_haproxy(directory):
    made = []

    def make(gate, version, **options):
        place = directory / f"haproxy{len(made)}"
        place.mkdir()
        made.append(Haproxy(place, gate.address, version, **options))
        return made[-1]

    yield make
    for instance in made:
        instance.stop()


@pytest.mark.parametrize("version", [1, 2])
def test_mail_through_a_haproxy(version, new_gate, new_haproxy, upstream):
    """The client that haproxy saw is the client: by it is decided, and it stands in the trace line."""
    gate = configure(new_gate(upstream.address), trusted='["127.0.0.9"]').start()
    haproxy = new_haproxy(gate, version)
    for source, code in (("127.0.0.9", 250), ("127.0.0.8", 554)):
        with Balanced(haproxy.address, b"", source) as client:
            assert client.envelope(["you@example.com"])[0].code == code
            if code == 250:
                assert client.data(letter("balanced")).code == 250
    (message,) = upstream.wait_messages(1)
    assert b"Received: from client.test ([127.0.0.9])" in message.data


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("smtpchk", [True, False], ids=["smtpchk", "connect"])
def test_health_checks(version, smtpchk, balanced, new_haproxy):
    """They come with a header of haproxy's own, or only look whether the port is open: the gate is up, and its log quiet."""
    haproxy = new_haproxy(balanced, version, smtpchk=smtpchk)
    wanted = "L7OK" if smtpchk else "L4OK"
    wait_until(lambda: haproxy.gate()["check_status"] == wanted, "the gate was looked at")
    assert haproxy.gate()["status"] == "UP"
    assert "load balancer" not in balanced.process.log


@pytest.mark.parametrize("header", [version1, version2], ids=["v1", "v2"])
@pytest.mark.parametrize("client", ["192.0.2.7", "2001:db8::7"])
def test_the_client_is_whom_the_header_names(header, client, balanced, upstream):
    with Balanced(balanced.address, header(client)) as peer:
        assert peer.deliver(["you@example.com"], letter()).code == 250
    (message,) = upstream.wait_messages(1)
    shown = f"[IPv6:{client}]" if ":" in client else f"[{client}]"
    assert f"Received: from client.test ({shown})".encode() in message.data


@pytest.mark.parametrize("header", [version1("198.51.100.7"), b"PROXY UNKNOWN\r\n", version2("192.0.2.7", command=0)],
                         ids=["stranger", "unknown", "local"])
def test_a_load_balancers_trust_is_not_its_clients(header, balanced):
    """Who is no trusted client may not relay, nor may the load balancer itself, which is not listed there."""
    with Balanced(balanced.address, header) as client:
        assert client.envelope(["you@example.com"])[0].code == 554


def test_nothing_is_said_before_the_header_and_all_is_read_behind_it(balanced):
    peer = socket.create_connection(balanced.address, DEADLINE)
    header = version2("192.0.2.7")
    peer.sendall(header[:20])
    peer.settimeout(0.3)
    with pytest.raises(TimeoutError):
        peer.recv(1)
    peer.settimeout(DEADLINE)
    peer.sendall(header[20:] + b"EHLO early.test\r\n")
    peer.shutdown(socket.SHUT_WR)
    said = b""
    while piece := peer.recv(65536):
        said += piece
    assert said.startswith(b"220 gate.test ") and b"250-gate.test\r\n" in said


@pytest.mark.parametrize("octets, why", [
    (b"EHLO client.test\r\n", "this is no PROXY header"),
    (b"PROXY TCP4 nobody 127.0.0.1 1 25\r\n", "its PROXY header is malformed"),
    (b"PROXY TCP4 " + b"1" * 200, "its PROXY header is too long"),
    (SIGNATURE + b"\x31\x11\x00\x0c" + b"x" * 12, "its PROXY header is of an unknown version"),
    (SIGNATURE + b"\x21\x11\xff\xff", "its PROXY header is too long"),
], ids=["none", "malformed", "endless", "version 3", "long"])
def test_a_listed_peer_without_a_header_is_hung_up_on(octets, why, balanced):
    with pytest.raises((Closed, ConnectionError)):
        Balanced(balanced.address, octets)
    balanced.process.wait_log(rf"warning listener relay: connection of the load balancer 127\.0\.0\.1 closed: {why}")
    with Balanced(balanced.address, version1("192.0.2.7")) as client:
        assert client.envelope(["you@example.com"])[0].code == 250, "others are served"


def test_a_cut_and_a_slow_header(new_gate, upstream):
    gate = configure(new_gate(upstream.address), timeouts='\n[timeouts]\nhandshake = "500ms"\n').start()
    cut = socket.create_connection(gate.address, DEADLINE)
    cut.sendall(version1("192.0.2.7")[:20])
    cut.shutdown(socket.SHUT_WR)
    assert cut.recv(1) == b""
    slow = socket.create_connection(gate.address, DEADLINE)
    slow.sendall(b"PROXY TCP4 ")
    assert slow.recv(1) == b"", "its whole header has to come in time"
    gate.process.wait_log(r"load balancer 127\.0\.0\.1 closed: timed out")
    with Balanced(gate.address, version1("192.0.2.7")) as client:
        assert client.envelope(["you@example.com"])[0].code == 250


def test_from_nobody_else_is_it_taken(balanced):
    """To a peer that is not listed it is a command that there is not."""
    for header in (b"PROXY TCP4 192.0.2.7 127.0.0.1 1 25\r\n", b"PROXY UNKNOWN\r\n"):
        client = Balanced(balanced.address, header, source="127.0.0.2", ehlo=None)
        assert client.greeting.code == 220
        assert client.reply().text.startswith("500 5.5.1 ")
        assert client.ask("EHLO client.test").code == 250
        assert client.envelope(["you@example.com"])[0].code == 554, "what it said of its address counts for nothing"


def test_limits_are_of_the_client_behind_the_load_balancer(new_gate, upstream):
    gate = configure(new_gate(upstream.address), limits="limits = { connections_per_address = 1 }\n").start()
    with Balanced(gate.address, version1("192.0.2.7")):
        second = Balanced(gate.address, version1("192.0.2.7"), ehlo=None)
        assert second.greeting.text.startswith("421 4.7.0 ")
        with Balanced(gate.address, version1("192.0.2.8")) as other:
            assert other.envelope(["you@example.com"])[0].code == 250


def greets(address):
    """Whoever connects, without a word before."""
    with socket.create_connection(address, DEADLINE) as peer:
        peer.settimeout(1)
        try:
            return peer.recv(4) == b"220 "
        except TimeoutError:
            return False


def test_a_reload_takes_part(new_gate, upstream):
    gate = configure(new_gate(upstream.address), trusted='["192.0.2.7", "127.0.0.1"]').start()
    gate.config.write_text(gate.config.read_text().replace(LISTENER, ""))
    start = len(gate.process.log)
    gate.process.signal(signal.SIGHUP)
    gate.process.wait_log("configuration read anew", start)
    wait_until(lambda: greets(gate.address), "who was a load balancer is a client")


def test_draining_does_not_wait_for_a_header(balanced):
    waiting = socket.create_connection(balanced.address, DEADLINE)
    waiting.sendall(b"PROXY ")
    with Balanced(balanced.address, version1("192.0.2.7")):
        pass
    assert balanced.terminate() == 0
    waiting.close()


def test_refused_headers_are_counted(balanced):
    with pytest.raises((Closed, ConnectionError)):
        Balanced(balanced.address, b"EHLO client.test\r\n")
    wait_until(lambda: metric(balanced, 'postern_connections_refused_total{limit="proxy_header"}') == 1, "counted")
