"""SMTP smuggling: what one side reads as an end, or as a reply, the other does not; however it is cut into packets."""

import random
import re

import pytest

from fake_upstream import EXTENSIONS, FakeUpstream, Then, CLOSE
from smtp_client import Client, Closed, letter

HEAD = b"From: <news@example.org>\r\nSubject: outer\r\n\r\n"
HIDDEN = (b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@example.com>\r\nDATA\r\n"
          b"Subject: smuggled\r\n\r\nhello\r\n")

# Ends of data for a reader that is not exact. Each is a fault of the message.
FALSE_ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\n", b"\r\n.\r", b"\n.\r", b"\r.\r\n", b"\n\n.\n\n", b"\r\r\n.\r\r\n",
              b"\r\n.\0\r\n", b"\r\n\0.\r\n", b"\r\n.\r\0\n", b"\r\n.\r\r\n", b"\0\r\n.\n", b"\r\n\n.\r\n", b"\n\r\n.\n\r\n",
              b"\n\r.\n\r", b"\r\n\r.\r\n"]
# Ends for nobody, without a fault: the message goes on, and arrives as it is.
NO_ENDS = [b"\r\n..\r\n", b"\r\n. \r\n", b"\r\n.\t\r\n", b"\r\n .\r\n", b"\r\n...\r\n", b"\r\n.,\r\n", b"\r\n\xe3\x80\x82\r\n",
           b"\r\n\x85.\x85\r\n", b"\r\n\x0b.\x0b\r\n", b"\r\n\x0c.\r\n"]
LINKS = """
[web]
address = "127.0.0.1:0"

[unsubscribe]
url = "https://unsub.example.com"
"""
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")


@pytest.fixture(params=["streamed", "held"])
def people(request):
    """With links, a message to two people is held, and sent on to each."""
    return ["you@example.com"] if request.param == "streamed" else ["you@example.com", "other@example.com"]


@pytest.fixture
def linked_gate(new_gate, upstream):
    return new_gate(upstream.address, more=LINKS).start()


def cuts(octets, around, seed):
    """Ways to cut: at every octet of what matters and beside it, octet by octet, and as chance has it."""
    begin, end = around
    for at in range(begin - 1, end + 3):
        yield [octets[:at], octets[at:]]
    yield [octets[:begin]] + [octets[i:i + 1] for i in range(begin, end + 2)] + [octets[end + 2:]]
    chance = random.Random(seed)
    for _ in range(4):
        places = sorted(chance.sample(range(1, len(octets)), chance.randrange(2, 9)))
        yield [octets[a:b] for a, b in zip([0, *places], [*places, len(octets)])]


def exact(upstream):
    for connection in upstream.connections:
        assert not BARE.search(connection.octets), BARE.search(connection.octets)
        assert not any(b"evil" in line or b"victim" in line for line in connection.commands), connection.commands


@pytest.mark.parametrize("end", FALSE_ENDS)
def test_a_false_end_and_an_envelope_behind_it(end, people, linked_gate, upstream):
    octets = HEAD + b"text" + end + HIDDEN + b".\r\n"
    begin = len(HEAD) + 4
    with Client(linked_gate.address) as client:
        for pieces in cuts(octets, (begin, begin + len(end)), seed=1):
            assert {reply.code for reply in client.envelope(people)} == {250}
            assert client.ask("DATA").code == 354
            for piece in pieces:
                client.send(piece)
            client.send(b"NOOP\r\n")
            assert client.reply().code == 550, pieces
            assert client.reply().code == 250, "NOOP: it alone came behind the end"
    assert upstream.messages == []
    exact(upstream)


@pytest.mark.parametrize("end", NO_ENDS)
def test_what_only_looks_like_an_end(end, people, linked_gate, upstream):
    octets = HEAD + b"text" + end + HIDDEN + b".\r\n"
    begin = len(HEAD) + 4
    count = 0
    with Client(linked_gate.address) as client:
        for pieces in cuts(octets, (begin, begin + len(end)), seed=2):
            # Not the same message twice: a held one would be known.
            octets_of_this = [b"X-Number: %d\r\n" % count + pieces[0], *pieces[1:]]
            assert {reply.code for reply in client.envelope(people)} == {250}
            assert client.ask("DATA").code == 354
            for piece in octets_of_this:
                client.send(piece)
            assert client.reply().code == 250, pieces
            count += len(people)
    assert [message.data.split(b"\r\n\r\n", 1)[1] for message in upstream.messages] == [
        octets.split(b"\r\n\r\n", 1)[1][:-3]] * count
    assert all(len(message.recipients) == 1 for message in upstream.messages)
    exact(upstream)


@pytest.mark.parametrize("end", FALSE_ENDS)
def test_a_message_that_never_ends(end, people, linked_gate, upstream):
    """A false end is no end where the client waits for an answer, either."""
    with Client(linked_gate.address) as client:
        client.envelope(people)
        assert client.ask("DATA").code == 354
        client.send(HEAD + b"text" + end)
    with Client(linked_gate.address) as client:
        assert client.deliver(["you@example.com"], letter("next")).code == 250
    assert [b"Subject: next" in message.data for message in upstream.messages] == [True]
    exact(upstream)


@pytest.mark.parametrize("bare", [b"\r", b"\n", b"\0", b"\n\r", b"\r\r", b"\n\n", b"\0\n"])
def test_bare_line_ends_in_every_command(bare, gate, upstream):
    hidden = b"RCPT TO:<victim@example.com>"
    before = b"MAIL FROM:<news@example.org>\r\n"
    lines = [
        (b"", b"EHLO client.test" + bare + b"MAIL FROM:<evil@example.net>"),
        (b"", b"HELO client" + bare + b".test"),
        (b"", b"MAIL FROM:<news@example.org>" + bare + hidden),
        (b"", b"MAIL FROM:<news" + bare + b"@example.org>"),
        (b"", b"MAIL FROM:<news@example.org> SIZE=1" + bare + hidden),
        (b"", b"MAIL FROM:<news@example.org> ENVID=x" + bare + hidden),
        (before, b"RCPT TO:<you@example.com>" + bare + hidden),
        (before, b"RCPT TO:<you@example.com" + bare + b">"),
        (before, b'RCPT TO:<"you' + bare + b'victim"@example.com>'),
        (before, b"RCPT TO:<you@example.com> ORCPT=rfc822;victim" + bare + b"@example.com"),
        (before, b"RCPT TO:<you@example.com> NOTIFY=NEVER" + bare),
        (before + b"RCPT TO:<you@example.com>\r\n", b"DATA" + bare),
        (before + b"RCPT TO:<you@example.com>\r\n", bare + b"DATA"),
        (b"", b"NOOP" + bare + hidden), (b"", b"VRFY" + bare + b"you"), (b"", b"RSET" + bare),
    ]
    for first, line in lines:
        with Client(gate.address) as client:
            client.send(first)
            client.replies(first.count(b"\r\n"))
            assert client.ask(line).code in (500, 501), line
            assert client.ask("NOOP").code == 250
    assert upstream.messages == []
    exact(upstream)


def test_encoded_line_ends_stay_encoded(gate, upstream):
    with Client(gate.address) as client:
        for line in (b"MAIL FROM:<news@example.org> ENVID=a+0D+0Aevil", b"RCPT TO:<you@example.com> ORCPT=rfc822;a+0D+0Avictim",
                     b'RCPT TO:<"you\\\\and"@example.com> NOTIFY=NEVER'):
            assert client.ask(line).code in (250, 501), line
        assert client.data(letter()).code in (250, 503, 554)
    for connection in upstream.connections:
        assert not BARE.search(connection.octets)
        assert not any(line.startswith((b"evil", b"victim")) for line in connection.commands)


@pytest.mark.parametrize("refusal", [b"554 5.7.1 not this\r\n", b"451 4.3.0 not now\r\n", b"421 4.3.2 not here\r\n", b"250 what\r\n",
                                     b"354\n", b"999 what\r\n"])
def test_data_behind_a_data_that_the_upstream_refused(refusal, gate, upstream):
    """Sent without waiting for the 354: none of it is a command, however it is cut."""
    upstream.answers["DATA"] = refusal
    octets = b"MAIL FROM:<news@example.org>\r\nRCPT TO:<you@example.com>\r\nDATA\r\n"
    for at in range(len(octets) - 3, len(octets) + len(HIDDEN), 7):
        everything = octets + HIDDEN + b".\r\nQUIT\r\n"
        with Client(gate.address) as client:
            client.send(everything[:max(at, len(octets) + 4)])
            assert [client.reply().code for _ in range(2)] == [250, 250]
            assert client.reply().code >= 400
            try:
                client.send(everything[max(at, len(octets) + 4):])
                replies = [client.reply().code for _ in range(8)]
            except (Closed, OSError):
                replies = []
            assert all(code in (421, 500) for code in replies), replies
    assert upstream.messages == []
    exact(upstream)


SNIPPETS = [b"250 2.0.0 yes\r\n", b"250-2.0.0 yes\r\n", b"354 go\r\n", b"550 5.1.1 no\r\n", b"451 4.3.0 later\r\n", b"421 4.3.2 bye\r\n",
            b"250 bare\n", b"250\r\n", b"250 \0\r\n", b"25", b"2500 x\r\n", b"xyz\r\n", b"\r\n", b"\n", b"220 again\r\n",
            b"250-a\r\n354 b\r\n", b"250 " + b"y" * 5000 + b"\r\n", b"\xff\xfe\r\n", b"250\rx\r\n", b"530 5.7.0 who\r\n", b"101 x\r\n"]


class Hostile(FakeUpstream):
    """Says what chance has it say, some of the time; and knows which messages it took, at their ends."""

    def __init__(self, seed, extensions):
        self.random = random.Random(seed)
        self.whole = set()
        super().__init__(extensions)

    def choose(self, connection, verb, line):
        if verb == "END":
            self.whole.update(re.findall(rb"Subject: (\S+)\r\n", connection.message.data))
        if self.random.random() < 0.75:
            return None
        octets = b"".join(self.random.choice(SNIPPETS) for _ in range(self.random.randrange(1, 4)))
        if self.random.random() < 0.3:
            octets += self.usual(verb)
        return Then(octets, CLOSE) if self.random.random() < 0.3 else octets

    def took(self, connection, message):
        super().took(connection, message)
        connection.message = message


@pytest.mark.parametrize("seed", range(4))
def test_an_upstream_that_says_anything(seed, new_gate):
    """A 250 to the message means that the upstream had its end, and no other message has come there, nor a part of one."""
    upstream = Hostile(seed, EXTENSIONS if seed % 2 else [name for name in EXTENSIONS if name != "PIPELINING"])
    timeouts = "".join(f'{name} = "1s"\n' for name in ("greeting", "mail", "rcpt", "data", "data_end"))
    gate = new_gate(upstream.address, more=f"[timeouts]\n{timeouts}").start()
    taken = 0
    for number in range(150):
        name = f"m{number}"
        body = b"The body of %d.\r\n" % number
        with Client(gate.address) as client:
            client.ask("MAIL FROM:<news@example.org>")
            accepted = client.ask("RCPT TO:<you@example.com>").code == 250
            reply = client.data(letter(name, body)) if accepted else None
            if reply and reply.code == 250:
                taken += 1
                assert name.encode() in upstream.whole, "taken for a 250, and the upstream has no such message"
            assert client.ask("NOOP").code == 250, "whatever it says, the client's session stands"
    for message in upstream.messages:
        [name] = re.findall(rb"Subject: (\S+)\r\n", message.data)
        assert message.data.endswith(b"\r\n\r\nThe body of %s.\r\n" % name[1:])
        assert message.mail.startswith(b"MAIL FROM:<news@example.org>") and len(message.recipients) == 1
    assert taken > 10
    upstream.stop()
