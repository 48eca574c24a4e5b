"""Split copies against an upstream that fails as chance has it, with a client that tries again, and kills of the gate.

Each schedule is one message to a few people. What the upstream did is the truth: it counts, for each person, how often it
said 250 to the end of that copy. Lost is who never got it though the client was told 250 and no report names them; twice
is who got it more than once. Once more is allowed for each time that the one window was hit (DESIGN.md 6): the upstream's
250 did not arrive whole, or the gate was killed before it had answered the client (it answers when all is on record).
"""

import itertools
import random
import re
import threading
import time

from fake_upstream import CLOSE, FakeUpstream, Then
from processes import DEADLINE
from smtp_client import Client, Closed, letter

RCPT = re.compile(rb"RCPT TO:<([^>]*)>")
REPORTED = re.compile(rb"Final-Recipient: rfc822; (\S+)")


class Chance:
    """An upstream whose answers are drawn; calm once the schedule has had its share of trouble."""

    def __init__(self, generator):
        self.random = generator
        self.trouble = 0
        self.lock = threading.Lock()
        self.taken = {}   # subject, person: when the upstream said 250 to the copy
        self.doubts = {}  # how often that may be lost: the reply was not whole, or the gate was killed before it answered
        self.refused = set()   # for good
        self.reported = set()
        self.drawn = {}
        self.subject = None
        self.recorded = {}
        self.stages = set()
        self.server = FakeUpstream(GREETING=self.stage("GREETING"), MAIL=self.stage("MAIL"), RCPT=self.stage("RCPT"),
                                   DATA=self.stage("DATA"), RSET=self.stage("RSET"), END=self.end)

    def begin(self, subject):
        self.subject = subject
        self.recorded = {}
        self.trouble = self.random.randrange(0, 7)
        stages = ["GREETING", "MAIL", "RCPT", "DATA", "RSET", "END"]
        self.stages = set(self.random.sample(stages, self.random.randrange(1, 4)))
        if self.random.random() < 0.5:
            self.stages = {"END"}

    def draw(self, stage, choices):
        with self.lock:
            if self.trouble <= 0 or stage not in self.stages or self.random.random() < 0.5:
                return None
            self.trouble -= 1
            drawn = self.random.choice(choices)
            self.drawn[drawn] = self.drawn.get(drawn, 0) + 1
            return drawn

    def stage(self, verb):
        def answer(line):
            drawn = self.draw(verb, ["transient", "close"])
            if drawn == "transient":
                return b"421 4.3.2 not now\r\n" if verb in ("GREETING", "RSET") else b"451 4.3.0 not now\r\n"
            return CLOSE if drawn == "close" else None
        return answer

    def end(self, data):
        message = next(one for one in reversed(self.server.messages) if one.data is data)
        person = RCPT.match(message.recipients[0]).group(1)
        if message.mail.startswith(b"MAIL FROM:<>"):
            if self.draw("END", ["report"]):
                return b"451 4.3.0 not now\r\n"
            for named in REPORTED.findall(message.content):
                self.reported.add((self.subject, named))
            return None
        copy = (self.subject, person)
        drawn = self.draw("END", ["transient", "permanent", "close", "lost"])
        if drawn == "transient":
            return b"451 4.3.0 not now\r\n"
        if drawn == "permanent":
            with self.lock:
                self.refused.add(copy)
            return b"554 5.7.1 never\r\n"
        if drawn == "close":
            return CLOSE
        with self.lock:
            self.taken.setdefault(copy, []).append(time.monotonic())
            if drawn == "lost":
                # RFC 1047: taken, and the reply does not arrive whole.
                self.doubts[copy] = self.doubts.get(copy, 0) + 1
                return Then(b"250 2.0.0 ta", CLOSE)
        return None

    def on_record(self):
        """The gate has answered the message: what was taken until now is on record."""
        with self.lock:
            self.recorded = {copy: len(times) for copy, times in self.taken.items() if copy[0] == self.subject}

    def doubt(self):
        """It was killed before it answered: what was taken since its last answer may not be."""
        with self.lock:
            for copy, times in self.taken.items():
                if copy[0] == self.subject and len(times) > self.recorded.get(copy, 0):
                    self.doubts[copy] = self.doubts.get(copy, 0) + 1


def attempt(address, people, subject, hang_up=None):
    """One try of a client: (the code of the answer, who was refused at RCPT, whether it answered the message's end), or None
    where it got none."""
    try:
        with Client(address) as client:
            if client.ask("MAIL FROM:<news@example.org>").code != 250:
                return None
            accepted = []
            refused = []
            for who in people:
                code = client.ask(f"RCPT TO:<{who}>").code
                if code == 250:
                    accepted.append(who)
                elif code >= 500:
                    refused.append(who)
                else:
                    return None
            if not accepted:
                return 550, refused, False
            reply = client.ask("DATA")
            if reply.code != 354:
                return None
            client.send(letter(subject) + b".\r\n")
            if hang_up is not None:
                # Before its message is under way, or while it is.
                threading.Event().wait(hang_up)
                return None
            reply = client.reply()
            if reply.code == 250:
                client.ask("NOOP")
            # Of a message that is still being delivered for a client that hung up nothing is said.
            return reply.code, refused, "being delivered" not in reply.text
    except (Closed, OSError):
        return None


def killed(gate, people, subject, after):
    """The same, while the gate is killed."""
    result = []
    thread = threading.Thread(target=lambda: result.append(attempt(gate.address, people, subject)))
    thread.start()
    thread.join(after)
    gate.kill()
    thread.join(DEADLINE)
    gate.start()
    return result[0]


def run(new_gate, count, more, seed):
    generator = random.Random(seed)
    chance = Chance(generator)
    gate = new_gate(chance.server.address, more=more).start()
    window = kills = hang_ups = 0
    for number in range(count):
        subject = f"schedule{number}"
        chance.begin(subject.encode())
        people = [f"p{one}@example.com" for one in range(generator.randrange(2, 12))]
        kill_at = generator.randrange(0, 3) if generator.random() < 0.15 else None
        deadline = time.monotonic() + DEADLINE
        for tries in itertools.count():
            assert time.monotonic() < deadline, f"{subject}: no end"
            hang_up = generator.random() * 0.02 if generator.random() < 0.1 else None
            if tries == kill_at:
                outcome = killed(gate, people, subject, generator.random() * 0.03)
                if outcome is None or not outcome[2]:
                    chance.doubt()
                kills += 1
            else:
                outcome = attempt(gate.address, people, subject, hang_up)
                hang_ups += hang_up is not None
            if outcome is not None and outcome[2]:
                chance.on_record()
            if outcome is not None and (outcome[0] == 250 or outcome[0] >= 500):
                break
        code, refused, _ = outcome
        for person in people:
            copy = (chance.subject, person.encode())
            times = len(chance.taken.get(copy, []))
            doubts = chance.doubts.get(copy, 0)
            told = person in refused or copy in chance.reported or (code >= 500 and copy in chance.refused)
            assert times >= 1 or told, f"{subject}: {person} is lost ({code})"
            assert code == 250 or times <= doubts, f"{subject}: {person} got it, and the client was told {code}"
            assert times <= 1 + doubts, f"{subject}: {person} got it {times} times, with {doubts} in doubt"
            window += max(0, times - 1)
    chance.server.stop()
    print(f"{count} schedules, {kills} kills, {hang_ups} clients that hung up: lost 0, twice outside the window 0, inside it "
          f"{window}; trouble: {chance.drawn}")
