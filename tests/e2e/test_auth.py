"""AUTH passed through to a Postfix with Dovecot's SASL: each mechanism under TLS, the Postfix's own words, relaying by AUTH
only, no secret in the log; and what neighbours are told of a client: XCLIENT, XFORWARD."""

import re

import pytest

import maildir
from page import metric
from postfix import recipe
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
        assert f"sasl_method={mechanism}, sasl_username={ANNA[0]}" in postfix.log
        assert f"mechanism={mechanism} login={ANNA[0]}" in gate.process.log
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


# XCLIENT, XFORWARD

XCLIENT = 'xclient = true\n'


def test_xclient_names_the_real_client(new_gate, new_postfix):
    """What Postfix decides by, and writes down, is the client's address, not the gate's."""
    postfix = new_postfix(settings="smtpd_authorized_xclient_hosts = 127.0.0.1\nmynetworks = 127.0.0.9\n"
                          "smtpd_relay_restrictions = permit_mynetworks, reject\n")
    gate = new_gate(postfix.address, more=XCLIENT + QUICK).start()
    with Client(gate.address, source="127.0.0.9") as client:
        assert client.deliver(["you@example.com"], letter()).code == 250
    with Client(gate.address, source="127.0.0.8") as client:
        reply = client.envelope(["you@example.com"])[0]
        assert reply.code == 554 and "Access denied" in reply.text, reply
    [message] = postfix.wait_messages(1)
    assert maildir.fields(message, "Received")[0].startswith("from client.test (unknown [127.0.0.9])")
    assert re.search(r"smtpd\[\d+\]: \w+: client=unknown\[127\.0\.0\.9\]", postfix.log)
    assert re.search(r"NOQUEUE: reject: RCPT from unknown\[127\.0\.0\.8\]", postfix.log)


def test_xclient_and_auth(new_door, new_submission, trusting):
    postfix = new_submission(dict([ANNA]), "smtpd_authorized_xclient_hosts = 127.0.0.1\n")
    gate = new_door(postfix.address, more=XCLIENT + QUICK).start()
    client = Client(gate.address, source="127.0.0.9")
    client.start_tls(trusting)
    assert authenticate(client, "SCRAM-SHA-256", ANNA[0], WRONG).code == 535
    assert authenticate(client, "SCRAM-SHA-256", *ANNA).code == 235
    assert client.deliver([EVERYWHERE], letter()).code == 250
    client.close()
    postfix.wait_messages(1)
    assert re.search(rf"client=unknown\[127\.0\.0\.9\], sasl_method=SCRAM-SHA-256, sasl_username={ANNA[0]}", postfix.log)
    assert re.search(r"unknown\[127\.0\.0\.9\]: SASL SCRAM-SHA-256 authentication failed", postfix.log)


def test_without_the_permission_nothing_goes_in_the_gates_own_name(new_door, new_submission, new_gate, trusting):
    postfix = new_submission(dict([ANNA]), "mynetworks = 127.0.0.0/8\n"
                             "smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject\n")
    gate = new_gate(postfix.address, more=XCLIENT + QUICK).start()
    with Client(gate.address) as client:
        assert client.envelope(["you@example.com"])[0].text.startswith("451 4.3.5 ")
        assert client.ask("DATA").code in (503, 554)
    door = new_door(postfix.address, more=XCLIENT + QUICK).start()
    with secured(door, trusting) as client:
        assert authenticate(client, "PLAIN", *ANNA).code == 454
        assert client.ask("MAIL FROM:<anna@example.com>").code == 530
    assert postfix.messages() == [] and postfix.queue_empty()
    assert "sasl_username" not in postfix.log


def test_xforward_of_a_postfix_in_front_is_passed_on(new_gate, new_postfix):
    behind = new_postfix(settings="smtpd_authorized_xforward_hosts = 127.0.0.0/8\n")
    believing = new_gate(behind.address, listener='xforward = ["127.0.0.1"]\n').start()
    deaf = new_gate(behind.address).start()
    smtpd = recipe("proxy filter").split("127.0.0.1:10025", 1)[0]
    for gate in (believing, deaf):
        front = new_postfix(smtpd=smtpd.replace("smtp inet", "127.0.0.1:0 inet").replace("127.0.0.1:10024",
                                                                                       text_of(gate.address)))
        with Client(front.address, source="127.0.0.9") as client:
            assert client.deliver(["you@example.com"], letter()).code == 250
    behind.wait_messages(2)
    told, untold = re.findall(r"smtpd\[\d+\]: \w+: client=\w+\[127\.0\.0\.1\](.*)", behind.log)
    assert "orig_client=unknown[127.0.0.9]" in told and "orig_client" not in untold
