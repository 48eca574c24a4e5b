"""What the header edit does to messages that were signed before it: every signature that verified still verifies, and
what the edit keeps its hands off would have broken one. RFC 6376, RFC 8058 section 4."""

import os
import re
import subprocess

import pytest

from maildir import fields, wait_messages, without_trace
from processes import DEADLINE, POSTERN
from signatures import Signer
from smtp_client import Client, stuffed

EDIT = os.environ.get("POSTERN_EDIT_HEADER", POSTERN.parent / "tests" / "e2e" / "edit_header")

FRAME = ("From: News <news@example.org>\r\nTo: a@example.net\r\nSubject: Spring\r\n"
         "Date: Sun, 1 Mar 2026 10:00:00 +0000\r\nMessage-ID: <{}@example.org>\r\n")
BODY = "\r\nHello\r\n.\r\n..dots\r\n \r\nlast \r\n"
PAIR = ("List-Unsubscribe", "List-Unsubscribe-Post")
BASE = ("From", "To", "Subject", "Date")

# How the two fields are written.
SYNTAX = {
    "plain": ("List-Unsubscribe: <https://theirs.example/leave?id=1>\r\n",
              "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"),
    "folded": ("List-Unsubscribe:\r\n <mailto:leave@theirs.example>,\r\n\t<https://theirs.example/\r\n leave?id=1>\r\n",
               "List-Unsubscribe-Post:\r\n\tList-Unsubscribe=One-Click\r\n"),
    "case": ("LIST-UNSUBSCRIBE:<https://theirs.example/leave?id=1>\r\n",
             "list-unsubscribe-post:   List-Unsubscribe=One-Click \r\n"),
    "repeated": ("List-Unsubscribe: <mailto:leave@theirs.example>\r\nX-Between: 1\r\n"
                 "List-Unsubscribe: <https://theirs.example/leave?id=1>\r\n",
                 "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" * 2),
    "malformed": ("List-Unsubscribe:\r\n", "List-Unsubscribe-Post: please do\r\n"),
}

# state: (which of the two fields the message has, the h= of each of its signatures)
STATES = {
    "none": ("", []),
    "alone": ("U", []),
    "with -Post": ("UP", []),
    "a lone -Post": ("P", []),
    "covered": ("UP", [BASE + PAIR]),
    "covered, all of them": ("UP", [BASE + PAIR + PAIR]),
    "covered by one of two": ("UP", [BASE, BASE + PAIR]),
    "List-Unsubscribe covered": ("UP", [BASE + PAIR[:1]]),
    "-Post covered": ("UP", [BASE + PAIR[1:]]),
    "each by another": ("UP", [BASE + PAIR[:1], BASE + PAIR[1:]]),
    "alone, covered": ("U", [BASE + PAIR[:1]]),
    "a lone -Post, covered": ("P", [BASE + PAIR[1:]]),
    "over-signed": ("", [BASE + PAIR]),
    "over-signed, List-Unsubscribe": ("", [BASE + PAIR[:1]]),
    "over-signed, -Post": ("", [BASE + PAIR[1:]]),
    "over-signed, both there": ("UP", [BASE + PAIR * 3]),
    "over-signed, -Post not there": ("U", [BASE + PAIR]),
    "over-signed by one of two": ("", [BASE, BASE + PAIR]),
    "over-signed, List-Id and Feedback-ID": ("", [BASE + ("List-Id", "Feedback-ID")]),
    "uncovered": ("UP", [BASE]),
    "uncovered, alone": ("U", [BASE]),
    "uncovered, none": ("", [BASE]),
    "uncovered, a lone -Post": ("P", [BASE]),
}
MODES = ("off", "add", "replace")


@pytest.fixture(scope="module")
def signer():
    return Signer()


def unstuffed(message):
    return re.sub(rb"(?m)^\.", b"", message)


def edited(message, mode):
    done = subprocess.run([EDIT, mode], input=stuffed(message), capture_output=True, timeout=DEADLINE, check=True)
    return unstuffed(done.stdout)


def made(signer, state, syntax, canonicalization, number=1):
    """`number` is that of its Message-ID."""
    present, signatures = STATES[state]
    unsubscribe, post = SYNTAX[syntax]
    message = FRAME.format(number) + ("U" in present) * unsubscribe + ("P" in present) * post + BODY
    message = message.encode()
    for names in signatures:
        message = signer.sign(message, canonicalization, names)
    return message


def verdicts(signer, state, message):
    return [signer.verifies(message, index) for index in range(len(STATES[state][1]))]


def forbidden(state):
    """A signature names one of the two."""
    return any(set(PAIR) & set(names) for names in STATES[state][1])


def check(signer, state, mode, before, after):
    """`after`: below the trace fields."""
    assert all(verdicts(signer, state, after)), after.decode()
    assert after.endswith(BODY.encode())
    theirs = "U" in STATES[state][0]
    if not forbidden(state) and (mode == "replace" or (mode == "add" and not theirs)):
        # One of each and ours, whatever was there.
        [unsubscribe] = fields(after, "List-Unsubscribe")
        assert "<https://unsub.example.org/u/" in unsubscribe
        assert fields(after, "List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
    else:
        assert [fields(after, name) for name in PAIR] == [fields(before, name) for name in PAIR]
    lists = "List-Id" not in sum(STATES[state][1], ())
    assert len(fields(after, "List-Id")) == lists
    assert len(fields(after, "Feedback-ID")) <= lists  # an option of the stream


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("syntax", SYNTAX)
@pytest.mark.parametrize("state", STATES)
def test_signatures_verify_as_before(signer, state, syntax, mode):
    for canonicalization in ("relaxed/relaxed", "simple/simple"):
        before = made(signer, state, syntax, canonicalization)
        assert all(verdicts(signer, state, before))
        check(signer, state, mode, before, edited(before, mode))


@pytest.mark.parametrize("state", [state for state in STATES if forbidden(state)])
def test_what_is_left_alone_would_have_broken_a_signature(signer, state):
    """Otherwise the test above would show nothing: ours in front of it, or theirs away, breaks a signature."""
    before = made(signer, state, "plain", "relaxed/relaxed")
    broken = []
    for name in PAIR:
        line = f"{name}: x\r\n".encode()
        without = re.sub(rb"(?m)^" + name.encode() + rb":.*\r\n", b"", before)
        for message in (line + before, without):
            broken.append(not all(verdicts(signer, state, message)))
    assert any(broken)


@pytest.mark.parametrize("mode", MODES)
def test_edited_twice_is_edited_once(signer, mode):
    """Two gates one behind the other, the second with add."""
    for state in STATES:
        once = edited(made(signer, state, "plain", "relaxed/simple"), mode)
        if mode != "off":
            assert edited(once, "add") == once, state
        assert edited(once, "off") == once, state


def test_a_signature_that_does_not_parse_stops_nothing():
    for signature in ("DKIM-Signature: v=1; a=rsa-sha256; bh=; b=; d=example.org; s=s1\r\n",
                      "DKIM-Signature: h=List-Unsubscribe\r\n", "DKIM-Signature: List-Unsubscribe;;\r\n"):
        before = (signature + FRAME.format(1) + BODY).encode()
        after = edited(before, "add")
        assert after.endswith(before)
        assert len(fields(after, "List-Unsubscribe")) == 1


STREAMS = """
[unsubscribe]
url = "https://unsub.example.org"
""" + "".join(f"""
[[stream]]
name = "{mode}"
kind = "marketing"
sender = ["{mode}@example.org"]
list_id = "{mode}.example.org"
list_unsubscribe = "{mode}"
""" for mode in MODES)


RETURNS = """
[return_path]
domain = "bounce.example.org"
"""


@pytest.mark.parametrize("returns", ["", RETURNS], ids=["with a link", "with a link and an address"])
def test_the_matrix_through_the_gate(new_gate, sink, signer, returns):
    gate = new_gate(sink.address, more=STREAMS + returns).start()
    sent = {}
    with Client(gate.address) as client:
        for state in STATES:
            for syntax in SYNTAX:
                for mode in MODES:
                    number = len(sent)
                    before = made(signer, state, syntax, "relaxed/simple", number)
                    sent[f"<{number}@example.org>"] = state, mode, before
                    reply = client.deliver(["a@example.net"], before, f"{mode}@example.org")
                    assert reply.code == 250, reply
    delivered = wait_messages(sink.maildir, len(sent))
    assert len(delivered) == len(sent)
    for message in delivered:
        state, mode, before = sent.pop(fields(message, "Message-ID")[0])
        check(signer, state, mode, before, without_trace(message))
        for value in fields(message, "List-Unsubscribe"):
            ours = "<https://unsub.example.org/u/" in value
            assert ("@bounce.example.org?subject=unsubscribe>" in value) == (ours and returns != "")
    assert not sent
