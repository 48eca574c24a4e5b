"""The cases of fault_matrix.py: what may go wrong, where, and for whom.

A case has a door, which is how its gate and its upstream stand: "plain"; "login", where clients authenticate to the
upstream; "opportunistic" and "verify", where the gate speaks TLS with it. Its way is DATA or BDAT.
"""

import itertools
import random
import threading
from collections import Counter
from dataclasses import dataclass, field

from fake_upstream import CLOSE, HANG, RESET, Flight, Glue, Split, Then, Trickle
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
# Instead of a handshake. Of the two last the matrix has the contexts; where any certificate will do they are no faults.
HANDSHAKES = {
    "close": CLOSE,
    "reset": RESET,
    "hang": HANG,
    "garbage": Then(b"250 2.0.0 what\r\n" * 100, HANG),
    "a record of nothing": Then(b"\x16\x03\x03\0\0", HANG),
    "an endless record": Then(b"\x16\x03\x03\xff\xff" + b"x" * 70_000, HANG),
    "alert": Then(b"\x15\x03\x03\0\x02\x02\x28", CLOSE),
    "cut short": Flight(0.5, CLOSE),
    "reset half-way": Flight(0.5, RESET),
    "hang half-way": Flight(0.5, HANG),
    "close behind the flight": Flight(1, CLOSE),
    "another name": None,
    "another authority": None,
}

# With these the upstream's usual reply arrives whole, or says plainly that nothing was taken.
USUAL_ARRIVES = {"trickle", "split"}
# Of these the usual answer arrives once at least, and whatever comes with it is no other.
SAYS_YES = {"trickle", "split", "glue", "surplus reply"}
NOTHING_TAKEN = {"refuse", "defer", "421"}

ENVELOPE_STAGES = ("MAIL", "RCPT", "DATA", "header", "body", "END")
LOGIN_STAGES = ("AUTH", "CHALLENGE", "PASSWORD")
TLS_STAGES = ("STARTTLS", "HANDSHAKE", "EHLO in TLS")
CONNECTION_STAGES = ("CONNECT", "GREETING", "EHLO", "RSET", "QUIT", *TLS_STAGES)
CONNECT_FAULTS = ("refuse", "hang", "close", "reset")

CLIENT_STAGES = ("connect", "greeting", "EHLO", "MAIL", "RCPT", "DATA", "header", "body", "before dot", "in dot", "END",
                 "QUIT")
CLIENT_LOGIN_STAGES = ("AUTH", "PASSWORD", "MAIL", "RCPT", "DATA", "body", "in dot", "END", "QUIT")
CLIENT_CHUNK_STAGES = ("BDAT", "chunk", "between chunks", "BDAT again", "chunk again", "before LAST", "LAST",
                       "last chunk", "END", "QUIT")
CLIENT_FAULTS = ("close", "reset", "hang", "trickle", "half-close")
# Of how many octets follow a BDAT: so many more than there are.
LIES = {"one too many": 1, "a line too few": -3}

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
    door: str = "plain"
    way: str = "DATA"
    armed: bool = True
    fired: int = 0
    taken: Counter = field(default_factory=Counter)
    doubted: Counter = field(default_factory=Counter)
    reported: set = field(default_factory=set)
    asked: int = 0  # how often the upstream had its MAIL
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
        # A client that says LAST too early has a message that ends there.
        self.whole = {self.body[:-3] if self.fault == "a line too few" and self.stage == "LAST" else self.body, self.body}
        self.pipelines = self.random.random() < 0.5  # the client, its commands

    def __str__(self):
        return (f"#{self.number} {self.who} {self.stage}/{self.fault}{' once' if self.once else ''}, {self.way}, {self.door}, "
                f"{'split' if self.split else 'streamed'}, upstream {'with' if self.pipelining else 'without'} PIPELINING")

    def chunks(self):
        """The message in three pieces."""
        third = len(self.message) // 3
        return [self.message[:third], self.message[third:2 * third], self.message[2 * third:]]

    def speaks_early(self):
        return self.who == "upstream" and self.stage in ("header", "body")

    def leaves_answers(self):
        """More replies than commands, of which the last may come when the connection is somebody else's, who is told to try
        again: what it says within a copy crosses its end, and what it says before DATA is not waited for.
        """
        late = self.split if self.speaks_early() else self.stage in ("MAIL", "RCPT") and self.fault == "surplus reply"
        return self.who == "upstream" and late

    def loses_login(self):
        """The connection on which the client authenticated cannot be used again."""
        return (self.door == "login" and self.who == "upstream" and self.stage in ENVELOPE_STAGES
                and self.fault not in {"refuse", "defer", *USUAL_ARRIVES})

    def bars_tls(self):
        """No connection comes to be one that may be used."""
        any_name = self.door == "opportunistic" and self.fault in ("another name", "another authority")
        return self.stage in ("STARTTLS", "HANDSHAKE") and self.fault not in USUAL_ARRIVES and not any_name

    def fires(self, stage):
        with self.lock:
            if not self.armed or self.who != "upstream" or self.stage != stage or (self.once and self.fired):
                return False
            self.fired += 1
            return True


SHAPES = list(itertools.product((True, False), (True, False)))  # of the upstream's PIPELINING, and of splitting


def cases_of(numbers):
    """Those of many at a time, and those with a gate to themselves."""
    together, alone = [], []
    for stage, fault, (pipelining, split), once in itertools.product(ENVELOPE_STAGES, FAULTS, SHAPES, (False, True)):
        case = Case(next(numbers), "upstream", stage, fault, pipelining, split, once)
        (alone if case.leaves_answers() else together).append(case)
    for stage, fault, (pipelining, split) in itertools.product(CLIENT_STAGES, CLIENT_FAULTS, SHAPES):
        together.append(Case(next(numbers), "client", stage, fault, pipelining, split))
    for stage, (pipelining, split) in itertools.product(("CONNECT", "GREETING", "EHLO", "RSET", "QUIT"), SHAPES):
        for fault in CONNECT_FAULTS if stage == "CONNECT" else FAULTS:
            alone.append(Case(next(numbers), "upstream", stage, fault, pipelining, split, stage == "QUIT"))
    for case in chunk_cases(numbers):
        (alone if case.leaves_answers() else together).append(case)
    together += login_cases(numbers)
    for door, pipelining in (("opportunistic", False), ("verify", True)):
        more_together, more_alone = tls_cases(numbers, door, pipelining)
        together += more_together
        alone += more_alone
    return together, alone


def chunk_cases(numbers):
    for stage, fault, (pipelining, split) in itertools.product(ENVELOPE_STAGES, FAULTS, SHAPES):
        if not split or stage not in ("header", "body"):
            yield Case(next(numbers), "upstream", stage, fault, pipelining, split, way="BDAT")
    lies = itertools.product(("BDAT", "BDAT again", "LAST"), LIES)
    for (stage, fault), (pipelining, split) in itertools.product(
            [*itertools.product(CLIENT_CHUNK_STAGES, CLIENT_FAULTS), *lies], SHAPES):
        yield Case(next(numbers), "client", stage, fault, pipelining, split, way="BDAT")


# The connection is of one client alone, so that nothing that is said on it disturbs others.
def login_cases(numbers):
    for stage, fault, (pipelining, split) in itertools.product((*LOGIN_STAGES, *ENVELOPE_STAGES), FAULTS, SHAPES):
        yield Case(next(numbers), "upstream", stage, fault, pipelining, split, door="login")
    for stage, fault, (pipelining, split) in itertools.product(CLIENT_LOGIN_STAGES, CLIENT_FAULTS, SHAPES):
        yield Case(next(numbers), "client", stage, fault, pipelining, split, door="login")


def tls_cases(numbers, door, pipelining):
    together, alone = [], []
    for stage, fault, split in itertools.product(ENVELOPE_STAGES, FAULTS, (False, True)):
        if not split or stage not in ("header", "body"):
            case = Case(next(numbers), "upstream", stage, fault, pipelining, split, door=door)
            (alone if case.leaves_answers() else together).append(case)
    for stage, split in itertools.product(TLS_STAGES, (False, True)):
        for fault in HANDSHAKES if stage == "HANDSHAKE" else FAULTS:
            alone.append(Case(next(numbers), "upstream", stage, fault, pipelining, split, door=door))
    return together, alone
