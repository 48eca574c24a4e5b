"""The recipes of docs/postfix.md with a real Postfix: the lines that stand there are the lines that run here, with other
ports. The gate in front, the relayhost, the return domain and the policy service: test_clients.py, test_return_path.py,
test_policy.py."""

import signal
import smtplib
import subprocess

import pytest

import maildir
from postfix import recipe
from processes import DEADLINE, Process, wait_until
from signatures import Signer
from smtp_client import Client, letter

GONE = "gone@example.com"
ANN = "ann@example.com"
AUTHOR = "author@example.com"
NOWHERE = ("127.0.0.1", 9)
# Where the mail comes back by: a host of its own, since both ports are the kernel's to choose.
BACK = "127.0.0.2"


def moved(text, *places):
    """The recipe at other places; each has to stand in it."""
    for before, after in places:
        assert before in text, before
        text = text.replace(before, after)
    return text


def text_of(address):
    return f"{address[0]}:{address[1]}"


@pytest.fixture
def waiting_gate(new_gate):
    """A gate that knows its upstream once back_to() says where: Postfix has to know the gate's address first."""
    gate = new_gate(NOWHERE).make_store()
    gate.run("unsubscribe", GONE)
    return gate.start()


def back_to(gate, postfix):
    gate.upstream = postfix.address_on(BACK)
    gate.configure()
    gate.process.signal(signal.SIGHUP)
    gate.process.wait_log("configuration read anew")


def send(address, recipients, sender=AUTHOR, message=None):
    """{recipient: (code, text)} of those who were refused."""
    with smtplib.SMTP(*address, local_hostname="client.test", timeout=DEADLINE) as client:
        return client.sendmail(sender, recipients, message or letter())


def delivered_to(postfix, count):
    return sorted(maildir.fields(got, "Delivered-To")[0] for got in postfix.wait_messages(count))


# smtpd_proxy_filter


def proxy_filter(gate, new_postfix, more=""):
    smtpd = moved(recipe("proxy filter"), ("smtp inet", "127.0.0.1:0 inet"), ("127.0.0.1:10025 inet", f"{BACK}:0 inet"),
                  ("=127.0.0.1:10024", "=" + text_of(gate.address) + more))
    postfix = new_postfix(smtpd=smtpd)
    back_to(gate, postfix)
    return postfix


def test_proxy_filter(waiting_gate, new_postfix):
    """The sender reads the gate's words at RCPT TO, and the others get their mail."""
    postfix = proxy_filter(waiting_gate, new_postfix)
    refused = send(postfix.address, [GONE, ANN, "bob@example.com"])
    assert list(refused) == [GONE] and refused[GONE][0] == 550
    assert b"recipient unsubscribed on" in refused[GONE][1]
    assert delivered_to(postfix, 2) == [ANN, "bob@example.com"]


def test_proxy_filter_relays_for_nobody_else(waiting_gate, new_postfix):
    """Postfix decides who may relay, before the gate hears of it."""
    postfix = proxy_filter(waiting_gate, new_postfix, "\n    -o mynetworks=127.0.0.1/32")
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        with smtplib.SMTP(*postfix.address, timeout=DEADLINE, source_address=("127.0.0.9", 0)) as client:
            client.sendmail(AUTHOR, ["someone@elsewhere.test"], letter())
    assert b"Relay access denied" in refused.value.recipients["someone@elsewhere.test"][1]


def test_proxy_filter_without_the_gate(waiting_gate, new_postfix):
    postfix = proxy_filter(waiting_gate, new_postfix)
    waiting_gate.terminate()
    with Client(postfix.address) as client:
        reply = client.ask(f"MAIL FROM:<{AUTHOR}>")
        if reply.code == 250:
            reply = client.ask(f"RCPT TO:<{ANN}>")
        assert reply.text.startswith("451 4.3.0 "), reply
    assert postfix.messages() == []


def test_proxy_filter_with_speed_adjust_refuses_everybody(waiting_gate, new_postfix):
    """Why the recipe warns of it: Postfix takes every recipient, and then the message is refused for all of them."""
    postfix = proxy_filter(waiting_gate, new_postfix, "\n    -o smtpd_proxy_options=speed_adjust")
    with Client(postfix.address) as client:
        assert [reply.code for reply in client.envelope([GONE, ANN], AUTHOR)] == [250, 250], "taken, before the gate is asked"
        reply = client.data(letter())
        assert reply.code >= 400, reply
    assert postfix.messages() == [], "nobody got it"
    assert send(postfix.address, [ANN]) == {}
    assert delivered_to(postfix, 1) == [ANN], "alone it is taken"


# content_filter


@pytest.fixture
def filtered(waiting_gate, new_postfix):
    smtpd = "127.0.0.1:0 inet n - n - - smtpd\n" + moved(recipe("content filter, back"),
                                                         ("127.0.0.1:10025 inet", f"{BACK}:0 inet"))
    host, port = waiting_gate.address
    postfix = new_postfix(smtpd=smtpd, settings=moved(recipe("content filter"),
                                                      ("[127.0.0.1]:10024", f"[{host}]:{port}")))
    back_to(waiting_gate, postfix)
    return postfix


def test_content_filter(filtered):
    """The sender reads of it in a bounce message."""
    assert send(filtered.address, [GONE, ANN]) == {}, "taken: the gate is asked afterwards"
    assert delivered_to(filtered, 2) == [ANN, AUTHOR]
    [report] = [one for one in filtered.messages() if maildir.fields(one, "Delivered-To") == [AUTHOR]]
    assert f"550 5.7.1 <{GONE}>: recipient unsubscribed on " in report.decode().replace("\n    ", " ")


def test_content_filter_takes_what_sendmail_brings(filtered):
    conf = filtered.directory / "conf"
    brought = subprocess.run(["/usr/sbin/sendmail", "-C", conf, "-f", AUTHOR, GONE, ANN], input=letter(),
                             capture_output=True, timeout=DEADLINE)
    if brought.returncode != 0:
        pytest.skip(f"this Postfix takes no mail from its command line: {brought.stderr.decode()}")
    assert delivered_to(filtered, 2) == [ANN, AUTHOR]


def test_content_filter_keeps_mail_while_the_gate_is_away(filtered, waiting_gate):
    waiting_gate.kill()
    assert send(filtered.address, [ANN]) == {}
    filtered.wait_log(r"status=deferred")
    assert not filtered.queue_empty() and filtered.messages() == []


# A gate that does not say who the client is


def test_permit_mynetworks_behind_the_gate_is_an_open_relay_for_whom_the_gate_trusts(new_gate, new_postfix):
    """The warning of docs/postfix.md: a stranger whom Postfix would refuse comes through a gate that trusts everybody."""
    postfix = new_postfix(settings="mynetworks = 127.0.0.1/32\n"
                                   "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n")

    def stranger(address):
        with smtplib.SMTP(*address, timeout=DEADLINE, source_address=("127.0.0.9", 0)) as client:
            client.ehlo("stranger.test")
            client.mail("spammer@remote.test")
            return client.rcpt("victim@elsewhere.test")

    code, text = stranger(postfix.address)
    assert code == 554 and b"Relay access denied" in text
    open_relay = new_gate(postfix.address, trusted='["0.0.0.0/0"]').start()
    assert stranger(open_relay.address)[0] == 250, "what the page warns of"
    careful = new_gate(postfix.address, trusted='["127.0.0.1"]').start()
    code, text = stranger(careful.address)
    assert code == 554 and b"5.7.1" in text


# DKIM behind the gate


@pytest.fixture
def opendkim(directory):
    """(signer, address) of an opendkim that signs for example.org."""
    signer = Signer()
    key = directory / "s1.private"
    key.write_bytes(signer.private)
    key.chmod(0o600)
    conf = directory / "opendkim.conf"
    # It would not trust a key below /tmp.
    conf.write_text(moved(recipe("opendkim"), ("/etc/dkimkeys/s1.private", str(key)), ("inet:8891@", "inet:0@"))
                    + "RequireSafeKeys no\n")
    process = Process(["/usr/sbin/opendkim", "-f", "-x", conf], cwd=directory)

    def port():
        listed = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, timeout=DEADLINE).stdout
        found = [line for line in listed.splitlines() if f"pid={process.process.pid}," in line]
        assert process.process.poll() is None, process.log
        return found and found[0].split()[3].rsplit(":", 1)[1]

    yield signer, ("127.0.0.1", int(wait_until(port, "opendkim listens")))
    process.terminate()


def test_opendkim_behind_the_gate_signs_what_the_gate_adds(opendkim, new_gate, new_postfix):
    signer, milter = opendkim
    smtpd = moved(recipe("behind, signing"), ("127.0.0.1:10025 inet", "127.0.0.1:0 inet"),
                  ("inet:127.0.0.1:8891", f"inet:{text_of(milter)}"))
    behind = new_postfix(smtpd=smtpd)
    more = '[unsubscribe]\nurl = "https://unsub.example.com"\n\n[web]\naddress = "127.0.0.1:0"\n'
    gate = new_gate(behind.address, more=more).start()
    assert send(gate.address, [ANN, "bob@example.com"], sender="news@example.org") == {}
    links = set()
    for got in behind.wait_messages(2):
        [signature] = maildir.fields(got, "DKIM-Signature")
        names = signature.replace(" ", "").replace("\n", "").replace("\t", "").split(";h=")[1].split(";")[0].lower().split(":")
        assert {"list-unsubscribe", "list-unsubscribe-post", "from"} <= set(names), signature
        [link] = maildir.fields(got, "List-Unsubscribe")
        assert link.startswith("<https://unsub.example.com/u/")
        links.add(link)
        assert signer.verifies(got.replace(b"\n", b"\r\n"))
        assert not signer.verifies(got.replace(b"\n", b"\r\n").replace(b"unsub.example.com", b"unsub.attacker.test"))
    assert len(links) == 2, "each has a link of their own"
