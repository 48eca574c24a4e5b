"""testssl.sh (Debian's) finds nothing above LOW at the gate's doors but that nobody vouches for the development certificate."""

import json
import os
import subprocess

import pytest

from processes import text_of

# Of a self-signed certificate, which names no way to revoke it.
TRUST = {"cert_trust", "cert_chain_of_trust", "cert_revocation", "cert_expirationStatus", "cert_notAfter",
         "cert_crlDistributionPoints", "cert_ocspURL"}
CHECKS = ["--protocols", "--std", "--server-preference", "--fs", "--server-defaults", "--vulnerable"]
GRAVE = ("MEDIUM", "HIGH", "CRITICAL", "WARN", "FATAL")
TIME = 540  # seconds; without other work on the machine it takes less than a tenth of it


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_nothing_above_low(mode, new_gate, upstream, directory):
    gate = new_gate(upstream.address, listener=f'tls = "{mode}"\nauth = "passthrough"\n').start()
    found = directory / "found.json"
    arguments = ["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--jsonfile", str(found), *CHECKS]
    arguments += ["--starttls", "smtp"] if mode == "starttls" else []
    done = subprocess.run([*arguments, text_of(gate.address)], capture_output=True, text=True, timeout=TIME, cwd=directory,
                          stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert found.exists(), done.stdout + done.stderr
    findings = json.loads(found.read_text())
    by_id = {finding["id"]: finding for finding in findings}
    for protocol, words in (("SSLv2", "not offered"), ("SSLv3", "not offered"), ("TLS1", "not offered"),
                            ("TLS1_1", "not offered"), ("TLS1_2", "offered"), ("TLS1_3", "offered")):
        assert by_id[protocol]["finding"].startswith(words), by_id[protocol]
    assert by_id["heartbleed"]["severity"] == "OK", "it has looked for weaknesses"
    grave = [finding for finding in findings if finding["severity"] in GRAVE and finding["id"].split(" ")[0] not in TRUST]
    assert grave == [], done.stdout
