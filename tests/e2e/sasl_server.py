"""A stand-in for Dovecot's authentication service, which Postfix asks over a Unix socket: PLAIN and LOGIN alone.

One thread a connection. The protocol is lines of fields between tabs: the server names its mechanisms, the client sends
AUTH and CONT, and is answered OK, CONT or FAIL.
"""

import base64
import contextlib
import os
import socket
import threading

HELLO = b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0123456789abcdef0123456789abcdef\nDONE\n"


class SaslServer:
    def __init__(self, path, passwords):
        """`passwords`: {login: password}. Whoever can enter the directory of `path` may ask."""
        self.passwords = passwords
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        os.chmod(path, 0o666)
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        names = {}  # of LOGIN, by request
        with peer, peer.makefile("rb") as lines:
            peer.sendall(HELLO)
            for line in lines:
                fields = line.decode().rstrip("\n").split("\t")
                if fields[0] == "AUTH":
                    response = next((field[5:] for field in fields if field.startswith("resp=")), None)
                    peer.sendall(self._begun(fields[1], fields[2], response, names))
                elif fields[0] == "CONT":
                    peer.sendall(self._continued(fields[1], decoded(fields[2]), names))

    def _begun(self, request, mechanism, response, names):
        if mechanism == "PLAIN":
            if response is None:
                return f"CONT\t{request}\t\n".encode()
            return self._plain(request, decoded(response))
        names[request] = decoded(response) if response else None
        return asked(request, "Password:" if names[request] else "Username:")

    def _continued(self, request, text, names):
        if request not in names:
            return self._plain(request, text)
        if names[request] is None:
            names[request] = text
            return asked(request, "Password:")
        return self._verdict(request, names.pop(request), text)

    def _plain(self, request, text):
        _, name, password = text.split("\0")
        return self._verdict(request, name, password)

    def _verdict(self, request, name, password):
        taken = self.passwords.get(name) == password
        return f"{'OK' if taken else 'FAIL'}\t{request}\tuser={name}\n".encode()


def decoded(text):
    return base64.b64decode(text).decode()


def asked(request, what):
    return f"CONT\t{request}\t{base64.b64encode(what.encode()).decode()}\n".encode()
