"""The programs that send and take the benchmark's mail (smtp_load.cpp, smtp_sink.cpp)."""

import contextlib
import json
import select
import subprocess
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
            raise Failure(f"smtp_sink ended with {self._process.wait()}")
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


class Held:
    """Connections of a contender that have said EHLO and are left alone."""

    def __init__(self, tools, folder, contender, count, options):
        self._name = contender.name
        self._log = Path(folder) / f"idle-{contender.name}.log"
        command = [str(tools.load), "--port", str(contender.port), "--idle", str(count), *arguments_of(options)]
        with open(self._log, "wb") as errors:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)

    def wait(self):
        """Until all of them are open."""
        ready, _, _ = select.select([self._process.stdout], [], [], LONGEST)
        if not ready or not self._process.stdout.readline():
            self._fail()

    def release(self):
        """They are all still open, and are ended with QUIT."""
        self._process.stdin.close()
        try:
            ended = self._process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            ended = None
        if ended != 0:
            self._fail()

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def _fail(self):
        raise Failure(f"idle connections of {self._name}: {self._log.read_text().strip() or f'not within {LONGEST} s'}")


@contextlib.contextmanager
def idle(tools, folder, contenders, count, **options):
    """So many connections to each, which have said EHLO and are held open; they are all there at the end, or it fails."""
    with contextlib.ExitStack() as stack:
        all_held = []
        for contender in contenders:
            all_held.append(Held(tools, folder, contender, count, options))
            stack.callback(all_held[-1].kill)
        for held in all_held:
            held.wait()
        yield
        for held in all_held:
            held.release()
