"""testssl.sh (Debian's) finds nothing above LOW at the gate's doors but that nobody vouches for the development certificate.

What it cannot look at (WARN: engines of its OpenSSL, tickets that come when it has gone) is tested elsewhere, or not ours."""

import json
import os
import subprocess

from processes import text_of

CHECKS = ["--protocols", "--std", "--server-preference", "--fs", "--server-defaults", "--vulnerable"]
GRAVE = ("MEDIUM", "HIGH", "CRITICAL", "FATAL")
# Of a self-signed certificate, which names no way to revoke it.
TRUST = {"cert_chain_of_trust", "cert_revocation"}
NOT_OFFERED = ("SSLv2", "SSLv3", "TLS1", "TLS1_1")
TIME = 540  # seconds; it waits more than it works, and takes a minute and a half


class Scan:
    """Of a listener, in the background."""

    def __init__(self, directory, mode, gate):
        self.mode = mode
        self.found = directory / f"{mode}.json"
        said = directory / f"{mode}.txt"
        arguments = ["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--jsonfile", self.found]
        arguments += [*CHECKS, *(["--starttls", "smtp"] if mode == "starttls" else []), text_of(gate.address)]
        self.said = said
        with said.open("wb") as output:
            self.process = subprocess.Popen(arguments, cwd=directory, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT, env={**os.environ, "LC_ALL": "C.UTF-8"})

    def findings(self):
        self.process.wait(TIME)
        assert self.found.exists(), self.said.read_text()
        return json.loads(self.found.read_text())


def test_nothing_above_low(new_gate, upstream, directory):
    scans = [Scan(directory, mode, new_gate(upstream.address, listener=f'tls = "{mode}"\nauth = "passthrough"\n').start())
             for mode in ("starttls", "implicit")]
    for scan in scans:
        findings = scan.findings()
        by_id = {finding["id"]: finding for finding in findings}
        for protocol in NOT_OFFERED:
            assert by_id[protocol]["finding"].startswith("not offered"), (scan.mode, by_id[protocol])
        for protocol in ("TLS1_2", "TLS1_3"):
            assert by_id[protocol]["finding"].startswith("offered"), (scan.mode, by_id[protocol])
        assert by_id["heartbleed"]["severity"] == "OK", "it has looked for weaknesses"
        grave = {finding["id"].split(" ")[0]: finding["finding"] for finding in findings if finding["severity"] in GRAVE}
        assert set(grave) == TRUST, (scan.mode, grave)
