"""DKIM (RFC 6376): messages are signed before the gate, and checked on what was delivered."""

import base64
import subprocess
import tempfile
from pathlib import Path

import dkim


class Signer:
    """An RSA key for s1._domainkey.example.org that no DNS knows: the check is given it."""

    def __init__(self):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "key.pem"
            subprocess.run(["openssl", "genrsa", "-traditional", "-out", path, "2048"], check=True, capture_output=True)
            public = subprocess.run(["openssl", "rsa", "-in", path, "-pubout", "-outform", "DER"], check=True,
                                    capture_output=True).stdout
            self.private = path.read_bytes()
        self._record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)

    def sign(self, message, canonicalization, names=None):
        """`names`: what goes into h=, over-signed where a name has no field; without, what python3-dkim takes."""
        header, body = canonicalization.encode().split(b"/")
        names = names and [name.encode() for name in names]
        return dkim.sign(message, b"s1", b"example.org", self.private, canonicalize=(header, body),
                         include_headers=names) + message

    def verifies(self, message, index=0):
        """The signature that is `index` from the top."""
        return dkim.DKIM(message).verify(idx=index, dnsfunc=lambda name, timeout=5: self._record)
