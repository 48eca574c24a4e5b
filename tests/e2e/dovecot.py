"""Dovecot's authentication service alone, for a Postfix: on a socket in a folder of its own, with passwords in clear in a
file, as CRAM-MD5 and SCRAM need them."""

import os
import signal
import subprocess
from pathlib import Path

from processes import DEADLINE, wait_until

CONFIGURATION = """\
base_dir = {directory}/run
log_path = {directory}/log
protocols =
ssl = no
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
# A wrong password is answered at once: it is the gate that slows whoever guesses.
auth_failure_delay = 0
{users}
service auth {{
  unix_listener {directory}/auth {{
    mode = 0666
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {directory}/passwords
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home=/
}}
"""

# Where nobody is root, all of it runs as who runs the tests.
UNPRIVILEGED = """\
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
"""


class Dovecot:
    def __init__(self, directory, passwords):
        """`passwords`: by login."""
        self.directory = Path(directory)
        self.directory.mkdir()
        self.socket = self.directory / "auth"
        lines = [f"{login}:{{PLAIN}}{password}\n" for login, password in passwords.items()]
        (self.directory / "passwords").write_text("".join(lines))
        configuration = self.directory / "dovecot.conf"
        configuration.write_text(CONFIGURATION.format(directory=self.directory, users=_users()))
        # Its processes are not us.
        self.directory.chmod(0o755)
        (self.directory / "passwords").chmod(0o644)
        self.process = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", configuration], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait_until(self._is_there, "Dovecot has its socket")

    def _is_there(self):
        if self.process.poll() is not None:
            raise AssertionError(f"dovecot ended: {self.process.stderr.read().decode()}\n{self.log}")
        return self.socket.exists()

    @property
    def log(self):
        log = self.directory / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(DEADLINE)
        self.process.stderr.close()


def _users():
    if os.geteuid() == 0:
        return ""
    name = subprocess.run(["id", "-un"], capture_output=True, text=True, timeout=DEADLINE, check=True).stdout.strip()
    group = subprocess.run(["id", "-gn"], capture_output=True, text=True, timeout=DEADLINE, check=True).stdout.strip()
    return UNPRIVILEGED.format(user=name, group=group)
