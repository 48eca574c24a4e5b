"""Some recipients refused, the others served, whatever the shape of the transaction."""

import re

from smtp_client import Client, letter

TODAY = r"\d{4}-\d\d-\d\d"


def test_three_of_a_hundred_are_refused_in_one_pipelined_transaction(new_gate, postfix):
    gate = new_gate(postfix.address).make_store()
    suppressed = {"reader7@example.com": "unsubscribed", "reader50@example.com": "complained",
                  "reader99@example.com": "blocked"}
    gate.run("unsubscribe", "reader7@example.com")
    gate.run("import", "-", "--status", "complained", input="email,date\nreader50@example.com,2026-03-01\n")
    gate.run("block", "reader99@example.com", "--reason", "asked by letter")
    gate.start()

    recipients = [f"reader{number}@example.com" for number in range(100)]
    with Client(gate.address) as client:
        assert b"PIPELINING" in client.ehlo.raw
        commands = ["MAIL FROM:<news@example.org>", *(f"RCPT TO:<{recipient}>" for recipient in recipients), "DATA"]
        client.send("".join(command + "\r\n" for command in commands).encode())
        assert client.reply().code == 250
        answers = dict(zip(recipients, client.replies(100)))
        assert client.reply().code == 354
        client.send(letter("to many") + b".\r\n")
        assert client.reply().code == 250

        refused = {recipient: reply for recipient, reply in answers.items() if reply.code != 250}
        assert set(refused) == set(suppressed)
        assert re.fullmatch(rf"550 5\.7\.1 <reader7@example\.com>: recipient unsubscribed on {TODAY}",
                            refused["reader7@example.com"].text)
        assert refused["reader50@example.com"].text == (
            "550 5.7.1 <reader50@example.com>: recipient complained on 2026-03-01")
        assert re.fullmatch(r"550 5\.7\.1 <reader99@example\.com>: blocked.*asked by letter.*",
                            refused["reader99@example.com"].text)

        # The next message on the connection is fine.
        assert client.deliver(["reader1@example.com"], letter("the next")).code == 250

    delivered = postfix.wait_messages(98)
    got = sorted(line for message in delivered for line in
                 re.findall(rb"^Delivered-To: (\S+)", message, re.MULTILINE))
    wanted = sorted([r.encode() for r in recipients if r not in suppressed] + [b"reader1@example.com"])
    assert got == wanted


def test_how_a_mailbox_is_spelled_does_not_matter(gate, upstream):
    gate.run("unsubscribe", "jane.doe@gmail.com", "jürgen@bücher.example")
    with Client(gate.address) as client:
        for spelling in ["JANE.DOE@GMAIL.COM", '"jane.doe"@gmail.com', "jane.doe@gmail.com.", "janedoe+shop@googlemail.com",
                         "@relay.example:jane.doe@gmail.com"]:
            assert client.ask("MAIL FROM:<news@example.org>").code == 250
            reply = client.ask(f"RCPT TO:<{spelling}>")
            assert reply.code == 550 and "recipient unsubscribed on" in reply.text, (spelling, reply)
        client.ask("RSET")
        assert client.ask("MAIL FROM:<news@example.org> SMTPUTF8").code == 250
        for spelling in ["jürgen@bücher.example", "Jürgen@BÜCHER.example", "jürgen@xn--bcher-kva.example"]:
            assert client.ask(f"RCPT TO:<{spelling}>").code == 550, spelling
    assert upstream.connections == [] or not any(c.startswith(b"RCPT") for c in upstream.commands())


def test_a_session_of_suppressed_recipients_never_touches_the_upstream(new_gate, upstream):
    gate = new_gate(upstream.address).make_store()
    gate.run("unsubscribe", "a@example.com", "b@example.com")
    gate.start()
    before = len([line for line in upstream.commands() if line.startswith(b"MAIL")])
    with Client(gate.address) as client:
        assert [reply.code for reply in client.envelope(["a@example.com", "b@example.com"])] == [550, 550]
        reply = client.ask("DATA")
        assert reply.text.startswith("554 5.5.1 "), reply
        assert client.ask("QUIT").code == 221
    assert before == len([line for line in upstream.commands() if line.startswith(b"MAIL")]) == 0


def test_mail_afresh_while_no_recipient_was_accepted(gate, upstream):
    """Clients that are refused their only recipient often send no RSET (RFC 5321 would have them do)."""
    gate.run("unsubscribe", "a@example.com")
    with Client(gate.address) as client:
        assert client.envelope(["a@example.com"])[0].code == 550
        assert client.deliver(["b@example.com"], letter()).code == 250
        # With an accepted recipient a second MAIL is an error, as the RFC has it.
        assert client.envelope(["b@example.com"])[0].code == 250
        assert client.ask("MAIL FROM:<news@example.org>").code == 503


def test_streams_and_the_null_reverse_path(new_gate, upstream):
    gate = new_gate(upstream.address, more="""
[[stream]]
name = "newsletter"
kind = "marketing"
sender = ["*@news.example.org"]

[[stream]]
name = "receipts"
kind = "transactional"
sender = ["shop@example.org"]

[[stream]]
name = "club"
kind = "marketing"
consent = "opt-in"
sender = ["*@club.example.org"]
""").make_store()
    gate.run("unsubscribe", "letters@example.com", "--stream", "newsletter")
    gate.run("unsubscribe", "all@example.com")
    gate.run("block", "blocked@example.com")
    gate.run("resubscribe", "member@example.com", "--stream", "club", "--consent", "signed up on paper")
    gate.start()
    table = [
        # sender, recipient, code, why
        ("x@news.example.org", "letters@example.com", 550, "its own stream"),
        ("x@other.example.org", "letters@example.com", 250, "another stream"),
        ("x@news.example.org", "all@example.com", 550, "every marketing stream"),
        ("x@other.example.org", "all@example.com", 550, "the stream default is marketing"),
        ("shop@example.org", "all@example.com", 250, "transactional mail still goes"),
        ("", "all@example.com", 250, "the null reverse-path is transactional"),
        ("shop@example.org", "blocked@example.com", 550, "a block holds for every stream"),
        ("", "blocked@example.com", 550, "and for return mail"),
        ("x@club.example.org", "member@example.com", 250, "consent is recorded"),
        ("x@club.example.org", "stranger@example.com", 550, "no consent is recorded"),
    ]
    with Client(gate.address) as client:
        for sender, recipient, code, why in table:
            reply = client.envelope([recipient], sender)[0]
            assert reply.code == code, (why, reply)
            client.ask("RSET")
        assert "550 5.7.1 <stranger@example.com>: no recorded consent" in client.envelope(
            ["stranger@example.com"], "x@club.example.org")[0].text
