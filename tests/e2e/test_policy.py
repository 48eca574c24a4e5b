"""The policy listener: asked directly, and by a real Postfix over TCP and over a Unix socket."""

import json
import re
import shutil
import smtplib
import socket
import stat

import pytest

from maildir import fields
from page import metric
from postfix import recipe
from processes import DEADLINE, Process, POSTERN, wait_until
from smtp_client import Client, letter

LISTENER = """\
[[listener]]
name = "policy"
address = "{address}"
role = "policy"

[admin]
address = "127.0.0.1:0"

[[stream]]
name = "invoices"
kind = "transactional"
sender = ["billing@*"]
"""
ON_TCP = LISTENER.format(address="127.0.0.1:0")
DUNNO = b"action=DUNNO\n\n"
GONE = "gone@example.com"


def request(recipient, sender="news@example.org", state="RCPT"):
    """As Postfix sends it, the attributes that do not matter left out but for two."""
    return (f"request=smtpd_access_policy\nprotocol_state={state}\nprotocol_name=ESMTP\nsender={sender}\n"
            f"recipient={recipient}\nrecipient_count=0\n\n").encode()


class Asker:
    """A connection on which policy requests are sent."""

    def __init__(self, address):
        family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
        self.socket = socket.socket(family)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(address if isinstance(address, tuple) else str(address))
        self._got = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def answer(self):
        """The next one, or what came before the connection ended."""
        while b"\n\n" not in self._got:
            piece = self.socket.recv(65536)
            if not piece:
                return self._got
            self._got += piece
        one, self._got = self._got.split(b"\n\n", 1)
        return one + b"\n\n"

    def ask(self, *arguments):
        self.socket.sendall(request(*arguments))
        return self.answer()

    def ended(self):
        return self.socket.recv(1) == b""


@pytest.fixture
def gate(new_gate, upstream):
    """With a policy listener on TCP, and GONE unsubscribed."""
    gate = new_gate(upstream.address, more=ON_TCP).make_store()
    gate.run("unsubscribe", GONE, "left@example.com")
    return gate.start()


def front_of(new_postfix, recipe_name, before, after):
    """A Postfix that asks the policy service, as the recipe says, at another place."""
    settings = recipe(recipe_name)
    assert before in settings
    return new_postfix(settings=settings.replace(before, after))


def asking(gate, new_postfix):
    host, port = gate.process.listening("policy")
    return front_of(new_postfix, "policy", "inet:127.0.0.1:2527", f"inet:{host}:{port}")


def test_what_it_answers(gate):
    with Asker(gate.process.listening("policy")) as asker:
        assert asker.ask("ann@example.com") == DUNNO
        answer = asker.ask(GONE)
        assert answer.startswith(b"action=550 5.7.1 recipient unsubscribed on 20"), answer
        assert asker.ask("Gone@EXAMPLE.com") == answer
        assert asker.ask(GONE, "billing@example.org") == DUNNO
        assert asker.ask(GONE, "") == DUNNO
        assert asker.ask(GONE, "news@example.org", "DATA") == DUNNO
        assert asker.ask("") == DUNNO


def test_a_change_counts_from_the_next_request(gate):
    with Asker(gate.process.listening("policy")) as asker:
        assert asker.ask("ann@example.com") == DUNNO
        gate.run("unsubscribe", "ann@example.com")
        assert asker.ask("ann@example.com").startswith(b"action=550 5.7.1 ")


def test_thousands_of_requests_on_one_connection(gate):
    """Sent without waiting, by a client that reads all the while; each is answered, in order."""
    count = 20_000
    recipients = [GONE if number % 7 == 0 else f"user{number}@example.com" for number in range(count)]
    with Asker(gate.process.listening("policy")) as asker:
        octets = b"".join(request(recipient) for recipient in recipients)
        answers = []
        for start in range(0, len(octets), 100_000):
            asker.socket.sendall(octets[start:start + 100_000])
        answers = [asker.answer() for _ in recipients]
    assert [not answer.startswith(b"action=DUNNO") for answer in answers] == [one == GONE for one in recipients]
    passed = metric(gate, 'postern_recipients_total{stream="default",result="passed",reason=""}')
    refusals = metric(gate, 'postern_recipients_total{stream="default",result="refused",reason="unsubscribed"}')
    assert (passed, refusals) == (count - recipients.count(GONE), recipients.count(GONE))


def test_the_report_counts_refusals_alone(gate):
    with Asker(gate.process.listening("policy")) as asker:
        for _ in range(3):
            asker.ask(GONE)
            asker.ask("ann@example.com")

    def counted():
        rows = [json.loads(line) for line in gate.run("report", "--json").stdout.splitlines()]
        return [(row["stream"], row["passed"], row["refused"]) for row in rows if row["passed"] or row["refused"]]

    wait_until(lambda: counted() == [("default", 0, 3)], "the refusals are in the report, and nothing else")


def test_what_is_no_request_is_hung_up_on(gate):
    for octets in (b"EHLO client.test\r\n", b"request=junk\n\n", b"x" * 40_000, b"a=b\n" * 1000):
        with Asker(gate.process.listening("policy")) as asker:
            try:
                asker.socket.sendall(octets)
                assert asker.answer() == b""
            except ConnectionResetError:
                pass
    gate.process.wait_log("no policy request: ")


def test_who_is_not_trusted_is_hung_up_on(new_gate, upstream):
    more = ON_TCP.replace('role = "policy"', 'role = "policy"\ntrusted = ["192.0.2.0/24"]')
    gate = new_gate(upstream.address, more=more).start()
    with Asker(gate.process.listening("policy")) as asker:
        assert asker.ended()
    gate.process.wait_log("policy requests from 127.0.0.1, which is not in trusted of listener policy")


def test_it_ends_with_the_gate(gate):
    """Connections on which nothing is asked keep no gate alive."""
    with Asker(gate.process.listening("policy")) as asker:
        assert asker.ask("ann@example.com") == DUNNO
        assert gate.terminate() == 0
        assert asker.ended()


def test_a_gate_that_only_answers_asks_no_upstream(new_gate, upstream):
    gate = new_gate(upstream.address, more="[admin]\naddress = \"127.0.0.1:0\"\n")
    gate.config.write_text(gate.config.read_text().replace('role = "relay"', 'role = "policy"'))
    gate.start()
    with Asker(gate.address) as asker:
        assert asker.ask("ann@example.com") == DUNNO
    assert gate.terminate() == 0
    assert not upstream.connections


# A Unix socket.


@pytest.fixture
def unix(new_gate, upstream, directory):
    """(gate, path) of a gate that listens on a Unix socket; it is not started."""
    path = directory / "sockets" / "policy.sock"
    path.parent.mkdir()
    gate = new_gate(upstream.address, more=LISTENER.format(address=f"unix:{path}")).make_store()
    gate.run("unsubscribe", GONE)
    return gate, path


def start(gate, path):
    gate.start()
    gate.process.wait_log(rf"listening on unix:{path} \(policy\)")


def test_a_unix_socket_comes_and_goes(unix):
    gate, path = unix
    start(gate, path)
    found = path.stat()
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o660
    assert found.st_gid == path.parent.stat().st_gid
    with Asker(path) as asker:
        assert asker.ask(GONE).startswith(b"action=550 ")
        gate.terminate()
        assert asker.ended()
    assert not path.exists()


def test_every_thread_answers_on_a_unix_socket(unix):
    """Many at once: each of them is answered, whichever thread took it."""
    gate, path = unix
    gate.config.write_text("threads = 4\n" + gate.config.read_text())
    start(gate, path)
    askers = [Asker(path) for _ in range(200)]
    for asker in askers:
        asker.socket.sendall(request(GONE))
    assert all(asker.answer().startswith(b"action=550 ") for asker in askers)
    for asker in askers:
        asker.socket.close()


def test_a_socket_that_a_crash_left_is_replaced(unix):
    gate, path = unix
    start(gate, path)
    gate.kill()
    assert path.exists()
    start(gate, path)
    with Asker(path) as asker:
        assert asker.ask(GONE).startswith(b"action=550 ")


def test_a_socket_that_another_gate_has_is_left_to_it(unix, new_gate, upstream):
    gate, path = unix
    start(gate, path)
    second = new_gate(upstream.address, more=LISTENER.format(address=f"unix:{path}"))
    failing = Process([POSTERN, "serve", "--config", second.config], cwd=second.directory)
    assert failing.wait() == 3
    assert f"cannot listen on unix:{path}: another program does" in failing.log
    with Asker(path) as asker:
        assert asker.ask(GONE).startswith(b"action=550 ")


# Asked by Postfix.


def test_postfix_asks_over_tcp(gate, new_postfix):
    front = asking(gate, new_postfix)
    with Client(front.address) as client:
        replies = client.envelope([GONE, "ann@example.com", "left@example.com"])
        assert [reply.code for reply in replies] == [550, 250, 550]
        assert replies[0].text.startswith(
            f"550 5.7.1 <{GONE}>: Recipient address rejected: recipient unsubscribed on 20"), replies[0]
        assert client.data(letter()).code == 250
    [message] = front.wait_messages(1)
    assert b"ann@example.com" in message


@pytest.mark.parametrize("spelled", [
    "GONE@Example.Com", '"gone"@example.com', "@relay.test:gone@example.com", '"two words"@example.com'])
def test_however_the_address_is_spelled_to_postfix(spelled, gate, new_postfix):
    gate.run("unsubscribe", '"two words"@example.com')
    front = asking(gate, new_postfix)
    with Client(front.address) as client:
        [reply] = client.envelope([spelled])
        assert reply.code == 550 and "recipient unsubscribed on" in reply.text, reply


HIDDEN = ["gone%example.com@mx.test", "example.com!gone@mx.test"]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_postfix_would_rewrite_does_not_get_through(hidden, gate, new_postfix):
    """The two lines of the recipe keep Postfix from making GONE of an address that the gate was asked about as it was."""
    host, port = gate.process.listening("policy")
    settings = recipe("policy").replace("127.0.0.1:2527", f"{host}:{port}") + "mydestination = mx.test\n"
    careful = new_postfix(settings=settings)
    careless = new_postfix(settings=settings.replace("allow_percent_hack = no", "").replace("swap_bangpath = no", ""))
    for front in (careful, careless):
        with Client(front.address) as client:
            client.deliver([hidden], letter())
    [message] = careless.wait_messages(1)
    assert fields(message, "Delivered-To") == [GONE], "what the lines are for"
    careful.wait_log(rf"to=<{re.escape(hidden)}>|to=<[^>]*{re.escape(hidden)}[^>]*>")
    assert careful.messages() == []


def test_an_address_without_a_domain_is_refused(gate, new_postfix):
    front = asking(gate, new_postfix)
    with Client(front.address) as client:
        [reply] = client.envelope(["gone"])
        assert reply.code == 501 and "5.1.3" in reply.text, reply


def test_the_stream_is_the_senders(gate, new_postfix):
    front = asking(gate, new_postfix)
    for sender, code in (("news@example.org", 550), ("billing@example.org", 250), ("", 250)):
        with Client(front.address) as client:
            [reply] = client.envelope([GONE], sender)
            assert reply.code == code, (sender, reply)


def test_a_thousand_recipients_on_one_connection_of_postfix(gate, new_postfix):
    front = asking(gate, new_postfix)
    recipients = [GONE if number % 100 == 0 else f"user{number}@example.com" for number in range(1000)]
    with smtplib.SMTP(*front.address, local_hostname="client.test", timeout=DEADLINE) as client:
        told = client.sendmail("news@example.org", recipients, letter())
    assert list(told) == [GONE] and told[GONE][0] == 550
    assert len(front.wait_messages(990)) == 990


def test_postfix_fails_closed(unix, new_postfix, upstream):
    """No gate, no mail; the gate is back, and Postfix asks it without being started anew."""
    gate, _ = unix
    front = new_postfix(settings=recipe("policy by a Unix socket"))
    path = front.directory / "queue" / "postern" / "policy.sock"
    make_directory(path.parent)
    gate.configure(LISTENER.format(address=f"unix:{path}"))
    start(gate, path)
    with Client(front.address) as client:
        assert [reply.code for reply in client.envelope([GONE, "ann@example.com"])] == [550, 250]
        gate.kill()
        reply = client.ask("RCPT TO:<bob@example.com>")
        assert reply.text == "451 4.3.5 <bob@example.com>: Recipient address rejected: Server configuration problem", reply
        start(gate, path)
        assert client.ask("RCPT TO:<bob@example.com>").code == 250
        assert client.ask(f"RCPT TO:<{GONE}>").code == 550
    assert "warning: problem talking to server" in front.log


def make_directory(path):
    """As the recipe says, with whoever runs the gate here as its user."""
    command = recipe("socket directory").split()
    assert command[:2] == ["install", "-d"] and command[-1] == "/var/spool/postfix/postern"
    path.mkdir()
    shutil.chown(path, group=command[command.index("-g") + 1])
    path.chmod(int(command[command.index("-m") + 1], 8))


def test_where_the_store_cannot_answer_postfix_defers(new_gate, new_postfix, upstream):
    gate = new_gate(upstream.address, more=ON_TCP)
    gate.store.write_text("a file, not a folder")
    gate.start()
    front = asking(gate, new_postfix)
    with Client(front.address) as client:
        [reply] = client.envelope([GONE])
        assert reply.code == 450 and "4.3.0" in reply.text and "cannot look up recipients right now" in reply.text, reply
