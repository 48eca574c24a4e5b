"""Bounces, complaints and replies come home, are understood, and are remembered."""

import json
import re
import time

import pytest

import mta_roots
from fake_upstream import STEP_BY_STEP, FakeUpstream
from foreign_mta import AWAY, MTAS
from maildir import fields
from page import metric
from postfix import recipe
from processes import wait_until
from return_mail import (MORE, SENDER, TOKEN, answer, complaint, events, give_back, plain, redacted, report,
                         return_address, returned_as, reverse_path, send, wait_refused)
from smtp_client import Client, letter

DAY = r"\d{4}-\d\d-\d\d"
BOUNCED = r"550 5\.1\.1 <ADDRESS>: earlier mail bounced on " + DAY + ": .*"
HERE = "news@example.com"  # a sender with a mailbox in Postfix

# The Postfix behind the gate takes mail for users that it does not have, and finds out afterwards.
BEHIND = """\
smtpd_reject_unlisted_recipient = no
smtpd_relay_restrictions = permit_mynetworks, reject
transport_maps = texthash:{transport}
"""


@pytest.fixture
def gate(new_gate, upstream):
    return new_gate(upstream.address, more=MORE).start()


@pytest.fixture
def behind(new_gate, new_postfix, directory):
    """(gate, Postfix behind it, routes): routes(domain=address, ...) sends mail for the domain there."""
    transport = directory / "transport"
    transport.touch()
    postfix = new_postfix(settings=BEHIND.format(transport=transport))
    gate = new_gate(postfix.address, more=MORE).start()

    def routes(**hosts):
        # Postfix reads them with its first recipient.
        hosts = {"bounce.test": return_address(gate)} | {name.replace("_", "."): place for name, place in hosts.items()}
        transport.write_text("".join(f"{name} smtp:[{host}]:{port}\n" for name, (host, port) in hosts.items()))

    return gate, postfix, routes


@pytest.fixture
def far():
    """The next hop of a foreign MTA: it knows nobody."""
    server = FakeUpstream(STEP_BY_STEP, host="127.0.0.2", RCPT=b"550 5.1.1 nobody of that name\r\n")
    yield server
    server.stop()


@pytest.fixture
def new_mta(directory):
    """Starts a foreign MTA that sends its reports to the address, and ends it with the test."""
    if reason := mta_roots.reason_against():
        pytest.skip(reason)
    made = []

    def make(name, smarthost, next_hop=None):
        made.append(MTAS[name](directory / name, smarthost, next_hop))
        return made[-1].start()

    yield make
    for mta in made:
        mta.stop()


def forwarded(postfix, sender=HERE):
    """What has arrived for the original sender."""
    return [one for one in postfix.messages() if fields(one, "Delivered-To") == [sender]]


def wait_forwarded(postfix, mta=None):
    """The first mail that was passed on to the original sender."""
    return wait_until(lambda: (mta.flush() if mta else None) or forwarded(postfix), "mail for the original sender")[0]


def test_a_bounce_of_postfix_comes_home(behind):
    gate, postfix, routes = behind
    routes()
    with Client(gate.address) as client:
        assert client.deliver(["unknown1@example.com", "known@example.com"], letter("spring"), HERE).code == 250
    reply = wait_refused(gate, "unknown1@example.com", HERE)
    assert re.fullmatch(BOUNCED.replace("ADDRESS", r"unknown1@example\.com"), reply.text), reply
    assert "5.1.1" in reply.text.split("bounced on", 1)[1] or "unknown" in reply.text.lower()

    shown = gate.run("show", "unknown1@example.com").stdout
    assert "bounced" in shown and "user-unknown" in shown and "5.1.1" in shown and "unknown user" in shown
    assert len(events(gate, "unknown1@example.com", "bounced")) == 1
    # A bounce holds for transactional mail too; and only whom it named.
    assert answer(gate, "unknown1@example.com", "billing@example.com").code == 550
    assert answer(gate, "known@example.com", HERE).code == 250

    copy = wait_forwarded(postfix)
    assert "MAILER-DAEMON@mx.test" in fields(copy, "From")[0]
    assert fields(copy, "Return-Path") == ["<>"]


@pytest.mark.parametrize("name", MTAS)
def test_a_bounce_of_a_remote_host_comes_home(name, behind, new_mta, far):
    """gate, Postfix, and then a host that takes the mail and cannot deliver it: its next hop does not know the user; or it
    finds out itself."""
    gate, postfix, routes = behind
    mta = new_mta(name, return_address(gate), far.address)
    routes(far_test=mta.address, late_remote_test=mta.address)
    for recipient, said in (("pat@far.test", "nobody of that name"), ("pat@late.remote.test", "")):
        with Client(gate.address) as client:
            assert client.deliver([recipient], letter("spring"), HERE).code == 250
        reply = mta.wait(lambda who=recipient: next((one for one in [answer(gate, who, HERE)] if one.code != 250), None),
                         f"{recipient} is refused")
        assert re.fullmatch(BOUNCED.replace("ADDRESS", re.escape(recipient)), reply.text), reply
        shown = gate.run("show", recipient).stdout
        assert "bounced" in shown and "user-unknown" in shown and said in shown
    wait_forwarded(postfix)
    assert answer(gate, "kim@far.test", HERE).code == 250


def test_a_delay_is_history(gate, upstream):
    message = send(gate, upstream, "ann@remote.test", letter("spring"))
    path = reverse_path(message)
    delayed = report("ann@remote.test", path, message.content, "4.2.0", "450 4.2.0 mailbox is busy", "delayed")
    assert give_back(gate, path, delayed).code == 250
    assert answer(gate, "ann@remote.test").code == 250
    assert "delayed" in gate.run("show", "ann@remote.test").stdout


def test_what_is_said_of_us_suppresses_nobody(gate, upstream):
    for number, (status, text) in enumerate([
            ("5.7.1", "554 5.7.1 client host blocked using bl.lists.example"), ("5.7.26", "550 5.7.26 SPF did not pass"),
            ("5.1.1", "550 5.1.1 <ann@remote.test>: earlier mail bounced on 2026-02-01: 550 5.1.1 no such user"),
            ("5.2.2", "552 5.2.2 mailbox full")]):
        message = send(gate, upstream, "ann@remote.test", letter(f"spring {number}"))
        path = reverse_path(message)
        assert give_back(gate, path, report("ann@remote.test", path, message.content, status, text)).code == 250
        assert answer(gate, "ann@remote.test").code == 250, text


@pytest.mark.parametrize("trace", ["Return-Path", "List-Unsubscribe"])
def test_a_complaint_about_mail_of_ours(trace, gate, upstream):
    """The provider names nobody; our own token in the returned message does."""
    message = send(gate, upstream, "ann@remote.test", letter("spring"))
    content = returned_as(message, reverse_path(message)) if trace == "Return-Path" else message.content
    if trace == "Return-Path":
        content = re.sub(rb"(?m)^List-Unsubscribe: .*\r\n(?:[ \t].*\r\n)*", b"", content)
    assert give_back(gate, "complaints@bounce.test", complaint(redacted(content, "ann@remote.test")),
                     "fbl@provider.example").code == 250
    reply = wait_refused(gate, "ann@remote.test")
    assert re.fullmatch(rf"550 5\.7\.1 <ann@remote\.test>: recipient complained on {DAY}", reply.text)
    assert len(events(gate, "ann@remote.test", "complained")) == 1


def test_reports_that_are_no_complaints(gate, upstream):
    message = send(gate, upstream, "ann@remote.test", letter("spring"))
    content = returned_as(message, reverse_path(message))
    for kind in ("not-spam", "auth-failure"):
        assert give_back(gate, "complaints@bounce.test", complaint(content, kind), "fbl@provider.example").code == 250
        assert answer(gate, "ann@remote.test").code == 250, kind
    assert give_back(gate, "complaints@bounce.test", complaint(content, "opt-out"), "fbl@provider.example").code == 250
    assert "unsubscribed" in wait_refused(gate, "ann@remote.test").text
    # It was the newsletter that she left.
    assert answer(gate, "ann@remote.test", "billing@example.org").code == 250


def test_an_unsubscription_by_mail(gate, upstream):
    message = send(gate, upstream, "ann@remote.test", letter("spring"))
    [value] = fields(message.content, "List-Unsubscribe")
    address = re.search(r"<mailto:([^>?]+)(?:\?[^>]*)?>", value).group(1)
    assert TOKEN.fullmatch(address)
    assert re.search(r"<https://unsub\.example\.com/u/[a-z2-7]+>", value)
    # Some systems that send it for people mark it as generated.
    asked = plain("ann@remote.test", address, "unsubscribe", "", "Auto-Submitted: auto-generated\r\n")
    assert give_back(gate, address, asked, "ann@remote.test").code == 250
    reply = wait_refused(gate, "ann@remote.test")
    assert re.fullmatch(rf"550 5\.7\.1 <ann@remote\.test>: recipient unsubscribed on {DAY}", reply.text)
    assert answer(gate, "ann@remote.test", "billing@example.org").code == 250


def test_a_vacation_notice_changes_nothing_and_is_passed_on(behind, new_mta):
    """vacation(1), run by Exim for a user who is away."""
    gate, postfix, routes = behind
    mta = new_mta("exim", return_address(gate))
    routes(remote_test=mta.address)
    text = letter("hello").replace(b"To: you@example.com", b"To: away@remote.test")
    with Client(gate.address) as client:
        assert client.deliver(["away@remote.test"], text, "service@example.com").code == 250
    [copy] = wait_until(lambda: forwarded(postfix, "service@example.com"), "the notice has been passed on")
    assert AWAY.split("\n\n")[1].strip().encode() in copy
    assert mta.messages("away")
    assert answer(gate, "away@remote.test", "service@example.com").code == 250
    assert events(gate, "away@remote.test", "bounced") == []


def test_a_persons_reply_is_passed_on(behind):
    gate, postfix, routes = behind
    routes()
    with Client(gate.address) as client:
        assert client.deliver(["ann@example.com"], letter("hello"), HERE).code == 250
    [mail] = postfix.wait_messages(1)
    path = fields(mail, "Return-Path")[0].strip("<>")
    assert TOKEN.fullmatch(path)
    text = plain("ann@example.com", path, "Re: hello", "Thank you! Is that tulip there in 5.1.1 colours?")
    assert give_back(gate, path, text, "ann@example.com").code == 250
    assert b"Is that tulip there" in wait_forwarded(postfix)
    assert answer(gate, "ann@example.com", HERE).code == 250


def test_damaged_return_addresses_are_still_read(gate, upstream):
    ways = [lambda local: local.upper() + "@bounce.test", lambda local: f"prvs=1234abcdef={local}@bounce.test",
            lambda local: f"{local}+tag@bounce.test", lambda local: f"SRS0=HHH=TT=remote.test={local}@bounce.test",
            lambda local: f'"{local}"@bounce.test', lambda local: f"{local}@BOUNCE.TEST"]
    for number, way in enumerate(ways):
        recipient = f"pat{number}@remote.test"
        message = send(gate, upstream, recipient, letter(f"spring {number}"))
        path = way(reverse_path(message).split("@")[0])
        assert give_back(gate, path, report(recipient, path, message.content)).code == 250, path
        assert wait_refused(gate, recipient).text.startswith(f"550 5.1.1 <{recipient}>: earlier mail bounced on "), path


def test_postmaster_is_passed_on_and_nothing_is_relayed(gate, upstream):
    for number, address in enumerate(["postmaster@bounce.test", "Postmaster"]):
        text = plain("someone@remote.test", address, "a question", f"What is {address} for?")
        assert give_back(gate, address, text, "someone@remote.test").code == 250
        message = upstream.wait_messages(number + 1)[number]
        assert text in message.content and b"postmaster" in message.recipients[0].lower()
    for address in ("ann@example.com", "postmaster@example.com", "ann%example.com@bounce.test", "ann@bounce.test",
                    "@bounce.test:ann@example.com"):
        assert 550 <= give_back(gate, address, text).code <= 554, address
    assert len(upstream.messages) == 2


def test_an_upstream_that_is_down_means_come_again(gate, upstream):
    message = send(gate, upstream, "pat@remote.test", letter("spring"))
    path = reverse_path(message)
    bounce = report("pat@remote.test", path, message.content)
    upstream.answers["MAIL"] = b"451 4.3.0 not now\r\n"
    assert give_back(gate, path, bounce).code == 451
    upstream.hang_up()
    upstream.pause()
    assert give_back(gate, path, bounce).code == 451
    del upstream.answers["MAIL"]
    upstream.resume()
    assert give_back(gate, path, bounce).code == 250
    copies = [one for one in upstream.messages if f"<{SENDER}>".encode() in one.recipients[0]]
    assert len(copies) == 1 and copies[0].mail.startswith(b"MAIL FROM:<>") and bounce in copies[0].content
    assert wait_refused(gate, "pat@remote.test").code == 550
    assert len(events(gate, "pat@remote.test", "bounced")) == 1


def test_a_copy_that_is_refused_for_good_is_taken_and_counted(gate, upstream):
    message = send(gate, upstream, "pat@remote.test", letter("spring"))
    path = reverse_path(message)
    upstream.answers["END"] = b"554 5.7.1 no bounces here\r\n"
    assert give_back(gate, path, report("pat@remote.test", path, message.content)).code == 250
    assert wait_refused(gate, "pat@remote.test").code == 550
    gate.process.wait_log("no bounces here")
    assert metric(gate, 'postern_return_mail_forwarded_total{result="refused"}') == 1


def test_without_forward_nothing_is_passed_on(new_gate, upstream):
    gate = new_gate(upstream.address, more=MORE.replace("forward = true", "forward = false")).start()
    message = send(gate, upstream, "pat@remote.test", letter("spring"))
    path = reverse_path(message)
    assert give_back(gate, path, report("pat@remote.test", path, message.content)).code == 250
    assert wait_refused(gate, "pat@remote.test").code == 550
    assert len(upstream.messages) == 1


def test_a_postfix_before_the_listener(new_gate, new_postfix, upstream):
    """As docs/postfix.md says: nothing is lost by it, and it takes no address that the gate does not know."""
    gate = new_gate(upstream.address, more=MORE).start()
    host, port = return_address(gate)
    settings = recipe("return domain")
    assert "smtp:[127.0.0.1]:2526" in settings
    before = new_postfix(settings=settings.replace("bounce.example.com", "bounce.test")
                         .replace("[127.0.0.1]:2526", f"[{host}]:{port}") + "address_verify_poll_delay = 1s\n")
    message = send(gate, upstream, "pat@remote.test", letter("spring"))
    path = reverse_path(message)

    def bring(address, text, sender=""):
        with Client(before.address, "mx.remote.test") as client:
            assert client.ask(f"MAIL FROM:<{sender}>").code == 250
            reply = client.ask(f"RCPT TO:<{address}>")
            return client.data(text) if reply.code == 250 else reply

    guess = bring("a" * 60 + "@bounce.test", b"Subject: hello\r\n\r\nhello\r\n", "spammer@remote.test")
    assert guess.code == 550 and "no such address here" in guess.text, guess
    assert bring(path, report("pat@remote.test", path, message.content)).code == 250
    assert wait_refused(gate, "pat@remote.test").code == 550
    assert bring("complaints@bounce.test", complaint(returned_as(message, path)), "fbl@provider.example").code == 250
    wait_until(lambda: events(gate, "pat@remote.test", "complained"), "the complaint is on record")

    bob = send(gate, upstream, "bob@remote.test", letter("summer"))
    path = reverse_path(bob)
    gate.terminate()
    assert bring(path, report("bob@remote.test", path, bob.content)).code == 450


def test_what_is_not_understood_is_kept_for_a_look(gate, upstream):
    """Once each, whatever its sender's retries; the newest first, with the time it came."""
    for number in range(3):
        path = reverse_path(send(gate, upstream, "pat@remote.test", letter(f"spring {number}")))
        strange = plain("office@remote.test", path, f"hm {number}", "What is this?")
        upstream.answers["MAIL"] = b"451 4.3.0 not now\r\n"
        assert give_back(gate, path, strange, "office@remote.test").code == 451
        del upstream.answers["MAIL"]
        assert give_back(gate, path, strange, "office@remote.test").code == 250
    kept = [json.loads(line) for line in gate.run("return-mail", "list", "--json").stdout.splitlines()]
    assert [(one["subject"], one["sender"], one["stream"]) for one in kept] == [
        (f"hm {number}", "office@remote.test", "newsletter") for number in (2, 1, 0)]
    assert all(re.match(time.strftime("%Y-", time.gmtime()), one["time"]) for one in kept), kept
    shown = gate.run("return-mail", "show", kept[0]["number"]).stdout
    assert "Subject: hm 2" in shown and "What is this?" in shown
