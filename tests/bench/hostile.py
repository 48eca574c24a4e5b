"""Return mail that is made to be slow to read: a MiB of everything that a parser may stumble over, in every place where it
may stand."""

import base64
import random

SIZE = 1 << 20

# What is repeated to a MiB.
FILLERS = {
    "<": b"<", ">": b">", "@": b"@", '"': b'"', "\\": b"\\", "(": b"(", "blanks": b" ", "tabs": b"\t", "dots": b".",
    "hyphens": b"-", "equals": b"=", "colons": b":", "semicolons": b"; ", "digits": b"5", "one line": b"a", "NUL": b"\0",
    "0xff": b"\xff", "LF": b"\n", "CRLF": b"\r\n", "CR": b"\r",
    "a@a.": b"a@a.", "<a@a.": b"<a@a.", "<a@a.b>": b"<a@a.b>", "addresses": b"someone@remote.example, ",
    "lines of addresses": b"<someone@remote.example>: host mx said: 550 unknown\r\n", "5.1.1": b"5.1.1 ", "5.": b"5.",
    "550 5.1.1": b"550 5.1.1 ", "codes": b"550-5.1.1 <a@b.example> user unknown\r\n", "(reason: ": b"(reason: ",
    "said:": b"host mx.example[192.0.2.1] said: ", "encoded words": b"=?utf-8?q?=C3=A4?= ",
    "open encoded words": b"=?utf-8?b?", "quoted-printable": b"=C3=A4", "JIS": b"\x1b$B$\"\x1b(B", "escapes": b"\x1b$",
    "UTF-8": "ä€𝄞".encode(), "user unknown": b"user unknown ", "almost a phrase": b"mailbox is ful ",
    "mailbox": b"mailbox mail box the recipient's account is ", "headers": b"X-A: b\r\n", "received": b"Received: from a by b;\r\n",
    "folds": b"\r\n ", "boundaries": b"\r\n--b\r\n", "half boundaries": b"\r\n--", "ends": b"\r\n--b--\r\n",
    "parts": b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n", "reports": b"\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    b"Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n",
    "groups": b"Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n",
    "action fields": b"Action: failed\r\n", "transcripts": b"   ----- The following addresses had permanent fatal errors -----\r\n",
    "original messages": b"\r\n------ This is a copy of the message, including all the headers. ------\r\n",
    "quotes": b"> ", "HTML": b"<div><p>&lt;a@b.example&gt;", "entities": b"&#64;", "tokens": b"a" * 60 + b"@bounce.test ",
    "parameters": b"; a*0*=utf-8''%C3%A4", "url": b"https://unsub.example.com/u/", "base64 of addresses":
    base64.b64encode(b"<someone@remote.example>: 550 5.1.1 user unknown\r\n" * 20) + b"\r\n",
}

HEAD = (b"From: MAILER-DAEMON@mx.example\r\nTo: news@example.org\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        b"MIME-Version: 1.0\r\n")
TEXT = b"--b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n"
MULTIPART = HEAD + b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
STATUS = b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
FEEDBACK = b"--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\nUser-Agent: x\r\n"

# Where it stands: in front of it, and behind it.
PLACES = {
    "whole": (b"", b""),
    "header": (HEAD + b"X-Failed-Recipients: ", b"\r\n\r\nx\r\n"),
    "subject": (HEAD + b"Subject: ", b"\r\n\r\nx\r\n"),
    "content type": (HEAD + b"Content-Type: multipart/report; boundary=b", b"\r\n\r\n--b\r\n\r\nx\r\n"),
    "text": (HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\nHi. This is the qmail-send program at mx.example.\r\n", b""),
    "exim's text": (HEAD + b"X-Failed-Recipients: a@b.example\r\n\r\nThis message was created automatically by mail delivery "
                    b"software.\r\nThe following address(es) failed:\r\n\r\n  a@b.example\r\n    ", b""),
    "base64 text": (HEAD + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n", b""),
    "Japanese text": (HEAD + b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n", b""),
    "quoted-printable text": (HEAD + b"Content-Type: text/plain; charset=shift_jis\r\n"
                              b"Content-Transfer-Encoding: quoted-printable\r\n\r\n", b""),
    "HTML text": (HEAD + b"Content-Type: text/html; charset=utf-8\r\n\r\n<html><body>", b""),
    "parts": (MULTIPART, b""),
    "text part": (MULTIPART + b"--b\r\n\r\n", b"\r\n--b--\r\n"),
    "report": (MULTIPART + TEXT + STATUS, b"\r\n--b--\r\n"),
    "diagnostic": (MULTIPART + TEXT + STATUS + b"Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.0.0\r\n"
                   b"Diagnostic-Code: smtp; ", b"\r\n\r\n--b--\r\n"),
    "recipient": (MULTIPART + TEXT + STATUS + b"Final-Recipient: rfc822; ",
                  b"\r\nAction: failed\r\nStatus: 5.0.0\r\n\r\n--b--\r\n"),
    "complaint": (MULTIPART + TEXT + FEEDBACK, b"\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nx\r\n--b--\r\n"),
    "returned message": (MULTIPART + TEXT + STATUS + b"Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
                         b"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n", b"\r\n--b--\r\n"),
}


def inputs():
    """(name, octets) of each, a MiB, or a part of it where it grows on its way."""
    for where, (before, behind) in PLACES.items():
        for what, filler in FILLERS.items():
            room = SIZE - len(before) - len(behind)
            yield f"{what}, as the {where}", before + (filler * (room // len(filler) + 1))[:room] + behind
    yield from nests()
    yield from crowds()
    chance = random.Random(1)
    yield "random octets", chance.randbytes(SIZE)
    yield "random letters", HEAD + b"\r\n" + bytes(chance.choices(b"abc@<>. \r\n5", k=SIZE - len(HEAD) - 2))


def crowds():
    """A thousand recipients without a certain code, whose reasons stand in a notice of one paragraph."""
    groups = b"".join(b"Final-Recipient: rfc822; a%d@b.example\r\nAction: failed\r\nDiagnostic-Code: smtp; 550 user unknown\r\n\r\n"
                      % number for number in range(1000))
    for name, notice in {
        "a crowd in a notice of one paragraph": b"550 user unknown, said mx after data ",
        "a crowd named nowhere": b"a ",
        "a crowd named at the end": b"a1 a2 a3 a4@b.exampl ",
    }.items():
        room = SIZE - len(MULTIPART) - len(STATUS) - len(groups) - 100
        yield name, MULTIPART + b"--b\r\n\r\n" + (notice * (room // len(notice))) + b"\r\n" + STATUS + groups + b"--b--\r\n"


def nests():
    """Parts in parts, as deep as a MiB allows."""
    for name, level in {
        "nested multiparts": lambda at: b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (at, at),
        "nested multiparts of one boundary": lambda at: b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
        "nested messages": lambda at: b"Content-Type: message/rfc822\r\n\r\n",
        "nested reports": lambda at: b'Content-Type: multipart/report; boundary="%d"\r\n\r\n--%d\r\n'
        b"Content-Type: message/rfc822\r\n\r\n" % (at, at),
    }.items():
        octets, at = bytearray(HEAD), 0
        while len(octets) < SIZE - 100:
            octets += level(at)
            at += 1
        yield name, bytes(octets)
