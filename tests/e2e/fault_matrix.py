"""Every fault at every stage, of the upstream and of the client, with one oracle for all of them.

A case is a message to three people, sent by one client. Its first try meets the fault. What the upstream did is the truth:
`taken` counts, for each person, how often a whole copy got a 250; `doubted` how often the upstream may keep a copy of
which it said no whole 250 in time, or whose client left without reading the answer (the window of RFC 1047, counted apart).

- 250 to the client: every person that it was for has exactly one copy, or is named by a report.
- Anything else: tries of the same message against a healthy upstream end with exactly one copy for everybody.
- What reaches the upstream is a whole message of one envelope, or has no end of data.
- The next client is served at once.
- Who authenticated to the upstream is told 421 where that connection is lost; who did not sends nothing.
- Where the upstream offers TLS and the gate asks for it, nothing of an envelope comes in clear.

Faults between MAIL and the final dot are met by many sessions of one gate at the same time, since the envelope tells whose
they are. Where a connection has no envelope yet, a gate has one case at a time.
"""

import contextlib
import itertools
import queue
import random
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from fake_upstream import EXTENSIONS
from fault_cases import Case, cases_of
from fault_clients import attempt, misbehave
from fault_upstream import LOGIN, Upstream
from processes import DEADLINE, wait_until
from smtp_client import Client

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
handshake = "3s"
auth_failure = "1ms"
"""
# Nobody is trusted, and every session has its own connection.
LOGIN_LISTENER = {"trusted": '["192.0.2.0/24"]', "listener": 'auth = "passthrough"'}
LOGIN_MORE = "connections = 1000\n"


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
            # Where it spoke right behind its 354, a new connection was asked.
            asked_again = case.once and case.asked > 1
            self.expect(not case.speaks_early() or case.split or asked_again, "a reply before the end of data is taken for one", outcome)
        elif not case.split and case.who == "upstream":
            self.expect(case.taken <= case.doubted, f"no 250 to the client, and the upstream said it: {dict(case.taken)}",
                        outcome)
        self.expect(not outcome.slipped_in, "MAIL is taken from who did not authenticate", outcome)
        self.expect(code != 250 or not case.bars_tls(), "there was no TLS, and the message went", outcome)
        self.expect(code == 250 or 421 in outcome.codes or not case.loses_login(), "its connection is lost, and it has no 421",
                    outcome)
        self.try_again(waiting)
        for who in case.people:
            # The upstream's own 250, which came before it had read the copy, is on record whatever became of the others.
            told = who in case.given_up or (who in case.reported and code == 250)
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
        owed = 3 if case.leaves_answers() else 0
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
        following = Case(next(self.numbers), "nobody", "none", "none", self.case.pipelining, False, door=self.case.door)
        following.people = following.people[:1]
        self.upstream.cases[following.number] = following
        outcome = attempt(self.address, following, following.people, following.message, following.sender)
        good = outcome.final is not None and outcome.final.code == 250
        if not good and self.case.leaves_answers():
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


class Matrix:
    def __init__(self, new_gate, authority, other_authority, at_once=56):
        """`other_authority` is one that no gate trusts."""
        self.new_gate, self.authority, self.at_once = new_gate, authority, at_once
        self.tls = authority.context("mx.test")
        self.handshakes = {"another name": authority.context("other.test"),
                           "another authority": other_authority.context("mx.test")}
        self.numbers = itertools.count(1)
        self.done, self.failed, self.upstreams = [], [], []

    def stand(self, door, pipelining, first=""):
        """An upstream and a gate; `first`: lines in front of its configuration."""
        extensions = [name for name in EXTENSIONS if pipelining or name != "PIPELINING"]
        if door == "login":
            upstream = Upstream([*extensions, LOGIN])
            gate = self.new_gate(upstream.address, more=LOGIN_MORE + MORE, **LOGIN_LISTENER)
        elif door == "plain":
            upstream = Upstream(extensions)
            gate = self.new_gate(upstream.address, more=MORE)
        else:
            upstream = Upstream(extensions, self.tls, self.handshakes)
            trust = f'ca = "{self.authority.certificate}"\ntls_name = "mx.test"\n' if door == "verify" else ""
            gate = self.new_gate(upstream.address, more=f'tls = "{door}"\n{trust}{MORE}')
        self.upstreams.append(upstream)
        gate.config.write_text(first + gate.config.read_text())
        return upstream, gate.start()

    def run(self):
        together, alone = cases_of(self.numbers)
        random.Random(1).shuffle(together)
        places = {place: self.stand(*place) for place in sorted({(case.door, case.pipelining) for case in together})}
        waiting = {(case.door, case.pipelining): queue.SimpleQueue() for case in alone}
        for case in alone:
            waiting[case.door, case.pipelining].put(case)
        lonely = [(place, *self.stand(*place, "threads = 1\n")) for place in waiting for _ in range(4)]
        with ThreadPoolExecutor(self.at_once + len(lonely)) as pool:
            futures = [pool.submit(self.work_alone, waiting[place], upstream, gate) for place, upstream, gate in lonely]
            futures += [pool.submit(self.work, Run, case, *places[case.door, case.pipelining]) for case in together]
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
    doors = Counter(case.door for case in matrix.done)
    return (f"fault matrix: cases {len(matrix.done)} (upstream {counts['upstream']}, client {counts['client']}; "
            f"with TLS upstream {doors['opportunistic'] + doors['verify']}, with AUTH {doors['login']}, "
            f"with BDAT {sum(case.way == 'BDAT' for case in matrix.done)}), "
            f"failures {len(matrix.failed)}; lost 0, but {given_up} of which the upstream said 250 before their end; "
            f"twice in the window of RFC 1047 {window}"
            if not matrix.failed else
            f"fault matrix: cases {len(matrix.done)}, failures {len(matrix.failed)}")
