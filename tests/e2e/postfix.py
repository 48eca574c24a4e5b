"""Debian's Postfix, with a configuration, queue and Maildir of its own, on loopback, on a port that the kernel gives."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import maildir
from processes import DEADLINE, ROOT, wait_until

MAIN = """\
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = {directory}/log
maillog_file_prefixes = {directory}
myhostname = mx.test
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
# No name is looked up, and headers stay as they came.
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_peername_lookup = no
local_header_rewrite_clients =
biff = no
minimal_backoff_time = 1s
maximal_backoff_time = 5s
queue_run_delay = 1s
# Every mailbox of example.com is one Maildir, but for those that begin with "unknown".
virtual_mailbox_domains = example.com, xn--bcher-kva.example
virtual_mailbox_base = {directory}/mail
virtual_mailbox_maps = regexp:{directory}/conf/mailboxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtpd_recipient_limit = 1000
smtpd_client_connection_count_limit = 0
"""

SMTPD = "127.0.0.1:0 inet  n  -  n  -     -  smtpd\n"

MASTER = """\
pickup      unix  n  -  n  60    1  pickup
cleanup     unix  n  -  n  -     0  cleanup
qmgr        unix  n  -  n  300   1  qmgr
rewrite     unix  -  -  n  -     -  trivial-rewrite
bounce      unix  -  -  n  -     0  bounce
defer       unix  -  -  n  -     0  bounce
trace       unix  -  -  n  -     0  bounce
verify      unix  -  -  n  -     1  verify
flush       unix  n  -  n  1000? 0  flush
proxymap    unix  -  -  n  -     -  proxymap
smtp        unix  -  -  n  -     -  smtp
showq       unix  n  -  n  -     -  showq
error       unix  -  -  n  -     -  error
retry       unix  -  -  n  -     -  error
virtual     unix  -  n  n  -     -  virtual
anvil       unix  -  -  n  -     1  anvil
tlsmgr      unix  -  -  n  1000? 1  tlsmgr
postlog     unix-dgram n - n -   1  postlogd
"""

MAILBOXES = """\
if !/^unknown/
/^/ all/
endif
"""

# Postfix is started by root; whoever runs the tests as somebody else needs sudo, as scripts/setup does.
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]


STARTS = 3
LOGGER_DEADLINE = 15  # seconds


class Postfix:
    def __init__(self, directory, settings="", smtpd=SMTPD):
        """`settings`: lines of main.cf after the usual ones. `smtpd`: the services of master.cf that listen on port 0, the
        first on 127.0.0.1, others on hosts of their own (address_on())."""
        self.directory = Path(directory)
        self.mail = self.directory / "mail" / "all"
        self._settings = settings
        self._smtpd = smtpd

    def start(self):
        conf = self.directory / "conf"
        for name in ("conf", "queue", "data", "mail"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        uid, gid = (65534, 65534) if os.geteuid() == 0 else (os.getuid(), os.getgid())
        os.chown(self.directory / "mail", uid, gid)
        (conf / "main.cf").write_text(
            MAIN.format(directory=self.directory, uid=uid, gid=gid) + self._settings)
        (conf / "master.cf").write_text(self._smtpd + MASTER)
        (conf / "mailboxes").write_text(MAILBOXES)
        _root("chown", "-R", "root:root", conf, self.directory / "queue")
        _root("chown", "postfix", self.directory / "data")
        self._postfix("start")
        # Its logger now and then does not come up, and everything that logs then waits for it for ever.
        for _ in range(STARTS - 1):
            try:
                wait_until(lambda: "daemon started" in self.log, "Postfix has started, and logs", LOGGER_DEADLINE)
                break
            except AssertionError:
                self._postfix("abort", check=False)
                self._postfix("start")
        self.address = self.address_on("127.0.0.1")
        return self

    def stop(self):
        self._postfix("stop", check=False)
        if os.geteuid() != 0:
            _root("chown", "-R", str(os.getuid()), self.directory)
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def log(self):
        log = self.directory / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def wait_log(self, pattern):
        try:
            return wait_until(lambda: re.search(pattern, self.log), f"{pattern!r} in the log of Postfix")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log}") from None

    def wait_messages(self, count):
        try:
            return maildir.wait_messages(self.mail, count)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log}") from None

    def messages(self):
        return maildir.messages(self.mail)

    def queue_empty(self):
        listed = self._run("postqueue", "-c", self.directory / "conf", "-p")
        return "Mail queue is empty" in listed.stdout

    def _postfix(self, *arguments, check=True):
        done = self._run("postfix", "-c", self.directory / "conf", *arguments)
        assert not check or done.returncode == 0, (
            done.stdout + done.stderr + (self.log if (self.directory / "log").exists() else ""))

    def kill_served(self):
        """Kills the processes that serve a connection on 127.0.0.1 now."""
        listed = self._run("ss", "-Htnp", "state", "established", "sport", f"= :{self.address[1]}").stdout
        served = set(re.findall(r'"smtpd",pid=(\d+)', listed))
        assert served, listed
        _root("kill", "-9", *served)

    def address_on(self, host):
        """Of the service that listens on port 0 of the host."""
        master = int((self.directory / "queue/pid/master.pid").read_text())

        def look():
            listed = self._run("ss", "-Hltnp").stdout
            return re.search(rf"{re.escape(host)}:(\d+)\s.*pid={master},", listed)

        return host, int(wait_until(look, f"the port of Postfix on {host}").group(1))

    @staticmethod
    def _run(*arguments):
        environment = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
        return subprocess.run([*AS_ROOT, *map(str, arguments)], capture_output=True, text=True, timeout=DEADLINE,
                              env=environment)


def _root(*arguments):
    subprocess.run([*AS_ROOT, *map(str, arguments)], check=True, timeout=DEADLINE)


def sasl_settings(dovecot):
    """Of a Postfix which relays for who authenticates, and for nobody else. What it takes stays in its Maildir, wherever it
    is for."""
    return (f"smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = {dovecot.socket}\n"
            "smtpd_sasl_authenticated_header = yes\nsmtpd_relay_restrictions = permit_sasl_authenticated, reject\n"
            "smtpd_recipient_restrictions =\ndefault_transport = virtual\n")


def front_settings(gate):
    """Of a Postfix in front, with this gate's address."""
    block = recipe("in front")
    assert "[gate.example.com]:2525" in block
    return ("virtual_mailbox_domains =\nsmtpd_relay_restrictions = permit_mynetworks, reject\n"
            + block.replace("[gate.example.com]:2525", f"[{gate.address[0]}]:{gate.address[1]}"))


def recipe(name):
    """What docs/postfix.md says to write, so that the recipe which people read is the one that is tested."""
    page = (ROOT / "docs" / "postfix.md").read_text()
    return page.split(f"<!-- {name} -->", 1)[1].split("```ini\n", 1)[1].split("```", 1)[0]
