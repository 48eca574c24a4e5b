"""The programs that send and take the benchmark's mail (smtp_load.cpp, smtp_sink.cpp)."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

from measuring import Failure, running

LONGEST = 120  # seconds for one run of the load generator


class Tools:
    """Where the two programs are: in the release build, whichever gate is measured."""

    def __init__(self):
        build = Path(__file__).resolve().parents[2] / "build/release/tests/bench"
        self.load, self.sink = build / "smtp_load", build / "smtp_sink"
        for program in (self.load, self.sink):
            if not program.is_file():
                raise Failure(f"no {program}; build it: cmake --preset release && cmake --build --preset release")


class Sink:
    """A sink that runs: `port`; what it took is asked for with taken()."""

    def __init__(self, process):
        self._process = process
        self.port = self._answer()["port"]

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise Failure("smtp_sink ended")
        return json.loads(line)

    def _say(self, letter):
        self._process.stdin.write(letter)
        self._process.stdin.flush()

    def taken(self):
        """What it took since the last time that it was asked: connections, messages, recipients, octets, cpu_ns."""
        self._say(b"r")
        counts = self._answer()
        if counts["errors"]:
            raise Failure(f"the sink found {counts['errors']} errors, first: {counts['first_error']}")
        return counts

    def delay_acks(self, whether):
        self._say(b"d" if whether else b"i")


@contextlib.contextmanager
def sink(tools, folder, certificate=None, senders=None, any_mail=False):
    """`certificate`: (chain, key), and it speaks TLS from the first octet. `senders`: a file for the reverse-paths."""
    command = [str(tools.sink)]
    if certificate:
        command += ["--certificate", str(certificate[0]), "--key", str(certificate[1])]
    if senders:
        command += ["--senders", str(senders)]
    if any_mail:
        command += ["--any"]
    with running(command, folder / "sink.log", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Sink(process)


def arguments_of(options):
    """{"each": 1, "tls": True} as --each 1 --tls."""
    words = []
    for name, value in options.items():
        if value is True:
            words.append(f"--{name}")
        elif value is not None and value is not False:
            words += [f"--{name}", str(value)]
    return words


def send(tools, port, **options):
    """Runs the load generator to its end; what it printed, as a dictionary."""
    command = [str(tools.load), "--port", str(port), *arguments_of(options)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{' '.join(command)}: not within {LONGEST} s") from error
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def check_lost(name, said):
    """haproxy now and then closes a TLS connection at once, for no reason that can be seen: that is told. Nobody else may."""
    lost = said.get("lost", 0)
    if lost and name != "haproxy":
        raise Failure(f"{name} closed {lost} connections before the greeting")
    if lost:
        print(f"bench: {name} closed {lost} connections before the greeting; they were opened again", file=sys.stderr)


@contextlib.contextmanager
def idle(tools, folder, contender, count, **options):
    """So many connections that have said EHLO, held open; they are all there at the end, or it fails."""
    command = [str(tools.load), "--port", str(contender.port), "--idle", str(count), *arguments_of(options)]
    log = Path(folder) / f"idle-{contender.name}.log"
    with open(log, "wb") as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
    try:
        said = process.stdout.readline()
        if not said:
            raise Failure(f"idle connections of {contender.name}: {log.read_text().strip()}")
        check_lost(contender.name, json.loads(said))
        yield
        process.stdin.close()
        if process.wait(LONGEST) != 0:
            raise Failure(f"idle connections of {contender.name}: {log.read_text().strip()}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
