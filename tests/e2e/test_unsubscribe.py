"""One click: every recipient's copy carries a link of its own, and the click works at once."""

import os
import re
import smtplib
import threading

import pytest

import random_schedules
from maildir import fields, without_trace
from page import ONE_CLICK, URLENCODED, ask
from postfix import front_settings
from processes import DEADLINE, ROOT, Process, wait_until
from signatures import Signer
from smtp_client import Client, letter

MORE = """\
[web]
address = "127.0.0.1:0"

[unsubscribe]
url = "https://unsub.example.com"

[[stream]]
name = "newsletter"
title = "Our newsletter"
sender = ["news@example.org"]
list_id = "news.example.org"
feedback_id = "news:example"

[[stream]]
name = "weekly"
sender = ["weekly@example.org"]

[[stream]]
name = "invoices"
kind = "transactional"
sender = ["billing@example.org"]
"""

LINK = re.compile(r"^<https://unsub\.example\.com/u/([a-z2-7]+)>$")


@pytest.fixture
def marketing(new_gate, upstream):
    return new_gate(upstream.address, more=MORE).start()


def token_of(message):
    [value] = fields(message, "List-Unsubscribe")
    [post] = fields(message, "List-Unsubscribe-Post")
    assert post == "List-Unsubscribe=One-Click"
    return LINK.match(value).group(1)


def recipient_of(message):
    [line] = message.recipients
    return re.match(rb"RCPT TO:<([^>]*)>", line).group(1).decode()


def click(gate, token, body=ONE_CLICK):
    return ask(gate.process.listening("web"), "POST", f"/u/{token}", body, URLENCODED)


def leave_under_way(gate, upstream, people):
    """A client that hangs up while each copy waits for the upstream's answer, which comes once the event that is returned is
    set."""
    hold = threading.Event()
    upstream.answers["END"] = lambda data: hold.wait(DEADLINE) and None
    client = Client(gate.address)
    client.envelope(people)
    assert client.ask("DATA").code == 354
    client.send(letter("spring") + b".\r\n")
    wait_until(lambda: len(upstream.messages) == len(people), "every copy is under way")
    client.close()
    return hold


def test_one_recipient_streams_through_with_a_link(marketing, upstream):
    text = letter("spring", b"..dots\r\n.\r\nand more\r\n")
    with Client(marketing.address) as client:
        assert client.deliver(["ann@example.com"], text, "weekly@example.org").code == 250
    [message] = upstream.messages
    token_of(message.content)
    names = ("Received", "List-Unsubscribe", "List-Unsubscribe-Post")
    assert without_trace(message.content, names) == text
    assert sum(connection.verbs().count("DATA") for connection in upstream.connections) == 1


def test_each_copy_has_its_own_link_and_a_click_works_at_once(marketing, upstream):
    people = [f"person{number}@example.com" for number in range(3)]
    text = letter("spring")
    with Client(marketing.address) as client:
        reply = client.deliver(people, text)
        assert reply.code == 250 and "3 copies" in reply.text, reply
        messages = {recipient_of(one): one for one in upstream.messages}
        assert sorted(messages) == people
        tokens = {who: token_of(one.content) for who, one in messages.items()}
        assert len(set(tokens.values())) == 3
        for message in messages.values():
            assert fields(message.content, "List-Id") == ["Our newsletter <news.example.org>"]
            assert fields(message.content, "Feedback-ID") == ["news:example"]
            names = ("Received", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Feedback-ID")
            assert without_trace(message.content, names) == text
            assert "example.com" not in tokens[recipient_of(message)]

        answer = click(marketing, tokens[people[1]])
        assert answer.status == 200, answer.text
        replies = client.envelope(people)
        assert [reply.code for reply in replies] == [250, 550, 250]
        assert re.search(r"recipient unsubscribed on \d{4}-\d{2}-\d{2}", replies[1].text)
        assert client.ask("RSET").code == 250
        assert client.deliver(people, letter("invoice"), "billing@example.org").code == 250
    assert "newsletter" in marketing.run("show", people[1]).stdout


def test_transactional_mail_is_left_alone(marketing, upstream):
    text = letter("invoice")
    with Client(marketing.address) as client:
        assert client.deliver(["a@example.com", "b@example.com"], text, "billing@example.org").code == 250
        assert client.deliver(["a@example.com", "b@example.com"], text, "").code == 250
    assert [len(message.recipients) for message in upstream.messages] == [2, 2]
    assert all(without_trace(message.content) == text for message in upstream.messages)


def test_a_list_unsubscribe_of_the_senders_stays(marketing, upstream):
    text = b"List-Unsubscribe: <mailto:leave@example.org>\r\n" + letter("spring")
    with Client(marketing.address) as client:
        assert client.deliver(["a@example.com", "b@example.com"], text, "weekly@example.org").code == 250
    [message] = upstream.messages
    assert len(message.recipients) == 2
    assert without_trace(message.content) == text


def test_the_list_id_says_which_stream_it_is(marketing, upstream):
    marketing.run("unsubscribe", "left@example.com", "--stream", "newsletter")
    text = b"List-Id: News <news.example.org>\r\n" + letter("spring")
    with Client(marketing.address) as client:
        # By its envelope it is nobody's newsletter.
        reply = client.deliver(["left@example.com"], text, "other@example.org")
        assert reply.code == 550 and "<left@example.com>" in reply.text and "unsubscribed" in reply.text
        assert client.deliver(["left@example.com"], letter("other"), "other@example.org").code == 250
        upstream.messages.clear()

        reply = client.deliver(["stays@example.com", "left@example.com"], text, "other@example.org")
        assert reply.code == 250, reply
    by_recipient = {recipient_of(message): message for message in upstream.messages}
    assert sorted(by_recipient) == ["other@example.org", "stays@example.com"]
    token_of(by_recipient["stays@example.com"].content)
    report = by_recipient["other@example.org"]
    assert report.mail.startswith(b"MAIL FROM:<>")
    assert b"Final-Recipient: rfc822; left@example.com" in report.content


def test_one_copy_refused_at_its_dot_is_reported(marketing, upstream):
    def end(data):
        message = next(one for one in reversed(upstream.messages) if one.data is data)
        if b"RCPT TO:<full@example.com>" in message.recipients[0]:
            return b"552 5.2.2 mailbox full\r\n"
        return None

    upstream.answers["END"] = end
    people = ["a@example.com", "full@example.com", "b@example.com"]
    with Client(marketing.address) as client:
        assert client.ask("MAIL FROM:<news@example.org> RET=HDRS ENVID=QQ+2B1").code == 250
        for who in people:
            assert client.ask(f"RCPT TO:<{who}> ORCPT=rfc822;{who.replace('@', '+40')}").code == 250
        reply = client.data(letter("spring"))
        assert reply.code == 250 and "2 of 3" in reply.text, reply
    [report] = [one for one in upstream.messages if one.mail.startswith(b"MAIL FROM:<>")]
    assert recipient_of(report) == "news@example.org"
    content = report.content.decode()
    for line in ("Content-Type: multipart/report; report-type=delivery-status", "Original-Envelope-Id: QQ+1",
                 "Original-Recipient: rfc822; full@example.com", "Final-Recipient: rfc822; full@example.com",
                 "Action: failed", "Status: 5.2.2", "Diagnostic-Code: smtp; 552 5.2.2 mailbox full",
                 "Subject: spring"):
        assert f"{line}\r\n" in content or f"{line};\r\n" in content, line
    assert "a@example.com" not in content

    # NOTIFY without FAILURE: nobody is told; and the ledger has it as done.
    upstream.messages.clear()
    with Client(marketing.address) as client:
        assert client.ask("MAIL FROM:<news@example.org>").code == 250
        for who in people:
            assert client.ask(f"RCPT TO:<{who}> NOTIFY=NEVER").code == 250
        assert client.data(letter("summer")).code == 250
    assert not [one for one in upstream.messages if one.mail.startswith(b"MAIL FROM:<>")]
    assert all(b"NOTIFY=NEVER" in one.recipients[0] for one in upstream.messages)


def test_what_a_client_encodes_never_ends_a_line_of_the_report(marketing, upstream):
    marketing.run("unsubscribe", "left@example.com", "--stream", "newsletter")
    evil = "+0D+0A.+0D+0AMAIL+20FROM:<a@example.org>+0D+0A"
    with Client(marketing.address) as client:
        assert client.ask(f"MAIL FROM:<other@example.org> RET=FULL ENVID=Q{evil}").code == 250
        assert client.ask(f"RCPT TO:<left@example.com> ORCPT=rfc822;x{evil}").code == 250
        assert client.ask("RCPT TO:<stays@example.com>").code == 250
        text = b"List-Id: <news.example.org>\r\n" + letter("spring", b".dotted\r\nlast line\r\n")
        assert client.data(text).code == 250
    [report] = [one for one in upstream.messages if one.mail.startswith(b"MAIL FROM:<>")]
    assert b"\r\nMAIL FROM" not in report.data
    assert b"Original-Recipient: rfc822; x\\x0d\\x0a" in report.content
    # RET=FULL: all of it comes back.
    assert b"Content-Type: message/rfc822\r\n" in report.content and text in report.content


def test_who_is_named_twice_gets_it_once(marketing, upstream):
    with Client(marketing.address) as client:
        reply = client.deliver(["a@example.com", "b@example.com", "A@example.com"], letter("spring"))
        assert reply.code == 250 and "2 copies" in reply.text, reply
    assert sorted(recipient_of(one).lower() for one in upstream.messages) == ["a@example.com", "b@example.com"]


def test_the_same_message_twice_at_once(marketing, upstream):
    """A client that gave up on its answer, and sends it again while it is being delivered."""
    people = ["a@example.com", "b@example.com"]
    hold = leave_under_way(marketing, upstream, people)
    with Client(marketing.address) as client:
        reply = client.deliver(people, letter("spring"))
        assert reply.code == 451 and "being delivered" in reply.text
        hold.set()
        marketing.process.wait_log(r"copies sent=2")
        assert client.deliver(people, letter("spring")).code == 250
    assert len(upstream.messages) == 2


def test_a_report_that_is_not_taken_is_no_250(marketing, upstream):
    def end(data):
        message = next(one for one in reversed(upstream.messages) if one.data is data)
        return b"552 5.2.2 mailbox full\r\n" if b"<full@" in message.recipients[0] else None

    def mail(line):
        return b"550 5.7.1 no bounces here\r\n" if line.startswith(b"MAIL FROM:<>") else None

    upstream.answers["END"] = end
    upstream.answers["MAIL"] = mail
    with Client(marketing.address) as client:
        reply = client.deliver(["a@example.com", "full@example.com"], letter("spring"))
        assert reply.code == 451 and "1 of 2" in reply.text, reply


def test_one_upstream_connection_is_enough(new_gate, upstream):
    gate = new_gate(upstream.address, more=MORE)
    gate.config.write_text(gate.config.read_text().replace("[upstream]\n", "[upstream]\nconnections = 1\n"))
    gate.start()
    people = [f"person{number}@example.com" for number in range(12)]
    with Client(gate.address) as client:
        assert client.deliver(people, letter("spring")).code == 250
    assert len(upstream.messages) == 12


def test_all_refused_is_the_upstreams_refusal(marketing, upstream):
    upstream.answers["END"] = b"554 5.7.1 no such mail here\r\n"
    with Client(marketing.address) as client:
        reply = client.deliver(["a@example.com", "b@example.com"], letter("spring"))
        assert reply.text == "554 5.7.1 no such mail here"
    assert not [one for one in upstream.messages if one.mail.startswith(b"MAIL FROM:<>")]


def test_a_retry_sends_what_is_missing_and_tomorrow_it_is_sent_again(marketing, upstream):
    failing = {"b@example.com"}

    def rcpt(line):
        who = re.match(rb"RCPT TO:<([^>]*)>", line).group(1).decode()
        verifying = who in seen
        seen.add(who)
        return b"451 4.2.0 busy\r\n" if verifying and who in failing else None

    seen = set()
    upstream.answers["RCPT"] = rcpt
    people = ["a@example.com", "b@example.com", "c@example.com"]
    text = letter("spring")

    def arrived():
        return sorted(recipient_of(one) for one in upstream.messages)

    with Client(marketing.address) as client:
        reply = client.deliver(people, text)
        assert reply.code == 451 and "2 of 3 copies" in reply.text, reply
        assert arrived() == ["a@example.com", "c@example.com"]
    failing.clear()
    with Client(marketing.address) as client:
        reply = client.deliver(people, text)
        assert reply.code == 250, reply
        assert arrived() == people
        # It has read the 250: the same again is another message.
        assert client.ask("NOOP").code == 250
        assert client.deliver(people, text).code == 250
        assert arrived() == sorted(people * 2)


class Moody:
    """Makes an upstream defer whom it is told to, at RCPT or at the end of their copy; `taken`: who got one."""

    def __init__(self, upstream):
        self.upstream = upstream
        self.at_rcpt, self.at_end, self.taken = set(), set(), []
        upstream.answers.update(RCPT=self.rcpt, END=self.end)

    def rcpt(self, line):
        return b"450 4.2.0 busy\r\n" if re.search(rb"<(.*)>", line).group(1).decode() in self.at_rcpt else None

    def end(self, data):
        who = recipient_of(next(one for one in reversed(self.upstream.messages) if one.data is data))
        if who in self.at_end:
            return b"451 4.3.0 not now\r\n"
        self.taken.append(who)
        return None


@pytest.mark.parametrize("restart", [None, "stop", "kill"])
def test_a_retry_of_one_who_had_it_doubles_nothing(marketing, upstream, restart):
    moody = Moody(upstream)
    moody.at_end = {"b@example.com"}
    with Client(marketing.address) as client:
        reply = client.deliver(["a@example.com", "b@example.com"], letter("spring"))
        assert reply.code == 451 and "1 of 2" in reply.text, reply
    moody.at_end = set()
    if restart:
        marketing.terminate() if restart == "stop" else marketing.kill()
        marketing.start()
    # Whom the upstream deferred at RCPT meanwhile, the client leaves for later.
    for left, expected in (("a@example.com", ["a@example.com"]), ("b@example.com", ["a@example.com", "b@example.com"])):
        with Client(marketing.address) as client:
            reply = client.deliver([left], letter("spring"))
            assert reply.code == 250, reply
        assert moody.taken == expected
    # Other mail flows, however often it is the same, and whether or not its 250 is read.
    for _ in range(3):
        with Client(marketing.address) as client:
            assert client.deliver(["a@example.com"], letter("summer")).code == 250
    assert moody.taken == ["a@example.com", "b@example.com", *["a@example.com"] * 3]


@pytest.mark.parametrize("how", ["data", "bdat"])
def test_a_retry_in_one_batch_of_which_one_is_left_doubles_nothing(marketing, upstream, how):
    moody = Moody(upstream)
    moody.at_end = {"b@example.com"}
    people = ["a@example.com", "b@example.com"]
    with Client(marketing.address) as client:
        assert client.deliver(people, letter("spring")).code == 451
    moody.at_end, moody.at_rcpt = set(), {"b@example.com"}
    with Client(marketing.address) as client:
        client.send(b"MAIL FROM:<news@example.org>\r\nRCPT TO:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n")
        if how == "data":
            client.send(b"DATA\r\n")
            assert [reply.code for reply in client.replies(4)] == [250, 250, 450, 354]
            client.send(letter("spring") + b".\r\n")
        else:
            client.send(b"BDAT %d LAST\r\n" % len(letter("spring")) + letter("spring"))
            assert [reply.code for reply in client.replies(3)] == [250, 250, 450]
        assert client.reply().code == 250
    assert moody.taken == ["a@example.com"]


def test_a_250_that_nobody_read_is_said_again(marketing, upstream):
    people = ["a@example.com", "b@example.com"]
    leave_under_way(marketing, upstream, people).set()
    marketing.process.wait_log(r"copies sent=2")
    with Client(marketing.address) as client:
        assert client.deliver(people, letter("spring")).code == 250
    assert len(upstream.messages) == 2


def test_a_client_that_left_gets_nothing_delivered(marketing, upstream):
    """It sends the message again: what it left behind must not come as well."""
    client = Client(marketing.address)
    client.envelope(["a@example.com", "b@example.com"])
    assert client.ask("DATA").code == 354
    client.send(letter("spring") + b".\r\n")
    client.close()
    marketing.process.wait_log(r"client left before its message was delivered|copies sent=2")
    with Client(marketing.address) as client:
        assert client.deliver(["a@example.com", "b@example.com"], letter("spring")).code == 250
    assert len(upstream.messages) == 2


def test_a_large_message_of_many_recipients(marketing, upstream):
    people = [f"person{number}@example.com" for number in range(60)]
    text = letter("large", b"x" * 70 + b"\r\n") + b"0123456789" * 7 * 30_000 + b"\r\n"
    with Client(marketing.address) as client:
        assert client.deliver(people, text).code == 250
    assert sorted(recipient_of(one) for one in upstream.messages) == sorted(people)
    assert len({token_of(one.content) for one in upstream.messages}) == len(people)
    assert all(one.content.endswith(text[-3000:]) and len(one.content) > len(text) for one in upstream.messages)


def test_postfix_on_both_sides(new_gate, new_postfix):
    """Fifty recipients in one transaction of Postfix; each finds its own link in its mailbox, and one follows it."""
    behind = new_postfix()
    gate = new_gate(behind.address, more=MORE).start()
    front = new_postfix(settings=front_settings(gate))
    people = [f"person{number}@example.com" for number in range(50)]
    with smtplib.SMTP(*front.address, local_hostname="client.test", timeout=DEADLINE) as client:
        client.sendmail("news@example.org", people, letter("spring"))
    delivered = {fields(message, "Delivered-To")[0]: message for message in behind.wait_messages(len(people))}
    assert sorted(delivered) == sorted(people)
    tokens = {who: token_of(message) for who, message in delivered.items()}
    assert len(set(tokens.values())) == len(people)
    gate.process.wait_log(r"copies sent=50 before=0 reply=250")

    assert click(gate, tokens["person7@example.com"]).status == 200
    with Client(gate.address) as client:
        [reply] = client.envelope(["person7@example.com"])
        assert reply.code == 550 and re.search(r"unsubscribed on \d{4}-\d\d-\d\d", reply.text)
    with Client(gate.address) as client:
        assert client.deliver(["person7@example.com"], letter("invoice"), "billing@example.org").code == 250
    behind.wait_messages(len(people) + 1)


def test_one_of_three_refused_late_bounces_nobody_else(new_gate, new_postfix, upstream):
    """The sender is a real Postfix: it bounces nobody, and gets one report about that one."""
    def end(data):
        message = next(one for one in reversed(upstream.messages) if one.data is data)
        return b"554 5.7.1 not today\r\n" if b"<full@" in message.recipients[0] else None

    upstream.answers["END"] = end
    gate = new_gate(upstream.address, more=MORE).start()
    front = new_postfix(settings=front_settings(gate))
    people = ["a@example.com", "full@example.com", "b@example.com"]
    with smtplib.SMTP(*front.address, local_hostname="client.test", timeout=DEADLINE) as client:
        client.sendmail("news@example.org", people, letter("spring"))
    front.wait_log(r"status=sent \(250 2\.0\.0 Ok: 2 of 3 copies delivered")
    wait_until(front.queue_empty, "everything is out of the queue")
    assert "status=bounced" not in front.log
    senders = [(one.mail.split(b" ")[1], recipient_of(one)) for one in upstream.messages]
    assert [who for mail, who in senders if mail == b"FROM:<>"] == ["news@example.org"]


def documented(page, heading):
    """The block of docs/`page` that begins with the line `heading`."""
    block = (ROOT / "docs" / page).read_text().split(f"{heading}\n", 1)[1]
    return block.split("```", 1)[0]


def test_a_signer_behind_the_gate_covers_both_headers(new_gate, new_postfix, directory):
    """opendkim as a milter of the Postfix behind, set up as docs/one-click.md says."""
    signer = Signer()
    key = directory / "dkim.pem"
    key.touch(mode=0o600)
    key.write_bytes(signer.private)
    socket = directory / "opendkim.sock"
    config = directory / "opendkim.conf"
    config.write_text(f"Domain example.org\nSelector s1\nKeyFile {key}\nSocket local:{socket}\nUMask 000\nMode s\n"
                      "InternalHosts 127.0.0.0/8\nRequireSafeKeys false\nSyslog false\nBackground false\n"
                      + documented("one-click.md", "# /etc/opendkim.conf"))
    milter = Process(["/usr/sbin/opendkim", "-f", "-x", config], cwd=directory)
    try:
        wait_until(socket.exists, "opendkim listens")
        behind = new_postfix(settings=f"smtpd_milters = unix:{socket}\nmilter_default_action = tempfail\n")
        gate = new_gate(behind.address, more=MORE).start()
        people = ["a@example.com", "b@example.com"]
        with Client(gate.address) as client:
            assert client.deliver(people, letter("spring")).code == 250
        for message in behind.wait_messages(len(people)):
            token_of(message)
            [signature] = fields(message, "DKIM-Signature")
            signed = re.search(r"\bh=([^;]*);", signature).group(1).lower().replace(" ", "").split(":")
            assert {"list-unsubscribe", "list-unsubscribe-post"} <= set(signed)
            assert signer.verifies(message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    finally:
        milter.terminate()


def test_random_schedules(new_gate):
    """The upstream fails at every stage of every copy, the client tries again until it has an answer, and the gate is
    killed meanwhile: nobody is lost, and nobody gets it twice but in the window between the upstream's 250 and its record."""
    random_schedules.run(new_gate, int(os.environ.get("POSTERN_SCHEDULES", "1000")), MORE, seed=1)
