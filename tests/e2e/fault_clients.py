"""The clients of fault_matrix.py: one that does everything right, and one that does what its case says."""

import contextlib
import socket
import struct

from fault_cases import LIES
from processes import DEADLINE
from sasl import authenticate, encoded
from smtp_client import Client, Closed, stuffed

PASSWORD = "a word that passes"


class Try:
    """What a client learnt: who was refused at RCPT, and the answer to its message; None: it got none."""

    def __init__(self):
        self.accepted, self.refused, self.final = [], {}, None
        self.ended = False  # the end of the message was sent
        self.codes = []     # of all replies
        self.slipped_in = False  # MAIL was taken, and AUTH had failed

    def __str__(self):
        return f"accepted {self.accepted}, refused {self.refused}, final {self.final}, codes {self.codes}"


class Attentive(Client):
    """Its outcome keeps what it heard."""

    def __init__(self, address, outcome):
        self.outcome = outcome
        super().__init__(address)

    def reply(self):
        reply = super().reply()
        self.outcome.codes.append(reply.code)
        return reply


def attempt(address, case, people, message, sender):
    outcome = Try()
    with contextlib.suppress(Closed, OSError), Attentive(address, outcome) as client:
        if case.door == "login" and not log_in(client, case, outcome):
            return outcome
        chunks = case.chunks() if case.way == "BDAT" else []
        lines = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{who}>" for who in people)]
        if case.pipelines:
            ahead = "".join(line + "\r\n" for line in lines).encode()
            # Chunks come behind RCPT at once, unless the fault is waited for within them.
            behind = b"DATA\r\n" if not chunks else b"" if upstream_speaks(case) else announced(chunks)
            client.send(ahead + behind)
            replies = client.replies(len(lines))
        else:
            replies = [client.ask(line) for line in lines]
        for who, reply in zip(people, replies[1:]):
            if replies[0].code == 250 and reply.code == 250:
                outcome.accepted.append(who)
            else:
                outcome.refused[who] = reply
        if chunks:
            send_chunks(client, case, chunks, outcome)
        elif (go_ahead := client.reply() if case.pipelines else client.ask("DATA")).code != 354:
            outcome.final = go_ahead
            return outcome
        else:
            say(client, case, stuffed(message) + b".\r\n")
            outcome.final = client.reply()
        client.ask("QUIT")
    return outcome


def log_in(client, case, outcome):
    """PLAIN, which is over with the command, or LOGIN, which has a challenge."""
    plain = case.stage == "AUTH" or (case.stage not in ("CHALLENGE", "PASSWORD") and case.pipelines)
    reply = authenticate(client, "PLAIN" if plain else "LOGIN", case.sender, PASSWORD)
    if reply.code == 235:
        return True
    outcome.final = reply
    outcome.slipped_in = client.ask(f"MAIL FROM:<{case.sender}>").code == 250
    return False


def announced(chunks):
    """The octets of BDAT for these chunks."""
    octets = [b"BDAT %d\r\n" % len(chunk) + chunk for chunk in chunks[:-1]]
    return b"".join(octets) + b"BDAT %d LAST\r\n" % len(chunks[-1]) + chunks[-1]


# The answer to the last chunk is the one to the message; an earlier one is, where it is a refusal and no other comes.
def send_chunks(client, case, chunks, outcome):
    speaks_early = upstream_speaks(case)
    at_once = case.pipelines or speaks_early
    if speaks_early:
        # DATA goes upstream with the first command.
        octets = announced(chunks)
        command = octets[:octets.index(b"\n") + 1]
        client.send(command)
        say(client, case, octets[len(command):])
    for number, chunk in enumerate(chunks, 1):
        last = number == len(chunks)
        if not at_once:
            client.send(b"BDAT %d%s\r\n" % (len(chunk), b" LAST" * last) + chunk)
        reply = client.reply()
        if last or reply.code != 250:
            outcome.final = reply
        if not at_once and reply.code != 250:
            return


def upstream_speaks(case):
    """Within a message that streams through, which is heard before the message's end."""
    return case.speaks_early() and case.armed and not case.split


def say(client, case, octets):
    if upstream_speaks(case):
        half = 0 if case.stage == "header" else len(octets) // 2
        client.send(octets[:half])
        assert case.met.wait(DEADLINE), "the fault is not met"
        octets = octets[half:]
    client.send(octets)


# What a client's dialogue consists of: stage, octets, the code that is waited for.
def steps_of(case):
    name, password = encoded(case.sender.encode()), encoded(PASSWORD.encode())
    login = [("AUTH", f"AUTH LOGIN {name}\r\n".encode(), 334), ("PASSWORD", f"{password}\r\n".encode(), 235)]
    return [
        ("connect", b"", None), ("greeting", b"", 220), ("EHLO", b"EHLO client.test\r\n", 250),
        *(login if case.door == "login" else []),
        ("MAIL", f"MAIL FROM:<{case.sender}>\r\n".encode(), 250),
        *(("RCPT", f"RCPT TO:<{who}>\r\n".encode(), 250) for who in case.people),
        *(chunk_steps(case) if case.way == "BDAT" else data_steps(case)),
        ("END", b"", 250), ("QUIT", b"QUIT\r\n", 221)]


def data_steps(case):
    header, body = stuffed(case.message).split(b"\r\n\r\n", 1)
    return [("DATA", b"DATA\r\n", 354), ("header", header + b"\r\n\r\n", None), ("body", body, None),
            ("before dot", b"", None), ("in dot", b".\r\n", None)]


def chunk_steps(case):
    first, second, third = case.chunks()

    def command(stage, chunk, last=b""):
        lie = LIES.get(case.fault, 0) if case.stage == stage else 0
        return (stage, b"BDAT %d%s\r\n" % (len(chunk) + lie, last), None)

    return [command("BDAT", first), ("chunk", first, 250), ("between chunks", b"", None), command("BDAT again", second),
            ("chunk again", second, 250), ("before LAST", b"", None), command("LAST", third, b" LAST"),
            ("last chunk", third, None)]


# A client's side of a fault: everything up to the stage is as it should be.
def misbehave(address, case):
    outcome = Try()
    peer = socket.create_connection(address, DEADLINE)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = b""
    with contextlib.suppress(Closed, OSError), peer:
        for stage, octets, code in steps_of(case):
            here = stage == case.stage
            if here and case.fault == "trickle" and octets:
                for octet in octets[:2_000]:
                    peer.sendall(bytes([octet]))
                peer.sendall(octets[2_000:])
            elif here and octets and case.fault not in LIES:
                peer.sendall(octets[:len(octets) // 2])
            else:
                peer.sendall(octets)
            outcome.ended = outcome.ended or (stage in ("in dot", "last chunk") and (not here or case.fault == "trickle"))
            if here and case.fault == "half-close":
                peer.shutdown(socket.SHUT_WR)
            elif here and case.fault == "hang":
                # It says no more. The gate says 421, and hangs up.
                while peer.recv(65536):
                    pass
                return outcome
            elif here and case.fault in ("close", "reset"):
                if case.fault == "reset":
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return outcome
            if code is not None:
                reply, buffer = reply_of(peer, buffer)
                outcome.codes.append(reply)
                if stage == "END":
                    outcome.final = reply
                if reply != code:
                    return outcome
                if stage == "RCPT":
                    outcome.accepted = list(case.people)
    return outcome


def reply_of(peer, buffer):
    while True:
        line, end, rest = buffer.partition(b"\r\n")
        if end and line[3:4] != b"-":
            return int(line[:3]), rest
        if end:
            buffer = rest
            continue
        piece = peer.recv(65536)
        if not piece:
            raise Closed
        buffer += piece
