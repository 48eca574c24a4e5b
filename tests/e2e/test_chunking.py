"""BDAT (RFC 3030): what comes in chunks arrives as what comes by DATA would, whatever is behind the gate."""

import random
import socket

import pytest

from fake_upstream import EXTENSIONS, FakeUpstream
from maildir import without_trace
from processes import keeps_what_was_freed, wait_until
from smtp_client import Client, letter

RECIPIENT = "you@example.com"
LINKS = """
[web]
address = "127.0.0.1:0"

[unsubscribe]
url = "https://unsub.example.com"
"""


def full_of_dots(octets, seed=1):
    """Lines that begin with dots, are dots, are empty, and are long: what stuffing has to get right."""
    chance = random.Random(seed)
    lines, size = [], 0
    while size < octets:
        line = b"." * chance.choice([0, 1, 1, 2, 3]) + chance.choice([b"", b"x", b"text.", b"y" * 900])
        lines.append(line)
        size += len(line) + 2
    return b"\r\n".join([*lines, b"."]) + b"\r\n"


def chunks(message, sizes):
    """The commands and octets of BDAT for the message; `sizes`: of the chunks, the rest is the last one's."""
    octets = b""
    for size in sizes:
        octets += b"BDAT %d\r\n" % len(message[:size]) + message[:size]
        message = message[size:]
    return octets + b"BDAT %d LAST\r\n" % len(message) + message


def deliver(client, message, sizes=(), recipients=(RECIPIENT,)):
    """The reply to the last chunk."""
    assert [reply.code for reply in client.envelope(recipients)] == [250] * len(recipients)
    client.send(chunks(message, sizes))
    for size in sizes:
        reply = client.reply()
        assert (reply.code, reply.text) == (250, f"250 2.0.0 {size} octets received")
    return client.reply()


def arrived(message):
    return without_trace(message.content, ("Received",))


def offered(gate):
    with Client(gate.address) as client:
        return client.ehlo.text


def got_data(upstream):
    """The first connection on which a message began."""
    return next((one for one in upstream.connections if b"DATA" in one.commands), None)


def test_what_postfix_gets_is_what_was_sent(new_gate, postfix):
    """3 MiB full of dots, in one chunk, in many, and in chunks that cut CRLF and dots."""
    gate = new_gate(postfix.address).start()
    message = letter("dots", full_of_dots(3 << 20))
    chance = random.Random(2)
    ways = [(), [1 << 20, 1 << 20], [chance.randrange(30_000) for _ in range(100)], [chance.randrange(4) for _ in range(2000)]]
    with Client(gate.address) as client:
        assert "CHUNKING" in client.ehlo.text and "BINARYMIME" not in client.ehlo.text
        for sizes in ways:
            reply = deliver(client, message, sizes)
            assert reply.code == 250 and "queued as" in reply.text, "the reply is Postfix's own"
    for received in postfix.wait_messages(len(ways)):
        assert without_trace(received) == message


@pytest.mark.parametrize("extensions", [EXTENSIONS, (*EXTENSIONS, "CHUNKING")], ids=["without", "with"])
def test_upstream_it_is_data_whether_chunking_is_offered_or_not(new_gate, extensions):
    upstream = FakeUpstream(extensions)
    try:
        gate = new_gate(upstream.address).start()
        message = letter("dots", b".\r\n..\r\nMAIL FROM:<evil@example.net>\r\n.\r\n")
        with Client(gate.address) as client:
            for at in range(len(message)):
                assert deliver(client, message, [at]).code == 250
        assert all(arrived(got) == message for got in upstream.messages)
        assert len(upstream.messages) == len(message)
        assert not any(line.startswith(b"BDAT") or b"evil" in line for line in upstream.commands())
    finally:
        upstream.stop()


def test_everything_in_one_packet(gate, upstream):
    """RFC 3030 section 4.2: a client that waits for nothing."""
    message = letter("at once", b".\r\nQUIT\r\n")
    envelope = b"MAIL FROM:<news@example.org>\r\nRCPT TO:<you@example.com>\r\n"
    with Client(gate.address) as client:
        client.send(5 * (envelope + chunks(message, [3, 0, 40])) + b"QUIT\r\n")
        assert [reply.code for reply in client.replies(5 * 6 + 1)] == [250] * 5 * 6 + [221]
        assert client.ended()
    assert [arrived(got) for got in upstream.messages] == [message] * 5


def test_what_is_refused_is_read_as_data_to_its_end(gate, upstream):
    gate.run("unsubscribe", RECIPIENT)
    hidden = b"RSET\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@example.com>\r\n"
    for pieces in (1, 7, 1000):
        with Client(gate.address) as client:
            octets = (b"MAIL FROM:<news@example.org>\r\nRCPT TO:<you@example.com>\r\n" + chunks(hidden, [10, 20]) + b"NOOP\r\n")
            for at in range(0, len(octets), pieces):
                client.send(octets[at:at + pieces])
            assert [reply.code for reply in client.replies(6)] == [250, 550, 554, 503, 503, 250]
    assert upstream.messages == [] and not any(b"evil" in line for line in upstream.commands())


def test_a_refusal_comes_behind_the_octets(gate):
    """RFC 3030 section 2: they are accepted and discarded first."""
    with Client(gate.address) as client:
        client.send(b"BDAT 100 LAST\r\n" + 99 * b"x")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.ended(), "no reply to what did not come"
    with Client(gate.address) as client:
        client.send(b"BDAT 6000000 LAST\r\n" + 1_000_000 * b"QUIT\r\n" + b"NOOP\r\n")
        assert [reply.code for reply in client.replies(2)] == [503, 250]


@pytest.mark.parametrize("meanwhile", [b"NOOP\r\n", b"BDAT 1\r\nx", b"BDAT 0\r\n"])
def test_a_message_in_chunks_is_given_up_in_time_whatever_comes_meanwhile(new_gate, upstream, meanwhile):
    gate = new_gate(upstream.address, more='[timeouts]\ncommand = "2s"\n').start()
    with Client(gate.address) as client:
        assert client.envelope([RECIPIENT])[0].code == 250
        client.send(b"BDAT 12\r\nSubject: x\r\n")
        assert client.reply().code == 250
        answers = []

        def hangs_up():
            client.send(meanwhile)
            answers.append(client.reply())
            return answers[-1].code == 421

        wait_until(hangs_up, "the message to be given up")
        assert len(answers) > 1 and {answer.code for answer in answers[:-1]} == {250}
        assert answers[-1].text.startswith("421 4.4.2 ") and client.ended()
    assert upstream.messages == []
    wait_until(lambda: got_data(upstream).ended, "the upstream is hung up on")


@pytest.mark.parametrize("end", ["close", "RSET", "QUIT", "EHLO again"])
def test_a_message_that_is_given_up_between_chunks_is_none(gate, upstream, end):
    message = letter("half")
    with Client(gate.address) as client:
        assert client.envelope([RECIPIENT])[0].code == 250
        client.send(b"BDAT %d\r\n" % len(message) + message)
        assert client.reply().code == 250
        if end != "close":
            assert client.ask(end).code == (221 if end == "QUIT" else 250)
        if end not in ("close", "QUIT"):
            assert client.ask("BDAT 0 LAST").code == 503
            assert deliver(client, letter("whole")).code == 250
    wait_until(lambda: got_data(upstream).ended, "the upstream is hung up on")
    octets = got_data(upstream).octets
    assert b"\r\n.\r\n" not in octets and not octets.endswith((b"RSET\r\n", b"QUIT\r\n"))
    assert [b"whole" in got.data for got in upstream.messages] == ([] if end in ("close", "QUIT") else [True])


def test_a_client_that_leaves_within_a_chunk(gate, upstream):
    with Client(gate.address) as client:
        assert client.envelope([RECIPIENT])[0].code == 250
        client.send(b"BDAT 100000 LAST\r\n" + letter("cut"))
        wait_until(lambda: got_data(upstream) and b"cut" in got_data(upstream).octets, "its beginning upstream")
    wait_until(lambda: got_data(upstream).ended, "the upstream is hung up on")
    assert upstream.messages == []


@pytest.mark.parametrize("wrong", [b"BDAT\r\n", b"BDAT x LAST\r\n", b"BDAT -1\r\n", b"BDAT 5\0 LAST\r\n", b"BDAT 5\n\r\n",
                                   b"BDAT 18446744073709551617 LAST\r\n", b"BDAT " + b"5" * 20_000 + b"\r\n"])
def test_a_size_that_nobody_can_read_ends_the_session(gate, upstream, wrong):
    with Client(gate.address) as client:
        assert client.envelope([RECIPIENT])[0].code == 250
        client.send(wrong + b"RSET\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@example.com>\r\n")
        assert client.reply().code == 421
        assert client.ended()
    assert not any(b"evil" in line for line in upstream.commands())


def test_a_message_over_the_limit_ends_the_session(new_gate):
    upstream = FakeUpstream(("PIPELINING", "8BITMIME", "SIZE 5000"))
    try:
        gate = new_gate(upstream.address).start()
        wait_until(lambda: "SIZE 5000" in offered(gate), "what the upstream offers is known")
        message = letter("limit", b".\r\n" * 2000)
        with Client(gate.address) as client:
            assert deliver(client, message[:5000], [2000, 2000]).code == 250
            assert client.envelope([RECIPIENT])[0].code == 250
            client.send(chunks(message[:5001], [2500]))
            assert [reply.code for reply in client.replies(2)] == [250, 421]
            assert client.ended()
        assert len(upstream.messages) == 1
    finally:
        upstream.stop()


def test_a_bare_line_end_is_refused_at_the_last_chunk(gate, upstream):
    for fault in (b"\n", b"\r", b"\0", b"\n.\r\n", b"\r.\r"):
        with Client(gate.address) as client:
            reply = deliver(client, letter("fault", b"hello" + fault + b"there\r\n.\r\n"), [50, 100])
            assert (reply.code, reply.text[4:9]) == (550, "5.5.2")
            assert deliver(client, letter("fine")).code == 250, "the session goes on"
    assert all(b"fine" in got.data for got in upstream.messages)


def test_whoever_has_a_copy_gets_no_other_by_data(new_gate, upstream):
    """The message is the same, by whichever command it comes: the second try sends what is missing."""
    gate = new_gate(upstream.address, more=LINKS).start()
    message = letter("copies", full_of_dots(20_000))
    people = [b"one@example.com", b"two@example.com"]
    asked = []

    def rcpt(line):
        asked.append(line)
        return b"451 4.2.0 busy\r\n" if b"two@" in line and asked.count(line) == 2 else None

    upstream.answers["RCPT"] = rcpt
    with Client(gate.address) as client:
        reply = deliver(client, message, [7, 5000], [one.decode() for one in people])
        assert reply.code == 451 and "1 of 2 copies" in reply.text
        assert client.deliver([one.decode() for one in people], message).code == 250
    assert [got.recipients for got in upstream.messages] == [[b"RCPT TO:<%s>" % one] for one in people]
    for got in upstream.messages:
        assert got.content.endswith(message[message.index(b"\r\n\r\n"):]), "the body is as it was sent"


def test_the_upstream_that_goes_away_between_chunks(new_gate):
    upstream = FakeUpstream()
    try:
        gate = new_gate(upstream.address).start()
        with Client(gate.address) as client:
            assert client.envelope([RECIPIENT])[0].code == 250
            client.send(b"BDAT 14\r\nSubject: x\r\n\r\n")
            assert client.reply().code == 250
            upstream.hang_up()
            client.send(b"BDAT 7\r\nhello\r\n")
            assert client.reply().code == 250
            assert client.ask("BDAT 0 LAST").code == 451
            assert deliver(client, letter("again")).code == 250
        assert [b"again" in got.data for got in upstream.messages] == [True]
    finally:
        upstream.stop()


@pytest.mark.skipif(keeps_what_was_freed(), reason="a sanitizer keeps what was freed")
def test_a_large_message_costs_no_memory(new_gate, sink):
    gate = new_gate(sink.address).start()
    block = (b"." + b"x" * 68 + b".\r\n") * 15_000
    with Client(gate.address) as client:
        assert deliver(client, letter("first")).code == 250
        before = gate.process.memory()
        assert client.envelope([RECIPIENT])[0].code == 250
        head = letter("large")
        client.send(b"BDAT %d\r\n" % len(head) + head)
        assert client.reply().code == 250
        for _ in range(40):
            client.send(b"BDAT %d\r\n" % len(block) + block)
            assert client.reply().code == 250
        assert client.ask("BDAT 0 LAST").code == 250
        assert gate.process.memory() - before < 16 << 20
