"""TLS to the upstream: whom the gate trusts, that nothing leaves in clear which must not, and its other addresses."""

import signal

import pytest

from authority import Authority
from fake_upstream import EXTENSIONS, HANG, FakeUpstream
from processes import text_of
from smtp_client import Client, letter

STARTTLS = "127.0.0.1:0 inet  n  -  n  -     -  smtpd\n"
IMPLICIT = "127.0.0.1:0 inet  n  -  n  -     -  smtpd -o smtpd_tls_wrappermode=yes\n"


@pytest.fixture
def tls_postfix(new_postfix, authority):
    """Starts a Postfix that is mx.test, and takes nothing without TLS unless `level` says so."""
    def make(smtpd=STARTTLS, level="encrypt"):
        certificate, key = authority.sign("mx.test")
        return new_postfix(smtpd=smtpd, settings=f"smtpd_tls_security_level = {level}\nsmtpd_tls_cert_file = {certificate}\n"
                           f"smtpd_tls_key_file = {key}\nsmtpd_tls_loglevel = 1\nsmtpd_tls_received_header = yes\n")

    return make


def verify(authority, name="mx.test", mode="starttls"):
    return f'tls = "verify"\ntls_mode = "{mode}"\nca = "{authority.certificate}"\ntls_name = "{name}"\n'


def deferred(gate):
    """The client of a gate that reaches no upstream is told to come again."""
    with Client(gate.address) as client:
        reply = client.envelope(["you@example.com"])[-1]
        assert reply.text.startswith("451 4.4.1 "), reply


@pytest.mark.parametrize("mode, smtpd", [("starttls", STARTTLS), ("implicit", IMPLICIT)])
def test_a_verified_upstream_gets_the_mail_under_tls(mode, smtpd, new_gate, tls_postfix, authority):
    postfix = tls_postfix(smtpd)
    gate = new_gate(postfix.address, more=verify(authority, mode=mode)).start()
    body = b"0123456789abcdef\r\n" * 60_000
    with Client(gate.address) as client:
        assert client.deliver(["you@example.com"], letter("small")).code == 250
        assert client.deliver(["you@example.com"], letter("large", body)).code == 250
    messages = postfix.wait_messages(2)
    assert all(b"using TLSv1.3" in message for message in messages)
    large = next(message for message in messages if b"Subject: large" in message)
    assert large.count(b"0123456789abcdef") == 60_000


@pytest.mark.parametrize("mode, smtpd", [("starttls", STARTTLS), ("implicit", IMPLICIT)])
def test_the_wrong_name_or_authority_gets_nothing(mode, smtpd, directory, new_gate, tls_postfix, authority):
    postfix = tls_postfix(smtpd)
    other = Authority(directory, "other")
    cases = {
        verify(authority, "wrong.test", mode): r"its certificate is not for wrong\.test",
        verify(authority, "127.0.0.1", mode).replace('tls_name = "127.0.0.1"\n', ""):
            r"its certificate is not for 127\.0\.0\.1",
        verify(other, mode=mode): "its certificate is not trusted: unable to get local issuer certificate",
    }
    for settings, why in cases.items():
        gate = new_gate(postfix.address, more=settings).start()
        deferred(gate)
        gate.process.wait_log(rf"warning upstream 127\.0\.0\.1:\d+: {why}")
        gate.process.wait_log(rf"upstream: {why}")
    assert not postfix.messages() and postfix.queue_empty()


def test_authorities_are_read_anew(directory, new_gate, tls_postfix, authority):
    postfix = tls_postfix()
    other = Authority(directory, "other")
    good = authority.certificate.read_text()
    authority.certificate.write_text(other.certificate.read_text())
    gate = new_gate(postfix.address, more=verify(authority)).start()
    deferred(gate)
    authority.certificate.write_text("nothing\n")
    gate.process.signal(signal.SIGHUP)
    gate.process.wait_log("ca.pem: no certificate in PEM form.*the configuration stays as it was")
    authority.certificate.write_text(good)
    gate.process.signal(signal.SIGHUP)
    gate.process.wait_log("configuration read anew")
    with Client(gate.address) as client:
        assert client.deliver(["you@example.com"], letter()).code == 250


def test_opportunistic_takes_any_certificate_and_none(new_gate, tls_postfix):
    postfix = tls_postfix()
    gate = new_gate(postfix.address, more='tls = "opportunistic"\n').start()
    with Client(gate.address) as client:
        assert client.deliver(["you@example.com"], letter()).code == 250
    assert b"using TLSv1.3" in postfix.wait_messages(1)[0]
    plain = FakeUpstream()
    gate = new_gate(plain.address, more='tls = "opportunistic"\n').start()
    with Client(gate.address) as client:
        assert client.deliver(["you@example.com"], letter()).code == 250
    plain.stop()


@pytest.mark.parametrize("tls", ["opportunistic", "verify"])
def test_what_is_said_before_tls_is_no_reply(tls, new_gate):
    injected = b"220 2.0.0 go ahead\r\n250-upstream.test\r\n250 PIPELINING\r\n"
    server = FakeUpstream(extensions=(*EXTENSIONS, "STARTTLS"), STARTTLS=injected)
    gate = new_gate(server.address, more=f'tls = "{tls}"\n').start()
    deferred(gate)
    gate.process.wait_log("spoke on between STARTTLS and TLS")
    assert not server.messages and b"MAIL" not in b"".join(server.commands())
    server.stop()


def test_verify_never_goes_on_in_clear(new_gate, upstream):
    gate = new_gate(upstream.address, more='tls = "verify"\n').start()
    deferred(gate)
    gate.process.wait_log("offers no STARTTLS")
    assert not upstream.messages and b"MAIL" not in b"".join(upstream.commands())


@pytest.mark.parametrize("greeting", [b"554 5.3.2 no service here\r\n", HANG, None])
def test_the_next_address_serves(greeting, new_gate, upstream):
    """None: nobody listens on the first."""
    first = FakeUpstream(GREETING=greeting)
    if greeting is None:
        first.pause()
    gate = new_gate(first.address, more=f'fallback = ["{text_of(upstream.address)}"]\n'
                    '[timeouts]\nconnect = "1s"\n').start()
    with Client(gate.address) as client:
        for number in range(3):
            assert client.deliver(["you@example.com"], letter(f"number {number}")).code == 250
    assert len(upstream.messages) == 3 and not first.messages
    upstream.pause()
    upstream.hang_up()
    if greeting is None:
        first.resume()
    first.answers.clear()
    with Client(gate.address) as client:
        assert client.deliver(["you@example.com"], letter("back")).code == 250
    assert len(first.messages) == 1
    first.stop()


def test_a_name_s_address_is_told(new_gate):
    server = FakeUpstream()
    gate = new_gate(("localhost", server.address[1])).start()
    with Client(gate.address) as client:
        assert client.deliver(["you@example.com"], letter()).code == 250
    server.pause()
    server.hang_up()
    deferred(gate)
    gate.process.wait_log(rf"upstream: 127\.0\.0\.1:{server.address[1]}: Connection refused")
    server.stop()


def test_warnings_say_which_of_several_upstreams_and_come_once_for_all_threads(new_gate):
    first, second = FakeUpstream(), FakeUpstream()
    for server in (first, second):
        server.pause()
    route = f'[[route]]\nsender = ["*@sales.example"]\naddress = "{text_of(second.address)}"\n'
    gate = new_gate(first.address, more=route)
    gate.config.write_text("threads = 2\n" + gate.config.read_text())
    gate.start()
    for sender, server in (("me@example.org", first), ("me@sales.example", second)):
        with Client(gate.address) as client:
            assert client.envelope(["you@example.com"], sender)[0].code == 451
        gate.process.wait_log(rf"warning \S+ upstream 127\.0\.0\.1:{server.address[1]}: Connection refused")
    for server in (first, second):
        assert gate.process.log.count(f"warning upstream {text_of(server.address)}: Connection refused") == 1
        server.stop()


def test_an_upstream_without_auth_is_said_before_anybody_asks(new_gate, upstream):
    gate = new_gate(upstream.address, listener='auth = "passthrough"').start()
    gate.process.wait_log(rf"warning upstream {text_of(upstream.address)} offers no AUTH: clients of listener relay ")
