"""Nobody is suppressed by mail that was not written about them; and guessing at return addresses slows nobody down."""

import os
import random
import re
import threading
import time
from pathlib import Path

import pytest

from processes import POSTERN, Process
from return_mail import (MORE, answer, complaint, events, give_back, plain, report, return_address, returned_as, reverse_path,
                         send, wait_refused)
from smtp_client import Client, letter

LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
GUESSES = 10_000
OF_A_SESSION = 500
SLOWEST = 2.0  # seconds for a message of a legitimate client meanwhile; it takes milliseconds


@pytest.fixture
def gate(new_gate, upstream):
    return new_gate(upstream.address, more=MORE).start()


def guesses(count, seed):
    chance = random.Random(seed)
    return ["".join(chance.choices(LETTERS, k=60)) + "@bounce.test" for _ in range(count)]


def altered(address, at):
    """With another letter at that place."""
    other = LETTERS[(LETTERS.index(address[at]) + 1) % len(LETTERS)]
    return address[:at] + other + address[at + 1:]


def test_without_a_valid_token_nothing_is_taken(gate, upstream):
    message = send(gate, upstream, "ann@remote.test", letter("spring"))
    path = reverse_path(message)
    text = report("ann@remote.test", path, message.content)
    wrong = ["ann@bounce.test", "ann=remote.test@bounce.test", path[1:], "a" * 60 + "@bounce.test", *guesses(3, seed=1),
             *(altered(path, at) for at in range(0, 59, 7))]
    for address in wrong:
        reply = give_back(gate, address, text)
        assert reply.text.startswith("550 5.1.1 "), (address, reply)
    elsewhere = give_back(gate, path.replace("bounce.test", "example.org"), text)
    assert 550 <= elsewhere.code <= 554, elsewhere
    assert answer(gate, "ann@remote.test").code == 250
    assert events(gate, "ann@remote.test") == []
    assert len(upstream.messages) == 1


def test_an_expired_token(new_gate, upstream):
    """Sent by a gate whose clock stands forty days back; its mail bounces today."""
    [library] = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    gate = new_gate(upstream.address, more=MORE)
    old = {**os.environ, "LD_PRELOAD": str(library), "FAKETIME": "-40d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    gate.process = Process([POSTERN, "serve", "--config", gate.config], cwd=gate.directory, env=old)
    gate.address = gate.process.listening("relay")
    message = send(gate, upstream, "ann@remote.test", letter("spring"))
    path = reverse_path(message)
    gate.terminate()
    gate.start()
    reply = give_back(gate, path, report("ann@remote.test", path, message.content))
    assert re.match(r"550 5\.1\.1 ", reply.text), reply
    assert answer(gate, "ann@remote.test").code == 250
    # Believed, had it come in time.
    fresh = send(gate, upstream, "bob@remote.test", letter("summer"))
    path = reverse_path(fresh)
    assert give_back(gate, path, report("bob@remote.test", path, fresh.content)).code == 250
    assert wait_refused(gate, "bob@remote.test").code == 550


def test_anothers_token_does_not_reach_me(gate, upstream):
    """Bob got a letter; he writes a bounce of Ann's to his own token."""
    message = send(gate, upstream, "bob@remote.test", letter("spring"))
    path = reverse_path(message)
    assert give_back(gate, path, report("ann@remote.test", path, message.content)).code == 250
    assert answer(gate, "ann@remote.test").code == 250
    assert events(gate, "ann@remote.test") == []


def test_a_complaint_without_our_token_is_nothing(gate, upstream):
    message = send(gate, upstream, "ann@remote.test", letter("spring"))
    path = reverse_path(message)
    unsigned = b"".join(line + b"\r\n" for line in message.content.split(b"\r\n\r\n")[0].split(b"\r\n")
                        if not line.startswith((b"List-Unsubscribe", b" ", b"\t"))) + b"\r\nhello\r\n"
    named = "Original-Rcpt-To: ann@remote.test\r\nOriginal-Mail-From: news@example.org\r\n"
    for returned in (unsigned, returned_as(message, altered(path, 20)).split(b"\r\n", 1)[0] + b"\r\n" + unsigned):
        assert give_back(gate, "complaints@bounce.test", complaint(returned, named=named), "x@evil.example").code == 250
    assert answer(gate, "ann@remote.test").code == 250
    assert events(gate, "ann@remote.test", "complained") == []


def test_a_closed_mailbox_is_believed_from_trusted_peers_alone(new_gate, upstream):
    """As docs/return-path.md has it: one listener for the world, and one for whoever feeds the mailbox."""
    more = MORE.replace("forward = true\n", "mailbox_evidence = true\n").replace(
        'role = "return-path"\n', 'role = "return-path"\ntrusted = []\n\n[[listener]]\nname = "mailbox"\n'
        'address = "127.0.0.1:0"\nrole = "return-path"\n')
    gate = new_gate(upstream.address, more=more).start()
    text = report("ann@remote.test", "office@example.org")
    assert give_back(gate, "office@example.org", text).code == 554
    assert give_back(gate, "office@bounce.test", text).code == 550
    assert give_back(gate, "complaints@bounce.test", complaint(b"Subject: x\r\n\r\nhello\r\n",
                                                               named="Original-Rcpt-To: ann@remote.test\r\n")).code == 250
    assert answer(gate, "ann@remote.test").code == 250
    with Client(gate.process.listening("mailbox"), "fetch.example") as client:
        for line in ("MAIL FROM:<>", "RCPT TO:<office@example.org>"):
            assert client.ask(line).code == 250
        assert client.data(text).code == 250
    assert wait_refused(gate, "ann@remote.test").code == 550
    assert upstream.messages == [], "it is passed on to nobody"


def test_a_token_in_the_body_is_not_an_address(gate, upstream):
    """Whoever quotes a return address to the listener has not got mail for it."""
    ann = reverse_path(send(gate, upstream, "ann@remote.test", letter("spring")))
    bob = reverse_path(send(gate, upstream, "bob@remote.test", letter("summer")))
    text = plain("bob@remote.test", bob, "Re: summer", f"<{ann}>: 550 5.1.1 ann@remote.test: user unknown")
    assert give_back(gate, bob, text, "bob@remote.test").code == 250
    assert answer(gate, "ann@remote.test").code == 250
    assert events(gate, "ann@remote.test") == []


def test_a_report_that_comes_again_is_one_event(gate, upstream):
    message = send(gate, upstream, "ann@remote.test", letter("spring"))
    path = reverse_path(message)
    text = report("ann@remote.test", path, message.content)
    for _ in range(5):
        assert give_back(gate, path, text).code == 250
    assert wait_refused(gate, "ann@remote.test").code == 550
    assert len(events(gate, "ann@remote.test", "bounced")) == 1

    message = send(gate, upstream, "bob@remote.test", letter("summer"))
    text = complaint(returned_as(message, reverse_path(message)))
    for _ in range(3):
        assert give_back(gate, "complaints@bounce.test", text, "fbl@provider.example").code == 250
    assert len(events(gate, "bob@remote.test", "complained")) == 1


def guess(gate, addresses, accepted):
    """Tries them, many in a session, pipelined; the listener may well hang up on it."""
    while addresses:
        batch, addresses = addresses[:OF_A_SESSION], addresses[OF_A_SESSION:]
        with Client(return_address(gate), "guess.example") as client:
            client.send(b"MAIL FROM:<>\r\n")
            assert client.reply().code == 250
            client.send("".join(f"RCPT TO:<{address}>\r\n" for address in batch).encode())
            for at, address in enumerate(batch):
                reply = client.reply()
                if reply.code == 421:  # shown the door: the rest in the next session
                    addresses = batch[at:] + addresses
                    break
                if reply.code < 400:
                    accepted.append(address)


def test_guessing_finds_nothing_and_slows_nobody(gate, upstream):
    message = send(gate, upstream, "ann@remote.test", letter("spring"))
    path = reverse_path(message)
    accepted, slowest = [], 0.0
    chance = random.Random(7)
    near = [altered(path, chance.randrange(59)) for _ in range(GUESSES // 10)]
    addresses = guesses(GUESSES - len(near), 5) + near
    began = time.monotonic()
    guessing = threading.Thread(target=guess, args=(gate, addresses, accepted), daemon=True)
    guessing.start()
    served = 0
    while guessing.is_alive() or not served:
        before = time.monotonic()
        recipient = f"reader{served}@remote.test"
        its = reverse_path(send(gate, upstream, recipient, letter(f"letter {served}")))
        assert give_back(gate, its, plain(recipient, its, "Re: letter", "Thank you."), recipient).code == 250
        slowest = max(slowest, time.monotonic() - before)
        served += 1
    print(f"{GUESSES} guesses in {time.monotonic() - began:.1f} s, {served} letters and replies meanwhile, "
          f"the slowest in {slowest * 1000:.0f} ms")
    assert accepted == []
    assert slowest < SLOWEST
    assert answer(gate, "ann@remote.test").code == 250
    # It is still there, and takes what is authentic.
    assert give_back(gate, path, report("ann@remote.test", path, message.content)).code == 250
    assert wait_refused(gate, "ann@remote.test").code == 550
