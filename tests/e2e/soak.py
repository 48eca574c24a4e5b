"""Mixed load for minutes, with an upstream and clients that fail and SIGHUPs: nothing lost, nothing doubled, no growth.

Each message has a name. What the upstream did is the truth, as in fault_matrix.py: `taken` counts, for a message and a
person, the copies that got a whole 250; `doubted` those that it may have kept without one, or whose client did not read the
answer. Return mail is counted likewise, for the sender to whom it is passed on.

Run by test_soak.py for a minute, and by scripts/soak for as long as one likes.
"""

import contextlib
import queue
import random
import re
import signal
import threading
import time
from collections import Counter
from pathlib import Path

from fake_upstream import CLOSE, HANG, RESET, FakeUpstream, Split, Then, Trickle
from processes import DEADLINE, wait_until
from return_mail import report, return_address
from smtp_client import Client, Closed, letter, stuffed

MORE = """\
idle_close = "2s"

[web]
address = "127.0.0.1:0"

[unsubscribe]
url = "https://unsub.example.com"

[return_path]
domain = "bounce.test"

[[listener]]
name = "return"
address = "127.0.0.1:0"
role = "return-path"

[[stream]]
name = "news"
sender = ["news@*"]

[[stream]]
name = "letters"
kind = "transactional"
sender = ["letters@*"]

[[stream]]
name = "plain"
kind = "transactional"
sender = ["plain@*"]
return_path = "off"

[timeouts]
command = "5s"
data_block = "5s"
greeting = "5s"
mail = "5s"
rcpt = "5s"
data = "5s"
data_end = "8s"
"""
SUPPRESSED = [f"gone{number}@example.com" for number in range(5)]
SENDERS = ("news@example.org", "letters@example.org", "plain@example.org")
TROUBLE = 0.02  # of the upstream's answers, and of the clients' tries
CLIENTS = 8
GROWTH = 32 << 20  # octets; what an allocator keeps is no leak
NAME = re.compile(rb"Subject: (soak\d+)\r\n")
RETURNED = re.compile(rb"returned as (ret\d+)")
REPORTED = re.compile(rb"Final-Recipient: rfc822; *(\S+)")
RCPT = re.compile(rb"RCPT TO:<([^>]*)>")


class Upstream(FakeUpstream):
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.taken, self.doubted, self.drawn = Counter(), Counter(), Counter()
        self.reported = set()
        self.trouble = 0.0
        self.paths = queue.SimpleQueue()  # return addresses of messages, and to whom they went
        super().__init__()

    def draw(self, choices):
        with self.lock:
            if self.random.random() >= self.trouble:
                return None
            drawn = self.random.choice(choices)
            self.drawn[drawn] += 1
            return drawn

    def choose(self, connection, verb, line):
        connection.commands.clear()
        if verb == "GREETING":
            self.connections = [one for one in self.connections if not one.ended]
        if verb == "END":
            return self.end(connection.last)
        drawn = self.draw(["defer", "421", "close", "reset", "trickle", "split"] + ["hang"] * (self.random.random() < 0.2))
        usual = self.usual(verb)
        return {None: None, "defer": b"451 4.3.0 not now\r\n", "421": Then(b"421 4.3.2 bye\r\n", CLOSE), "close": CLOSE,
                "reset": RESET, "trickle": Trickle(usual), "split": Split(usual, 2), "hang": HANG}[drawn]

    def took(self, connection, message):
        connection.octets = b""
        connection.last = message

    def end(self, message):
        drawn = self.draw(["defer", "421", "close", "reset", "lost", "trickle"])
        people = [RCPT.match(line).group(1).decode() for line in message.recipients]
        kept = Counter((self.name_of(message), person) for person in people)
        with self.lock:
            if drawn in (None, "trickle"):
                self.taken.update(kept)
                self.reported.update(person.decode() for person in REPORTED.findall(message.content))
            elif drawn in ("close", "reset", "lost"):
                self.doubted.update(kept)
        match = re.match(rb"MAIL FROM:<([^>]*@bounce\.test)>", message.mail)
        if match and drawn is None and self.paths.qsize() < 100:
            self.paths.put((match.group(1).decode(), people[0]))
        usual = self.usual("END")
        return {None: None, "trickle": Trickle(usual), "defer": b"451 4.3.0 not now\r\n", "lost": Then(usual[:9], CLOSE),
                "421": Then(b"421 4.3.2 bye\r\n", CLOSE), "close": CLOSE, "reset": RESET}[drawn]

    @staticmethod
    def name_of(message):
        content = message.content
        match = RETURNED.search(content) if message.mail.startswith(b"MAIL FROM:<>") else None
        match = match or NAME.search(content)
        return match.group(1).decode() if match else "?"


class Sender(threading.Thread):
    """A client: one message after the other, each until it is taken or refused for good."""

    def __init__(self, soak, number):
        super().__init__(daemon=True)
        self.soak, self.random = soak, random.Random(f"{soak.seed} {number}")
        self.failure = None

    def run(self):
        try:
            while not self.soak.stop.is_set():
                self.give_back() if self.random.random() < 0.1 else self.message()
        except Exception as error:
            self.failure = error

    def message(self):
        name = f"soak{next(self.soak.names)}"
        sender = self.random.choice(SENDERS)
        count = self.random.choice((1, 1, 1, 2, 4))
        people = [f"{name}.{number}@example.com" for number in range(count)]
        if self.random.random() < 0.2:
            people.insert(self.random.randrange(len(people) + 1), self.random.choice(SUPPRESSED))
        body = b"line of a body\r\n" * self.random.choice((1, 10, 100, 20_000))
        waiting = [who for who in people if who not in SUPPRESSED]
        self.until_taken(name, self.soak.gate.address, sender, people, waiting, letter(name, body))

    # Passed on to the sender of the message that is returned.
    def give_back(self):
        try:
            path, person = self.soak.upstream.paths.get_nowait()
        except queue.Empty:
            return
        name = f"ret{next(self.soak.names)}"
        text = report(person, path, status="4.2.2", diagnostic=f"452 4.2.2 returned as {name}", action="failed")
        self.until_taken(name, return_address(self.soak.gate), "", [path], [path], text)

    def until_taken(self, name, address, sender, people, waiting, message):
        soak = self.soak
        end = time.monotonic() + 2 * DEADLINE
        while waiting:
            assert time.monotonic() < end, f"{name} is not taken"
            accepted, code, said_all = self.attempt(address, sender, people, message)
            if code == 250:
                soak.acknowledged(name, accepted)
                waiting = [who for who in waiting if who not in accepted]
                people = waiting
            elif code is None and said_all:
                soak.in_doubt(name, accepted)
            elif code is not None and code >= 500:
                raise AssertionError(f"{name}: {code}")
            soak.tries += 1
            if waiting:
                soak.stop.wait(0.02)

    def attempt(self, address, sender, people, message):
        """(who was accepted, the answer to the message or None, whether its end was sent)."""
        accepted, said_all = [], False
        leaves = self.random.random() < self.soak.trouble
        with contextlib.suppress(Closed, OSError), Client(address) as client:
            lines = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{who}>" for who in people), "DATA"]
            if self.random.random() < 0.5:
                client.send("".join(line + "\r\n" for line in lines).encode())
                replies = client.replies(len(lines))
            else:
                replies = [client.ask(line) for line in lines]
            accepted = [who for who, reply in zip(people, replies[1:-1]) if reply.code == 250]
            assert not set(accepted) & set(SUPPRESSED), accepted
            if replies[-1].code != 354:
                return [], 451, False
            octets = stuffed(message) + b".\r\n"
            if leaves and self.random.random() < 0.5:
                client.send(octets[:self.random.randrange(len(octets) - 5)])
                return accepted, None, False
            said_all = True
            client.send(octets)
            if leaves:
                return accepted, None, True
            code = client.reply().code
            with contextlib.suppress(Closed, OSError):
                client.ask("QUIT")
            return accepted, code, True
        return accepted, None, said_all


class Soak:
    def __init__(self, new_gate, seed):
        self.seed = seed
        self.upstream = Upstream(seed)
        self.gate = new_gate(self.upstream.address, more=MORE)
        self.gate.make_store()
        for address in SUPPRESSED:
            self.gate.run("block", address)
        self.gate.start()
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.names = iter(range(1, 1 << 60))
        self.told, self.unread = {}, Counter()
        self.tries = self.reloads = 0
        self.trouble = 0.0

    def acknowledged(self, name, people):
        with self.lock:
            self.told.setdefault(name, set()).update(people)

    def in_doubt(self, name, people):
        with self.lock:
            self.unread.update((name, who) for who in people)

    def private(self):
        status = Path(f"/proc/{self.gate.process.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1)) * 1024

    def descriptors(self):
        return len(list(Path(f"/proc/{self.gate.process.process.pid}/fd").iterdir()))

    def idle(self):
        """Nobody is there, and no connection is kept."""
        wait_until(lambda: all(connection.ended for connection in self.upstream.connections), "idle connections are closed")

    def run(self, seconds, tell=lambda line: None):
        with Client(self.gate.address) as client:
            assert client.deliver(["first@example.com"], letter("soak0"), SENDERS[2]).code == 250
        self.idle()
        descriptors = self.descriptors()
        self.trouble = self.upstream.trouble = TROUBLE
        senders = [Sender(self, number) for number in range(CLIENTS)]
        for sender in senders:
            sender.start()
        start, end = time.monotonic(), time.monotonic() + seconds
        first = None
        while time.monotonic() < end and not any(sender.failure for sender in senders):
            time.sleep(1)
            if self.reloads % 3 == 0:
                self.gate.process.signal(signal.SIGHUP)
            self.reloads += 1
            # Once everything was used: what an allocator and a thread keep is there then.
            if first is None and time.monotonic() - start > min(60, seconds / 4):
                first = self.private()
            if self.reloads % 60 == 0:
                tell(f"{self.reloads} s: {len(self.told)} messages, {self.private() >> 10} KiB, {self.descriptors()} descriptors")
        self.trouble = self.upstream.trouble = 0.0
        self.stop.set()
        for sender in senders:
            sender.join(3 * DEADLINE)
            if sender.failure:
                raise sender.failure
        self.idle()
        wait_until(lambda: self.descriptors() <= descriptors, "as many descriptors as at the start")
        last = self.private()
        self.upstream.stop()
        return self.judge(first, last, descriptors)

    def judge(self, first, last, descriptors):
        lost, doubled, window = [], [], 0
        for name, people in self.told.items():
            for who in people:
                times, doubts = self.counts(name, who)
                if times == 0 and who not in self.upstream.reported:
                    lost.append((name, who))
                if times > 1 + doubts:
                    doubled.append((name, who, times, doubts))
                window += max(0, times - 1)
        trouble = ", ".join(f"{kind} {count}" for kind, count in sorted(self.upstream.drawn.items(), key=str))
        returned = sum(name.startswith("ret") for name in self.told)
        text = (f"soak: {len(self.told)} messages ({returned} return mail) in {self.tries} tries, lost {len(lost)}, doubled {len(doubled)}, in the window "
                f"of RFC 1047 {window}; memory {first >> 10} KiB at the start, {last >> 10} KiB at the end; descriptors "
                f"{descriptors}, {self.descriptors()}; {(self.reloads + 2) // 3} SIGHUPs; trouble: {trouble}")
        wrong = [f"lost {lost[:5]}"] * bool(lost) + [f"doubled {doubled[:5]}"] * bool(doubled)
        if last > first + GROWTH:
            wrong.append("it grew")
        return text, wrong

    def counts(self, name, who):
        """How often it was taken, and how often that may have been unknown to the gate or the client."""
        if not name.startswith("ret"):
            key = (name, who)
            return self.upstream.taken[key], self.upstream.doubted[key] + self.unread[key]
        passed_on = [key for key in self.upstream.taken if key[0] == name]
        times = max((self.upstream.taken[key] for key in passed_on), default=0)
        doubts = sum(count for key, count in self.upstream.doubted.items() if key[0] == name)
        return times, doubts + self.unread[(name, who)]
