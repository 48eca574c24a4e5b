"""kill -9 at random points of whatever changes a store: it opens, `verify` passes, every acknowledged change is there,
and what was broken off can be done again.

Run by test_kills.py, a few times, and by scripts/kill-test, as often as one likes.
"""

import json
import random
import subprocess
import time
from pathlib import Path

from processes import DEADLINE, POSTERN, Gate, run_postern
from smtp_client import Client

OPERATIONS = ("import", "undo", "forget", "compact", "backup", "serve")
ROWS = 20_000
BATCH = 500  # addresses of one call of `check`


class Failure(Exception):
    pass


class Kills:
    def __init__(self, directory, seed, upstream):
        self.directory = Path(directory)
        self.random = random.Random(seed)
        self.upstream = upstream
        self.store = self.directory / "store"
        self.acknowledged = []  # addresses whose opt-out was answered with exit status 0
        self.forgotten = []
        self.rounds = 0
        self.counts = dict.fromkeys(OPERATIONS, 0)
        self.finished = dict.fromkeys(OPERATIONS, 0)  # ended before they were killed
        self.durations = {}
        self.run("import", "-", input="first@example.org\n")

    def run(self, verb, *arguments, expect=0, **options):
        return run_postern(verb, "--store", self.store, *arguments, expect=expect, cwd=self.directory, **options)

    def round(self, operation):
        self.rounds += 1
        self.counts[operation] += 1
        undo = getattr(self, f"{operation}_round")()
        self.check()
        if undo:
            undo()

    # One process of the operation, killed somewhere in the time that it usually takes, while another one writes.
    def kill_somewhere(self, operation, arguments):
        begun = time.monotonic()
        usual = self.durations.get(operation)
        process = subprocess.Popen([str(POSTERN), *map(str, arguments)], cwd=self.directory, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if usual is None:  # the first is let finish: how long does it take?
            errors = process.communicate(timeout=DEADLINE)[1]
            self.durations[operation] = time.monotonic() - begun
            if process.returncode != 0:
                raise Failure(f"{operation}: exit {process.returncode}: {errors.decode()}")
            self.finished[operation] += 1
            return True
        try:
            process.wait(self.random.uniform(0, usual))
        except subprocess.TimeoutExpired:
            process.kill()
        process.stderr.close()
        ended = process.wait(DEADLINE) == 0
        self.finished[operation] += ended
        return ended

    def acknowledge(self):
        address = f"own{len(self.acknowledged)}@example.org"
        self.run("unsubscribe", address, "--reason", "said so")
        self.acknowledged.append(address)

    def file_of_rows(self):
        path = self.directory / f"rows{self.rounds}.csv"
        path.write_text("email,date,reason\n" + "".join(
            f"r{self.rounds}.{i}@example.com,2024-03-01,why {i}\n" for i in range(ROWS)))
        return path

    def import_round(self):
        path = self.file_of_rows()
        self.acknowledge()
        self.kill_somewhere("import", ["import", "--store", self.store, "--source", path.stem, path])
        self.acknowledge()

        def go_on():
            done = self.run("import", "--source", path.stem, path)
            added, unchanged = [int(word) for word in done.stdout.split() if word.isdigit()][1:3]
            if added + unchanged != ROWS:
                raise Failure(f"continued, and: {done.stdout}")
            self.refused([f"r{self.rounds}.{self.random.randrange(ROWS)}@example.com" for _ in range(50)])
            path.unlink()

        return go_on

    def undo_round(self):
        path = self.file_of_rows()
        self.run("import", "--source", path.stem, path)
        name = json.loads(self.run("import", "--list", "--json").stdout.splitlines()[-1])["import"]
        some = [f"r{self.rounds}.{i}@example.com" for i in range(0, ROWS, 400)]
        self.kill_somewhere("undo", ["import", "--store", self.store, "--undo", name])
        self.acknowledge()

        def go_on():
            self.run("import", "--undo", name)
            self.answers(some, refused=False)
            path.unlink()

        return go_on

    def forget_round(self):
        address = f"forgotten{self.rounds}@example.org"
        self.run("unsubscribe", address, "--reason", f"secret of {address}")
        ended = self.kill_somewhere("forget", ["forget", "--store", self.store, address, "--now"])
        self.refused([address])

        def go_on():
            if not ended:
                self.run("forget", address, "--now", expect=None)
            self.forgotten.append(address)
            found = [path for path in self.store.iterdir() if address.encode() in path.read_bytes()]
            if found:
                raise Failure(f"{address} is in {found}")

        return go_on

    def compact_round(self):
        self.acknowledge()
        self.kill_somewhere("compact", ["compact", "--store", self.store])
        self.acknowledge()
        return lambda: self.run("compact")

    def backup_round(self):
        to = self.directory / f"backup{self.rounds}"
        self.acknowledge()
        ended = self.kill_somewhere("backup", ["backup", "--store", self.store, to])
        if ended:
            run_postern("restore", to, "--store", self.directory / f"restored{self.rounds}", cwd=self.directory)
            run_postern("check", "--store", self.directory / f"restored{self.rounds}", *self.acknowledged[-2:],
                        expect=1, cwd=self.directory)
        elif (to / "data.mdb").exists():
            run_postern("verify", "--store", to, cwd=self.directory)
        return None

    # The gate itself, with mail and a watched folder: its writer commits for all of them.
    def serve_round(self):
        place = self.directory / f"gate{self.rounds}"
        (place / "inbox").mkdir(parents=True)
        gate = Gate(place, self.upstream)
        gate.store = self.store
        gate.configure(f'[[source]]\nname = "folder"\nfolder = "{place}/inbox"\n')
        gate.start()
        try:
            path = self.file_of_rows()
            path.rename(place / "inbox" / path.name)
            for _ in range(self.random.randrange(1, 20)):
                with Client(gate.address) as client:
                    client.envelope([f"some{self.random.randrange(1000)}@example.org", "first@example.org"])
            # Somewhere in the folder's import: after a random number of changes of others, not of seconds.
            for _ in range(self.random.randrange(1, 12)):
                self.acknowledge()
        finally:
            gate.kill()
        return None

    def answers(self, addresses, refused):
        for start in range(0, len(addresses), BATCH):
            some = addresses[start:start + BATCH]
            done = self.run("check", "--json", *some, expect=None)
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            wrong = [line["address"] for line in lines if line["accepted"] == refused]
            if wrong or len(lines) != len(some):
                raise Failure(f"round {self.rounds}: {wrong} of {len(some)}: {done.stderr}")

    def refused(self, addresses):
        self.answers(addresses, refused=True)

    def check(self):
        done = self.run("verify", expect=None)
        if done.returncode != 0:
            raise Failure(f"round {self.rounds}: verify: {done.stdout}{done.stderr}")
        self.refused(self.acknowledged + self.forgotten)


def kill(directory, rounds, seed, upstream, tell=lambda line: None):
    """`rounds` kills, each operation as often; the counts. Raises Failure where something was lost."""
    kills = Kills(directory, seed, upstream)
    while kills.rounds < rounds:
        kills.round(OPERATIONS[kills.rounds % len(OPERATIONS)])
        if kills.rounds % 20 == 0:
            tell(f"{kills.rounds} of {rounds}, {len(kills.acknowledged)} acknowledged changes are there")
    return kills
