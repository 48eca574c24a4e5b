"""The ways to make an MTA write a report: what is sent to whom, what its next hop answers, and what the report should be
read as. Data for make_bounces.py; every name in it is invented."""

from dataclasses import dataclass, field
from email.message import EmailMessage

PERMANENT, SLOW, WARNED = "permanent", "slow", "warned"  # how long the MTA tries: `patience` and `warning` of the lab


@dataclass
class Fate:
    """Of a recipient. `reason_also`: as defensible, and with it its class; `status`: where the mail is sure to hold it."""
    recipient: str  # an automatic reply names none
    reason: str | None = None
    status: str | None = None
    reason_also: tuple = ()
    type: str = "bounce"
    also: tuple = ()  # other names of the same recipient
    said: bool = True  # the report names it


@dataclass
class Way:
    name: str
    what: str
    fates: list
    answers: dict = field(default_factory=dict)      # of the next hop, besides those to RCPT
    rcpt: dict = field(default_factory=dict)         # local part: answer
    mode: str = PERMANENT
    notify: str | None = None
    returned: str | None = None                      # RET
    message: object = None                           # its octets; None: the usual letter
    size_limit: int = 0                              # that the next hop announces
    down: bool = False                               # the next hop takes no connection
    not_by: tuple = ()                               # MTAs that cannot be brought to it


def letter(subject="Spring at the shop", body="Good morning,\n\nthe tulips are here, in twelve colours.\n",
           to="you@there.example"):
    message = EmailMessage()
    message["From"] = "The Shop <news@shop.example>"
    message["To"] = f"A friend of the shop <{to}>"
    message["Subject"] = subject
    message["Date"] = "Sun, 01 Mar 2026 12:00:00 +0000"
    message["Message-ID"] = "<spring.1@shop.example>"
    message["List-Id"] = "News of the shop <news.shop.example>"
    message["X-Campaign-ID"] = "spring"
    message.set_content(body)
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _loop():
    lines = "".join(f"Received: from hop{at}.example by hop{at + 1}.example; Sun, 01 Mar 2026 12:00:00 +0000\r\n"
                    for at in range(40))
    return lines.encode() + letter()


def _forwarded_bounce():
    """A letter that holds somebody else's bounce: what it says of theirs is not what became of ours."""
    return (b"From: Support <help@shop.example>\r\nTo: you@there.example\r\nSubject: Fwd: Undelivered\r\n"
            b"Date: Sun, 01 Mar 2026 12:00:00 +0000\r\nMessage-ID: <fwd.1@shop.example>\r\nMIME-Version: 1.0\r\n"
            b'Content-Type: multipart/report; report-type=delivery-status; boundary="inner"\r\n\r\n'
            b"--inner\r\nContent-Type: text/plain\r\n\r\n<innocent@elsewhere.example>: host mx.elsewhere.example said: 550 5.1.1"
            b" no such user\r\n\r\n--inner\r\nContent-Type: message/delivery-status\r\n\r\n"
            b"Reporting-MTA: dns; relay.elsewhere.example\r\n\r\nFinal-Recipient: rfc822; innocent@elsewhere.example\r\n"
            b"Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--inner--\r\n")


def at_rcpt(name, what, answer, reason, status=None, also=(), user="pat", **more):
    """The next hop says it of the recipient."""
    return Way(name, what, [Fate(f"{user}@far.test", reason, status, also)], rcpt={user: answer}, **more)


def at_end(name, what, answer, reason, status=None, also=(), **more):
    """The next hop says it of the message."""
    return Way(name, what, [Fate("pat@far.test", reason, status, also)], answers={"END": answer}, **more)


WAYS = [
    at_rcpt("user-unknown", "unknown to the next hop",
            "550 5.1.1 <pat@far.test>: Recipient address rejected: User unknown", "user-unknown", "5.1.1"),
    # OpenSMTPD does not tell that it was RCPT which was refused: then it may have been a filter.
    at_rcpt("user-unknown-bare", "the same without an enhanced code", "550 No such user here", "user-unknown",
            also=("policy",)),
    at_rcpt("user-unknown-lines", "the same in several lines",
            "550-5.1.1 We looked everywhere for the mailbox\n550-5.1.1 pat, and there is none of that name. Look for\n"
            "550 5.1.1 a spelling mistake in the address.", "user-unknown", "5.1.1"),
    at_rcpt("disabled", "switched off", "550 5.2.1 <pat@far.test>: this mailbox is disabled", "disabled", "5.2.1"),
    at_rcpt("disabled-inactive", "switched off, in other words",
            "554 delivery error: dd Sorry, this account is inactive", "disabled", also=("user-unknown",)),
    at_rcpt("moved", "moved", "551 5.1.6 <pat@far.test> has moved, please try <pat@new.example>", "moved", "5.1.6"),
    at_rcpt("full", "over quota, for good", "552 5.2.2 <pat@far.test>: mailbox is full, quota exceeded", "mailbox-full",
            "5.2.2"),
    at_rcpt("full-defers", "over quota, deferred until given up", "452 4.2.2 <pat@far.test>: mailbox is over quota",
            "mailbox-full", None, ("expired",), mode=SLOW),
    at_rcpt("policy", "by policy", "554 5.7.1 <pat@far.test>: delivery not authorized by site policy", "policy", "5.7.1"),
    at_end("spam", "as spam, at the dot", "554 5.7.1 message rejected: it looks like spam (score 17.3)", "spam", "5.7.1",
           ("policy", "content")),
    at_end("virus", "as a virus, at the dot", "554 5.7.1 virus found: Eicar-Test-Signature", "virus", "5.7.1",
           ("content", "policy")),
    at_end("content", "for its content", "554 5.6.0 message content is malformed: bad MIME header", "content", "5.6.0",
           ("protocol",)),
    at_rcpt("relay-denied", "relaying denied", "550 5.7.1 <pat@far.test>... relaying denied", "relay-denied", "5.7.1",
            ("policy",)),
    at_end("authentication", "for SPF and DKIM",
           "550 5.7.26 this mail is unauthenticated: SPF and DKIM of shop.example did not pass", "authentication", "5.7.26"),
    Way("reputation", "by a block list, at MAIL", [Fate("pat@far.test", "reputation", "5.7.1", ("policy",))],
        answers={"MAIL": "554 5.7.1 service unavailable; client host [127.0.0.1] blocked using bl.lists.example"}),
    Way("greeting", "by a block list, in the greeting",
        [Fate("pat@far.test", "reputation", None, ("policy", "network", "expired", "undefined", "system"))],
        answers={"GREETING": "554 mx.far.test your address has a poor reputation"}, mode=SLOW),
    at_rcpt("rate-limited", "too much at a time, until given up",
            "450 4.7.0 too many messages from your address, slow down", "rate-limited", None, ("expired", "policy"),
            mode=SLOW),
    at_rcpt("greylisted", "greylisted, until given up", "450 4.7.1 <pat@far.test>: greylisted, try again in 5 minutes",
            "greylisted", None, ("expired",), mode=SLOW),
    Way("too-large-announced", "larger than the next hop announces",
        [Fate("pat@far.test", "message-too-large", "5.3.4")], message=letter(body="tulips " * 1000), size_limit=4096,
        answers={"MAIL": "552 5.3.4 message size exceeds fixed limit"}, not_by=("opensmtpd",)),
    at_end("too-large", "too large, at the dot", "552 5.3.4 message size exceeds fixed limit of 4096 bytes",
           "message-too-large", "5.3.4"),
    at_end("system", "a fault of the next hop", "554 5.3.0 local configuration error", "system", "5.3.0"),
    at_rcpt("system-defers", "a fault of the next hop, until given up", "451 4.3.0 temporary lookup failure", "system", None,
            ("expired",), mode=SLOW),
    at_rcpt("system-full", "the next hop's disk is full, until given up",
            "452 4.3.1 insufficient system storage", "system-full", None, ("expired",), mode=SLOW),
    at_rcpt("protocol", "a command that the next hop does not like", "501 5.5.4 invalid parameter syntax", "protocol",
            "5.5.4"),
    at_rcpt("not-accepting", "a host that takes no mail", "556 5.1.10 far.test does not accept mail (null MX)",
            "not-accepting", "5.1.10"),
    at_rcpt("user-suspended-other-language", "a refusal in French",
            "550 5.1.1 Adresse d'au moins un destinataire invalide: utilisateur inconnu", "user-unknown", "5.1.1"),
    Way("domain-unknown", "a domain that does not exist", [Fate("pat@nowhere.invalid", "domain-unknown")]),
    Way("null-mx", "a domain whose MX says that it takes no mail",
        [Fate("pat@nomail.test", "not-accepting", None, ("domain-unknown", "network", "expired"))], mode=SLOW),
    Way("mx-nowhere", "a domain whose MX does not exist",
        [Fate("pat@nohost.test", "domain-unknown", None, ("network", "expired"))], mode=SLOW),
    Way("refused-connection", "a next hop that is down, until given up",
        [Fate("pat@far.test", "network", None, ("expired",))], mode=SLOW, down=True),
    Way("loop", "forty hops", [Fate("ann@remote.test", "loop")], message=_loop(), not_by=("postfix", "opensmtpd")),
    Way("suppressed-bounced", "by a gate that knows of an earlier bounce",
        [Fate("pat@far.test", "suppressed", "5.1.1")],
        rcpt={"pat": "550 5.1.1 <pat@far.test>: earlier mail bounced on 2026-02-01: 550 5.1.1 no such user"}),
    at_rcpt("suppressed-unsubscribed", "by a gate that knows of an unsubscription",
            "550 5.7.1 <pat@far.test>: recipient unsubscribed on 2026-02-01", "suppressed", "5.7.1"),
    Way("late", "taken, and then found unknown", [Fate("pat@late.remote.test", "user-unknown")]),
    Way("pipe", "an alias of a program that knows no such user",
        [Fate("pipe@remote.test", "user-unknown", None, ("system", "undefined"), also=("|/usr/local/bin/unknown",))]),
    Way("alias", "an alias of two, one of whom is unknown elsewhere",
        [Fate("moved@remote.test", "user-unknown", "5.1.1", also=("gone@far.test",))],
        rcpt={"gone": "550 5.1.1 <gone@far.test>: User unknown"}),
    Way("small", "larger than its mailbox takes", [Fate("small@remote.test", "message-too-large")],
        message=letter(body="tulips " * 1000), not_by=("opensmtpd", "postfix")),
    Way("local-full", "a full mailbox here, until given up", [Fate("full@remote.test", "mailbox-full", None, ("expired",))],
        mode=SLOW, message=letter(body="tulips " * 300), not_by=("opensmtpd", "sendmail")),
    Way("several", "four recipients, of whom two are unknown",
        [Fate("ann@remote.test", said=False), Fate("fine@far.test", said=False),
         Fate("pat@far.test", "user-unknown", "5.1.1"), Fate("kim@far.test", "mailbox-full", "5.2.2")],
        rcpt={"pat": "550 5.1.1 <pat@far.test>: User unknown", "kim": "552 5.2.2 <kim@far.test>: mailbox full"}),
    at_rcpt("headers-only", "with RET=HDRS", "550 5.1.1 <pat@far.test>: User unknown", "user-unknown", "5.1.1",
            returned="HDRS"),
    at_rcpt("whole", "with RET=FULL", "550 5.1.1 <pat@far.test>: User unknown", "user-unknown", "5.1.1", returned="FULL"),
    at_rcpt("odd-name", "a local part with signs in it", "550 5.1.1 <o'neil+news_x=y@far.test>: User unknown",
            "user-unknown", "5.1.1", user="o'neil+news_x=y"),
    at_rcpt("forwarded-bounce", "a letter that holds somebody else's bounce",
            "550 5.2.1 <pat@far.test>: this mailbox is disabled", "disabled", "5.2.1", message=_forwarded_bounce(),
            returned="FULL"),
    at_rcpt("letter-with-codes", "a letter that talks of codes and addresses",
            "552 5.2.2 <pat@far.test>: mailbox full", "mailbox-full", "5.2.2", returned="FULL",
            message=letter("550 5.1.1 User unknown", "<innocent@elsewhere.example>: 550 5.1.1 User unknown\n\n"
                           "Final-Recipient: rfc822; innocent@elsewhere.example\nStatus: 5.1.1\nAction: failed\n")),
    at_rcpt("eight-bit", "a letter in UTF-8, unencoded", "550 5.1.1 <pat@far.test>: User unknown", "user-unknown", "5.1.1",
            message="From: Blumen <news@shop.example>\r\nSubject: =?utf-8?q?Fr=C3=BChling?=\r\n"
            "Message-ID: <fr.1@shop.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\nFrühling lässt sein blaues Band\r\n".encode()),
    Way("delayed", "deferred: a warning", [Fate("pat@far.test", type="delayed")],
        rcpt={"pat": "450 4.2.0 <pat@far.test>: mailbox is busy"}, mode=WARNED),
    Way("delayed-down", "the next hop is down: a warning", [Fate("pat@far.test", type="delayed")], down=True, mode=WARNED),
    Way("delivered", "NOTIFY=SUCCESS, to a mailbox", [Fate("ann@remote.test", type="delivered")], notify="SUCCESS",
        not_by=("opensmtpd",)),
    Way("relayed", "NOTIFY=SUCCESS, to a next hop without DSN", [Fate("pat@far.test", type="delivered")],
        notify="SUCCESS", not_by=("opensmtpd",)),
    Way("vacation", "an answer of vacation(1)", [Fate("away@remote.test", type="auto-reply")],
        message=letter(to="away@remote.test"), not_by=("postfix", "opensmtpd", "sendmail")),
    Way("holiday", "an answer of Exim's filter", [Fate("holiday@remote.test", type="auto-reply")],
        message=letter(to="holiday@remote.test"), not_by=("postfix", "opensmtpd", "sendmail")),
]
