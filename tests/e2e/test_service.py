"""The gate under systemd, as far as that goes without one that runs: what it says to its manager, sockets that it is passed,
the unit, and root's rights, which it gives up.
"""

import fcntl
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from processes import DEADLINE, POSTERN, ROOT, Process, text_of, wait_until
from smtp_client import Client, letter

UNIT = ROOT / "packaging" / "systemd" / "postern.service"
USER = "daemon"  # of every Debian

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives up root's rights, which it has to have")


class Manager:
    """Takes what a service tells systemd; `said` are the lines so far."""

    def __init__(self, directory):
        self.path = directory / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(DEADLINE)
        self.said = []

    def hears(self, line):
        """Waits for that line, and returns what came before it."""
        before = []
        while True:
            while line not in self.said:
                before += self.said
                self.said = self.socket.recv(65536).decode().split("\n")
            at = self.said.index(line)
            before += self.said[:at]
            self.said = self.said[at + 1:]
            return before


@pytest.fixture
def manager(directory):
    started = Manager(directory)
    yield started
    started.socket.close()


def serve(gate, env=None, wrapper=()):
    gate.process = Process([*wrapper, POSTERN, "serve", "--config", gate.config], cwd=gate.directory,
                           env={**os.environ, **(env or {})})
    return gate.process


def deliver(address):
    with Client(address) as client:
        assert client.deliver(["you@example.com"], letter()).code == 250


def test_what_systemd_is_told(new_gate, upstream, manager):
    gate = new_gate(upstream.address)
    process = serve(gate, {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "2000000"})
    manager.hears("READY=1")
    # Ready means that clients can connect: it was said behind "listening on".
    address = process.listening("relay")
    deliver(address)
    for _ in range(3):
        manager.hears("WATCHDOG=1")

    process.signal(signal.SIGHUP)
    manager.hears("RELOADING=1")
    manager.hears("READY=1")
    gate.config.write_text(gate.config.read_text() + "\nwrong = 1\n")
    process.signal(signal.SIGHUP)
    manager.hears("RELOADING=1")
    manager.hears("READY=1")
    deliver(address)

    process.signal(signal.SIGTERM)
    before = manager.hears("STOPPING=1")
    assert "RELOADING=1" not in before
    assert any(line.startswith("STATUS=") for line in [*before, *manager.said])
    assert process.wait() == 0


def test_without_systemd_nothing_is_needed(new_gate, upstream, directory):
    gate = new_gate(upstream.address)
    process = serve(gate, {"NOTIFY_SOCKET": str(directory / "nobody"), "LISTEN_FDS": "1", "LISTEN_PID": "1"})
    deliver(process.listening("relay"))
    assert process.terminate() == 0


def in_passing(sockets, names, command):
    """`command` with sockets in the way that systemd passes them: from descriptor 3 on."""
    moves = " ".join(f"{3 + index}<&{one.fileno()}" for index, one in enumerate(sockets))
    script = f'exec {moves}; LISTEN_PID=$$ LISTEN_FDS={len(sockets)} LISTEN_FDNAMES={names} exec "$@"'
    return ["bash", "-c", script, "bash", *map(str, command)]


@pytest.fixture
def open_socket():
    """Opens sockets of a manager, on descriptors that a program may inherit."""
    made = []

    def make(kind=socket.SOCK_STREAM, listens=True):
        first = socket.socket(socket.AF_INET, kind)
        first.bind(("127.0.0.1", 0))
        if listens:
            first.listen(64)
        # Far from the numbers that they are to get.
        number = fcntl.fcntl(first.fileno(), fcntl.F_DUPFD, 100)
        first.close()
        made.append(socket.socket(fileno=number))
        return made[-1]

    yield make
    for one in made:
        one.close()


def activate(gate, sockets, names, command=None):
    command = command or [POSTERN, "serve", "--config", gate.config]
    gate.process = Process(in_passing(sockets, names, command), cwd=gate.directory,
                           pass_fds=[one.fileno() for one in sockets])
    return gate.process


@pytest.mark.parametrize("threads", [1, 4])
def test_passed_sockets(threads, new_gate, upstream, open_socket):
    """A name may have several sockets; each thread serves all of them, and each is let go of when the gate ends."""
    gate = new_gate(upstream.address, more='[web]\naddress = "127.0.0.1:0"\n')
    gate.config.write_text(f"threads = {threads}\n" + gate.config.read_text())
    sockets = [open_socket(), open_socket(), open_socket()]
    process = activate(gate, sockets, "relay:web:relay")
    process.wait_log(r"listening on \S+ \(web, from systemd\)")
    for index, name in enumerate(["relay", "web", "relay"]):
        assert f"listening on {text_of(sockets[index].getsockname())} ({name}, from systemd)" in process.log
    for _ in range(10):
        deliver(sockets[0].getsockname())
        deliver(sockets[2].getsockname())
    done = subprocess.run(["curl", "-sf", f"http://{text_of(sockets[1].getsockname())}/healthz"], timeout=DEADLINE)
    assert done.returncode == 0
    assert len(upstream.messages) == 20

    # Whoever comes while no gate runs is waiting in the manager's socket, and is served by the next.
    assert process.terminate() == 0
    waiting = socket.create_connection(sockets[0].getsockname(), DEADLINE)
    process = activate(gate, sockets, "relay:web:relay")
    assert waiting.recv(3) == b"220"
    waiting.close()
    assert process.terminate() == 0


def test_draining_with_a_passed_socket(new_gate, upstream, open_socket):
    """The manager still has the socket: who connects while the gate drains is not answered, and not lost."""
    gate = new_gate(upstream.address)
    one = open_socket()
    process = activate(gate, [one], "relay")
    process.wait_log("from systemd")
    with Client(one.getsockname()) as client:
        assert client.envelope(["you@example.com"])[0].code == 250
        assert client.ask("DATA").code == 354
        process.signal(signal.SIGTERM)
        process.wait_log("draining")
        late = socket.create_connection(one.getsockname(), DEADLINE)
        client.send(letter() + b".\r\n")
        assert client.reply().code == 250
    assert process.wait() == 0
    process = activate(gate, [one], "relay")
    late.settimeout(DEADLINE)
    assert late.recv(3) == b"220"
    late.close()
    assert process.terminate() == 0


@pytest.mark.parametrize("name, kind, listens, status, what", [
    ("postern.socket", socket.SOCK_STREAM, True, 2, r"named postern\.socket.*FileDescriptorName=.*relay, web, admin"),
    ("web", socket.SOCK_STREAM, True, 2, "named web"),  # there is no [web]
    ("relay", socket.SOCK_DGRAM, False, 3, "as relay is no TCP socket"),
    ("relay", socket.SOCK_STREAM, False, 3, "as relay does not listen.*Accept=no"),
])
def test_passed_sockets_that_are_of_no_use(name, kind, listens, status, what, new_gate, upstream, open_socket):
    gate = new_gate(upstream.address)
    process = activate(gate, [open_socket(kind, listens)], name)
    assert process.wait() == status
    assert re.search(what, process.log), process.log


def test_systemd_socket_activate(new_gate, upstream, open_socket):
    gate = new_gate(upstream.address)
    one = open_socket()
    gate.process = process = activate(gate, [one], "ignored", ["systemd-socket-activate", "--fdname=relay", POSTERN,
                                                               "serve", "--config", gate.config])
    # It starts the gate for the first who comes, who then waits for the greeting.
    deliver(one.getsockname())
    process.wait_log(r"listening on \S+ \(relay, from systemd\)")
    assert len(upstream.messages) == 1
    assert process.terminate() == 0


# The unit. The program of a build stands for the installed one.


@pytest.fixture
def unit(directory):
    path = directory / "postern.service"
    path.write_text(UNIT.read_text().replace("/usr/bin/postern", str(POSTERN)))
    shutil.copy(UNIT.with_name("postern.socket"), directory)
    return path


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=DEADLINE)


def test_units_are_sound(unit):
    done = analyze("verify", "--man=no", unit, unit.with_suffix(".socket"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_unit_exposes_little(unit):
    done = analyze("security", "--offline=true", "--no-pager", "--threshold=20", unit)
    assert done.returncode == 0, done.stdout
    print(done.stdout.splitlines()[-1])


def allowed_calls():
    """Of the unit's SystemCallFilter=, in the order in which it has them."""
    def members(name):
        found = set()
        for line in analyze("syscall-filter", name).stdout.splitlines()[1:]:
            word = line.strip()
            if word.startswith("@"):
                found |= members(word)
            elif word and not word.startswith("#"):
                found.add(word)
        return found

    allowed = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.MULTILINE):
        named = set().union(*(members(word.lstrip("~")) for word in line.split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


def test_unit_allows_what_the_gate_does(new_gate, upstream, directory):
    """Every system call of a life with mail, pages, a reload, an import and a compaction, as another user than root."""
    more = '[web]\naddress = "127.0.0.1:0"\n[[source]]\nname = "tool"\nfolder = "{folder}"\n'
    folder = directory / "exports"
    folder.mkdir()
    folder.chmod(0o777)
    gate = new_gate(upstream.address, more=more.format(folder=folder))
    gate.directory.chmod(0o777)
    trace, trace_of_compact = directory / "trace", directory / "compact"
    for path in (trace, trace_of_compact):
        path.touch()
        path.chmod(0o666)
    wrapper = ["setpriv", "--reuid=1", "--regid=1", "--clear-groups"] if os.geteuid() == 0 else []
    command = [*wrapper, "strace", "-D", "-f", "-o", trace]
    process = serve(gate, wrapper=command)
    deliver(process.listening("relay"))
    host, port = process.listening("web")
    subprocess.run(["curl", "-sf", f"http://{host}:{port}/healthz"], check=True, timeout=DEADLINE)
    (folder / "left.txt").write_text("gone@example.com\n")
    process.wait_log("left.txt")
    process.signal(signal.SIGHUP)
    process.wait_log("read anew")
    done = subprocess.run([*command[:-1], trace_of_compact, POSTERN, "compact", "--config", gate.config], timeout=DEADLINE,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert process.terminate() == 0
    for path in (trace, trace_of_compact):
        wait_until(lambda: "+++ exited with 0 +++" in path.read_text().splitlines()[-1], "the tracer is done")

    text = trace.read_text() + trace_of_compact.read_text()
    made = set(re.findall(r"^\d+ +(\w+)\(", text, re.MULTILINE))
    assert {"prctl", "epoll_wait", "fdatasync"} <= made, "the trace is whole"
    assert made - allowed_calls() == set()


# Root's rights.


def facts(process, task=None):
    """Of a process, or of one of its threads: the lines of its status."""
    place = Path(f"/proc/{process.process.pid}") / (f"task/{task}" if task else "")
    return dict(line.split(":\t", 1) for line in (place / "status").read_text().splitlines() if ":\t" in line)


def start_as_user(gate, more="", env=None):
    gate.configure(more)
    gate.config.write_text(f'user = "{USER}"\n' + gate.config.read_text())
    gate.directory.chmod(0o755)
    return serve(gate, env)


@needs_root
def test_root_is_given_up(new_gate, upstream):
    gate = new_gate(upstream.address)
    process = start_as_user(gate)
    address = process.listening("relay")
    deliver(address)
    user = pwd.getpwnam(USER)
    tasks = os.listdir(f"/proc/{process.process.pid}/task")
    assert len(tasks) > 5
    for task in tasks:
        known = facts(process, task)
        assert known["Uid"].split() == [str(user.pw_uid)] * 4
        assert known["Gid"].split() == [str(user.pw_gid)] * 4
        assert known["Groups"].split() == [str(user.pw_gid)], "root's groups are gone"
        assert int(known["CapEff"], 16) == int(known["CapPrm"], 16) == int(known["CapInh"], 16) == 0
        assert known["NoNewPrivs"] == "1"
    for path in [gate.store, *gate.store.iterdir()]:
        assert path.stat().st_uid == user.pw_uid
        assert path.stat().st_mode & 0o077 == 0, path
    # The store works for the gate, and for root beside it.
    gate.run("unsubscribe", "you@example.com")
    with Client(address) as client:
        assert client.envelope(["you@example.com"])[0].code == 550
    assert process.terminate() == 0
    assert {path.stat().st_uid for path in gate.store.iterdir()} == {user.pw_uid}


@needs_root
def test_a_privileged_port_is_bound_before(new_gate, upstream):
    """An address of the loopback network that is ours alone, since no kernel gives a port below 1024."""
    gate = new_gate(upstream.address)
    host = f"127.{os.getpid() >> 16 & 255}.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
    gate.config.write_text(gate.config.read_text().replace("127.0.0.1:0", f"{host}:25"))
    gate.config.write_text(f'user = "{USER}"\n' + gate.config.read_text())
    process = serve(gate)
    deliver(process.listening("relay"))
    assert facts(process)["Uid"].split()[0] != "0"
    assert process.terminate() == 0


@needs_root
def test_a_key_that_only_root_can_read(new_gate, upstream, directory):
    """It is read at the start. A reload cannot, says so, and goes on with the one that it has."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                    "2", "-subj", "/CN=gate.test", "-keyout", directory / "gate.key", "-out", directory / "gate.pem"],
                   check=True, capture_output=True, timeout=DEADLINE)
    (directory / "gate.key").chmod(0o600)
    gate = new_gate(upstream.address)
    process = start_as_user(gate, f'[unsubscribe]\nurl = "https://gate.test"\n[web]\naddress = "127.0.0.1:0"\n'
                                  f'certificate = "{directory}/gate.pem"\nkey = "{directory}/gate.key"\n')
    address = process.listening("web")

    def shown():
        return ssl.get_server_certificate(address)

    before = shown()
    start = len(process.log)
    process.signal(signal.SIGHUP)
    process.wait_log(r"gate\.key.*Permission denied", start)
    assert shown() == before
    deliver(process.listening("relay"))
    assert process.terminate() == 0


@needs_root
@pytest.mark.parametrize("user, what", [("nobody-of-that-name", "there is no user"), ("root", "is root")])
def test_users_that_cannot_be_become(user, what, new_gate, upstream):
    gate = new_gate(upstream.address)
    gate.config.write_text(f'user = "{user}"\n' + gate.config.read_text())
    process = serve(gate)
    assert process.wait() == 2
    assert what in process.log


@needs_root
def test_a_store_of_somebody_else(new_gate, upstream):
    gate = new_gate(upstream.address).make_store()
    process = start_as_user(gate)
    assert process.wait() == 3
    assert f"chown -R {USER} {gate.store}" in process.log


@needs_root
def test_root_without_a_user_is_warned(new_gate, upstream):
    gate = new_gate(upstream.address).start()
    assert len(re.findall("warning runs as root", gate.process.log)) == 1


def test_nothing_secret_leaves_the_process(new_gate, upstream, directory):
    """No core dump; and whatever the umask is, what is written is its owner's alone."""
    gate = new_gate(upstream.address)
    command = ["bash", "-c", 'ulimit -c unlimited; umask 0; exec "$@"', "bash"]
    process = serve(gate, wrapper=command)
    deliver(process.listening("relay"))
    limits = Path(f"/proc/{process.process.pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)
    assert Path(f"/proc/{process.process.pid}/mem").stat().st_uid == 0, "no debugger of the same user"
    assert facts(process)["NoNewPrivs"] == "1"
    for arguments in (["unsubscribe", "you@example.com"], ["forget", "you@example.com", "--now"],
                      ["backup", directory / "backup"], ["keys", "--rotate"]):
        subprocess.run([*command, POSTERN, arguments[0], "--config", gate.config, *arguments[1:]], check=True,
                       capture_output=True, timeout=DEADLINE)
    written = [gate.store, Path(f"{gate.store}.forgotten"), directory / "backup", *gate.store.rglob("*"),
               *(directory / "backup").rglob("*")]
    assert len(written) > 5
    assert [path for path in written if path.stat().st_mode & 0o077] == []
    assert process.terminate() == 0
