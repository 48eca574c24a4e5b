"""Bounces that the store remembers: refused with code and diagnostic, carried along, lifted within limits."""

import json

from smtp_client import Client, letter

BOUNCES = [
    {"address": "closed@example.com", "status": "bounced", "date": "2026-03-01", "source": "return-path",
     "evidence": "bounce", "reason": "not-accepting", "code": "5.2.1", "diagnostic": "550 closed for good",
     "campaign": "spring", "reporting_mta": "mail.example.org", "message_id": "<1@example.org>"},
    {"address": "gone@example.com", "status": "bounced", "date": "2026-03-02", "source": "return-path",
     "evidence": "bounce", "reason": "user-unknown", "code": "5.1.1", "diagnostic": "550 5.1.1 no such user"},
]


def bounced(gate, rows=BOUNCES):
    gate.run("import", "-", input="".join(json.dumps(row) + "\n" for row in rows))
    return gate


def rcpt(gate, recipient):
    with Client(gate.address) as client:
        return client.envelope([recipient])[0]


def holds(gate, address):
    lines = gate.run("show", address, "--json", expect=None).stdout.splitlines()
    return [one for one in map(json.loads, lines) if one["record"] == "hold"]


def test_a_bounce_is_refused_until_it_is_lifted_once(new_gate, upstream):
    gate = bounced(new_gate(upstream.address)).start()
    refused = rcpt(gate, "closed@example.com")
    assert refused.code == 550
    assert "earlier mail bounced on 2026-03-01: 5.2.1 550 closed for good" in refused.text

    look = gate.run("reactivate", "closed@example.com", expect=1).stdout
    assert "not-accepting, 5.2.1" in look and "2026-03-01" in look and "10 left" in look
    assert rcpt(gate, "closed@example.com").code == 550
    assert "9 left" in gate.run("reactivate", "closed@example.com", "--confirm").stdout
    with Client(gate.address) as client:
        assert client.deliver(["closed@example.com"], letter()).code == 250

    # The same row is the same hold; a later bounce is another, and a contact has one chance.
    bounced(gate)
    assert rcpt(gate, "closed@example.com").code == 250
    bounced(gate, [BOUNCES[0] | {"date": "2026-04-01"}])
    assert rcpt(gate, "closed@example.com").code == 550
    assert "once a contact" in gate.run("reactivate", "closed@example.com", "--confirm", expect=1).stdout


def test_who_is_unknown_has_to_have_been_seen(new_gate, upstream):
    gate = bounced(new_gate(upstream.address))
    assert "--seen" in gate.run("reactivate", "gone@example.com", "--confirm", expect=1).stdout
    gate.run("reactivate", "gone@example.com", "--confirm", "--seen", "her mail of 2026-04-01")
    gate.run("check", "gone@example.com")
    assert "her mail of 2026-04-01" in gate.run("show", "gone@example.com").stdout


def test_the_month_has_an_end_and_forgetting_gives_nothing_back(new_gate, upstream):
    gate = bounced(new_gate(upstream.address), [
        {"address": f"r{number}@example.com", "status": "bounced", "date": "2026-03-01"} for number in range(11)])
    for number in range(10):
        gate.run("reactivate", f"r{number}@example.com", "--confirm")
    gate.run("forget", "r3@example.com")
    spent = gate.run("reactivate", "r10@example.com", "--confirm", expect=1).stdout
    assert "all 10 reactivations of this month are used" in spent and "0 left" in spent
    gate.run("check", "r10@example.com", expect=1)


def test_complaints_opt_outs_and_blocks_stay(new_gate, upstream):
    gate = bounced(new_gate(upstream.address))
    gate.run("block", "closed@example.com")
    lifted = gate.run("reactivate", "closed@example.com", "--confirm").stdout
    assert "still blocked" in lifted
    assert {one["status"]: one["state"] for one in holds(gate, "closed@example.com")} == {
        "bounced": "lifted", "blocked": "in force"}


def test_what_return_mail_said_comes_along(new_gate, upstream):
    gate = bounced(new_gate(upstream.address))
    other = new_gate(upstream.address)
    for form in ("csv", "jsonl"):
        exported = gate.run("export", "--format", form).stdout
        other.run("import", "-", input=exported)
        assert sorted(other.run("export", "--format", form).stdout.splitlines()) == sorted(exported.splitlines())
    [hold] = holds(other, "closed@example.com")
    assert hold["reason"] == "not-accepting" and hold["code"] == "5.2.1" and hold["campaign"] == "spring"
    assert hold["diagnostic"] == "550 closed for good" and hold["reporting_mta"] == "mail.example.org"
    assert "gone@" in other.run("export", "--status", "bounced", "--reason", "user-unknown").stdout
    assert "closed@" not in other.run("export", "--status", "bounced", "--reason", "user-unknown").stdout
    assert "sound" in other.run("verify").stdout


def test_nothing_is_kept_at_first(new_gate, upstream):
    gate = new_gate(upstream.address).make_store()
    assert gate.run("return-mail", "list", "--json").stdout == ""
    assert "return-mail list" in gate.run("return-mail", "show", "1", expect=1).stderr
