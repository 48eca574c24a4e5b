"""The cases of fault_matrix.py: what may go wrong, and the upstream with which it does."""

import random
import re
import threading
from collections import Counter
from dataclasses import dataclass, field

from fake_upstream import CLOSE, EXTENSIONS, HANG, RESET, FakeUpstream, Glue, Split, Then, Trickle
from smtp_client import letter

# Of a reply that would have been `usual`.
FAULTS = {
    "refuse": lambda usual: b"554 5.7.1 a fault\r\n",
    "defer": lambda usual: b"451 4.7.1 a fault\r\n",
    "421": lambda usual: Then(b"421 4.3.2 a fault\r\n", CLOSE),
    "hang": lambda usual: HANG,
    "close": lambda usual: CLOSE,
    "reset": lambda usual: RESET,
    "trickle": Trickle,
    "split": lambda usual: Split(usual, len(usual) - 1),
    "glue": Glue,
    "cut short": lambda usual: Then(usual[:7], CLOSE),
    "malformed code": lambda usual: b"2x0 what\r\n",
    "no such code": lambda usual: b"999 what\r\n",
    "another code": lambda usual: b"250 2.0.0 what\r\n" if usual[:1] == b"3" else b"354 what\r\n",
    "bare LF": lambda usual: usual.replace(b"\r\n", b"\n"),
    "endless line": lambda usual: b"250 " + b"x" * 70_000,
    "endless reply": lambda usual: b"250-x\r\n" * 10_000,
    "surplus reply": lambda usual: usual + b"250 2.0.0 one more\r\n",
}
# With these the upstream's usual reply arrives whole, or says plainly that nothing was taken.
USUAL_ARRIVES = {"trickle", "split"}
# Of these the usual answer arrives once at least, and whatever comes with it is no other.
SAYS_YES = {"trickle", "split", "glue", "surplus reply"}
NOTHING_TAKEN = {"refuse", "defer", "421"}

ENVELOPE_STAGES = ("MAIL", "RCPT", "DATA", "header", "body", "END")
CONNECTION_STAGES = ("CONNECT", "GREETING", "EHLO", "RSET", "QUIT")
CONNECT_FAULTS = ("refuse", "hang", "close", "reset")

CLIENT_STAGES = ("connect", "greeting", "EHLO", "MAIL", "RCPT", "DATA", "header", "body", "before dot", "in dot", "END",
                 "QUIT")
CLIENT_FAULTS = ("close", "reset", "hang", "trickle", "half-close")

CASE = re.compile(rb"c(\d+)[.@]")
REPORTED = re.compile(rb"Final-Recipient: rfc822; *(\S+)")
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")
LARGE = b"".join(b"line %d of a body that is not small\r\n" % number for number in range(3_000))


@dataclass
class Case:
    number: int
    who: str
    stage: str
    fault: str
    pipelining: bool
    split: bool
    once: bool = False  # the fault comes once, not for the whole first try
    armed: bool = True
    fired: int = 0
    taken: Counter = field(default_factory=Counter)
    doubted: Counter = field(default_factory=Counter)
    reported: set = field(default_factory=set)
    given_up: set = field(default_factory=set)  # their copy had its 250 early, and was never read to its end
    wrong: list = field(default_factory=list)

    def __post_init__(self):
        self.lock = threading.Lock()
        self.met = threading.Event()  # a fault within the message: what it says is on its way to the gate
        self.random = random.Random(self.number)
        self.subject = f"case{self.number}"
        self.sender = f"c{self.number}@{'split' if self.split else 'plain'}.example"
        self.people = [f"p{i}.c{self.number}@example.com" for i in range(3)]
        self.body = LARGE if self.stage in ("header", "body") else b"Good morning.\r\n..\r\n.\r\n"
        self.message = letter(self.subject, self.body)
        self.pipelines = self.random.random() < 0.5  # the client, its commands

    def __str__(self):
        return (f"#{self.number} {self.who} {self.stage}/{self.fault}{' once' if self.once else ''}, "
                f"{'split' if self.split else 'plain'}, upstream {'with' if self.pipelining else 'without'} PIPELINING")

    def speaks_early(self):
        return self.who == "upstream" and self.stage in ("header", "body")

    def fires(self, stage):
        with self.lock:
            if not self.armed or self.who != "upstream" or self.stage != stage or (self.once and self.fired):
                return False
            self.fired += 1
            return True


def person_of(line):
    return re.match(rb"RCPT TO:<([^>]*)>", line).group(1).decode()


class Upstream(FakeUpstream):
    """It has the cases by their numbers; those without an envelope are `alone`."""

    def __init__(self, extensions=EXTENSIONS):
        self.cases = {}
        self.alone = None
        self.wrong = []
        super().__init__(extensions)

    def _case(self, mail):
        match = CASE.search(mail or b"")
        return self.cases.get(int(match.group(1))) if match else None

    def choose(self, connection, verb, line):
        if verb in CONNECTION_STAGES:
            case = self.alone
        else:
            case = self._case(line if verb == "MAIL" else connection.mail)
        if verb == "MAIL" and connection.mail is not None:
            self.wrong.append(f"two envelopes in one: {connection.mail} {line}")
        if verb == "END":
            return self._end(case, connection)
        if case is None or not case.fires(verb):
            return None
        return FAULTS[case.fault](self.usual(verb))

    def in_data(self, connection, octets):
        case = self._case(connection.mail)
        stage = "body" if b"\r\n\r\n" in octets else "header"
        # In the header section before any of it has come, since it comes in one go.
        if case is None or not case.fires(stage):
            return None
        answer = FAULTS[case.fault](self.usual("END"))
        connection.spoke = True
        if answer is HANG:
            case.met.set()
        return answer

    def _during(self, connection, octets):
        try:
            super()._during(connection, octets)
            if getattr(connection, "spoke", False):
                connection.said_yes = self._case(connection.mail).fault in SAYS_YES
        finally:
            if getattr(connection, "spoke", False):
                self._case(connection.mail).met.set()

    def _message(self, connection, buffer):
        try:
            return super()._message(connection, buffer)
        except Exception:
            # The gate took its early 250 for the answer, and hung up when there were more of them.
            if getattr(connection, "said_yes", False):
                self._case(connection.mail).given_up.update(map(person_of, connection.recipients))
            raise

    def took(self, connection, message):
        if BARE.search(connection.octets):
            self.wrong.append(f"a bare CR, LF or NUL behind {message.mail}")
        connection.octets = b""
        connection.last = message
        connection.unasked, connection.spoke = getattr(connection, "spoke", False), False

    # Decided before it is answered: once the client knows, this is looked at.
    def _end(self, case, connection):
        message = connection.last
        if case is None:
            if not message.mail.startswith(b"MAIL FROM:<>"):
                self.wrong.append(f"a message of nobody: {message.mail}")
            for person in REPORTED.findall(message.content):
                case = self._case(person)
                case.reported.add(person.decode())
            return None
        header, body = message.content.split(b"\r\n\r\n", 1)
        if body != case.body or header.count(b"Subject: ") != 1 or b"Subject: %s" % case.subject.encode() not in header:
            case.wrong.append(f"no whole message of its own: {len(body)} octets, {message.content[:200]}")
        fires = case.fires("END")
        arrives = not fires or case.fault in USUAL_ARRIVES
        for line in message.recipients:
            person = person_of(line)
            if arrives:
                case.taken[person] += 1
                # What it said unasked crossed the end of data, and may be taken for the answer to it.
                case.doubted[person] += connection.unasked
            elif case.fault not in NOTHING_TAKEN:
                case.doubted[person] += 1
        return FAULTS[case.fault](self.usual("END")) if fires else None

    def usual(self, verb):
        return b"" if verb == "CONNECT" else super().usual(verb)

    def _serve(self, peer, connection):
        try:
            self._answer(connection, "CONNECT", b"")
        except (OSError, Exception):
            peer.close()
            connection.ended = True
            return
        super()._serve(peer, connection)
