"""Exim, OpenSMTPD and Sendmail of Debian, each in a root of its own (mta_roots.py), on loopback.

Each of them takes mail for `remote.test` and keeps it for its users; gives what is for `far.test` to its next hop, the host
mx.far.test; finds the hosts of names that it can only look up (.invalid, nomail.test) by DNS, in a name server of ours;
and hands the rest, its own reports among it, to its smarthost. Its users:

    ann, bob   have a mailbox
    away       is on vacation (Exim only): vacation(1) answers whoever wrote to her; holiday: Exim's own filter does
    small      has a mailbox for messages under 4 KiB (Exim, Sendmail); full: one that is full (Exim)
    moved      an alias of ann and of somebody at far.test who is not there
    pipe       an alias of a program that says there is no such user, when the mail has been taken already

Everybody at `late.remote.test` is unknown, which is found out after the mail was taken: a report of the MTA says it.
"""

import contextlib
import re
import shutil
import socket
import subprocess
import threading
import time

import maildir
import mta_roots
from name_server import NameServer
from processes import DEADLINE, Process, wait_until

STARTS = 5
FLUSH_PAUSE = 0.5  # seconds
USERS = ("ann", "bob", "away", "holiday", "small", "full")
FIRST_UID = 2001
SYSTEM = ("root:x:0:0::/root:/bin/sh", "daemon:x:1:1::/:/bin/sh", "mail:x:8:8::/var/mail:/bin/sh",
          "nobody:x:65534:65534::/:/bin/sh")
ALIASES = """\
postmaster: bob
mailer-daemon: postmaster
moved: ann, gone@far.test
pipe: "|/usr/local/bin/unknown"
"""
HOLIDAY = """\
# Exim filter
mail to $sender_address subject "On holiday: $h_subject" text "I am at the sea. Ask pat@far.test instead."
"""
UNKNOWN = '#!/bin/sh\necho "there is no such user here"\nexit 67\n'
AWAY = "Subject: I am away\nPrecedence: bulk\n\nI am in the mountains until Monday, and read your mail then.\n"


class ForeignMta:
    """Common to the three. `smarthost` and `next_hop` are (IPv4 address, port), best not of the same address: OpenSMTPD leaves
    an address alone for 15 s that did not greet it well."""

    name = ""
    accounts = ()  # (name, uid, home) of the daemon's own users

    def __init__(self, directory, smarthost, next_hop=None, patience=4, warning=None):
        """`patience`: seconds until what is deferred is given up; `warning`: until a report says that it is delayed."""
        self.directory = directory
        self.smarthost = smarthost
        self.next_hop = next_hop or smarthost
        self.patience = patience
        self.warning = warning
        self.root = None
        self._names = None
        self._process = None

    def start(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        self.root = mta_roots.copy(self.name, self.directory / "root").resolve()
        self._names = NameServer({"smart.test": self.smarthost[0], "mx.far.test": self.next_hop[0], "mx.remote.test": "127.0.0.1",
                                  "nomail.test": (0, "."), "nohost.test": (10, "mx.nohost.invalid")})
        self._common_files()
        self.prepare()
        for attempt in range(STARTS):
            port = _free_port()
            self.configure(port)
            self._process = Process(["chroot", self.root, *self.command(port)])
            self.address = ("127.0.0.1", port)
            try:
                wait_until(self._listens, f"{self.name} greets")
                return self
            except AssertionError:  # somebody else may have taken the port meanwhile
                mta_roots.end_processes(self.root)
                if attempt + 1 == STARTS:
                    raise AssertionError(f"{self.name} did not start:\n{self.log}") from None
        return self

    def stop(self):
        if self.root is not None:
            mta_roots.end_processes(self.root)
        if self._process is not None:
            self._process.kill()
        if self._names is not None:
            self._names.stop()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def log(self):
        return self._process.log if self._process else ""

    def run(self, *command, check=True):
        """A command in the root."""
        done = subprocess.run(["chroot", self.root, *command], capture_output=True, text=True, timeout=DEADLINE)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def flush(self):
        """Tries now what is deferred, where the MTA would not by itself within a second."""

    def wait(self, condition, what):
        """Until the condition is true; its value."""
        try:
            return wait_until(lambda: self.flush() or condition(), what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log}") from None

    def messages(self, user):
        return maildir.messages(self.root / "home" / user / "Maildir")

    def prepare(self):
        """What the daemon needs besides its configuration."""

    def configure(self, port):
        raise NotImplementedError

    def command(self, port):
        raise NotImplementedError

    def own(self, path, user, mode):
        """A directory of the root that belongs to a user of the root."""
        place = self.root / path
        place.mkdir(parents=True, exist_ok=True)
        line = next(line for line in self._passwd if line.startswith(f"{user}:")).split(":")
        subprocess.run(["chown", f"{line[2]}:{line[3]}", place], check=True)
        place.chmod(mode)

    def _common_files(self):
        self._passwd = [*SYSTEM, *(f"{name}:x:{uid}:{uid}::{home}:/bin/sh" for name, uid, home in self.accounts),
                        *(f"{user}:x:{FIRST_UID + at}:{FIRST_UID + at}:{user.title()}:/home/{user}:/bin/sh"
                          for at, user in enumerate(USERS))]
        groups = [f"{line.split(':')[0]}:x:{line.split(':')[3]}:" for line in self._passwd]
        for name, text in {
            "etc/passwd": "\n".join(self._passwd) + "\n",
            "etc/group": "\n".join(groups) + "\n",
            "etc/hosts": "127.0.0.1 localhost\n",
            "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
            "etc/resolv.conf": self._names.resolv_conf(),
            "etc/services": "smtp 25/tcp\ndomain 53/udp\n",
            "etc/protocols": "tcp 6 TCP\nudp 17 UDP\n",
            "etc/shells": "/bin/sh\n",
            "etc/mailname": "mx.remote.test\n",
            "etc/aliases": ALIASES,
        }.items():
            mta_roots.put(self.root, name, text)
        mta_roots.put(self.root, "usr/local/bin/unknown", UNKNOWN, 0o755)
        for user in USERS:
            self.own(f"home/{user}", user, 0o755)

    def _listens(self):
        if self._process.process.poll() is not None:
            raise AssertionError(f"{self.name} ended")
        with contextlib.suppress(OSError), socket.create_connection(self.address, 1) as connection:
            return connection.recv(512).startswith(b"220")
        return False


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


EXIM = r"""
primary_hostname = mx.remote.test
domainlist local_domains = remote.test : late.remote.test
local_interfaces = 127.0.0.1
acl_smtp_rcpt = acl_rcpt
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
keep_environment =
dsn_advertise_hosts = *
prdr_enable = false
received_headers_max = 30
ignore_bounce_errors_after = 1s
bounce_return_size_limit = 100K
retry_interval_max = 1s
delay_warning = {warning}
# Exim's own condition spares lists.
delay_warning_condition = true
begin acl
acl_rcpt:
  accept domains = late.remote.test
  accept domains = !+local_domains
  require verify = recipient
  accept
begin routers
far:
  driver = manualroute
  domains = far.test
  route_data = mx.far.test::{next_hop}
  host_find_failed = fail
  self = send
  transport = remote_smtp
looked_up:
  driver = dnslookup
  domains = *.invalid : nomail.test : nohost.test
  transport = remote_smtp
  no_more
smarthost:
  driver = manualroute
  domains = ! +local_domains
  route_data = smart.test::{smarthost}
  self = send
  transport = remote_smtp
  no_more
aliases:
  driver = redirect
  domains = remote.test
  data = ${{lookup{{$local_part}}lsearch{{/etc/aliases}}}}
  user = mail
  pipe_transport = pipe
forward:
  driver = redirect
  domains = remote.test
  check_local_user
  file = $home/.forward
  pipe_transport = pipe
  allow_filter
  reply_transport = reply
  no_verify
  no_expn
  check_ancestor
local_user:
  driver = accept
  domains = remote.test
  check_local_user
  transport = mailbox
  cannot_route_message = Unknown user
begin transports
remote_smtp:
  driver = smtp
  hosts_try_chunking =
  hosts_try_fastopen =
  hosts_avoid_tls = *
mailbox:
  driver = appendfile
  directory = $home/Maildir
  maildir_format
  delivery_date_add
  envelope_to_add
  return_path_add
  message_size_limit = ${{if eq{{$local_part}}{{small}}{{4K}}{{0}}}}
  quota = ${{if eq{{$local_part}}{{full}}{{1K}}{{0}}}}
pipe:
  driver = pipe
  return_output
reply:
  driver = autoreply
begin retry
* quota
* * F,{patience}s,1s
"""


class Exim(ForeignMta):
    name = "exim"
    accounts = (("Debian-exim", 150, "/var/spool/exim4"),)

    def prepare(self):
        for path in ("var/spool/exim4", "var/log/exim4", "var/lib/exim4", "run/exim4"):
            self.own(path, "Debian-exim", 0o750)
        self._vacation()

    def configure(self, port):
        mta_roots.put(self.root, "etc/exim4/exim4.conf", EXIM.format(
            warning=f"{self.warning}s" if self.warning else "0s", patience=self.patience,
            next_hop=self.next_hop[1], smarthost=self.smarthost[1]))

    def command(self, port):
        return ["/usr/sbin/exim4", "-bdf", "-q1s", "-oX", str(port)]

    @property
    def log(self):
        logs = (self.root / "var/log/exim4").glob("*log")
        return super().log + "".join(path.read_text(errors="replace") for path in logs)

    def _vacation(self):
        mta_roots.put(self.root, "home/away/.vacation.msg", AWAY)
        mta_roots.put(self.root, "home/away/.forward", '\\away, "|/usr/bin/vacation -a away@remote.test away"\n')
        mta_roots.put(self.root, "home/holiday/.forward", HOLIDAY)
        self.run("/bin/sh", "-c", "HOME=/home/away /usr/bin/vacation -I -r 0 away", check=False)
        for user in ("away", "holiday"):
            subprocess.run(["chown", "-R", f"{FIRST_UID + USERS.index(user)}", self.root / "home" / user], check=True)


OPENSMTPD = """
table aliases file:/etc/aliases
table late {{ "@" = "nobody" }}
smtp max-message-size 100K
queue ttl {patience}s
{warning}
listen on 127.0.0.1 port {port} hostname mx.remote.test
action "local" maildir alias <aliases>
action "unknown" mda "/usr/local/bin/unknown" virtual <late>
action "far" relay host "smtp://mx.far.test:{next_hop}"
action "looked up" relay
action "smarthost" relay host "smtp://smart.test:{smarthost}"
match from any for domain "late.remote.test" action "unknown"
match from any for domain "remote.test" action "local"
match from any for domain "far.test" action "far"
match from any for domain {{ "*.invalid", "nomail.test", "nohost.test" }} action "looked up"
match from any for any action "smarthost"
"""


class OpenSmtpd(ForeignMta):
    name = "opensmtpd"
    accounts = (("opensmtpd", 150, "/var/lib/opensmtpd/empty"), ("opensmtpq", 151, "/var/lib/opensmtpd/empty"))

    _flushed = 0.0

    def prepare(self):
        self.own("var/lib/opensmtpd/empty", "root", 0o755)
        self.own("var/empty", "root", 0o755)
        self.own("var/spool/smtpd", "root", 0o711)
        self.own("var/run", "root", 0o755)
        # As its package would have installed it, and without a word to whoever shares the file.
        control = self.root / "usr/sbin/smtpctl"
        shutil.copy(control, control.with_suffix(".new"))
        shutil.chown(control.with_suffix(".new"), group=151)
        control.with_suffix(".new").chmod(0o2755)
        control.with_suffix(".new").rename(control)

    def configure(self, port):
        warning = f"bounce warn-interval {self.warning}s" if self.warning else ""
        mta_roots.put(self.root, "etc/smtpd.conf", OPENSMTPD.format(
            port=port, patience=self.patience, warning=warning, next_hop=self.next_hop[1], smarthost=self.smarthost[1]),
            0o600)

    def command(self, port):
        return ["/usr/sbin/smtpd", "-d"]

    def flush(self):
        """Its second try is after minutes."""
        if time.monotonic() - self._flushed > FLUSH_PAUSE:
            self._flushed = time.monotonic()
            self.run("/usr/sbin/smtpctl", "schedule", "all", check=False)


SENDMAIL = """\
divert(0)dnl
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`debian')dnl
define(`confDOMAIN_NAME', `mx.remote.test')dnl
define(`confTO_IDENT', `0')dnl
define(`confTO_QUEUERETURN', `{patience}s')dnl
define(`confTO_QUEUEWARN', `{warning}')dnl
define(`confMIN_QUEUE_AGE', `0')dnl
define(`confMAX_HOP', `30')dnl
dnl However busy the machine is.
define(`confQUEUE_LA', `10000')dnl
define(`confREFUSE_LA', `10000')dnl
define(`confHOST_STATUS_DIRECTORY', `')dnl
define(`confPRIVACY_FLAGS', `')dnl
define(`confLOG_LEVEL', `14')dnl
define(`SMART_HOST', `relay:[smart.test]')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {smarthost}')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`nocanonify')dnl
FEATURE(`promiscuous_relay')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`accept_unqualified_senders')dnl
FEATURE(`local_lmtp', `/usr/libexec/sendmail/mail.local', `mail.local -l')dnl
define(`LOCAL_SHELL_PATH', `/bin/sh')dnl
DAEMON_OPTIONS(`Name=MTA, Addr=127.0.0.1, Port={port}')dnl
LOCAL_DOMAIN(`remote.test')dnl
MAILER(`local')dnl
MAILER(`smtp')dnl
MAILER_DEFINITIONS
Mfar,	P=[IPC], F=mDFMuXa, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP, E=\\r\\n, L=990,
	T=DNS/RFC822/SMTP, A=TCP $h {next_hop}
Msmall,	P=[IPC], F=lsDFMuXa, M=4096, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP, E=\\r\\n,
	T=DNS/RFC822/SMTP, A=TCP $h {next_hop}
Mlate,	P=/usr/local/bin/unknown, F=lsDFMo, S=EnvFromL, R=EnvToL, T=DNS/RFC822/X-Unix, A=unknown $u
LOCAL_RULE_0
R$* < @ far.test $*			$#far $@ [mx.far.test] $: $1<@far.test>
R$* < @ $+ .invalid . > $*		$#esmtp $@ $2.invalid. $: $1<@$2.invalid.>
R$* < @ $+ .invalid > $*		$#esmtp $@ $2.invalid. $: $1<@$2.invalid>
R$* < @ nomail.test $*			$#esmtp $@ nomail.test. $: $1<@nomail.test>
R$* < @ nohost.test $*			$#esmtp $@ nohost.test. $: $1<@nohost.test>
R$+ < @ late.remote.test $*		$#late $@ localhost $: $1<@late.remote.test>
Rsmall < @ $=w . > $*			$#small $@ [mx.far.test] $: small<@$1>
"""


class Sendmail(ForeignMta):
    name = "sendmail"
    accounts = (("smmta", 150, "/var/lib/sendmail"), ("smmsp", 151, "/var/lib/sendmail"))

    def prepare(self):
        self._syslog = _Syslog(self.root / "dev/log")
        for path in ("var/spool/mqueue", "var/lib/sendmail", "run/sendmail", "var/run/sendmail/mta"):
            self.own(path, "root", 0o755)
        self.own("var/mail", "root", 0o1777)
        for name in ("local-host-names", "relay-domains", "trusted-users"):
            mta_roots.put(self.root, f"etc/mail/{name}", "")
        mta_roots.put(self.root, "etc/mail/aliases", ALIASES)

    def configure(self, port):
        mta_roots.put(self.root, "etc/mail/lab.mc", SENDMAIL.format(
            port=port, patience=self.patience, warning=f"{self.warning}s" if self.warning else "0",
            smarthost=self.smarthost[1], next_hop=self.next_hop[1]))
        mta_roots.put(self.root, "etc/mail/sendmail.cf", self.run("/usr/bin/m4", "/etc/mail/lab.mc").stdout)
        self.run("/usr/libexec/sendmail/sendmail", "-bi")

    def command(self, port):
        return ["/usr/libexec/sendmail/sendmail", "-bD", "-q1s"]

    def stop(self):
        super().stop()
        if self.root is not None:
            self._syslog.stop()

    @property
    def log(self):
        return super().log + self._syslog.text

    def messages(self, user):
        box = self.root / "var/mail" / user
        return [b"From " + one for one in re.split(rb"(?:^|\n\n)From ", box.read_bytes())[1:]] if box.exists() else []


class _Syslog:
    """Reads what programs of a root tell syslog(3): there is no other log of Sendmail's."""

    def __init__(self, path):
        self.text = ""
        self._stopping = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(0.1)
        self._socket.bind(str(path))
        path.chmod(0o666)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def stop(self):
        self._stopping.set()
        self._thread.join()
        self._socket.close()

    def _read(self):
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                self.text += self._socket.recv(65536).decode("utf-8", "replace") + "\n"


MTAS = {mta.name: mta for mta in (Exim, OpenSmtpd, Sendmail)}
