"""Programs that a test starts: their standard error is read as it comes, and every wait has a deadline."""

import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

DEADLINE = 60  # seconds for anything to happen that a test waits for; it is never reached when all is well

ROOT = Path(__file__).resolve().parents[2]
POSTERN = Path(os.environ.get("POSTERN_BIN", ROOT / "build" / "release" / "postern")).resolve()


def wait_until(condition, what, deadline=DEADLINE):
    """Polls until the condition is true and returns its value; fails, saying `what`, at the deadline."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what}")
        time.sleep(0.01)


class Process:
    """A program in the background. `log` is what it has written to standard error."""

    def __init__(self, arguments, cwd=None, env=None, pass_fds=()):
        self.arguments = [str(argument) for argument in arguments]
        self.process = subprocess.Popen(
            self.arguments, cwd=cwd, env=env, pass_fds=pass_fds, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.log = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.log += line.decode("utf-8", "replace")

    def wait_log(self, pattern, start=0):
        """The first match of `pattern` in the log at or behind `start`."""

        def look():
            match = re.search(pattern, self.log[start:])
            if match is None and self.process.poll() is not None:
                self._reader.join(DEADLINE)
                match = re.search(pattern, self.log[start:])
                if match is None:
                    raise AssertionError(
                        f"{self.arguments} ended with {self.process.returncode} and no {pattern!r}:\n{self.log}")
            return match

        try:
            return wait_until(look, f"{pattern!r} in the log of {self.arguments}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log}") from None

    def listening(self, role):
        """(host, port) of the listener, from `listening on HOST:PORT (role)`; `role` may be "web, from systemd"."""
        match = self.wait_log(rf"listening on (\S+):(\d+) \({role}\)")
        return match.group(1), int(match.group(2))

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        """The exit status."""
        status = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return status

    def terminate(self):
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        return self.wait()

    def memory(self):
        """Resident octets now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024


def keeps_what_was_freed():
    """A sanitizer's build: its memory says nothing of the gate's."""
    return b"__asan_init" in POSTERN.read_bytes()


def text_of(address):
    return f"{address[0]}:{address[1]}"


CONFIGURATION = """\
hostname = "gate.test"

[store]
path = "{store}"

[[listener]]
name = "relay"
address = "{listen}"
role = "relay"
trusted = {trusted}
{listener}

[upstream]
address = "{upstream}"

{more}
"""


class Gate:
    """A gate with a directory of its own: configuration, store, and the serving process when it is started."""

    def __init__(self, directory, upstream, trusted='["127.0.0.0/8", "::1"]', more="", listener=""):
        """`listener`: more lines of it. `more`: of [upstream] first, then sections."""
        self.directory = Path(directory)
        self.config = self.directory / "postern.toml"
        self.store = self.directory / "store"
        self.upstream = upstream
        self.trusted = trusted
        self.listener = listener
        self.process = None
        self.configure(more)

    def configure(self, more="", **changes):
        """Writes the configuration; sections that it lacks come in `more`."""
        values = {"store": self.store, "listen": "127.0.0.1:0", "trusted": self.trusted, "listener": self.listener,
                  "upstream": text_of(self.upstream), "more": more, **changes}
        self.config.write_text(CONFIGURATION.format(**values))

    def start(self):
        self.process = Process([POSTERN, "serve", "--config", self.config], cwd=self.directory)
        self.address = self.process.listening("relay")
        return self

    def make_store(self):
        """An empty one, for verbs before the gate serves."""
        self.run("import", "-", input="")
        return self

    def terminate(self):
        return self.process.terminate()

    def kill(self):
        return self.process.kill()

    def run(self, *arguments, input=None, expect=0, config=True):
        """A verb of the command line on this gate's store. Fails unless it exits with `expect`."""
        where = ["--config", str(self.config)] if config else []
        return run_postern(*arguments[:1], *where, *arguments[1:], input=input, expect=expect, cwd=self.directory)


def run_postern(*arguments, input=None, expect=0, cwd=None, env=None):
    done = subprocess.run([str(POSTERN), *map(str, arguments)], input=input, cwd=cwd, env=env, text=True,
                          capture_output=True, timeout=DEADLINE)
    if expect is not None:
        assert done.returncode == expect, (
            f"postern {' '.join(map(str, arguments))}: exit {done.returncode}, wanted {expect}\n"
            f"stdout: {done.stdout}\nstderr: {done.stderr}")
    return done
