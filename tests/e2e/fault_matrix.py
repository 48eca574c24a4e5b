"""Every fault at every stage, of the upstream and of the client, with one oracle for all of them.

A case is a message to three people, sent by one client. Its first try meets the fault. What the upstream did is the truth:
`taken` counts, for each person, how often a whole copy got a 250; `doubted` how often the upstream may keep a copy of
which it said no whole 250 in time, or whose client left without reading the answer (the window of RFC 1047, counted apart).

- 250 to the client: every person that it was for has exactly one copy, or is named by a report.
- Anything else: tries of the same message against a healthy upstream end with exactly one copy for everybody.
- What reaches the upstream is a whole message of one envelope, or has no end of data.
- The next client is served at once.

Faults between MAIL and the final dot are met by many sessions of one gate at the same time, since the envelope tells whose
they are. Where a connection has no envelope yet, a gate has one case at a time.
"""

import contextlib
import itertools
import queue
import random
import socket
import struct
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from fake_upstream import EXTENSIONS
from fault_cases import (CLIENT_FAULTS, CLIENT_STAGES, CONNECT_FAULTS, CONNECTION_STAGES, ENVELOPE_STAGES, FAULTS, Case,
                         Upstream)
from processes import DEADLINE, wait_until
from smtp_client import Client, Closed, stuffed

# Behind the address of the upstream.
MORE = """\
idle_close = "10s"

[web]
address = "127.0.0.1:0"

[unsubscribe]
url = "https://unsub.example.com"

[[stream]]
name = "plain"
kind = "transactional"
sender = ["*@plain.example"]

[[stream]]
name = "split"
sender = ["*@split.example"]

[timeouts]
command = "3s"
data_block = "3s"
connect = "3s"
greeting = "3s"
mail = "3s"
rcpt = "3s"
data = "3s"
data_end = "5s"
"""

class Try:
    """What a client learnt: who was refused at RCPT, and the answer to its message; None: it got none."""

    def __init__(self):
        self.accepted, self.refused, self.final = [], {}, None
        self.ended = False  # the final dot was sent

    def __str__(self):
        return f"accepted {self.accepted}, refused {self.refused}, final {self.final}"


def attempt(address, case, people, message, sender):
    outcome = Try()
    with contextlib.suppress(Closed, OSError), Client(address) as client:
        lines = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{who}>" for who in people)]
        if case.pipelines:
            client.send("".join(line + "\r\n" for line in [*lines, "DATA"]).encode())
            replies = client.replies(len(lines))
        else:
            replies = [client.ask(line) for line in lines]
        for who, reply in zip(people, replies[1:]):
            if replies[0].code == 250 and reply.code == 250:
                outcome.accepted.append(who)
            else:
                outcome.refused[who] = reply
        go_ahead = client.reply() if case.pipelines else client.ask("DATA")
        if go_ahead.code != 354:
            outcome.final = go_ahead
            return outcome
        say(client, case, stuffed(message) + b".\r\n")
        outcome.final = client.reply()
        client.ask("QUIT")
    return outcome


# An upstream that speaks within a message that streams through is heard before the message's end.
def say(client, case, octets):
    if case.who == "upstream" and case.armed and case.stage in ("header", "body") and not case.split:
        half = 0 if case.stage == "header" else len(octets) // 2
        client.send(octets[:half])
        assert case.met.wait(DEADLINE), "the fault is not met"
        octets = octets[half:]
    client.send(octets)


# A client's side of a fault: everything up to the stage is as it should be.
def misbehave(address, case):
    outcome = Try()
    peer = socket.create_connection(address, DEADLINE)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    header, body = stuffed(case.message).split(b"\r\n\r\n", 1)
    steps = [
        ("connect", b"", None), ("greeting", b"", 220), ("EHLO", b"EHLO client.test\r\n", 250),
        ("MAIL", f"MAIL FROM:<{case.sender}>\r\n".encode(), 250),
        *(("RCPT", f"RCPT TO:<{who}>\r\n".encode(), 250) for who in case.people), ("DATA", b"DATA\r\n", 354),
        ("header", header + b"\r\n\r\n", None), ("body", body, None), ("before dot", b"", None), ("in dot", b".\r\n", None),
        ("END", b"", 250), ("QUIT", b"QUIT\r\n", 221)]
    buffer = b""
    with contextlib.suppress(Closed, OSError), peer:
        for stage, octets, code in steps:
            here = stage == case.stage
            if here and case.fault == "trickle" and octets:
                for octet in octets[:2_000]:
                    peer.sendall(bytes([octet]))
                peer.sendall(octets[2_000:])
            elif here and octets:
                peer.sendall(octets[:len(octets) // 2])
            else:
                peer.sendall(octets)
            outcome.ended = outcome.ended or (stage == "in dot" and (not here or case.fault == "trickle"))
            if here and case.fault == "half-close":
                peer.shutdown(socket.SHUT_WR)
            elif here and case.fault == "hang":
                # It says no more. The gate says 421, and hangs up.
                while peer.recv(65536):
                    pass
                return outcome
            elif here and case.fault in ("close", "reset"):
                if case.fault == "reset":
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return outcome
            if code is not None:
                reply, buffer = reply_of(peer, buffer)
                if stage == "END":
                    outcome.final = reply
                if reply != code:
                    return outcome
                if stage == "RCPT":
                    outcome.accepted = list(case.people)
    return outcome


def reply_of(peer, buffer):
    while True:
        line, end, rest = buffer.partition(b"\r\n")
        if end and line[3:4] != b"-":
            return int(line[:3]), rest
        if end:
            buffer = rest
            continue
        piece = peer.recv(65536)
        if not piece:
            raise Closed
        buffer += piece


class Run:
    """One case, from its first try to the next client."""

    def __init__(self, case, upstream, address, numbers):
        self.case, self.upstream, self.address, self.numbers = case, upstream, address, numbers

    def first_try(self):
        case = self.case
        if case.who == "upstream":
            outcome = attempt(self.address, case, case.people, case.message, case.sender)
            code = outcome.final.code if outcome.final else None
        else:
            outcome = misbehave(self.address, case)
            code = outcome.final
            # It may have been said to one who was not there any more. Split copies have the ledger for that.
            if outcome.ended and code is None and not case.split:
                case.doubted.update(outcome.accepted)
        case.armed = False
        return outcome, code

    def __call__(self):
        case = self.case
        outcome, code = self.first_try()
        waiting = list(case.people)
        if code == 250:
            if case.speaks_early():
                # Its early 250 crossed the end of a copy, and was the answer for the gate: it is still reading.
                wait_until(lambda: all(case.taken[who] or who in case.reported | case.given_up for who in outcome.accepted),
                           "the copies that are under way")
            for who in outcome.accepted:
                self.expect(case.taken[who] == 1 or who in case.reported | case.given_up,
                            f"250 to the client, and {who} has none", outcome)
                waiting.remove(who)
            for who in waiting:
                self.expect(case.taken[who] == 0, f"{who} was not accepted, and got it", outcome)
            self.expect(not case.speaks_early() or case.split, "a reply before the end of data is taken for one", outcome)
        elif not case.split and case.who == "upstream":
            self.expect(case.taken <= case.doubted, f"no 250 to the client, and the upstream said it: {dict(case.taken)}",
                        outcome)
        self.try_again(waiting)
        for who in case.people:
            told = who in case.reported | case.given_up and code == 250
            times = case.taken[who]
            self.expect(times >= 1 or told, f"{who} is lost", outcome)
            self.expect(times <= 1 + case.doubted[who], f"{who} got it {times} times", outcome)
        if case.who == "upstream" and case.fault != "surplus reply":
            self.expect(case.fired or case.stage in ("QUIT", "RSET", "CONNECT"), "the fault was not met", outcome)
        self.next_client()
        return case

    def try_again(self, waiting):
        case = self.case
        end = time.monotonic() + DEADLINE
        owed = 3 if case.speaks_early() and case.split else 0  # answers that came later, as below
        while waiting:
            outcome = attempt(self.address, case, waiting, case.message, case.sender)
            text = outcome.final.text if outcome.final else ""
            if outcome.final and outcome.final.code == 250:
                waiting = [who for who in waiting if who not in outcome.accepted]
            # What an earlier session of this very message still does is waited for.
            elif "being delivered" in text and time.monotonic() < end:
                time.sleep(0.02)
            elif owed > 0:
                owed -= 1
            else:
                self.expect(False, f"the upstream is healthy, and a second try fails: {outcome}", outcome)
                return

    def next_client(self):
        following = Case(next(self.numbers), "nobody", "none", "none", self.case.pipelining, False)
        following.people = following.people[:1]
        self.upstream.cases[following.number] = following
        outcome = attempt(self.address, following, following.people, following.message, following.sender)
        good = outcome.final is not None and outcome.final.code == 250
        if not good and self.case.speaks_early() and self.case.split:
            # The answer that it owed came later, when the connection was somebody else's, who is told to try again.
            outcome = attempt(self.address, following, following.people, following.message, following.sender)
            good = outcome.final is not None and outcome.final.code == 250
        self.expect(good and list(following.taken.values()) == [1], "the next client is not served", outcome)
        self.case.wrong += following.wrong

    def expect(self, holds, why, outcome):
        if not holds:
            self.case.wrong.append(f"{why} ({outcome})")


class Alone(Run):
    """With a gate for itself: the fault meets whoever connects."""

    def first_try(self):
        case, upstream = self.case, self.upstream
        if case.stage == "RSET":
            # Leaves a transaction open, which RSET ends before the connection is used again.
            with Client(self.address) as client:
                client.envelope(["early@example.com"], "early@plain.example")
                client.ask("RSET")
        else:
            upstream.hang_up()
        upstream.alone = case
        with broken_off(upstream, case):
            outcome = super().first_try()
        upstream.alone = None
        return outcome


@contextlib.contextmanager
def broken_off(upstream, case):
    """Connections are refused, or not answered: a queue of length 0 that is full."""
    if case.stage != "CONNECT" or case.fault not in ("refuse", "hang"):
        yield
        return
    upstream.pause()
    with contextlib.ExitStack() as stack:
        if case.fault == "hang":
            deaf = stack.enter_context(socket.socket())
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            deaf.bind(upstream.address)
            deaf.listen(0)
            for _ in range(2):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(upstream.address)
        yield
    upstream.resume()


def cases_of(numbers):
    together, alone = [], []
    shapes = list(itertools.product((True, False), (True, False)))
    for stage, fault, (pipelining, split), once in itertools.product(ENVELOPE_STAGES, FAULTS, shapes, (False, True)):
        case = Case(next(numbers), "upstream", stage, fault, pipelining, split, once)
        # What it says within a copy crosses its end, and would disturb others who use the connection.
        (alone if case.speaks_early() and split else together).append(case)
    for stage, fault, (pipelining, split) in itertools.product(CLIENT_STAGES, CLIENT_FAULTS, shapes):
        together.append(Case(next(numbers), "client", stage, fault, pipelining, split))
    for stage, (pipelining, split) in itertools.product(CONNECTION_STAGES, shapes):
        for fault in CONNECT_FAULTS if stage == "CONNECT" else FAULTS:
            alone.append(Case(next(numbers), "upstream", stage, fault, pipelining, split, stage == "QUIT"))
    return together, alone


class Matrix:
    def __init__(self, new_gate, at_once=48, gates=6):
        self.new_gate, self.at_once, self.gates = new_gate, at_once, gates
        self.numbers = itertools.count(1)
        self.done, self.failed, self.upstreams = [], [], []

    def stand(self, pipelining, first=""):
        """An upstream and a gate; `first`: lines in front of its configuration."""
        upstream = Upstream(EXTENSIONS if pipelining else [name for name in EXTENSIONS if name != "PIPELINING"])
        self.upstreams.append(upstream)
        gate = self.new_gate(upstream.address, more=MORE)
        gate.config.write_text(first + gate.config.read_text())
        return upstream, gate.start()

    def run(self):
        together, alone = cases_of(self.numbers)
        random.Random(1).shuffle(together)
        places = {pipelining: self.stand(pipelining) for pipelining in (True, False)}
        lonely = [(pipelining, *self.stand(pipelining, "threads = 1\n")) for pipelining in (True, False)
                  for _ in range(self.gates // 2)]
        waiting = {pipelining: queue.SimpleQueue() for pipelining in places}
        for case in alone:
            waiting[case.pipelining].put(case)
        with ThreadPoolExecutor(self.at_once + self.gates) as pool:
            futures = [pool.submit(self.work_alone, waiting[pipelining], upstream, gate)
                       for pipelining, upstream, gate in lonely]
            futures += [pool.submit(self.work, Run, case, *places[case.pipelining]) for case in together]
            for future in futures:
                future.result()
        self.failed += [text for upstream in self.upstreams for text in upstream.wrong]
        return together + alone

    def work_alone(self, cases, upstream, gate):
        with contextlib.suppress(queue.Empty):
            while True:
                self.work(Alone, cases.get_nowait(), upstream, gate)

    def work(self, run, case, upstream, gate):
        upstream.cases[case.number] = case
        try:
            run(case, upstream, gate.address, self.numbers)()
        except Exception as error:
            case.wrong.append(repr(error))
        self.done.append(case)
        self.failed += [f"{case}: {text}" for text in case.wrong]

    def stop(self):
        for upstream in self.upstreams:
            upstream.stop()


def summary(matrix):
    window = sum(max(0, times - 1) for case in matrix.done for times in case.taken.values())
    given_up = sum(not case.taken[who] for case in matrix.done for who in case.given_up)
    counts = Counter(case.who for case in matrix.done)
    return (f"fault matrix: cases {len(matrix.done)} (upstream {counts['upstream']}, client {counts['client']}), "
            f"failures {len(matrix.failed)}; lost 0, but {given_up} of which the upstream said 250 before their end; "
            f"twice in the window of RFC 1047 {window}"
            if not matrix.failed else
            f"fault matrix: cases {len(matrix.done)}, failures {len(matrix.failed)}")
