"""The processes of a measurement: started, watched through /proc, ended. Only what was started here is ever ended."""

import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

START_LIMIT = 20  # seconds until a server must listen
STOP_LIMIT = 40  # seconds until it must have ended after SIGTERM; the gate drains for 30
SINK_ATTEMPTS = 5
TICKS = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """The measurement could not be made; the text says why, for a person."""


@contextlib.contextmanager
def running(command, log, **more):
    """The command as a process, its output in the file `log`; ended, with SIGKILL if need be, when the block is left.
    `more`: what else subprocess.Popen is told."""
    with open(log, "wb") as output:
        try:
            process = subprocess.Popen(
                command, **{"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, **more})
        except OSError as error:
            raise Failure(f"cannot start {command[0]}: {error.strerror}") from error
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(ready, process, log, what):
    """Asks `ready` again and again; gives its first true answer."""
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        answer = ready()
        if answer:
            return answer
        if process.poll() is not None:
            raise Failure(f"{what} ended with status {process.returncode}:\n{tail_of(log)}")
        time.sleep(0.01)
    raise Failure(f"{what} did not listen within {START_LIMIT} s:\n{tail_of(log)}")


def tail_of(log):
    return Path(log).read_text(errors="replace")[-2000:]


def greets(port):
    """Whether an SMTP server answers on the port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            return connection.recv(512).startswith(b"220")
    except OSError:
        return False


def free_port():
    """A port that nobody has at this moment: smtp-sink cannot be told to choose one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def smtp_sink(folder):
    """Postfix's smtp-sink on a free port of the loopback interface: (process, port)."""
    for attempt in range(SINK_ATTEMPTS):
        port = free_port()
        # It refuses to run as root unless it is told whom to become.
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = ["/usr/sbin/smtp-sink", *user, "-m", "1000", f"127.0.0.1:{port}", "1000"]
        log = folder / "sink.log"
        with contextlib.ExitStack() as stack:
            process = stack.enter_context(running(command, log))
            try:
                wait_until(lambda: greets(port), process, log, "smtp-sink")
            except Failure:
                # Somebody else may have taken the port meanwhile.
                if attempt + 1 == SINK_ATTEMPTS:
                    raise
                continue
            yield process, port
            return


@contextlib.contextmanager
def gate(binary, folder, upstream_port, more="", prepare=lambda: None):
    """The gate with an empty store and the port as its upstream: (process, port). `more`: sections of its configuration.
    `prepare` is called once its folder is there, to put something else in the store's place."""
    folder.mkdir(exist_ok=True)
    prepare()
    config = folder / "postern.toml"
    config.write_text(
        'hostname = "gate.example.com"\n'
        f'[store]\npath = "{folder}/store"\n'
        '[[listener]]\nname = "relay"\naddress = "127.0.0.1:0"\nrole = "relay"\ntrusted = ["127.0.0.0/8"]\n'
        f'[upstream]\naddress = "127.0.0.1:{upstream_port}"\n{more}'
    )
    log = folder / "gate.log"
    with running([str(binary), "serve", "--config", str(config)], log) as process:

        def port():
            found = re.search(r"listening on 127\.0\.0\.1:(\d+) \(relay\)", log.read_text(errors="replace"))
            return int(found[1]) if found else None

        yield process, wait_until(port, process, log, "the gate")


@contextlib.contextmanager
def temporary_folder(within=None):
    """A folder that is gone afterwards, after SIGTERM too; in the system's place for them, unless another is given."""

    def end(number, _frame):
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    with tempfile.TemporaryDirectory(prefix="postern-bench-", dir=within) as name:
        os.chmod(name, 0o755)
        yield Path(name)


def cpu_seconds(pid):
    """User and system time of the process, its threads, and all of its descendants, ended ones included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    spent = sum(int(field) for field in fields[11:15]) / TICKS
    children = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        children.update((task / "children").read_text().split())
    return spent + sum(cpu_seconds(child) for child in children)


def cpu_nanoseconds(pid):
    """CPU time of the process and all of its descendants. What lives is asked for its clock; what has ended counts with its
    parent, in ticks of 10 ms."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ended = (int(fields[13]) + int(fields[14])) * 1_000_000_000 // TICKS
        # The clock of a process of that number (clock_getcpuclockid), which counts threads that have ended too.
        spent = time.clock_gettime_ns((~pid << 3) | 2) + ended
    except OSError:
        return 0  # it ended meanwhile
    return spent + sum(cpu_nanoseconds(child) for child in children(pid))


def children(pid):
    found = set()
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found.update(int(child) for child in (task / "children").read_text().split())
    return found


def private_memory(pid):
    """Private memory in octets of the process and its descendants."""
    try:
        own = memory(pid)["Anonymous"]
    except (OSError, KeyError):
        own = 0
    return own + sum(private_memory(child) for child in children(pid))


def memory(pid):
    """Resident and private memory of the process, in octets: {"Rss": ..., "Anonymous": ...}."""
    sizes = dict(re.findall(r"^(\w+): +(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE))
    return {name: int(sizes[name]) * 1024 for name in ("Rss", "Anonymous")}


def most_files():
    """How many a process may have open, at most."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 1 << 20 if hard == resource.RLIM_INFINITY else hard


def raise_file_limit(wanted):
    """For us, and for whom we start, who inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Failure(f"{wanted} open files are needed, and the limit (ulimit -Hn) is {hard}")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
