"""The upstream of fault_matrix.py: it knows whose envelope it has, does what that case says, and counts what it took."""

import base64
import binascii
import contextlib
import re

from fake_upstream import EXTENSIONS, HANG, FakeUpstream
from fault_cases import CONNECTION_STAGES, FAULTS, HANDSHAKES, NOTHING_TAKEN, SAYS_YES, USUAL_ARRIVES

CASE = re.compile(rb"c(\d+)[.@]")
REPORTED = re.compile(rb"Final-Recipient: rfc822; *(\S+)")
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")
LOGIN = "AUTH PLAIN LOGIN"
ASKS_PASSWORD = b"334 UGFzc3dvcmQ6\r\n"


def person_of(line):
    return re.match(rb"RCPT TO:<([^>]*)>", line).group(1).decode()


class Upstream(FakeUpstream):
    """It has the cases by their numbers; those without an envelope or a login are `alone`."""

    def __init__(self, extensions=EXTENSIONS, tls=None, handshakes=None):
        """`handshakes`: what HANDSHAKES leaves open, which are contexts."""
        self.cases = {}
        self.alone = None
        self.wrong = []
        self.handshakes = {**HANDSHAKES, **(handshakes or {})}
        super().__init__(extensions, tls=tls)

    def _case(self, mail):
        match = CASE.search(mail or b"")
        return self.cases.get(int(match.group(1))) if match else None

    def choose(self, connection, verb, line):
        stage = "EHLO in TLS" if verb == "EHLO" and connection.secure else verb
        if verb in ("AUTH", "RESPONSE"):
            return self._log_in(connection, verb, line)
        if stage in CONNECTION_STAGES:
            case = self.alone
        else:
            case = self._case(line if verb == "MAIL" else connection.mail)
        if verb == "MAIL":
            self._look_at_mail(connection, line, case)
        if verb == "END":
            return self._end(case, connection)
        if case is None or not case.fires(stage):
            return None
        if stage == "HANDSHAKE":
            return self.handshakes[case.fault]
        return FAULTS[case.fault](self.usual(verb, connection.secure))

    def _look_at_mail(self, connection, line, case):
        if case is not None:
            case.asked += 1
            connection.asked = case.asked
            # Asked again, what it says within this message is yet to come, unless it says that once.
            if not case.once:
                case.met.clear()
        if connection.mail is not None:
            self.wrong.append(f"two envelopes in one: {connection.mail} {line}")
        if self.tls and not connection.secure:
            self.wrong.append(f"in clear: {line}")
        known = getattr(connection, "known", None)
        if LOGIN in self.extensions and (known is None or (case is not None and known is not case)):
            self.wrong.append(f"{line} of who did not authenticate, but {known}")

    # PLAIN is over with the command, LOGIN has a challenge; the name comes with the command.
    def _log_in(self, connection, verb, line):
        word = line.split(b" ")
        if verb == "AUTH":
            with contextlib.suppress(binascii.Error):
                connection.claims = self._case(base64.b64decode(word[-1]))
        case = connection.claims
        stage = "PASSWORD" if verb == "RESPONSE" else "AUTH" if word[1] == b"PLAIN" else "CHALLENGE"
        usual = ASKS_PASSWORD if stage == "CHALLENGE" else self.usual(verb)
        fires = case.fires(stage)
        if stage != "CHALLENGE" and (not fires or case.fault in USUAL_ARRIVES):
            connection.known = case
        return FAULTS[case.fault](usual) if fires else usual

    def in_data(self, connection, octets):
        case = self._case(connection.mail)
        stage = "body" if b"\r\n\r\n" in octets else "header"
        # In the header section before any of it has come, since it comes in one go.
        if case is None or not case.fires(stage):
            return None
        answer = FAULTS[case.fault](self.usual("END"))
        connection.spoke = True
        if answer is HANG:
            self._met(case, connection)
        return answer

    def _met(self, case, connection):
        if case.once or connection.asked == case.asked:
            case.met.set()

    def _during(self, connection, octets):
        try:
            super()._during(connection, octets)
            if getattr(connection, "spoke", False):
                connection.said_yes = self._case(connection.mail).fault in SAYS_YES
        finally:
            if getattr(connection, "spoke", False):
                self._met(self._case(connection.mail), connection)

    def _message(self, connection, buffer):
        try:
            return super()._message(connection, buffer)
        except Exception:
            # The gate took its early 250 for the answer, and hung up when there were more of them.
            if getattr(connection, "said_yes", False):
                self._case(connection.mail).given_up.update(map(person_of, connection.recipients))
            raise

    def took(self, connection, message):
        if BARE.search(connection.octets):
            self.wrong.append(f"a bare CR, LF or NUL behind {message.mail}")
        connection.octets = b""
        connection.last = message
        connection.unasked, connection.spoke = getattr(connection, "spoke", False), False

    # Decided before it is answered: once the client knows, this is looked at.
    def _end(self, case, connection):
        message = connection.last
        if case is None:
            if not message.mail.startswith(b"MAIL FROM:<>"):
                self.wrong.append(f"a message of nobody: {message.mail}")
            for person in REPORTED.findall(message.content):
                case = self._case(person)
                case.reported.add(person.decode())
            return None
        header, body = message.content.split(b"\r\n\r\n", 1)
        if body not in case.whole or header.count(b"Subject: ") != 1 or b"Subject: %s" % case.subject.encode() not in header:
            case.wrong.append(f"no whole message of its own: {len(body)} octets, {message.content[:200]}")
        fires = case.fires("END")
        arrives = not fires or case.fault in USUAL_ARRIVES
        for line in message.recipients:
            person = person_of(line)
            if arrives:
                case.taken[person] += 1
                # What it said unasked crossed the end of data, and may be taken for the answer to it.
                case.doubted[person] += connection.unasked
            elif case.fault not in NOTHING_TAKEN:
                case.doubted[person] += 1
        return FAULTS[case.fault](self.usual("END")) if fires else None

    def usual(self, verb, secure=False):
        return b"" if verb == "CONNECT" else super().usual(verb, secure)

    def _serve(self, peer, connection):
        try:
            self._answer(connection, "CONNECT", b"")
        except (OSError, Exception):
            peer.close()
            connection.ended = True
            return
        super()._serve(peer, connection)
