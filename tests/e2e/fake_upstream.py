"""An MTA that misbehaves as told, and keeps what arrived byte for byte.

`answers` maps a verb (GREETING, EHLO, HELO, MAIL, RCPT, DATA, RSET, QUIT, and END for the final dot) to what it does:
octets are sent as they are; HANG says nothing more and CLOSE hangs up; Then(octets, CLOSE) sends octets and then does
that; Trickle(octets) sends them one by one; a function of the command's line returns any of these, or None for the usual
answer. Whatever has no entry is answered as a plain MTA would. Split(octets) sends them in two packets, RESET ends the
connection with a reset, and Glue(octets) keeps them back until there is something else to be sent.

With a context for `tls` it offers STARTTLS. HANDSHAKE is what then happens: usually TLS; with another context that
one's, Flight(part, CLOSE) sends so much of what a server says first and does that, and anything else comes instead.
RESPONSE is the client's answer to a challenge, which is a 334 as the answer to AUTH, or to the response before.

fault_matrix.py overrides choose(), in_data() and took() to say these things for one envelope of many.
"""

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field

from processes import wait_until

HANG = object()
CLOSE = object()
RESET = object()

EXTENSIONS = ("PIPELINING", "SIZE 10485760", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN")

# For MTAs whose recipients are refused here: we take DATA without a recipient, and an MTA that had sent that ahead would
# be told that its message was taken. Without DSN, reports about successes are theirs to write.
STEP_BY_STEP = ("8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")

USUAL = {
    "GREETING": b"220 upstream.test ESMTP\r\n",
    "HELO": b"250 upstream.test\r\n",
    "MAIL": b"250 2.1.0 sender taken\r\n",
    "RCPT": b"250 2.1.5 recipient taken\r\n",
    "DATA": b"354 go ahead\r\n",
    "STARTTLS": b"220 2.0.0 go ahead\r\n",
    "AUTH": b"235 2.7.0 welcome\r\n",
    "RESPONSE": b"235 2.7.0 welcome\r\n",
    "END": b"250 2.0.0 message taken\r\n",
    "RSET": b"250 2.0.0 done\r\n",
    "NOOP": b"250 2.0.0 done\r\n",
    "QUIT": b"221 2.0.0 goodbye\r\n",
}


@dataclass
class Then:
    octets: bytes
    next: object


@dataclass
class Trickle:
    octets: bytes


@dataclass
class Split:
    octets: bytes
    at: int  # where it is cut


@dataclass
class Glue:
    octets: bytes


@dataclass
class Flight:
    part: float  # of its octets, 0 to 1
    next: object


def once(answer, then=None):
    """`answer` the first time, `then` (None: the usual one) afterwards."""
    answers = [answer]
    return lambda line: answers.pop() if answers else then


@dataclass
class Message:
    mail: bytes          # the line of MAIL, without CRLF
    recipients: list     # lines of accepted RCPTs
    data: bytes          # as it came over the wire, dot-stuffed, without the final dot

    @property
    def content(self):
        """Without dot-stuffing."""
        return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in self.data.split(b"\r\n"))


@dataclass
class Connection:
    commands: list = field(default_factory=list)  # lines without CRLF, in order
    octets: bytes = b""                           # everything that arrived
    ended: bool = False
    ahead: bool = False  # a command came before the reply to the one before
    peer: socket.socket = None
    mail: bytes = None       # of the transaction that is open
    recipients: list = field(default_factory=list)
    held: bytes = b""        # replies that go out with the next
    secure: bool = False     # under TLS

    def verbs(self):
        return [line.split(b" ")[0].split(b":")[0].upper().decode() for line in self.commands]


class _Hangup(Exception):
    pass


class FakeUpstream:
    def __init__(self, extensions=EXTENSIONS, host="127.0.0.1", tls=None, **answers):
        self.extensions = list(extensions)
        self.tls = tls
        self.answers = answers
        self.connections = []
        self.messages = []
        self._stopping = threading.Event()
        self._listener = socket.create_server((host, 0), backlog=128)
        self.address = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self._stopping.set()
        # A thread that waits in accept() would wait on, and might take what comes to whoever gets the descriptor next.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def pause(self):
        """Refuses connections until resume(); those that stand are left alone."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def resume(self):
        self._listener = socket.create_server(self.address, backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    def hang_up(self, last_words=b""):
        """Ends every connection that stands, and returns when they are ended."""
        for connection in self.connections:
            # The other side may have ended it in this moment.
            with contextlib.suppress(OSError):
                connection.peer.sendall(last_words)
                connection.peer.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: all(connection.ended for connection in self.connections), "connections ended")

    def commands(self):
        """Of all connections, in the order of the connections."""
        return [line for connection in self.connections for line in connection.commands]

    def wait_messages(self, count):
        wait_until(lambda: len(self.messages) >= count, f"{count} messages at the upstream")
        return self.messages

    def _accept(self):
        listener = self._listener
        while not self._stopping.is_set():
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            connection = Connection(peer=peer)
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(peer, connection), daemon=True).start()

    def _serve(self, peer, connection):
        try:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._dialogue(connection)
        except (OSError, _Hangup):
            pass
        finally:
            connection.peer.close()
            connection.ended = True

    def choose(self, connection, verb, line):
        """The answer to a command; None is the usual one."""
        answer = self.answers.get(verb)
        return answer(line) if callable(answer) else answer

    def in_data(self, connection, octets):
        """What is done while only `octets` of a message have come; None: more is waited for."""

    def took(self, connection, message):
        """A whole message is there; its end is answered next."""
        self.messages.append(message)

    def _dialogue(self, connection):
        buffer = b""
        self._answer(connection, "GREETING", b"")
        while True:
            line, buffer = self._until(connection, buffer, b"\r\n")
            connection.commands.append(line)
            verb = line.split(b" ")[0].split(b":")[0].upper().decode("latin-1")
            if buffer or (verb != "DATA" and self._more_comes(connection)):
                connection.ahead = True
            code = self._answer(connection, verb, line)
            if verb == "MAIL" and code == 250:
                connection.mail, connection.recipients = line, []
            elif verb == "RCPT" and code in (250, 251):
                connection.recipients.append(line)
            elif verb == "RSET" or verb == "EHLO":
                connection.mail, connection.recipients = None, []
            elif verb == "QUIT":
                return
            elif verb == "STARTTLS" and code == 220 and self.tls:
                self._secure(connection)
                buffer = b""
            elif verb == "AUTH":
                while code == 334:
                    line, buffer = self._until(connection, buffer, b"\r\n")
                    code = self._answer(connection, "RESPONSE", line)
            elif verb == "DATA" and code == 354:
                data, buffer = self._message(connection, buffer)
                if data:
                    self.took(connection, Message(connection.mail, connection.recipients, data))
                self._answer(connection, "END", data)
                connection.mail, connection.recipients = None, []

    def _secure(self, connection):
        answer = self.choose(connection, "HANDSHAKE", b"")
        if isinstance(answer, Flight):
            self._fly(connection, answer)
        elif answer is not None and not isinstance(answer, ssl.SSLContext):
            self._do(connection, answer)
            raise _Hangup
        connection.peer = (answer or self.tls).wrap_socket(connection.peer, server_side=True)
        connection.secure = True
        connection.mail, connection.recipients = None, []

    # To the ClientHello.
    def _fly(self, connection, flight):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = self.tls.wrap_bio(incoming, outgoing, server_side=True)
        while not outgoing.pending:
            piece = connection.peer.recv(65536)
            if not piece:
                raise _Hangup
            incoming.write(piece)
            with contextlib.suppress(ssl.SSLWantReadError):
                server.do_handshake()
        octets = outgoing.read()
        self._do(connection, Then(octets[:int(len(octets) * flight.part)], flight.next))

    def _more_comes(self, connection):
        waiting = select.poll()  # not select(): there may be thousands of descriptors
        waiting.register(connection.peer, select.POLLIN)
        return bool(waiting.poll(20 if "PIPELINING" not in self.extensions else 0))

    def _message(self, connection, buffer):
        self._during(connection, b"")
        if buffer.startswith(b".\r\n"):
            return b"", buffer[3:]
        while len(buffer) < 3:
            buffer += self._receive(connection)
            if buffer.startswith(b".\r\n"):
                return b"", buffer[3:]
        pieces = bytearray(buffer)
        seen = 0
        while (end := pieces.find(b"\r\n.\r\n", max(0, seen - 4))) < 0:
            self._during(connection, pieces)
            seen = len(pieces)
            pieces += self._receive(connection)
        return bytes(pieces[:end + 2]), bytes(pieces[end + 5:])

    def _during(self, connection, octets):
        answer = self.in_data(connection, octets)
        if answer is not None:
            self._do(connection, answer)

    def _until(self, connection, buffer, end):
        while end not in buffer:
            buffer += self._receive(connection)
        line, rest = buffer.split(end, 1)
        return line, rest

    def _receive(self, connection):
        piece = connection.peer.recv(65536)
        if not piece:
            raise _Hangup
        connection.octets += piece
        return piece

    def _answer(self, connection, verb, line):
        answer = self.choose(connection, verb, line)
        return self._do(connection, self.usual(verb, connection.secure) if answer is None else answer)

    def usual(self, verb, secure=False):
        if verb == "EHLO":
            lines = ["upstream.test", *self.extensions, *(["STARTTLS"] if self.tls and not secure else [])]
            return b"".join(f"250{' ' if i == len(lines) - 1 else '-'}{text}\r\n".encode()
                            for i, text in enumerate(lines))
        known = USUAL.get(verb) if verb != "STARTTLS" or self.tls else None
        return known or b"500 5.5.2 what?\r\n"

    # Does it, and returns the code of a whole reply; 0: there was none.
    def _do(self, connection, answer):
        peer = connection.peer
        if answer is CLOSE:
            raise _Hangup
        if answer is RESET:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise _Hangup
        if answer is HANG:
            while peer.recv(65536):
                pass
            raise _Hangup
        if isinstance(answer, Then):
            self._send(connection, answer.octets)
            self._do(connection, answer.next)
            return 0
        if isinstance(answer, Trickle):
            for octet in answer.octets:
                self._send(connection, bytes([octet]))
        elif isinstance(answer, Split):
            self._send(connection, answer.octets[:answer.at])
            time.sleep(0.005)  # so that they are two packets: nothing shows that the first was read
            self._send(connection, answer.octets[answer.at:])
        elif isinstance(answer, Glue):
            connection.held += answer.octets
        else:
            self._send(connection, answer)
        octets = answer if isinstance(answer, bytes) else answer.octets
        return int(octets[:3]) if octets[:3].isdigit() else 0

    def _send(self, connection, octets):
        connection.held, octets = b"", connection.held + octets
        connection.peer.sendall(octets)
