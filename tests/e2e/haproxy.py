"""A haproxy in front of a gate, as docs/load-balancer.md sets it up."""

import re
import socket

from processes import ROOT, Process, text_of, wait_until

BEGINNING = "global\n    stats socket {directory}/stats level user\n"


def recipe():
    text = (ROOT / "docs" / "load-balancer.md").read_text()
    return re.search(r"^```haproxy\n(.*?)^```$", text, re.MULTILINE | re.DOTALL).group(1)


class Haproxy:
    """`version`: of the header, 1 or 2; `smtpchk`: health checks speak SMTP, or look only whether the port is open."""

    def __init__(self, directory, gate, version, smtpchk=True):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = free.getsockname()
        self.stats = directory / "stats"
        config = recipe().replace("bind :25", f"bind {text_of(self.address)}")
        config = re.sub(r"^ *server gate2 .*\n", "", config, flags=re.MULTILINE)
        config = config.replace("10.0.0.11:2525", text_of(gate)).replace(" check\n", " check inter 100ms\n")
        if version == 1:
            config = config.replace("send-proxy-v2", "send-proxy")
        if not smtpchk:
            config = re.sub(r"^ *option smtpchk.*\n", "", config, flags=re.MULTILINE)
        file = directory / "haproxy.cfg"
        file.write_text(BEGINNING.format(directory=directory) + config)
        self.process = Process(["/usr/sbin/haproxy", "-db", "-f", file], cwd=directory)
        wait_until(self._answers, "haproxy serves")

    def _answers(self):
        assert self.process.process.poll() is None, self.process.log
        try:
            socket.create_connection(self.address, 5).close()
            return self.stats.exists()
        except OSError:
            return False

    def gate(self):
        """What haproxy knows of the gate: the columns of its statistics."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.stats))
            client.sendall(b"show stat\n")
            text = b""
            while piece := client.recv(65536):
                text += piece
        header, *lines = text.decode().strip().splitlines()
        columns = header.removeprefix("# ").split(",")
        rows = [dict(zip(columns, line.split(","))) for line in lines]
        return next(row for row in rows if row["svname"] == "gate1")

    def stop(self):
        self.process.kill()
