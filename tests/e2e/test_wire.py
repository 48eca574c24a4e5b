"""Hostile and broken clients: the line is exact, limits have answers, and nothing but whole messages goes upstream."""

import pytest

from processes import keeps_what_was_freed, wait_until
from smtp_client import Client, Closed, letter

HEAD = b"From: <news@example.org>\r\nSubject: x\r\n\r\n"


@pytest.mark.parametrize("body", [
    b"a bare\rCR\r\n",
    b"a bare\nLF\r\n",
    b"a NUL \0\r\n",
    b"\r\r\n",
    b"\n",
    b"ends\r\n\r",
])
def test_octets_that_no_message_may_hold(body, gate, upstream):
    with Client(gate.address) as client:
        reply = client.deliver(["you@example.com"], HEAD + body + b"\r\nafter it\r\n")
        assert reply.code == 550, reply
        assert client.deliver(["you@example.com"], letter("good")).code == 250
    assert [b"Subject: good" in message.data for message in upstream.messages] == [True]


@pytest.mark.parametrize("ending", [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r\n\0.\r\n"])
def test_only_one_end_of_data(ending, gate, upstream):
    """SMTP smuggling: what follows a false end is never a command, here or upstream."""
    hidden = b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nSubject: smuggled\r\n\r\nhi\r\n"
    with Client(gate.address) as client:
        assert client.envelope(["you@example.com"])[0].code == 250
        assert client.ask("DATA").code == 354
        client.send(HEAD + b"text" + ending + hidden + b".\r\nNOOP\r\n")
        assert client.reply().code == 550
        assert client.reply().code == 250, "NOOP: it alone came after the real end"
        assert client.ask("QUIT").code == 221
    assert upstream.messages == []
    assert not any(b"evil" in line for line in upstream.commands())


def test_false_ends_cut_at_every_octet(gate, upstream):
    octets = HEAD + b"..\r\n.\r\r\n.\n\r\n" + b".\r\n"
    for cut in range(1, len(octets)):
        with Client(gate.address) as client:
            assert client.envelope(["you@example.com"])[0].code == 250
            assert client.ask("DATA").code == 354
            client.send(octets[:cut])
            client.send(octets[cut:])
            assert client.reply().code == 550
    assert upstream.messages == []


def test_good_messages_cut_at_every_octet(gate, upstream):
    message = HEAD + b"..\r\n...\r\n. \r\n\r\nend\r\n"
    count = 0
    with Client(gate.address) as client:
        for cut in range(1, len(message) + 3):
            assert client.envelope(["you@example.com"])[0].code == 250
            assert client.ask("DATA").code == 354
            octets = message + b".\r\n"
            client.send(octets[:cut])
            client.send(octets[cut:])
            assert client.reply().code == 250
            count += 1
    assert all(got.data.endswith(message) for got in upstream.wait_messages(count))


def test_long_lines_of_a_message_pass_unchanged(gate, upstream):
    body = b"x" * 100_000 + b"\r\n" + b"." * 50_000 + b"\r\n"
    with Client(gate.address) as client:
        assert client.deliver(["you@example.com"], HEAD + body).code == 250
    assert upstream.messages[0].content.endswith(HEAD + body)


def test_an_empty_message_and_one_without_a_header(gate, upstream):
    with Client(gate.address) as client:
        for message in (b"", b"\r\n", b"no header here\r\n", b" folded first line\r\nSubject: x\r\n\r\nbody\r\n"):
            client.ask("RSET")
            assert client.envelope(["you@example.com"])[0].code == 250
            assert client.ask("DATA").code == 354
            client.send(message + b".\r\n")
            assert client.reply().code == 250, message
            assert upstream.messages[-1].content.endswith(message)
            assert upstream.messages[-1].content.lower().startswith(b"received:")


def test_loops_are_cut(gate, upstream):
    line = b"Received: from a by b; Sun, 01 Mar 2026 12:00:00 +0000\r\n"
    with Client(gate.address) as client:
        assert client.deliver(["you@example.com"], line * 100 + HEAD + b"body\r\n").code == 250
        reply = client.deliver(["you@example.com"], line * 101 + HEAD + b"body\r\n")
        assert reply.text.startswith("554 5.4.6 "), reply
        assert client.deliver(["you@example.com"], letter()).code == 250
    assert len(upstream.messages) == 2


def test_a_header_section_that_does_not_end(gate, upstream):
    with Client(gate.address) as client:
        reply = client.deliver(["you@example.com"], b"X-Filler: yes\r\n" * 100_000 + b"\r\nbody\r\n")
        assert reply.text.startswith("552 5.3.4 "), reply
        assert client.deliver(["you@example.com"], letter()).code == 250
    assert len(upstream.messages) == 1


def test_clients_that_may_not_relay(new_gate, upstream):
    gate = new_gate(upstream.address, trusted='["192.0.2.0/24"]').start()
    with Client(gate.address, ehlo=None) as client:
        replies = [client.greeting]
        if client.greeting.code == 220:
            replies = [client.ask("EHLO client.test"), client.ask("MAIL FROM:<a@example.org>"),
                       client.ask("RCPT TO:<you@example.com>")]
        assert any(reply.text.startswith("554 5.7.1 ") for reply in replies), replies
        assert replies[-1].code >= 500
    assert not any(line.startswith(b"MAIL") for line in upstream.commands())


@pytest.mark.parametrize("line", [
    b"NOOP " + b"x" * 100_000,
    b"MAIL FROM:<" + b"a" * 100_000 + b"@example.com>",
])
def test_commands_that_are_too_long(line, gate):
    with Client(gate.address) as client:
        assert client.ask(line).code == 500
        assert client.ask("NOOP").code == 250


@pytest.mark.parametrize("line", [b"NOOP\nQUIT", b"NOOP\rQUIT", b"NO\0OP", b"MAIL FROM:<a@b.example>\nRSET"])
def test_commands_with_a_bare_cr_lf_or_nul(line, gate):
    with Client(gate.address) as client:
        assert client.ask(line).code == 500
        assert client.ask("NOOP").code == 250


def test_commands_that_nobody_knows_have_a_limit(gate):
    with Client(gate.address) as client:
        assert client.ask("WHAT is this").code == 500
        assert client.ask("NOOP").code == 250
        codes = []
        while len(codes) < 100:
            codes.append(client.ask("WHAT").code)
            if codes[-1] == 421:
                break
        assert codes[-1] == 421 and set(codes[:-1]) == {500}
        assert client.ended()


def test_the_order_of_commands(gate):
    with Client(gate.address, ehlo=None) as client:
        assert client.ask("RCPT TO:<you@example.com>").code == 503
        assert client.ask("DATA").code == 503
        assert client.ask("HELO client.test").code == 250
        assert client.ask("DATA").code == 503
        assert client.ask("MAIL FROM:<news@example.org>").code == 250
        assert client.ask("DATA").code in (503, 554)
        assert client.ask("RCPT TO:<you@example.com>").code == 250
        assert client.ask("EHLO client.test").code == 250, "a new EHLO drops the transaction"
        assert client.ask("RCPT TO:<you@example.com>").code == 503
        assert client.ask("VRFY you").code == 252
        assert client.ask("EXPN list").code == 502
        assert client.ask("HELP").code in (211, 214)
        assert client.ask("NOOP anything").code == 250
        assert client.ask("RSET").code == 250
        assert client.ask("QUIT").code == 221
        assert client.ended()


def test_helo_clients(gate, upstream):
    with Client(gate.address, ehlo=None) as client:
        reply = client.ask("HELO old.client.test")
        assert reply.code == 250 and reply.raw.count(b"\r\n") == 1
        assert client.deliver(["you@example.com"], letter()).code == 250
    assert b"with SMTP" in upstream.messages[0].data


def test_extensions_that_are_offered(gate):
    with Client(gate.address) as client:
        offered = {line[4:].split(" ")[0] for line in client.ehlo.text.split("\n")[1:]}
        assert offered == {"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN", "CHUNKING"}
        assert client.ask("STARTTLS").code in (500, 502)
        assert client.ask("AUTH PLAIN").code in (500, 502)


def test_what_follows_a_refused_data_is_not_a_message(gate, upstream):
    """After 554 to DATA a client that sends its message anyway talks to the command loop: unknown commands, then 421."""
    gate.run("unsubscribe", "you@example.com")
    with Client(gate.address) as client:
        assert client.envelope(["you@example.com"])[0].code == 550
        assert client.ask("DATA").code == 554
        client.send(HEAD + b"hello\r\n.\r\n")
        try:
            codes = [client.reply().code for _ in range(5)]
        except Closed:
            codes = [500]
        assert all(code in (421, 500) for code in codes)
    assert upstream.messages == []


def test_a_message_pipelined_behind_a_refused_data(gate, upstream):
    """It was meant as data: not one line of it is read as a command."""
    gate.run("unsubscribe", "you@example.com")
    with Client(gate.address) as client:
        client.send(b"MAIL FROM:<news@example.org>\r\nRCPT TO:<you@example.com>\r\nDATA\r\n"
                    b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\nSubject: x\r\n\r\n.\r\n")
        assert [reply.code for reply in client.replies(4)] == [250, 550, 554, 421]
        assert client.ended()
    assert upstream.messages == [] and not any(b"evil" in line for line in upstream.commands())


def test_what_is_announced_as_data_is_no_command(gate, upstream):
    """BDAT counts its octets: whatever they look like, they are the message."""
    hidden = b"RSET\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@example.com>\r\n"
    with Client(gate.address) as client:
        assert client.envelope(["you@example.com"])[0].code == 250
        client.send(b"BDAT %d LAST\r\n" % len(hidden) + hidden + b"QUIT\r\n")
        assert [reply.code for reply in client.replies(2)] == [250, 221]
        assert client.ended()
    assert [message.data.endswith(hidden) for message in upstream.messages] == [True]
    assert not any(b"evil" in line for line in upstream.commands())


def test_clients_that_come_and_go(gate, upstream):
    for octets in (b"", b"EHLO", b"EHLO client.test\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\n"):
        for _ in range(20):
            client = Client(gate.address, ehlo=None)
            client.send(octets)
            client.close()
    with Client(gate.address) as client:
        assert client.deliver(["you@example.com"], letter()).code == 250
    wait_until(lambda: len(upstream.messages) == 1, "the message after them")


@pytest.mark.skipif(keeps_what_was_freed(), reason="a sanitizer keeps what was freed")
def test_a_large_message_costs_no_memory(new_gate, sink):
    """Memory is bounded by buffers, whatever the message's size."""
    gate = new_gate(sink.address).start()
    line = b"x" * 70 + b"\r\n"
    block = line * 15_000
    with Client(gate.address) as client:
        assert client.deliver(["you@example.com"], letter()).code == 250
        before = gate.process.memory()
        assert client.envelope(["you@example.com"])[0].code == 250
        assert client.ask("DATA").code == 354
        client.send(HEAD)
        most = 0
        for _ in range(55):
            client.send(block)
            most = max(most, gate.process.memory())
        client.send(b".\r\n")
        assert client.reply().code == 250
    assert most - before < 20 << 20, f"{(most - before) >> 20} MiB more for a message of {55 * len(block) >> 20} MiB"
