"""Who is measured: haproxy, which copies octets; the gate; Postfix, which does what the gate does. Each before a sink."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from measuring import Failure, children, cpu_nanoseconds, greets, private_memory, running, tail_of, wait_until

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))

SUPPRESSED = 1_000_000  # contacts, u0@example.net and on
WRITES_EVERY = 1.3  # seconds within which the gate has written what it counted

HAPROXY = """\
global
    nbthread 1
    maxconn 9000
    ssl-server-verify required
defaults
    mode tcp
    timeout connect 10s
    timeout client 10m
    timeout server 10m
listen smtp
    bind fd@{descriptor}{bind}
    server sink 127.0.0.1:{upstream}{server}
"""

GATE = """\
hostname = "gate.example.com"
threads = 1
[store]
path = "{folder}/store"
[[listener]]
name = "relay"
address = "127.0.0.1:0"
trusted = ["127.0.0.0/8"]
{listener}
[upstream]
address = "127.0.0.1:{upstream}"
{more}
"""

POSTFIX = """\
virtual_mailbox_domains =
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access lmdb:{table}
lmdb_map_size = 268435456
message_size_limit = 104857600
smtpd_proxy_filter = 127.0.0.1:{upstream}
# A refused recipient is no error of the client's, as with the gate.
smtpd_hard_error_limit = 1000000000
smtpd_soft_error_limit = 1000000000
smtpd_junk_command_limit = 1000000000
smtpd_error_sleep_time = 0
"""

POSTFIX_SPLIT = """\
virtual_mailbox_domains =
relayhost = [127.0.0.1]:{upstream}
smtp_destination_recipient_limit = 1
smtpd_relay_restrictions = permit_mynetworks, reject
"""


class Contender:
    """`settle` waits until what a round left to do is done; with no other load this costs nothing."""

    def __init__(self, name, pid, port, sink, wait=0.0):
        self.name, self.pid, self.port, self.sink = name, pid, port, sink
        self._wait = wait

    def settle(self):
        time.sleep(self._wait)

    def cpu(self):
        return cpu_nanoseconds(self.pid)

    def memory(self):
        return private_memory(self.pid)


def make_certificate(folder):
    """(chain, key) of localhost."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", chain, "-keyout", key]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    key.chmod(0o600)
    # haproxy reads both from one file.
    (folder / "both.pem").write_text(chain.read_text() + key.read_text())
    (folder / "both.pem").chmod(0o600)
    return chain, key


def make_store(binary, folder, suppressed=SUPPRESSED):
    """A store of so many unsubscribed contacts: its folder, for copies."""
    rows = folder / "suppressed.csv"
    with open(rows, "w", encoding="ascii") as out:
        out.write("Email Address,UNSUB_TIME\n")
        out.writelines(f"u{number}@example.net,2024-01-01 10:00:00\n" for number in range(suppressed))
    store = folder / "store"
    done = subprocess.run([str(binary), "import", "--store", str(store), str(rows)], capture_output=True, text=True)
    rows.unlink()
    if done.returncode != 0:
        raise Failure(f"postern import: {done.stderr}{done.stdout}")
    return store


def make_table(folder, suppressed=SUPPRESSED):
    """The same contacts as Postfix' access table; what lmdb: is to name."""
    table = folder / "access"
    with open(table, "w", encoding="ascii") as out:
        out.writelines(f"u{number}@example.net 550 5.7.1 unsubscribed\n" for number in range(suppressed))
    conf = folder / "postmap"
    conf.mkdir()
    (conf / "main.cf").write_text("lmdb_map_size = 268435456\ncompatibility_level = 3.6\n")
    done = subprocess.run(["/usr/sbin/postmap", "-c", str(conf), f"lmdb:{table}"], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"postmap: {done.stderr}; scripts/setup --test installs postfix-lmdb")
    return table


@contextlib.contextmanager
def haproxy(folder, sink, certificate=None):
    folder.mkdir()
    log = folder / "log"
    config = folder / "haproxy.cfg"
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        port = listener.getsockname()[1]
        bind = f" ssl crt {certificate[0].parent}/both.pem" if certificate else ""
        server = f" ssl ca-file {certificate[0]} sni str(localhost) verifyhost localhost" if certificate else ""
        config.write_text(HAPROXY.format(
            descriptor=listener.fileno(), bind=bind, upstream=sink.port, server=server))
        with running(["/usr/sbin/haproxy", "-db", "-f", str(config)], log, pass_fds=[listener.fileno()]) as process:
            wait_until(lambda: certificate or greets(port), process, log, "haproxy")
            yield Contender("haproxy", process.pid, port, sink)
            if process.poll() is not None:
                raise Failure(f"haproxy ended: {tail_of(log)}")


@contextlib.contextmanager
def gate(binary, folder, sink, store=None, certificate=None, more="", name="gate"):
    """`store`: it gets a copy. `more`: keys of [upstream], then sections."""
    folder.mkdir()
    if store:
        (folder / "store").mkdir()
        for file in store.iterdir():
            if file.name != "lock.mdb":
                shutil.copy(file, folder / "store" / file.name)
    listener = ""
    if certificate:
        listener = f'tls = "implicit"\ncertificate = "{certificate[0]}"\nkey = "{certificate[1]}"\n'
        more = f'tls = "verify"\ntls_mode = "implicit"\nca = "{certificate[0]}"\ntls_name = "localhost"\n{more}'
    config = folder / "postern.toml"
    config.write_text(GATE.format(folder=folder, listener=listener, upstream=sink.port, more=more))
    log = folder / "log"
    with running([str(binary), "serve", "--config", str(config)], log) as process:

        def port(role="relay"):
            found = re.search(rf"listening on 127\.0\.0\.1:(\d+) \({role}\)", log.read_text(errors="replace"))
            return int(found[1]) if found else None

        relay = wait_until(port, process, log, "the gate")
        contender = Contender(name, process.pid, relay, sink, WRITES_EVERY)
        contender.port_of = port
        yield contender
        if process.poll() is not None:
            raise Failure(f"the gate ended: {tail_of(log)}")


EDITED = """\
[web]
address = "127.0.0.1:0"
[unsubscribe]
url = "https://unsub.example.com"
[return_path]
domain = "bounce.example.com"
[[listener]]
name = "returns"
address = "127.0.0.1:0"
role = "return-path"
"""


@contextlib.contextmanager
def postfix(folder, settings, sink, name="postfix"):
    """A Postfix with these settings, of which {upstream} is the sink's port."""
    from postfix import Postfix

    os.chmod(folder.parent, 0o755)
    server = Postfix(folder, settings=settings)
    try:
        server.start()
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        server.stop()
        raise Failure(f"Postfix did not start: {error}") from error
    try:
        master = int((folder / "queue/pid/master.pid").read_text())
        if not children(master):
            raise Failure("Postfix has no processes")
        yield Contender(name, master, server.address[1], sink)
    finally:
        server.stop()
