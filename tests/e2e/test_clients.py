"""Real clients in front, a real Postfix behind: what they send is delivered, byte for byte but for trace lines."""

import os
import smtplib
import subprocess
from pathlib import Path

import pytest

import maildir
from postfix import front_settings, recipe
from processes import DEADLINE, text_of
from signatures import Signer
from smtp_client import letter

HERE = Path(__file__).resolve().parent
RECIPIENT = "you@example.com"
SENDER = "news@example.org"

# What a relay that touches bodies would spoil.
BODY = b"\r\n".join([
    b".a line that begins with a dot",
    b"..two dots",
    b".",
    "Grüße, 8bit: ÄÖÜ €".encode(),
    b"trailing blanks   \t",
    b"",
    b"x" * 990,
    b" a   folded   looking\tline",
    b"From here on: nothing to quote",
    b"",
    b"",
    b"the end",
    b"",
])


@pytest.fixture(scope="module")
def signer():
    return Signer()


def smtplib_sends(address, path):
    with smtplib.SMTP(*address, local_hostname="client.test", timeout=DEADLINE) as client:
        client.sendmail(SENDER, [RECIPIENT], path.read_bytes(), mail_options=["BODY=8BITMIME"])


def swaks_sends(address, path):
    # It puts CRLF and the final dot behind whatever it reads.
    path.write_bytes(path.read_bytes().removesuffix(b"\r\n"))
    run("swaks", "--server", address[0], "--port", address[1], "--from", SENDER, "--to", RECIPIENT,
        "--helo", "client.test", "--data", f"@{path}")


def msmtp_sends(address, path):
    # msmtp reads a text file of the machine: lines end with LF.
    octets = path.read_bytes().replace(b"\r\n", b"\n")
    run("msmtp", "-C", "/dev/null", "--host", address[0], "--port", address[1], "--from", SENDER,
        "--domain", "client.test", "--", RECIPIENT, input=octets)


def curl_sends(address, path):
    run("curl", "-sS", "--max-time", DEADLINE, f"smtp://{text_of(address)}/client.test", "--mail-from", SENDER,
        "--mail-rcpt", RECIPIENT, "--upload-file", path)


def nodemailer_sends(address, path):
    assert (HERE / "node_modules" / "nodemailer").is_dir(), "run `npm ci` in tests/e2e (scripts/test does)"
    run("node", HERE / "send.js", address[0], address[1], SENDER, RECIPIENT, path)


def run(*arguments, input=None):
    done = subprocess.run([str(argument) for argument in arguments], input=input, capture_output=True, timeout=DEADLINE,
                          env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0, f"{arguments}: {done.stdout.decode()} {done.stderr.decode()}"


@pytest.mark.parametrize("send", [smtplib_sends, swaks_sends, msmtp_sends, curl_sends, nodemailer_sends])
def test_arrives_as_it_was_sent(send, new_gate, postfix, signer, directory):
    gate = new_gate(postfix.address).start()
    sent = [signer.sign(letter(f"{send.__name__} {way}", BODY), way) for way in ("simple/simple", "relaxed/relaxed")]
    for message in sent:
        path = directory / "letter.eml"
        path.write_bytes(message)
        send(gate.address, path)

    delivered = {maildir.fields(message, "Subject")[0]: message for message in postfix.wait_messages(len(sent))}
    for message in sent:
        got = delivered[maildir.fields(message, "Subject")[0]]
        assert maildir.without_trace(got) == message
        assert signer.verifies(got.replace(b"\n", b"\r\n")), "the signature made before the gate"
        assert maildir.fields(got, "Delivered-To") == [RECIPIENT]
        assert maildir.fields(got, "Return-Path") == [f"<{SENDER}>"]


def test_what_clients_make_of_one_refused_recipient(gate, upstream, directory):
    """As docs/mail-clients.md says."""
    gate.run("unsubscribe", RECIPIENT)
    words = f"550 5.7.1 <{RECIPIENT}>: recipient unsubscribed on "
    path = directory / "letter.eml"
    path.write_bytes(letter())

    with smtplib.SMTP(*gate.address, local_hostname="client.test", timeout=DEADLINE) as client:
        refused = client.sendmail(SENDER, ["other@example.com", RECIPIENT], letter())
        assert list(refused) == [RECIPIENT] and "recipient unsubscribed on " in refused[RECIPIENT][1].decode()
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail(SENDER, [RECIPIENT], letter())
    assert len(upstream.messages) == 1

    host, port = gate.address
    for command in (["curl", "-sSv", f"smtp://{host}:{port}", "--mail-from", SENDER, "--mail-rcpt", "other@example.com",
                     "--mail-rcpt", RECIPIENT, "--upload-file", path],
                    ["msmtp", "-C", "/dev/null", "--host", host, "--port", str(port), "--from", SENDER, "--",
                     "other@example.com", RECIPIENT]):
        done = subprocess.run(command, input=letter(), capture_output=True, timeout=DEADLINE)
        assert done.returncode != 0, command
        assert words in done.stderr.decode(), command
    assert len(upstream.messages) == 1, "both gave up for the other recipient too"


def test_received_line_names_the_client_and_the_gate(new_gate, postfix):
    gate = new_gate(postfix.address).start()
    with smtplib.SMTP(*gate.address, local_hostname="client.test", timeout=DEADLINE) as client:
        client.sendmail(SENDER, [RECIPIENT], letter())
    [message] = postfix.wait_messages(1)
    by_postfix, by_gate = maildir.fields(message, "Received")
    assert "by mx.test" in by_postfix
    assert by_gate.startswith("from client.test ") and "[127.0.0.1]" in by_gate
    assert "by gate.test " in by_gate and "with ESMTP" in by_gate and by_gate.endswith("+0000")


def test_received_line_can_be_left_out(new_gate, upstream):
    gate = new_gate(upstream.address)
    gate.config.write_text(gate.config.read_text().replace('role = "relay"', 'role = "relay"\nreceived_header = false'))
    gate.start()
    with smtplib.SMTP(*gate.address, local_hostname="client.test", timeout=DEADLINE) as client:
        client.sendmail(SENDER, [RECIPIENT], letter())
    [message] = upstream.wait_messages(1)
    assert message.content == letter()


@pytest.mark.parametrize("way", ["simple/simple", "relaxed/relaxed"])
def test_a_postfix_in_front(way, new_gate, new_postfix, signer):
    """A second Postfix whose relayhost is the gate: its queue, its client, its pipelining."""
    behind = new_postfix()
    gate = new_gate(behind.address).start()
    front = new_postfix(settings=front_settings(gate))
    message = signer.sign(letter("through two", BODY), way)
    with smtplib.SMTP(*front.address, local_hostname="client.test", timeout=DEADLINE) as client:
        client.sendmail(SENDER, [RECIPIENT, "other@example.com"], message, mail_options=["BODY=8BITMIME"])

    delivered = behind.wait_messages(2)
    assert sorted(maildir.fields(got, "Delivered-To")[0] for got in delivered) == ["other@example.com", RECIPIENT]
    for got in delivered:
        assert maildir.without_trace(got) == message
        assert signer.verifies(got.replace(b"\n", b"\r\n"))


def test_a_postfix_in_front_reports_a_refusal_to_the_sender(new_gate, new_postfix):
    """The gate's words reach the sender in the report that Postfix writes, and the other recipient gets the message."""
    behind = new_postfix()
    gate = new_gate(behind.address).make_store()
    gate.run("unsubscribe", RECIPIENT)
    gate.start()
    front = new_postfix(settings=front_settings(gate))
    with smtplib.SMTP(*front.address, local_hostname="client.test", timeout=DEADLINE) as client:
        client.sendmail("author@example.com", [RECIPIENT, "other@example.com"], letter())

    delivered = {maildir.fields(got, "Delivered-To")[0]: got for got in behind.wait_messages(2)}
    assert set(delivered) == {"other@example.com", "author@example.com"}
    report = delivered["author@example.com"].decode()
    assert f"550 5.7.1 <{RECIPIENT}>: recipient unsubscribed on " in report.replace("\n    ", " ")
    assert maildir.fields(delivered["author@example.com"], "Return-Path") == ["<>"]


def test_the_gate_in_front_of_postfix(new_gate, new_postfix):
    """Postfix relays for the gate and for nobody else; the gate relays for `trusted` and for nobody else."""
    smtpd = recipe("behind")
    assert smtpd.startswith("127.0.0.1:10025 ")
    behind = new_postfix(smtpd=smtpd.replace("127.0.0.1:10025", "127.0.0.1:0"))
    trusting = new_gate(behind.address).start()
    with smtplib.SMTP(*trusting.address, local_hostname="client.test", timeout=DEADLINE) as client:
        refused = client.sendmail(SENDER, [RECIPIENT, "unknown@example.com"], letter())
    assert list(refused) == ["unknown@example.com"]
    assert "Recipient address rejected" in refused["unknown@example.com"][1].decode(), "the words of Postfix"
    behind.wait_messages(1)

    # Postfix itself would relay this anywhere for whoever comes from loopback: `trusted` is the only door.
    wary = new_gate(behind.address, trusted='["192.0.2.0/24"]').start()
    with pytest.raises((smtplib.SMTPException, OSError)):
        with smtplib.SMTP(*wary.address, local_hostname="client.test", timeout=DEADLINE) as client:
            client.sendmail(SENDER, [RECIPIENT], letter())
    assert len(behind.messages()) == 1
