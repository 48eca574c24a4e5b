"""Split copies against an upstream that fails as chance has it, with a client that tries again, and kills of the gate.

Each schedule is one message to a few people. What the upstream did is the truth: it counts, for each person, how often it
said 250 to the end of that copy. Lost is who never got it though the client was told 250 and no report names them; twice
is who got it more than once. Twice is allowed in one window alone (DESIGN.md 6): the upstream's 250 was on its way, or not
yet on record, when the gate was killed or the connection broke; such a copy is one that was under way at that moment.
"""

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
        self.taken = {}       # subject, person: how often
        self.in_doubt = set()  # the 250 was not given, or not whole: whether it was taken nobody can know
        self.refused = set()   # for good
        self.reported = set()
        self.drawn = {}
        self.subject = None
        self.stages = set()
        self.server = FakeUpstream(GREETING=self.stage("GREETING"), MAIL=self.stage("MAIL"), RCPT=self.stage("RCPT"),
                                   DATA=self.stage("DATA"), RSET=self.stage("RSET"), END=self.end)

    def begin(self, subject):
        self.subject = subject
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
            self.taken[copy] = self.taken.get(copy, 0) + 1
            if drawn == "lost":
                # RFC 1047: taken, and the reply does not arrive whole.
                self.in_doubt.add(copy)
                return Then(b"250 2.0.0 ta", CLOSE)
        return None


def attempt(address, people, subject):
    """One try of a client: (the code of the answer to the message, who was refused at RCPT), or None where it got none."""
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
                return 550, refused
            reply = client.ask("DATA")
            if reply.code != 354:
                return None
            client.send(letter(subject) + b".\r\n")
            code = client.reply().code
            if code == 250:
                client.ask("NOOP")
            return code, refused
    except (Closed, OSError):
        return None


def run(new_gate, count, more, seed):
    generator = random.Random(seed)
    chance = Chance(generator)
    gate = new_gate(chance.server.address, more=more).start()
    window = kills = 0
    for number in range(count):
        subject = f"schedule{number}"
        chance.begin(subject.encode())
        people = [f"p{one}@example.com" for one in range(generator.randrange(2, 7))]
        kill_after = generator.random() * 0.03 if generator.random() < 0.1 else None
        deadline = time.monotonic() + DEADLINE
        while True:
            assert time.monotonic() < deadline, f"{subject}: no end"
            if kill_after is not None:
                result = []
                thread = threading.Thread(target=lambda: result.append(attempt(gate.address, people, subject)))
                thread.start()
                thread.join(kill_after)
                gate.kill()
                thread.join(DEADLINE)
                outcome = result[0]
                # What the upstream took in the last moments, the gate had no time to note.
                for person in people:
                    copy = (chance.subject, person.encode())
                    if chance.taken.get(copy, 0) > 0 and outcome is None:
                        chance.in_doubt.add(copy)
                kills += 1
                kill_after = None
                gate.start()
            else:
                outcome = attempt(gate.address, people, subject)
            if outcome is not None and (outcome[0] == 250 or outcome[0] >= 500):
                break
        code, refused = outcome
        for person in people:
            copy = (chance.subject, person.encode())
            times = chance.taken.get(copy, 0)
            told = person in refused or copy in chance.reported or (code >= 500 and copy in chance.refused)
            assert times >= 1 or told or code >= 500, f"{subject}: {person} is lost ({code})"
            if times > 1:
                assert copy in chance.in_doubt, f"{subject}: {person} got it {times} times"
                window += 1
    chance.server.stop()
    print(f"{count} schedules, {kills} kills: lost 0, twice outside the window 0, inside it {window}; "
          f"trouble: {chance.drawn}")
