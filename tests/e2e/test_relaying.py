"""Who may not relay gets nothing through, however the recipient is written; the listener for return mail relays for nobody."""

import re
import socket

import pytest

from processes import DEADLINE
from return_mail import MORE as RETURNS, return_address
from smtp_client import Client, letter

# The tricks of open relays: what stands in front of the last @ is another way, for an MTA that follows it.
TRICKS = [
    "you@example.com",
    "you%example.com@gate.test", "you%example.com@[127.0.0.1]", "you%example.com", "you%victim%example.com@gate.test",
    "@gate.test:you@example.com", "@gate.test,@relay.test:you@example.com", "@[127.0.0.1]:you@example.com",
    '"you@example.com"@gate.test', '"you@example.com"', '"you%example.com"@gate.test', '"you\\@example.com"@gate.test',
    "you@example.com@gate.test", "you@gate.test@example.com", "you\\@example.com@gate.test",
    "example.com!you", "example.com!you@gate.test", "gate.test!example.com!you", "a!b!you@[127.0.0.1]", '"example.com!you"@gate.test',
    "you@[127.0.0.1]", "you@[IPv6:::1]", "you@[IPv6:::ffff:127.0.0.1]", "you@127.0.0.1", "you@localhost", "you@gate.test",
    "postmaster", "Postmaster", "POSTMASTER", "postmaster@gate.test", "postmaster@example.com", "abuse@gate.test",
    "you", "you@", "@example.com", "", " you@example.com", "you@example.com.", "<you@example.com>", "you@example.com\tx",
    "you@exam\u2024ple.com", "you\uff20example.com", "you\uff05example.com@gate.test",
]
SENDERS = ["", "postmaster@gate.test", "news@gate.test", "root@localhost", "you@example.com", "@gate.test:a@example.org",
           "a@[127.0.0.1]"]


def try_all(address, names, senders):
    """Every trick for every sender: the codes of RCPT and DATA."""
    for sender in senders:
        with Client(address, ehlo="gate.test") as client:
            for name in names:
                client.ask("RSET")
                mail = client.ask(f"MAIL FROM:<{sender}> SMTPUTF8")
                rcpt = client.ask(f"RCPT TO:<{name}>")
                data = client.ask("DATA")
                if rcpt.code == 421 or data.code == 421:
                    # Too many errors: what counts is that it was not taken.
                    client.close()
                    client.__init__(address, "gate.test")
                yield sender, name, mail, rcpt, data


def nothing_came(upstream):
    assert upstream.messages == []
    assert not any(line.startswith((b"MAIL", b"RCPT", b"DATA")) for line in upstream.commands())


def test_strangers_reach_nobody(new_gate, upstream):
    gate = new_gate(upstream.address, trusted='["192.0.2.0/24"]', more="[limits]\nerrors = 1000\n").start()
    for sender, name, mail, rcpt, data in try_all(gate.address, TRICKS, SENDERS):
        assert 500 <= rcpt.code <= 599, (sender, name, rcpt)
        assert 500 <= data.code <= 599, (sender, name, data)
        if mail.code == 250 and re.fullmatch(r"[a-z]+@[a-z.]+", name):
            assert rcpt.text.startswith("554 5.7.1 "), (name, rcpt)
    nothing_came(upstream)


def test_strangers_cannot_claim_to_be_others(new_gate, upstream):
    """By a name in EHLO, an envelope, or commands of neighbours that are not configured."""
    gate = new_gate(upstream.address, trusted='["192.0.2.0/24"]', more="[limits]\nerrors = 1000\n").start()
    for line in ("EHLO [192.0.2.1]", "EHLO localhost", "XCLIENT ADDR=192.0.2.1", "XFORWARD ADDR=192.0.2.1",
                 "PROXY TCP4 192.0.2.1 192.0.2.2 1 2", "AUTH EXTERNAL =", "AUTH PLAIN AHVzZXIAcGFzcw==", "EHLO gate.test"):
        with Client(gate.address, ehlo=None) as client:
            first = client.ask(line)
            assert first.code == 250 if line.startswith("EHLO") else first.code >= 500, (line, first)
            client.ask("EHLO again.test")
            client.ask("MAIL FROM:<news@example.org>")
            assert client.ask("RCPT TO:<you@example.com>").text.startswith("554 5.7.1 "), line
    nothing_came(upstream)


def test_strangers_who_pipeline(new_gate, upstream):
    gate = new_gate(upstream.address, trusted='["192.0.2.0/24"]').start()
    with Client(gate.address) as client:
        client.send(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<you@example.com>\r\nDATA\r\n" + letter() + b".\r\n")
        codes = [client.reply().code for _ in range(3)]
        assert codes == [250, 554, 554]
    nothing_came(upstream)


@pytest.fixture
def return_gate(new_gate, upstream):
    return new_gate(upstream.address, more=RETURNS + "\n[limits]\nerrors = 1000\n").start()


def test_the_listener_for_return_mail_relays_for_nobody(return_gate, upstream):
    """Not for those either who may relay by the other listener, and not by tricks with its own domain."""
    forged = "a" * 60
    own = [name.replace("gate.test", "bounce.test") for name in TRICKS]
    own = [name for name in own if name.lower() not in ("postmaster", "postmaster@bounce.test")]
    own += [f"{forged}@bounce.test", f"{forged}%example.com@bounce.test", f"you+{forged}@bounce.test",
            f"{forged}@bounce.test@example.com", f"@bounce.test:you@example.com", f'"{forged}@example.com"@bounce.test',
            f"{forged}@sub.bounce.test", f"{forged}@bounce.test.", f"{forged[:-1]}@bounce.test", "you@bounce.test"]
    address = return_address(return_gate)
    for sender, name, _, rcpt, data in try_all(address, own, ["", "news@example.org"]):
        assert 500 <= rcpt.code <= 599, (sender, name, rcpt)
        assert data.code >= 500, (sender, name, data)
    nothing_came(upstream)


def test_mail_for_the_postmaster_goes_to_the_postmaster(return_gate, upstream):
    """RFC 5321 section 4.5.1: it is taken, and reaches nobody else."""
    for name in ("postmaster", "Postmaster", "POSTMASTER@bounce.test"):
        with Client(return_address(return_gate)) as client:
            assert client.deliver([name], letter(name)).code == 250
            assert client.ask("QUIT").code == 221
    assert [message.recipients for message in upstream.messages] == [[b"RCPT TO:<postmaster>"]] * 3


def test_where_trust_ends(new_gate, upstream):
    """One address beside the network is not in it; one in it is, IPv6 and IPv4 alike."""
    gate = new_gate(upstream.address, trusted='["127.0.0.2/31", "::1"]').start()
    for host, code in (("127.0.0.1", 554), ("127.0.0.2", 250), ("127.0.0.3", 250), ("127.0.0.4", 554)):
        with ClientFrom(gate.address, host) as client:
            client.ask("EHLO client.test")
            client.ask("MAIL FROM:<news@example.org>")
            assert client.ask("RCPT TO:<you@example.com>").code == code, host


class ClientFrom(Client):
    """A client of another address of this machine."""

    def __init__(self, address, host):
        self.socket = socket.create_connection(address, DEADLINE, source_address=(host, 0))
        self._buffer = b""
        self.greeting = self.reply()
