"""AUTH passed through to a Postfix with Dovecot's SASL: each mechanism under TLS, the Postfix's own words, relaying by AUTH
only, no secret in the log."""

import re

import pytest

import maildir
from fake_upstream import CLOSE, EXTENSIONS, FakeUpstream
from page import metric
from processes import text_of, wait_until
from sasl import MECHANISMS, authenticate, encoded, traces
from smtp_client import Client, letter, secured

ANNA = ("anna@example.com", "Zwölf-Boxkämpfer,jagen=Viktor")
BOB = ("bob@sales.example.com", "quer-durch-den-Sylter-Deich")
WRONG = "falsches-Üben-von-Xylophonmusik"
EVERYWHERE = "you@elsewhere.test"

ADMIN = '[admin]\naddress = "127.0.0.1:0"\n'
QUICK = '[timeouts]\nauth_failure = "1ms"\n'
DEBUG = '[log]\nlevel = "debug"\n'
WATCHED = ADMIN + QUICK + DEBUG

def keeps_secrets(gate, *passwords):
    """Ends the gate, so that its log is all there."""
    gate.terminate()
    assert " debug " in gate.process.log
    for password in passwords:
        for trace in traces(password):
            assert trace not in gate.process.log


def count(gate, result):
    return metric(gate, f'postern_authentications_total{{result="{result}"}}')


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_every_mechanism(mode, new_door, new_submission, trusting):
    postfix = new_submission(dict([ANNA]))
    gate = new_door(postfix.address, mode, more=WATCHED).start()
    ways = [(mechanism, initial) for mechanism in MECHANISMS for initial in (True, False)
            if initial or mechanism != "CRAM-MD5"]
    for mechanism, initial in ways:
        with secured(gate, trusting, mode) as client:
            [offer] = [line for line in client.offers() if line.startswith("AUTH ")]
            assert set(MECHANISMS) == set(offer.split()[1:])
            assert client.ask("MAIL FROM:<anna@example.com>").text.startswith("530 5.7.0 ")
            reply = authenticate(client, mechanism, *ANNA, initial=initial)
            assert reply.text.startswith("235 2.7.0 "), (mechanism, initial, reply)
            assert client.deliver([EVERYWHERE], letter(f"{mechanism} {initial}"), "anna@example.com").code == 250
    delivered = {maildir.fields(message, "Subject")[0]: message for message in postfix.wait_messages(len(ways))}
    for mechanism, initial in ways:
        by_postfix, by_gate = maildir.fields(delivered[f"{mechanism} {initial}"], "Received")
        assert f"(Authenticated sender: {ANNA[0]})" in by_postfix
        assert "with ESMTPSA" in by_gate and "TLSv1.3" in by_gate, by_gate
    for mechanism in MECHANISMS:
        postfix.wait_log(f"sasl_method={mechanism}, sasl_username={ANNA[0]}")
        gate.process.wait_log(f"mechanism={mechanism} login={ANNA[0]}")
    assert count(gate, "done") == len(ways)
    keeps_secrets(gate, ANNA[1])


def test_under_tls_on_both_sides(new_door, new_submission, trusting, authority):
    """A Postfix elsewhere offers AUTH under TLS alone, as providers do."""
    certificate, key = authority.sign("mx.test")
    postfix = new_submission(dict([ANNA]), f"smtpd_tls_security_level = encrypt\nsmtpd_tls_auth_only = yes\n"
                             f"smtpd_tls_cert_file = {certificate}\nsmtpd_tls_key_file = {key}\n")
    gate = new_door(postfix.address, more=f'tls = "verify"\nca = "{authority.certificate}"\ntls_name = "mx.test"\n'
                    + WATCHED).start()
    for mechanism in MECHANISMS:
        with secured(gate, trusting) as client:
            assert authenticate(client, mechanism, *ANNA).code == 235
            assert client.deliver([EVERYWHERE], letter(mechanism)).code == 250
    postfix.wait_messages(len(MECHANISMS))
    keeps_secrets(gate, ANNA[1])


def test_the_upstreams_own_refusal_reaches_the_client(new_door, new_submission, trusting):
    postfix = new_submission(dict([ANNA]))
    gate = new_door(postfix.address, more=WATCHED).start()
    for mechanism in MECHANISMS:
        with Client(postfix.address) as client:
            said = authenticate(client, mechanism, ANNA[0], WRONG)
        assert said.text.startswith("535 5.7.8 ")
        with secured(gate, trusting) as client:
            assert authenticate(client, mechanism, ANNA[0], WRONG) == said
            assert client.ask("MAIL FROM:<anna@example.com>").code == 530
            assert authenticate(client, mechanism, *ANNA).code == 235, "a second try in the same session"
    assert count(gate, "refused") == count(gate, "done") == len(MECHANISMS)
    keeps_secrets(gate, ANNA[1], WRONG)


def test_cancelled(new_door, new_submission, trusting):
    """RFC 4954 section 4: at any challenge."""
    gate = new_door(new_submission(dict([ANNA])).address, more=WATCHED).start()
    with secured(gate, trusting) as client:
        assert client.ask("AUTH PLAIN").raw == b"334 \r\n"
        assert client.ask("*").text.startswith("501 5.7.0 ")
        assert client.ask("AUTH LOGIN").code == 334
        assert client.ask(encoded(ANNA[0].encode())).code == 334
        assert client.ask("*").code == 501
        assert client.ask("MAIL FROM:<anna@example.com>").code == 530
    with secured(gate, trusting) as client:
        assert client.ask("AUTH CRAM-MD5").code == 334
        assert client.ask("*").code == 501
        assert authenticate(client, "CRAM-MD5", *ANNA).code == 235
    keeps_secrets(gate, ANNA[1])


def test_three_failures_end_the_session(new_door, new_submission, trusting):
    gate = new_door(new_submission(dict([ANNA])).address, more=WATCHED).start()
    with secured(gate, trusting) as client:
        for _ in range(3):
            assert authenticate(client, "PLAIN", ANNA[0], WRONG).code == 535
        assert client.reply().text.startswith("421 4.7.0 ")
        assert client.ended()
    assert count(gate, "refused") == 3
    gate.process.wait_log(r"warning \S+ sent away after 3 failures to authenticate client=127\.0\.0\.1\n")
    assert ANNA[0] not in gate.process.log


def test_the_connection_of_who_authenticated_is_nobody_elses(new_door, new_submission, trusting):
    postfix = new_submission(dict([ANNA, BOB]))
    gate = new_door(postfix.address, more=WATCHED).start()
    with secured(gate, trusting) as anna, secured(gate, trusting) as bob, secured(gate, trusting) as nobody:
        assert authenticate(anna, "PLAIN", *ANNA).code == 235
        assert authenticate(bob, "PLAIN", *BOB).code == 235
        for turn in range(2):
            assert anna.deliver([EVERYWHERE], letter(f"anna {turn}")).code == 250
            assert bob.deliver([EVERYWHERE], letter(f"bob {turn}")).code == 250
            assert nobody.ask("MAIL FROM:<anna@example.com>").code == 530
    with secured(gate, trusting) as client:
        assert client.ask("MAIL FROM:<anna@example.com>").code == 530, "a connection ended, and what it knew with it"
    for message in postfix.wait_messages(4):
        who = ANNA if maildir.fields(message, "Subject")[0].startswith("anna") else BOB
        assert f"(Authenticated sender: {who[0]})" in maildir.fields(message, "Received")[0]


def test_trusted_clients_need_no_password_and_may_have_one(new_door, new_submission, trusting):
    postfix = new_submission(dict([ANNA]))
    gate = new_door(postfix.address, trusted='["127.0.0.0/8"]').start()
    with secured(gate, trusting) as client:
        [reply] = client.envelope([EVERYWHERE])
        assert reply.code == 554 and "Access denied" in reply.text, "the Postfix knows nobody"
        client.ask("RSET")
        assert authenticate(client, "SCRAM-SHA-256", *ANNA).code == 235
        assert client.deliver([EVERYWHERE], letter()).code == 250
    postfix.wait_messages(1)


def test_suppressed_recipients_are_refused_after_auth_too(new_door, new_submission, trusting):
    postfix = new_submission(dict([ANNA]))
    gate = new_door(postfix.address).make_store()
    gate.run("unsubscribe", EVERYWHERE)
    gate.start()
    with secured(gate, trusting) as client:
        authenticate(client, "PLAIN", *ANNA)
        refused, taken = client.envelope([EVERYWHERE, "other@elsewhere.test"], ANNA[0])
        assert refused.text.startswith(f"550 5.7.1 <{EVERYWHERE}>: recipient unsubscribed on ") and taken.code == 250
        assert client.data(letter()).code == 250
    [message] = postfix.wait_messages(1)
    assert maildir.fields(message, "Delivered-To") == ["other@elsewhere.test"]


def test_the_connection_lost(new_door, new_submission, trusting):
    """What the upstream knew of the client is gone with it: the client has to come again, and nothing is delivered twice."""
    postfix = new_submission(dict([ANNA]), "service_throttle_time = 1s\n")
    gate = new_door(postfix.address, more=WATCHED).start()

    with secured(gate, trusting) as client:
        authenticate(client, "PLAIN", *ANNA)
        postfix.kill_served()
        assert client.ask("MAIL FROM:<anna@example.com>").code == 250
        assert client.ask(f"RCPT TO:<{EVERYWHERE}>").text.startswith("421 4.4.2 ")
        assert client.ended()

    with secured(gate, trusting) as client:
        authenticate(client, "PLAIN", *ANNA)
        assert client.envelope([EVERYWHERE])[0].code == 250
        assert client.ask("DATA").code == 354
        client.send(letter("half")[:-20])
        postfix.kill_served()
        client.send(b"the rest\r\n.\r\n")
        assert client.reply().text.startswith("421 4.4.2 ")
        assert client.ended()

    with secured(gate, trusting) as client:
        assert authenticate(client, "PLAIN", *ANNA).code == 235
        assert client.deliver([EVERYWHERE], letter("whole")).code == 250
    [message] = postfix.wait_messages(1)
    assert maildir.fields(message, "Subject") == ["whole"]
    assert wait_until(postfix.queue_empty, "nothing is on its way") and len(postfix.messages()) == 1


def test_copies_go_over_that_connection(new_door, new_submission, trusting):
    postfix = new_submission(dict([ANNA]))
    gate = new_door(postfix.address, more=ADMIN + '[web]\naddress = "127.0.0.1:0"\n'
                    '[unsubscribe]\nurl = "https://unsub.example.com"\n').start()
    recipients = [f"{name}@elsewhere.test" for name in ("one", "two", "three", "four")]
    with secured(gate, trusting) as client:
        authenticate(client, "SCRAM-SHA-256", *ANNA)
        assert client.deliver(recipients, letter(), ANNA[0]).code == 250
    delivered = postfix.wait_messages(len(recipients))
    assert sorted(maildir.fields(message, "Delivered-To")[0] for message in delivered) == sorted(recipients)
    assert len({maildir.fields(message, "List-Unsubscribe")[0] for message in delivered}) == len(recipients)
    for message in delivered:
        assert f"(Authenticated sender: {ANNA[0]})" in maildir.fields(message, "Received")[0]
    sessions = re.findall(rf"smtpd\[(\d+)\]: \w+: client=\S+, sasl_method=SCRAM-SHA-256, sasl_username={ANNA[0]}", postfix.log)
    assert len(sessions) >= len(recipients) and len(set(sessions)) == 1


def test_streams_by_login(new_door, new_submission, trusting):
    postfix = new_submission(dict([ANNA, BOB]))
    gate = new_door(postfix.address, more=ADMIN + '[[stream]]\nname = "sales"\nlogin = ["*@sales.example.com"]\n').make_store()
    gate.run("unsubscribe", EVERYWHERE, "--stream", "sales")
    gate.start()
    for who, code in ((ANNA, 250), (BOB, 550)):
        with secured(gate, trusting) as client:
            authenticate(client, "SCRAM-SHA-256", *who)
            assert client.envelope([EVERYWHERE], "office@example.com")[0].code == code


def test_routes_by_login(new_door, new_submission, trusting):
    """Two Postfixes that know one person each. The gate learns from the exchange whose it is."""
    first, second = new_submission(dict([ANNA])), new_submission(dict([BOB]))
    gate = new_door(first.address, more=WATCHED + '[[route]]\nlogin = ["*@sales.example.com"]\n'
                    f'address = "{text_of(second.address)}"\n').start()
    sent = 0
    for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"):
        for initial in (True, False):
            for who in (ANNA, BOB):
                with secured(gate, trusting) as client:
                    reply = authenticate(client, mechanism, *who, initial=initial)
                    assert reply.code == 235, (mechanism, initial, who[0], reply)
                    assert client.deliver([EVERYWHERE], letter(mechanism), who[0]).code == 250
            sent += 1
    for postfix, who in ((first, ANNA), (second, BOB)):
        for message in postfix.wait_messages(sent):
            assert f"(Authenticated sender: {who[0]})" in maildir.fields(message, "Received")[0]
        assert len(postfix.messages()) == sent
    # Its server begins, before anybody has said a name: [upstream], always.
    with secured(gate, trusting) as client:
        assert authenticate(client, "CRAM-MD5", *BOB).code == 535
        assert authenticate(client, "CRAM-MD5", *ANNA).code == 235
    keeps_secrets(gate, ANNA[1], BOB[1])


def test_the_sender_stays_unless_its_stream_says_otherwise(new_door, new_submission, trusting):
    """Providers refuse envelope senders that are not the account's."""
    postfix = new_submission(dict([ANNA]))
    gate = new_door(postfix.address, more=ADMIN + '[return_path]\ndomain = "bounce.test"\n[[stream]]\nname = "news"\n'
                    'sender = ["*@news.example.com"]\nreturn_path = "domain"\n').start()
    senders = ["anna@example.com", "anna@news.example.com"]
    with secured(gate, trusting) as client:
        authenticate(client, "PLAIN", *ANNA)
        for sender in senders:
            assert client.deliver([EVERYWHERE], letter(sender), sender).code == 250
    delivered = {maildir.fields(message, "Subject")[0]: maildir.fields(message, "Return-Path")[0]
                 for message in postfix.wait_messages(2)}
    assert delivered["anna@example.com"] == "<anna@example.com>"
    assert re.fullmatch(r"<[a-z2-7]{60}@bounce\.test>", delivered["anna@news.example.com"])


def test_messages_a_minute_are_counted_by_login(new_door, new_submission, trusting):
    postfix = new_submission(dict([ANNA, BOB]))
    gate = new_door(postfix.address, listener="limits = { messages_per_minute = 2 }\n").start()
    with secured(gate, trusting) as anna, secured(gate, trusting) as bob:
        for client, who in ((anna, ANNA), (bob, BOB)):
            assert authenticate(client, "PLAIN", *who).code == 235
            for turn in range(2):
                assert client.deliver([EVERYWHERE], letter(f"{who[0]} {turn}"), who[0]).code == 250
            assert client.ask(f"MAIL FROM:<{who[0]}>").text.startswith("452 4.7.1 ")
    postfix.wait_messages(4)


def test_who_vouches_for_the_sender_is_passed_on(new_door, new_submission, trusting):
    """RFC 4954 section 5: MAIL's AUTH= of who authenticated."""
    gate = new_door(new_submission(dict([ANNA])).address).start()
    with secured(gate, trusting) as client:
        assert authenticate(client, "PLAIN", *ANNA).code == 235
        for vouched in ("<>", "anna+40example.com", "anna@example.com"):
            assert client.ask(f"MAIL FROM:<{ANNA[0]}> AUTH={vouched}").code == 250
            assert client.ask(f"RCPT TO:<{EVERYWHERE}>").code == 250
            client.ask("RSET")


def test_connections_come_back(new_door, new_submission, trusting):
    """However a session with AUTH ends: [upstream] connections = 1 leaves no room for one that is forgotten."""
    postfix = new_submission(dict([ANNA]))
    gate = new_door(postfix.address, more="connections = 1\n" + WATCHED).start()

    def vanishes(client):
        assert client.ask("AUTH CRAM-MD5").code == 334

    def cancels(client):
        vanishes(client)
        assert client.ask("*").code == 501

    def fails(client):
        assert authenticate(client, "PLAIN", ANNA[0], WRONG).code == 535

    def says_nonsense(client):
        vanishes(client)
        assert client.ask("this is no base64").text.startswith("501 5.5.2 ")

    def succeeds(client):
        assert authenticate(client, "PLAIN", *ANNA).code == 235

    def is_cut(client):
        succeeds(client)
        assert client.envelope([EVERYWHERE])[0].code == 250
        assert client.ask("DATA").code == 354

    def quits(client):
        succeeds(client)
        assert client.ask("QUIT").code == 221

    for end in (vanishes, cancels, fails, says_nonsense, succeeds, is_cut, quits, succeeds):
        with secured(gate, trusting) as client:
            end(client)
    with secured(gate, trusting) as client:
        succeeds(client)
        assert client.deliver([EVERYWHERE], letter()).code == 250
    postfix.wait_messages(1)


# With an upstream that does as it is told


@pytest.fixture
def taking():
    """Takes any password."""
    server = FakeUpstream(extensions=(*EXTENSIONS, "AUTH PLAIN OAUTHBEARER XOAUTH2 SCRAM-SHA-256-PLUS EXTERNAL GSSAPI"),
                          AUTH=b"235 2.7.0 welcome\r\n")
    yield server
    server.stop()


def test_long_tokens(new_door, taking, trusting):
    """RFC 4954 section 4.3: 12,288 octets of a line, CRLF included."""
    gate = new_door(taking.address, more=WATCHED).start()
    command = b"AUTH OAUTHBEARER "
    longest = command + b"Y" * ((12_288 - 2 - len(command)) // 4 * 4)
    with secured(gate, trusting) as client:
        assert client.ask(longest + b"YYYY").code == 500
        assert client.ask("AUTH EXTERNAL").text.startswith("504 5.5.4 ")
        assert client.ask(longest).code == 235
        assert client.deliver([EVERYWHERE], letter()).code == 250
    assert [line for line in taking.commands() if line.startswith(b"AUTH")] == [longest]
    gate.terminate()
    assert "YYYYYYYY" not in gate.process.log


@pytest.mark.parametrize("answer", [b"421 4.3.2 going down\r\n", b"530 5.7.0 Must issue a STARTTLS command first\r\n",
                                    b"250 2.0.0 Ok\r\n", b"235 2.7.0 yes\r\n250 2.0.0 and more\r\n", b"what?\r\n", CLOSE])
def test_no_verdict_is_no_password(answer, new_door, taking, trusting):
    """Nobody is let in by what is no answer to AUTH, and nobody is told that the password is wrong."""
    taking.answers["AUTH"] = answer
    gate = new_door(taking.address, more=QUICK).start()
    with secured(gate, trusting) as client:
        assert authenticate(client, "PLAIN", *ANNA).text.startswith("454 4.7.0 ")
        assert client.ask(f"MAIL FROM:<{ANNA[0]}>").code == 530
        taking.answers["AUTH"] = b"235 2.7.0 welcome\r\n"
        assert authenticate(client, "PLAIN", *ANNA).code == 235
        assert client.deliver([EVERYWHERE], letter()).code == 250


def test_commands_behind_auth(new_door, taking, trusting):
    """A client that does not wait: what comes behind is read as commands once AUTH is done, as responses before."""
    gate = new_door(taking.address, more=QUICK).start()
    plain = encoded(f"\0{ANNA[0]}\0{ANNA[1]}".encode()).encode()
    with secured(gate, trusting) as client:
        client.send(b"AUTH PLAIN " + plain + b"\r\nMAIL FROM:<anna@example.com>\r\nRCPT TO:<you@elsewhere.test>\r\n")
        assert [reply.code for reply in client.replies(3)] == [235, 250, 250]
    taking.answers["AUTH"] = b"334 \r\n"
    with secured(gate, trusting) as client:
        client.send(b"AUTH PLAIN\r\nMAIL FROM:<anna@example.com>\r\nRCPT TO:<you@elsewhere.test>\r\n")
        assert [reply.code for reply in client.replies(3)] == [334, 501, 503]
