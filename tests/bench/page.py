"""One-click POSTs of the unsubscribe page, each of another person and answered when it is on the disk: how many a second,
and how long one takes, by how many ask at a time. Beside it what the disk can do: writes of a page with fsync, one by one.
"""

import collections
import contextlib
import os
import re
import selectors
import socket
import statistics
import subprocess
import time
from pathlib import Path

from measuring import Failure, running, temporary_folder, wait_until

BODY = b"List-Unsubscribe=One-Click"
LINKS_A_CALL = 1_000
PATIENCE = 30  # seconds for any answer


def make_links(binary, config, people, begin=0):
    """The targets of the links of so many people, from that number on: /u/TOKEN."""
    targets = []
    end = begin + people
    for first in range(begin, end, LINKS_A_CALL):
        addresses = [f"person{number}@example.com" for number in range(first, min(end, first + LINKS_A_CALL))]
        done = subprocess.run([str(binary), "link", "--config", str(config), *addresses], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"postern link ended with {done.returncode}: {done.stderr[-500:]}")
        targets += [line.partition("/u/")[2] for line in done.stdout.split()]
    return targets


class Asker:
    """One connection: sends a POST, waits for its answer, sends the next. Opened anew when the server has had enough."""

    def __init__(self, port, loop):
        self.port = port
        self.loop = loop
        self.socket = None

    def ask(self, token):
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port))
            self.loop.register(self.socket, selectors.EVENT_READ, self)
        self.began = time.monotonic()
        self.socket.sendall(b"POST /u/%s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                            b"Content-Length: %d\r\n\r\n%s" % (token.encode(), len(BODY), BODY))

    def take(self):
        """Seconds from the POST to its answer."""
        answer = self.socket.recv(65536)
        took = time.monotonic() - self.began
        if not answer.startswith(b"HTTP/1.1 200 ") or b"unsubscribed" not in answer:
            raise Failure(f"a POST was answered {answer[:200]!r}")
        if b"Connection: close" in answer:
            self.close()
        return took

    def close(self):
        if self.socket is not None:
            self.loop.unregister(self.socket)
            self.socket.close()
            self.socket = None


def post_all(port, targets, connections):
    """(seconds in all, seconds of each)"""
    waiting = collections.deque(targets)
    times = []
    with selectors.DefaultSelector() as loop:
        askers = [Asker(port, loop) for _ in range(connections)]
        began = time.monotonic()
        for asker in askers:
            asker.ask(waiting.popleft())
        while len(times) < len(targets):
            ready = loop.select(PATIENCE)
            if not ready:
                raise Failure(f"no answer within {PATIENCE} s")
            for key, _ in ready:
                times.append(key.data.take())
                if waiting:
                    key.data.ask(waiting.popleft())
        seconds = time.monotonic() - began
        for asker in askers:
            asker.close()
    return seconds, times


def syncs_a_second(folder):
    """Writes of 4 KiB with fdatasync, in the place where something stands, for a second."""
    count = 0
    with open(folder / "syncs", "wb", buffering=0) as out:
        out.write(b"x" * 4096 * 256)
        os.fsync(out.fileno())
        began = time.monotonic()
        while time.monotonic() - began < 1:
            os.pwrite(out.fileno(), b"y" * 4096, count % 256 * 4096)
            os.fdatasync(out.fileno())
            count += 1
    return count


def unsubscribed(binary, config):
    done = subprocess.run([str(binary), "stats", "--config", str(config)], capture_output=True, text=True, check=True)
    return int(re.search(r"unsubscribed\s+(\d+)", done.stdout)[1])


@contextlib.contextmanager
def page_of(binary, folder):
    """(port, configuration) of a gate with an unsubscribe page and an empty store."""
    config = folder / "postern.toml"
    config.write_text(f'hostname = "gate.example.com"\n[store]\npath = "{folder}/store"\n'
                      '[[listener]]\naddress = "127.0.0.1:0"\n[upstream]\naddress = "127.0.0.1:9"\n'
                      '[web]\naddress = "127.0.0.1:0"\n[unsubscribe]\nurl = "https://unsub.example.com"\n')
    log = folder / "gate.log"
    with running([str(binary), "serve", "--config", str(config)], log) as process:

        def port():
            found = re.search(r"listening on 127\.0\.0\.1:(\d+) \(web\)", Path(log).read_text(errors="replace"))
            return int(found[1]) if found else None

        yield wait_until(port, process, log, "the gate"), config


def check_stored(binary, config, posts):
    there = unsubscribed(binary, config)
    if there != posts:
        raise Failure(f"{posts} POSTs were answered 200, {there} are in the store")


def run(options):
    with temporary_folder() as folder, page_of(options.gate, folder) as (web, config):
        steps = options.connections
        targets = make_links(options.gate, config, options.posts * len(steps))
        print(f"disk: {syncs_a_second(folder)} writes of 4 KiB with fdatasync a second, one by one")
        print(f"{'at a time':>10} {'POSTs/s':>9} {'p50 ms':>8} {'p99 ms':>8}")
        for number, connections in enumerate(steps):
            mine = targets[number * options.posts:(number + 1) * options.posts]
            seconds, times = post_all(web, mine, connections)
            times.sort()
            print(f"{connections:>10} {len(mine) / seconds:>9.0f} {statistics.median(times) * 1000:>8.2f} "
                  f"{times[len(times) * 99 // 100] * 1000:>8.2f}")
        check_stored(options.gate, config, len(targets))
        print(f"every one of {len(targets)} is in the store")
