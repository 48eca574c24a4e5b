"""A client that sends exactly the octets that a test wants, and reads replies as they came."""

import socket
from typing import NamedTuple

from processes import DEADLINE


class Reply(NamedTuple):
    code: int
    raw: bytes  # every line, with its CRLF

    @property
    def text(self):
        return self.raw.decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n")


class Closed(Exception):
    """The server closed the connection where a reply was due."""


class Client:
    def __init__(self, address, ehlo="client.test", source=None, tls=None, before=b""):
        """`tls`: a context, under which everything is said. `before`: octets in front of all others."""
        self.socket = socket.create_connection(address, DEADLINE, source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(before)
        if tls is not None:
            self._secure(tls)
        self._buffer = b""
        self.greeting = self.reply()
        self.ehlo = None
        if ehlo is not None:
            self.hello(ehlo)

    def hello(self, ehlo="client.test"):
        self.ehlo = self.ask(f"EHLO {ehlo}")
        assert self.ehlo.code == 250, self.ehlo

    def start_tls(self, context, ehlo="client.test", name="gate.test"):
        reply = self.ask("STARTTLS")
        assert reply.code == 220 and self._buffer == b"", reply
        self._secure(context, name)
        if ehlo is not None:
            self.hello(ehlo)

    def _secure(self, context, name="gate.test"):
        self.socket = context.wrap_socket(self.socket, server_hostname=name)

    def offers(self):
        """The lines of the last EHLO's reply."""
        return [line[4:] for line in self.ehlo.text.split("\n")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def reply(self):
        """The next reply, all of its lines; Closed where the connection ends first."""
        raw = b""
        while True:
            while b"\r\n" not in self._buffer:
                try:
                    piece = self.socket.recv(65536)
                except ConnectionResetError:
                    piece = b""
                if not piece:
                    raise Closed(f"instead of a reply; before that: {raw + self._buffer!r}")
                self._buffer += piece
            line, self._buffer = self._buffer.split(b"\r\n", 1)
            raw += line + b"\r\n"
            if line[3:4] != b"-":
                return Reply(int(line[:3]), raw)

    def replies(self, count):
        return [self.reply() for _ in range(count)]

    def ask(self, line):
        """Sends a command (CRLF is added) and returns its reply."""
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def ended(self):
        """The server closes without another word."""
        try:
            reply = self.reply()
        except Closed:
            return True
        raise AssertionError(f"a reply instead of the end: {reply}")

    def envelope(self, recipients, sender="news@example.org"):
        """MAIL and RCPTs one after the other; the replies to RCPT."""
        reply = self.ask(f"MAIL FROM:<{sender}>")
        assert reply.code == 250, reply
        return [self.ask(f"RCPT TO:<{recipient}>") for recipient in recipients]

    def data(self, message):
        """DATA and a message (dot-stuffed here); the reply to the final dot, or to DATA where that is refused."""
        reply = self.ask("DATA")
        if reply.code != 354:
            return reply
        self.send(stuffed(message) + b".\r\n")
        return self.reply()

    def deliver(self, recipients, message, sender="news@example.org"):
        for reply in self.envelope(recipients, sender):
            assert reply.code == 250, reply
        return self.data(message)


def secured(gate, context, mode="starttls"):
    """A client of the gate, under TLS."""
    if mode == "implicit":
        return Client(gate.address, tls=context)
    client = Client(gate.address)
    client.start_tls(context)
    return client


def stuffed(message):
    """Dot-stuffed (RFC 5321 section 4.5.2). The message ends with CRLF."""
    assert message.endswith(b"\r\n")
    return b"".join(b"." + line + b"\r\n" if line.startswith(b".") else line + b"\r\n"
                    for line in message[:-2].split(b"\r\n"))


def letter(subject="hello", body=b"Good morning.\r\n"):
    return (f"From: News <news@example.org>\r\nTo: you@example.com\r\nSubject: {subject}\r\n"
            f"Date: Sun, 01 Mar 2026 12:00:00 +0000\r\nMessage-ID: <{subject.replace(' ', '.')}@example.org>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n").encode() + body
