"""Whose reply is whose: the upstream's refusals are passed on unchanged, its failures become 451 and the client stays."""

import re

import pytest

from fake_upstream import CLOSE, HANG, FakeUpstream, Then, Trickle, once
from processes import keeps_what_was_freed, wait_until
from smtp_client import Client, letter

# What an upstream does with a command that says nothing about this mail: never passed on, and never 5xx or 421.
FAILURES = {
    "421": Then(b"421 4.3.2 shutting down\r\n", CLOSE),
    "hang": HANG,
    "close": CLOSE,
    "cut short": Then(b"250 2.1", CLOSE),
    "no code": b"hello there\r\n",
    "codes that differ": b"250-one\r\n550 two\r\n",
    "code out of range": b"999 what\r\n",
    "bare LF": b"250 one\n250 two\r\n",
    "NUL": b"250 one\0\r\n",
    "endless line": b"250 " + b"x" * 100_000 + b"\r\n",
    "endless reply": b"250-on and on\r\n" * 5_000 + b"250 done\r\n",
    "authentication wanted": b"530 5.7.0 authenticate first\r\n",
}
SHORT = """
[timeouts]
greeting = "700ms"
mail = "700ms"
rcpt = "700ms"
data = "700ms"
data_end = "700ms"
"""


@pytest.fixture
def quick_gate(new_gate, upstream):
    """Its patience with the upstream is short."""
    return new_gate(upstream.address, more=SHORT).start()


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "END"])
def test_a_failure_is_451_and_the_session_goes_on(verb, failure, quick_gate, upstream):
    upstream.answers[verb] = FAILURES[failure]
    with Client(quick_gate.address) as client:
        replies = client.envelope(["you@example.com"])
        if replies[0].code == 250:
            replies.append(client.data(letter("one")))
        last = replies[-1]
        assert re.match(r"451 4\.4\.[12] ", last.text), replies
        assert len(replies) == (1 if verb in ("MAIL", "RCPT") else 2), "it is said where it happened"
        # The same session, on a fresh connection to the upstream.
        upstream.answers.clear()
        client.ask("RSET")
        assert client.deliver(["you@example.com"], letter("two")).code == 250
    assert sum(b"Subject: two" in message.data for message in upstream.messages) == 1
    assert len(upstream.messages) == (2 if verb == "END" else 1)


@pytest.mark.parametrize("left", ["2x0 what\r\n", ""])
def test_what_another_client_left_on_a_connection(left, new_gate, upstream):
    """Who comes next is served on a new one."""
    gate = new_gate(upstream.address)
    gate.config.write_text("threads = 1\n" + gate.config.read_text())
    gate.start()
    upstream.answers["RSET"] = Then(left.encode(), CLOSE)
    for number in (1, 2):
        with Client(gate.address) as client:
            assert client.envelope(["you@example.com"], f"me{number}@example.com")[0].code == 250
    reset = [connection for connection in upstream.connections if b"RSET" in connection.commands]
    assert len(reset) == 1 and b"MAIL FROM:<me2@example.com>" in upstream.connections[-1].commands[-2]


@pytest.mark.parametrize("verb", ["GREETING", "EHLO"])
@pytest.mark.parametrize("failure", [*FAILURES, "refused"])
def test_a_failure_at_the_start_of_a_connection(verb, failure, new_gate):
    answer = b"554 5.3.2 no service here\r\n" if failure == "refused" else FAILURES[failure]
    answers = {verb: answer}
    if verb == "EHLO":
        answers["HELO"] = answer  # a client may fall back to it
    upstream = FakeUpstream(**answers)
    gate = new_gate(upstream.address, more=SHORT).start()
    with Client(gate.address) as client:
        reply = client.envelope(["you@example.com"])[0]
        assert re.match(r"451 4\.4\.[12] ", reply.text), reply
        upstream.answers.clear()
        client.ask("RSET")
        assert client.deliver(["you@example.com"], letter()).code == 250
    upstream.stop()


def test_an_upstream_that_is_not_there_and_comes(new_gate):
    upstream = FakeUpstream()
    upstream.pause()
    gate = new_gate(upstream.address).start()
    with Client(gate.address) as client:
        assert b"PIPELINING" in client.ehlo.raw and b"8BITMIME" in client.ehlo.raw
        assert b"SIZE" not in client.ehlo.raw and b"DSN" not in client.ehlo.raw
        reply = client.envelope(["you@example.com"])[0]
        assert re.match(r"451 4\.4\.1 ", reply.text), reply
        upstream.resume()
        client.ask("RSET")
        assert client.deliver(["you@example.com"], letter()).code == 250
        ehlo = client.ask("EHLO client.test")
        assert b"SIZE 10485760" in ehlo.raw and b"DSN" in ehlo.raw, "learnt meanwhile"
    upstream.stop()


@pytest.mark.parametrize("reply", [
    b"550 5.1.1 <you@example.com>: no such user\r\n",
    b"452 4.2.2 mailbox full\r\n",
    b"550-5.7.1 Two lines\r\n550-5.7.1\r\n550 5.7.1 and a third; see https://example.com/why\r\n",
    b"550 no enhanced status code\r\n",
    "550 5.1.1 Empfänger unbekannt\r\n".encode(),
    b"551-5.1.6 moved\r\n551 5.1.6 <elsewhere@example.net>\r\n",
])
def test_refusals_of_a_recipient_are_unchanged(reply, gate, upstream):
    upstream.answers["RCPT"] = lambda line: reply if b"you@" in line else None
    with Client(gate.address) as client:
        first, second = client.envelope(["you@example.com", "other@example.com"])
        assert first.raw == reply
        assert second.code == 250
        assert client.data(letter()).code == 250
    [message] = upstream.messages
    assert message.recipients == [b"RCPT TO:<other@example.com>"]


def test_a_reply_that_trickles_in(gate, upstream):
    reply = b"550-5.1.1 slowly\r\n550 5.1.1 but surely\r\n"
    upstream.answers["RCPT"] = Trickle(reply)
    with Client(gate.address) as client:
        assert client.envelope(["you@example.com"])[0].raw == reply


@pytest.mark.parametrize("verb", ["DATA", "END"])
@pytest.mark.parametrize("reply", [
    b"554-5.7.1 This message\r\n554 5.7.1 is not wanted\r\n",
    b"452 4.3.1 no space\r\n",
    b"552 5.3.4 too big\r\n",
])
def test_refusals_of_the_message_are_unchanged(verb, reply, gate, upstream):
    upstream.answers[verb] = once(reply)
    with Client(gate.address) as client:
        assert client.envelope(["you@example.com"])[0].code == 250
        assert client.data(letter()).raw == reply
        assert client.deliver(["you@example.com"], letter()).code == 250


def test_the_final_250_is_the_upstreams(gate, upstream):
    upstream.answers["END"] = b"250-2.0.0 taken\r\n250 2.0.0 queued as 4711\r\n"
    with Client(gate.address) as client:
        assert client.deliver(["you@example.com"], letter()).raw == upstream.answers["END"]


@pytest.mark.parametrize("reply, wanted", [
    (b"550 5.7.1 we do not like you\r\n", b"550 5.7.1 we do not like you\r\n"),
    (b"451 4.7.1 try later\r\n", b"451 4.7.1 try later\r\n"),
    (b"552-5.3.4 too\r\n552 5.3.4 big\r\n", b"550-5.3.4 too\r\n550 5.3.4 big\r\n"),
])
def test_a_refusal_of_mail_answers_each_recipient(reply, wanted, gate, upstream):
    upstream.answers["MAIL"] = reply
    with Client(gate.address) as client:
        assert [r.raw for r in client.envelope(["you@example.com", "other@example.com"])] == [wanted, wanted]
        assert client.ask("DATA").text.startswith("554 5.5.1 ")
        upstream.answers.clear()
        assert client.deliver(["you@example.com"], letter()).code == 250


def test_every_recipient_refused_and_data_was_pipelined(gate, upstream):
    """The upstream has said 354 to it or not: in both cases 554 5.5.1, and no empty message anywhere."""
    upstream.answers["RCPT"] = once(b"550 5.1.1 no\r\n")
    with Client(gate.address) as client:
        client.send(b"MAIL FROM:<news@example.org>\r\nRCPT TO:<you@example.com>\r\nDATA\r\n")
        mail, recipient, data = client.replies(3)
        assert (mail.code, recipient.raw) == (250, b"550 5.1.1 no\r\n")
        assert data.text.startswith("554 5.5.1 ")
        assert client.deliver(["you@example.com"], letter("two")).code == 250
    assert [b"Subject: two" in message.data for message in upstream.messages] == [True]


def test_an_upstream_without_pipelining(new_gate):
    upstream = FakeUpstream(extensions=["8BITMIME"])
    gate = new_gate(upstream.address).start()
    recipients = [f"reader{number}@example.com" for number in range(10)]
    with Client(gate.address) as client:
        commands = ["MAIL FROM:<news@example.org>", *(f"RCPT TO:<{recipient}>" for recipient in recipients), "DATA"]
        client.send("".join(command + "\r\n" for command in commands).encode())
        assert [reply.code for reply in client.replies(12)] == [250] * 11 + [354]
        client.send(letter() + b".\r\n")
        assert client.reply().code == 250
    assert not any(connection.ahead for connection in upstream.connections)
    assert len(upstream.messages[0].recipients) == 10
    upstream.stop()


def test_an_upstream_without_extensions(new_gate):
    upstream = FakeUpstream(extensions=[])
    gate = new_gate(upstream.address).start()
    with Client(gate.address) as client:
        assert client.deliver(["you@example.com"], letter()).code == 250
        for parameter in ("BODY=8BITMIME", "SMTPUTF8", "RET=FULL"):
            assert client.ask(f"MAIL FROM:<news@example.org> {parameter}").code == 555, parameter
    assert upstream.messages[0].mail == b"MAIL FROM:<news@example.org>"
    upstream.stop()


def test_parameters_are_passed_on(gate, upstream):
    with Client(gate.address) as client:
        reply = client.ask("MAIL FROM:<news@example.org> SIZE=1234 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+3D1")
        assert reply.code == 250, reply
        reply = client.ask("RCPT TO:<you@example.com> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;you+2Bx@example.com")
        assert reply.code == 250, reply
        assert client.data(letter()).code == 250
    [message] = upstream.messages
    mail, *parameters = message.mail.split(b" ")[1:]
    assert mail == b"FROM:<news@example.org>"
    assert sorted(parameters) == [b"BODY=8BITMIME", b"ENVID=QQ+3D1", b"RET=HDRS", b"SIZE=1234", b"SMTPUTF8"]
    recipient, *parameters = message.recipients[0].split(b" ")[1:]
    assert recipient == b"TO:<you@example.com>"
    assert sorted(parameters) == [b"NOTIFY=SUCCESS,FAILURE", b"ORCPT=rfc822;you+2Bx@example.com"]


def test_unknown_parameters_are_555(gate):
    with Client(gate.address) as client:
        assert client.ask("MAIL FROM:<news@example.org> FUTURE=1").code == 555
        assert client.ask("MAIL FROM:<news@example.org>").code == 250
        assert client.ask("RCPT TO:<you@example.com> FUTURE=1").code == 555
        assert client.ask("RCPT TO:<you@example.com>").code == 250


def test_the_learnt_size_is_kept_by_the_gate(gate):
    with Client(gate.address) as client:
        assert b"SIZE 10485760" in client.ehlo.raw
        assert client.ask("MAIL FROM:<news@example.org> SIZE=10485761").code == 552
        assert client.ask("MAIL FROM:<news@example.org> SIZE=10485760").code == 250


def test_an_extension_that_the_upstream_has_no_more(new_gate, upstream):
    gate = quickly_idle(new_gate(upstream.address)).start()
    with Client(gate.address) as client:
        assert b"SMTPUTF8" in client.ehlo.raw
        upstream.extensions.remove("SMTPUTF8")
        wait_until(lambda: all(connection.ended for connection in upstream.connections), "the learnt connections closed")
        assert client.ask("MAIL FROM:<news@example.org> SMTPUTF8").code == 250
        reply = client.ask("RCPT TO:<jürgen@example.com>")
        assert re.match(r"451 4\.", reply.text), reply
        assert b"SMTPUTF8" not in client.ask("EHLO client.test").raw
        assert client.deliver(["you@example.com"], letter()).code == 250
    assert not any(b"SMTPUTF8" in line for line in upstream.commands()), "nothing is downgraded, nothing sent unasked"


def quickly_idle(gate):
    gate.config.write_text(gate.config.read_text().replace("[upstream]\n", '[upstream]\nidle_close = "0ms"\n'))
    return gate


def test_connections_are_used_again(gate, upstream):
    with Client(gate.address) as client:
        for number in range(5):
            assert client.deliver(["you@example.com"], letter(f"{number}")).code == 250
    used = [connection for connection in upstream.connections if b"DATA" in connection.commands]
    assert len(used) == 1


@pytest.mark.parametrize("last_words", [b"", b"421 4.4.2 idle for too long\r\n"])
def test_a_pooled_connection_that_died(last_words, gate, upstream):
    with Client(gate.address) as client:
        for number in range(3):
            assert client.deliver(["you@example.com"], letter(f"{number}")).code == 250
            upstream.hang_up(last_words)
    assert len(upstream.messages) == 3


def test_a_pooled_connection_that_dies_as_it_is_used(gate, upstream):
    """It looked alive: only the answer to MAIL shows that it is not. Nothing was agreed on it, so another one serves."""
    with Client(gate.address) as client:
        assert client.deliver(["you@example.com"], letter("one")).code == 250
        for answer in (CLOSE, Then(b"421 4.4.2 idle for too long\r\n", CLOSE)):
            upstream.answers["MAIL"] = once(answer)
            assert client.deliver(["you@example.com"], letter("two")).code == 250
    assert len(upstream.messages) == 3


def test_idle_connections_to_the_upstream_close(new_gate, upstream):
    gate = quickly_idle(new_gate(upstream.address)).start()
    with Client(gate.address) as client:
        for _ in range(2):
            assert client.deliver(["you@example.com"], letter()).code == 250
            wait_until(lambda: all(connection.ended for connection in upstream.connections), "idle connections closed")
    assert all(connection.verbs()[-1] == "QUIT" for connection in upstream.connections)


def test_one_refused_recipient_does_not_spoil_the_others(gate, upstream):
    upstream.answers["RCPT"] = lambda line: b"452 4.5.3 too many\r\n" if b"late" in line else None
    gate.run("unsubscribe", "gone@example.com")
    with Client(gate.address) as client:
        codes = [r.code for r in client.envelope(["a@example.com", "gone@example.com", "late@example.com",
                                                  "not an address", "b@example.com"])]
        assert codes[:3] == [250, 550, 452] and codes[3] in (501, 553) and codes[4] == 250
        assert client.data(letter()).code == 250
    assert upstream.messages[0].recipients == [b"RCPT TO:<a@example.com>", b"RCPT TO:<b@example.com>"]


def test_more_recipients_than_a_transaction_may_have(new_gate, upstream):
    gate = new_gate(upstream.address, more="[limits]\nrecipients = 3\n").start()
    with Client(gate.address) as client:
        replies = client.envelope([f"r{number}@example.com" for number in range(5)])
        assert [reply.code for reply in replies] == [250, 250, 250, 452, 452]
        assert replies[3].text.startswith("452 4.5.3 ")
        assert client.data(letter()).code == 250
    assert len(upstream.messages[0].recipients) == 3


def test_a_client_that_goes_away_in_the_middle_of_its_message(gate, upstream):
    """The upstream's connection is closed without an end of data: nothing is delivered."""
    client = Client(gate.address)
    assert client.envelope(["you@example.com"])[0].code == 250
    assert client.ask("DATA").code == 354
    client.send(letter() + b"half a li")
    client.close()
    wait_until(lambda: all(c.ended for c in upstream.connections if b"DATA" in c.commands), "the upstream hung up")
    assert upstream.messages == []


def test_a_refusal_in_the_middle_of_a_message(gate, upstream):
    """An upstream that has seen enough says so and hangs up: its refusal is the client's, an early 250 nobody's."""
    with Client(gate.address) as client:
        for last_words, wanted in ((b"552 5.3.4 too big\r\n", "552 5.3.4 too big"),
                                   (b"250 2.0.0 taken already\r\n", "451 4.4.2 "),
                                   (b"552 5.3.4 too big\r\n250 2.0.0 or not\r\n", "451 4.4.2 ")):
            assert client.envelope(["you@example.com"])[0].code == 250
            assert client.ask("DATA").code == 354
            client.send(letter("early"))
            upstream.hang_up(last_words)
            client.send(b"and the rest\r\n.\r\n")
            assert client.reply().text.startswith(wanted)
        assert client.deliver(["you@example.com"], letter("late")).code == 250
    assert [b"Subject: late" in message.data for message in upstream.messages] == [True]


def test_a_refused_sender_holds_no_connection(new_gate, upstream):
    """MAIL was refused upstream and the client idles: the one connection that there may be serves others."""
    gate = new_gate(upstream.address)
    gate.config.write_text(gate.config.read_text().replace("[upstream]", "[upstream]\nconnections = 1"))
    gate.start()
    upstream.answers["MAIL"] = lambda line: b"550 5.1.0 not from you\r\n" if b"bad@" in line else None
    with Client(gate.address) as refused, Client(gate.address) as other:
        assert refused.envelope(["you@example.com"], sender="bad@example.org")[0].text == "550 5.1.0 not from you"
        assert other.deliver(["you@example.com"], letter()).code == 250


@pytest.mark.skipif(keeps_what_was_freed(), reason="a sanitizer keeps what was freed")
def test_a_client_that_reads_nothing_costs_little(gate):
    """Replies are worked out as they are taken: megabytes of commands do not become megabytes of memory."""
    before = gate.process.memory()
    clients = [Client(gate.address) for _ in range(50)]
    for client in clients:
        client.socket.setblocking(False)
        try:
            for _ in range(100):
                client.socket.send(b"HELP\r\n" * 10_000)
        except BlockingIOError:
            pass
    with Client(gate.address) as client:
        assert client.ask("NOOP").code == 250
    assert gate.process.memory() - before < 50 * 2**20
    for client in clients:
        client.close()
