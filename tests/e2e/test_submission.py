"""The gate before Postfix's submission port, as docs/postfix.md has it: Postfix checks the password and knows the client."""

import smtplib

import pytest

import maildir
from postfix import recipe
from processes import DEADLINE
from sasl_server import SaslServer
from smtp_client import letter

GONE = "gone@example.com"
ANN = "ann@example.com"
AUTHOR = "author@example.com"
CLIENT = "127.0.0.9"  # is in nobody's mynetworks
PASSWORDS = {"author": "correct horse"}


@pytest.fixture
def behind(new_postfix, directory):
    """Postfix's submission port, which the gate alone is to reach."""
    server = SaslServer(directory / "auth", PASSWORDS)
    smtpd = recipe("submission")
    assert smtpd.startswith("127.0.0.1:10587 ")
    yield new_postfix(smtpd=smtpd.replace("127.0.0.1:10587", "127.0.0.1:0"),
                      settings=f"smtpd_sasl_type = dovecot\nsmtpd_sasl_path = unix:{directory}/auth\n")
    server.stop()


@pytest.fixture
def gate(new_gate, behind):
    gate = new_gate(behind.address, trusted="[]")
    text = gate.config.read_text().replace('role = "relay"', 'role = "relay"\nauth = "passthrough"')
    gate.config.write_text(text.replace("[upstream]", "[upstream]\nxclient = true"))
    gate.make_store()
    gate.run("unsubscribe", GONE)
    return gate.start()


def connect(address):
    return smtplib.SMTP(*address, local_hostname="client.test", timeout=DEADLINE, source_address=(CLIENT, 0))


def test_a_login_of_postfix_opens_the_gate(gate, behind):
    with connect(gate.address) as client:
        client.login("author", PASSWORDS["author"])
        refused = client.sendmail(AUTHOR, [GONE, ANN], letter())
    assert list(refused) == [GONE] and refused[GONE][0] == 550
    [message] = behind.wait_messages(1)
    assert maildir.fields(message, "Delivered-To") == [ANN]
    assert f"[{CLIENT}]" in maildir.fields(message, "Received")[0], "Postfix knows the client, by XCLIENT"
    behind.wait_log(rf"client=\S*\[{CLIENT}\], sasl_method=\w+, sasl_username=author")


def test_a_wrong_password_is_refused_in_the_words_of_postfix(gate, behind):
    with connect(gate.address) as client, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        client.login("author", "wrong")
    assert refused.value.smtp_code == 535
    assert PASSWORDS["author"] not in gate.process.log and "wrong" not in gate.process.log


def test_who_does_not_authenticate_relays_nothing(gate, behind):
    with connect(gate.address) as client, pytest.raises(smtplib.SMTPException):
        client.sendmail(AUTHOR, [ANN], letter())
    assert behind.messages() == []


def test_with_xclient_a_gate_that_trusts_everybody_is_no_open_relay(new_gate, new_postfix):
    """The other half of the warning: Postfix judges the client itself, once it is told who that is."""
    postfix = new_postfix(settings="mynetworks = 127.0.0.1/32\nsmtpd_authorized_xclient_hosts = 127.0.0.1\n"
                                   "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n")
    gate = new_gate(postfix.address, trusted='["0.0.0.0/0"]')
    gate.config.write_text(gate.config.read_text().replace("[upstream]", "[upstream]\nxclient = true"))
    gate.start()
    with connect(gate.address) as client:
        client.ehlo("stranger.test")
        client.mail("spammer@remote.test")
        code, text = client.rcpt("victim@elsewhere.test")
    assert code == 554 and b"Relay access denied" in text
