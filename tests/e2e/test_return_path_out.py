"""Envelope senders that bring the bounce home: what leaves the gate with a return domain. Real Postfix delivers."""

import base64
import os
import re
from typing import NamedTuple

import pytest

import random_schedules
from fake_upstream import FakeUpstream
from maildir import fields
from processes import wait_until
from smtp_client import Client, letter

RETURNS = """\
[return_path]
domain = "bounce.test"
keep = ["*@partner.example"]

[[stream]]
name = "newsletter"
sender = ["news@example.org"]

[[stream]]
name = "invoices"
kind = "transactional"
sender = ["billing@example.org"]

[[stream]]
name = "plain"
sender = ["plain@example.org"]
return_path = "off"
"""
LINKS = """
[web]
address = "127.0.0.1:0"

[unsubscribe]
url = "https://unsub.example.com"
"""


class Token(NamedTuple):
    kind: str
    context: bytes
    day: int
    contact: bytes


def read_token(text):
    """What a return address says; its signature is the gate's matter."""
    assert re.fullmatch("[a-z2-7]{60}", text), text
    octets = base64.b32decode(text.upper() + "====")
    assert octets[0] >> 6 == 1
    return Token("unsubscribe" if octets[0] & 0x20 else "bounce", octets[1:9],
                 int.from_bytes(octets[9:11], "big"), octets[11:27])


def sender_of(message):
    [path] = fields(message, "Return-Path")
    return path.strip("<>")


def token_of(message):
    local_part, domain = sender_of(message).split("@")
    assert domain == "bounce.test"
    return read_token(local_part)


def recipient_of(message):
    return fields(message, "Delivered-To")[0]


def test_each_copy_comes_from_an_address_of_its_own(new_gate, postfix):
    gate = new_gate(postfix.address, more=RETURNS).start()
    people = [f"reader{number}@example.com" for number in range(5)]
    with Client(gate.address) as client:
        assert client.deliver(people, letter("to many")).code == 250
    delivered = {recipient_of(message): message for message in postfix.wait_messages(len(people))}
    assert sorted(delivered) == people
    tokens = [token_of(delivered[person]) for person in people]
    assert len({sender_of(message) for message in delivered.values()}) == len(people)
    assert {token.kind for token in tokens} == {"bounce"}
    assert len({token.contact for token in tokens}) == len(people)
    assert len({(token.context, token.day) for token in tokens}) == 1
    for message in delivered.values():
        assert fields(message, "From") == ["News <news@example.org>"]
    # The log is for the operator, who knows the sender.
    gate.process.wait_log(r"stream=newsletter from=<news@example\.org> accepted=5")


def test_an_address_says_the_same_after_a_crash_and_in_another_stream_something_else(new_gate, upstream):
    gate = new_gate(upstream.address, more=RETURNS).start()
    senders = ("news@example.org", "billing@example.org", "news@example.org")
    for sender in senders:
        with Client(gate.address) as client:
            assert client.deliver(["jane@example.com"], letter("one"), sender).code == 250
        gate.kill()
        gate.start()
    first, invoice, again = (read_token(re.match(rb"MAIL FROM:<(\w+)@", message.mail).group(1).decode())
                             for message in upstream.messages)
    assert first.contact == invoice.contact == again.contact
    assert first.context == again.context != invoice.context


def test_one_recipient_streams(new_gate, upstream):
    """The message goes upstream while the client is still sending it."""
    gate = new_gate(upstream.address, more=RETURNS).start()
    with Client(gate.address) as client:
        assert client.envelope(["jane@example.com"])[0].code == 250
        assert client.ask("DATA").code == 354
        client.send(letter("long") + b"the first line\r\n" * 1000)
        wait_until(lambda: any(b"the first line" in one.octets for one in upstream.connections), "the body is upstream")
        client.send(b".\r\n")
        assert client.reply().code == 250
    [message] = upstream.messages
    assert re.match(rb"MAIL FROM:<[a-z2-7]{60}@bounce\.test>", message.mail)
    assert message.recipients == [b"RCPT TO:<jane@example.com> ORCPT=rfc822;jane@example.com"]


@pytest.mark.parametrize("sender", ["", "boss@partner.example", "plain@example.org", "x@bounce.test"])
def test_senders_that_stay(new_gate, postfix, sender):
    gate = new_gate(postfix.address, more=RETURNS).start()
    people = ["jane@example.com", "john@example.com"]
    with Client(gate.address) as client:
        assert client.deliver(people, letter("as it is"), sender).code == 250
    delivered = postfix.wait_messages(2)
    assert {sender_of(message) for message in delivered} == {sender}
    # One message of two recipients: nothing asks for copies.
    assert len({fields(message, "Received")[0].split(" id ")[1].split()[0] for message in delivered}) == 1
    assert "copies sent" not in gate.process.log


def test_what_a_client_says_of_reports_stays(new_gate, upstream):
    gate = new_gate(upstream.address, more=RETURNS).start()
    with Client(gate.address) as client:
        assert client.ask("MAIL FROM:<news@example.org> RET=HDRS ENVID=QQ314159").code == 250
        assert client.ask("RCPT TO:<jane+x@example.com> NOTIFY=FAILURE,DELAY").code == 250
        assert client.ask("RCPT TO:<john@example.com> ORCPT=rfc822;johnny@example.net").code == 250
        assert client.data(letter()).code == 250
    first, second = sorted(upstream.wait_messages(2), key=lambda message: message.recipients)
    for message in (first, second):
        assert re.fullmatch(rb"MAIL FROM:<[a-z2-7]{60}@bounce\.test> RET=HDRS ENVID=QQ314159", message.mail)
    assert first.recipients == [b"RCPT TO:<jane+x@example.com> NOTIFY=FAILURE,DELAY ORCPT=rfc822;jane+2Bx@example.com"]
    assert second.recipients == [b"RCPT TO:<john@example.com> ORCPT=rfc822;johnny@example.net"]


def test_a_bounce_of_postfix_comes_to_the_address_and_names_the_recipient(new_gate, new_postfix, upstream):
    """The return domain's MX is played by `upstream`, that of the recipient by `remote`."""
    remote = FakeUpstream(RCPT=b"550 5.1.1 no such user\r\n")
    hosts = {"gone.example": remote, "bounce.test": upstream}
    routes = ", ".join(f"{{{domain} = smtp:[127.0.0.1]:{host.address[1]}}}" for domain, host in hosts.items())
    behind = new_postfix(settings=f"relay_domains = gone.example\ntransport_maps = inline:{{ {routes} }}\n")
    gate = new_gate(behind.address, more=RETURNS).start()
    with Client(gate.address) as client:
        assert client.deliver(["Jane+Spring@gone.example"], letter("lost")).code == 250
    [report] = upstream.wait_messages(1)
    assert report.mail.startswith(b"MAIL FROM:<>")
    [to] = re.findall(rb"RCPT TO:<([a-z2-7]{60})@bounce\.test>", report.recipients[0])
    assert read_token(to.decode()).kind == "bounce"
    assert b"Original-Recipient: rfc822;Jane+Spring@gone.example" in report.content
    assert b"Status: 5.1.1" in report.content
    remote.stop()


def test_late_refusals_are_reported_to_the_sender_itself(new_gate):
    def end(data):
        message = next(one for one in reversed(server.messages) if one.data is data)
        return b"554 5.7.1 never\r\n" if b"<john@" in message.recipients[0] else None

    server = FakeUpstream(END=end)
    gate = new_gate(server.address, more=RETURNS).start()
    with Client(gate.address) as client:
        reply = client.deliver(["jane@example.com", "john@example.com"], letter())
        assert reply.code == 250 and "a report on the others is sent" in reply.text
    [report] = [message for message in server.messages if message.mail.startswith(b"MAIL FROM:<>")]
    assert report.recipients[0].startswith(b"RCPT TO:<news@example.org>")
    assert b"Final-Recipient: rfc822; john@example.com" in report.content
    assert b"Original-Recipient" not in report.content  # the client named none
    server.stop()


def test_a_retry_after_a_part_was_taken_sends_what_is_missing(new_gate):
    failing = {"john": True}

    def end(data):
        message = next(one for one in reversed(server.messages) if one.data is data)
        return b"451 4.3.0 not now\r\n" if failing["john"] and b"<john@" in message.recipients[0] else None

    server = FakeUpstream(END=end)
    gate = new_gate(server.address, more=RETURNS).start()
    people = ["jane@example.com", "john@example.com"]
    with Client(gate.address) as client:
        assert client.deliver(people, letter("once")).code == 451
        failing["john"] = False
        assert client.deliver(people, letter("once")).code == 250
    got = [message.recipients[0].split(b"<")[1].split(b"@")[0] for message in server.messages]
    assert got.count(b"jane") == 1 and got.count(b"john") == 2
    server.stop()


def test_links_have_an_address_to_leave_by(new_gate, postfix):
    gate = new_gate(postfix.address, more=RETURNS + LINKS).start()
    with Client(gate.address) as client:
        assert client.deliver(["jane@example.com", "john@example.com"], letter("both")).code == 250
        assert client.deliver(["jane@example.com"], letter("kept"), "boss@partner.example").code == 250
        assert client.deliver(["jane@example.com"], letter("invoice"), "billing@example.org").code == 250
    contacts = {}
    for message in postfix.wait_messages(4):
        if fields(message, "Subject") == ["invoice"]:
            assert fields(message, "List-Unsubscribe") == []
            continue
        [unsubscribe] = fields(message, "List-Unsubscribe")
        found = re.fullmatch(r"<mailto:([a-z2-7]{60})@bounce\.test\?subject=unsubscribe>, <https://unsub\.example\.com/u/\S+>",
                             unsubscribe)
        assert found, unsubscribe
        token = read_token(found.group(1))
        assert token.kind == "unsubscribe"
        contacts.setdefault(recipient_of(message), set()).add(token.contact)
        assert fields(message, "List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
        if fields(message, "Subject") == ["both"]:
            assert token_of(message).contact == token.contact
    assert [len(found) for found in contacts.values()] == [1, 1]
    assert contacts["jane@example.com"] != contacts["john@example.com"]


def test_random_schedules_with_a_return_domain(new_gate):
    """As without one: nobody is lost, nobody gets it twice but in the window of RFC 1047."""
    random_schedules.run(new_gate, int(os.environ.get("POSTERN_SCHEDULES", "1000")) // 4, RETURNS + LINKS, seed=5)


def test_a_domain_that_nobody_here_takes_the_mail_of_is_noted(new_gate, upstream):
    gate = new_gate(upstream.address, more=RETURNS)
    said = gate.run("check-config").stdout
    assert "bounces come to whoever is the MX of bounce.test; nobody here takes them" in said
