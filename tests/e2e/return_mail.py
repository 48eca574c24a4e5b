"""Return mail as other systems would write it, of mail that came through a gate with a return domain."""

import json
import re

from processes import wait_until
from smtp_client import Client

SENDER = "news@example.org"

MORE = """\
[web]
address = "127.0.0.1:0"

[admin]
address = "127.0.0.1:0"

[unsubscribe]
url = "https://unsub.example.com"

[return_path]
domain = "bounce.test"
forward = true

[[listener]]
name = "return"
address = "127.0.0.1:0"
role = "return-path"

[[stream]]
name = "newsletter"
title = "Our newsletter"
sender = ["news@*"]

[[stream]]
name = "letters"
kind = "transactional"
sender = ["*"]
"""

TOKEN = re.compile(r"[a-z2-7]{60}@bounce\.test")


def return_address(gate):
    return gate.process.listening("return")


def reverse_path(message):
    """Of what a fake upstream was given."""
    return re.match(rb"MAIL FROM:<([^>]*)>", message.mail).group(1).decode()


def send(gate, upstream, recipient, letter, sender=SENDER):
    """A letter through the gate; what the upstream got of it."""
    before = len(upstream.messages)
    with Client(gate.address) as client:
        reply = client.deliver([recipient], letter, sender)
        assert reply.code == 250, reply
    [message] = upstream.messages[before:]
    return message


def give_back(gate, address, message, sender=""):
    """Return mail to the listener: the reply to RCPT if that is no 250, else the reply to the message."""
    with Client(return_address(gate), "mx.remote.test") as client:
        assert client.ask(f"MAIL FROM:<{sender}>").code == 250
        reply = client.ask(f"RCPT TO:<{address}>")
        if reply.code == 250:
            reply = client.data(message)
        client.ask("QUIT")  # so that the gate knows that its answer was read
        return reply


def report(recipient, to, returned=b"", status="5.1.1", diagnostic="550 5.1.1 no such user here", action="failed"):
    """A delivery report (RFC 3464). `returned`: the message that it is about, of which the header section comes back."""
    header = returned.split(b"\r\n\r\n", 1)[0] + b"\r\n"
    return (f"From: Mail Delivery System <MAILER-DAEMON@mx.remote.test>\r\nTo: <{to}>\r\n"
            "Subject: Undelivered Mail Returned to Sender\r\nDate: Sun, 01 Mar 2026 12:00:00 +0000\r\n"
            "Message-ID: <report.1@mx.remote.test>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"\r\n\r\n'
            "--b1\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
            f"Your message to {recipient} could not be delivered.\r\n\r\n"
            "--b1\r\nContent-Type: message/delivery-status\r\n\r\n"
            "Reporting-MTA: dns; mx.remote.test\r\n\r\n"
            f"Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n"
            f"Remote-MTA: dns; mx.far.test\r\nDiagnostic-Code: smtp; {diagnostic}\r\n\r\n"
            "--b1\r\nContent-Type: text/rfc822-headers\r\n\r\n").encode() + header + b"\r\n--b1--\r\n"


def complaint(returned, feedback="abuse", named=""):
    """A feedback report (RFC 5965) about the message. `named`: fields of the report that name somebody."""
    return ("From: Feedback Loop <fbl@provider.example>\r\nTo: <complaints@bounce.test>\r\nSubject: FW: hello\r\n"
            "Date: Sun, 01 Mar 2026 12:00:00 +0000\r\nMessage-ID: <arf.1@provider.example>\r\nMIME-Version: 1.0\r\n"
            'Content-Type: multipart/report; report-type=feedback-report; boundary="b2"\r\n\r\n'
            "--b2\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nThis is an email abuse report.\r\n\r\n"
            "--b2\r\nContent-Type: message/feedback-report\r\n\r\n"
            f"Feedback-Type: {feedback}\r\nUser-Agent: Loop/1.0\r\nVersion: 1\r\n{named}\r\n"
            "--b2\r\nContent-Type: message/rfc822\r\n\r\n").encode() + returned + b"\r\n--b2--\r\n"


def plain(sender, to, subject, text, more=""):
    return (f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: Sun, 01 Mar 2026 12:00:00 +0000\r\n"
            f"Message-ID: <{abs(hash((subject, text)))}@remote.test>\r\n{more}MIME-Version: 1.0\r\n"
            f"Content-Type: text/plain; charset=us-ascii\r\n\r\n{text}\r\n").encode()


def returned_as(message, path):
    """A message as its receiving system has it: with the reverse-path on top."""
    return f"Return-Path: <{path}>\r\n".encode() + message.content


def redacted(octets, recipient):
    """As providers send complaints: nobody is named."""
    return octets.replace(recipient.encode(), b"redacted@provider.example")


def events(gate, address, kind=None):
    """What happened to the contact, as `show` has it; of that kind alone."""
    done = gate.run("show", "--json", address, expect=None)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return [one for one in records if one["record"] == "event" and kind in (None, one.get("event"))]


def answer(gate, recipient, sender=SENDER):
    """The gate's reply to RCPT."""
    with Client(gate.address) as client:
        [reply] = client.envelope([recipient], sender)
        return reply


def wait_refused(gate, recipient, sender=SENDER):
    """The gate's reply to RCPT, once it is a refusal."""
    def look():
        reply = answer(gate, recipient, sender)
        return reply if reply.code != 250 else None

    return wait_until(look, f"{recipient} is refused")
