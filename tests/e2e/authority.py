"""A certification authority of the tests' own, and the certificates that it signs; made by OpenSSL's program."""

import ssl
import subprocess
from pathlib import Path

EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]


class Authority:
    def __init__(self, directory, name="authority"):
        self.directory = Path(directory) / name
        self.directory.mkdir()
        self.certificate = self.directory / "ca.pem"
        _openssl("req", "-x509", *EC, "-subj", f"/CN={name}", "-keyout", self.directory / "ca.key", "-out",
                 self.certificate)

    def sign(self, name, addresses=()):
        """(certificate, key) for that host name: PEM files."""
        certificate, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        names = ",".join([f"DNS:{name}", *(f"IP:{address}" for address in addresses)])
        _openssl("req", "-x509", *EC, "-subj", f"/CN={name}", "-CA", self.certificate, "-CAkey", self.directory / "ca.key",
                 "-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key,
                 "-out", certificate)
        return certificate, key

    def context(self, name):
        """Of a server that has a certificate for that host name."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.sign(name))
        return context


def _openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
