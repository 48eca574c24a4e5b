"""TLS at the gate's own doors: real clients under STARTTLS and on a port that begins with TLS, what is injected before it,
certificates by name, renewed and broken ones, and no password in clear."""

import json
import os
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

import maildir
from fake_upstream import EXTENSIONS, FakeUpstream
from processes import DEADLINE, text_of, wait_until
from sasl import authenticate
from smtp_client import Client, letter, secured

HERE = Path(__file__).resolve().parent
LOGIN, PASSWORD = "anna@example.com", "The-five-boxing-wizards+jump/quickly"
RECIPIENT = "you@elsewhere.test"
MODES = pytest.mark.parametrize("mode", ["starttls", "implicit"])
BODY = ".dot\r\n..two\r\nGrüße\r\n".encode() + b"x" * 990 + b"\r\n\r\nthe end\r\n"


def port_of(mode):
    return f'tls = "{mode}"\nauth = "passthrough"\n'


def development(gate):
    return gate.store / "tls" / "development.pem"


# Real clients


def smtplib_sends(address, mode, trusted, path):
    context = ssl.create_default_context(cafile=trusted)
    how = {"local_hostname": "client.test", "timeout": DEADLINE}
    with smtplib.SMTP_SSL(*address, context=context, **how) if mode == "implicit" else smtplib.SMTP(*address, **how) as client:
        if mode == "starttls":
            client.starttls(context=context)
        client.login(LOGIN, PASSWORD)
        client.sendmail(LOGIN, [RECIPIENT], path.read_bytes(), mail_options=["BODY=8BITMIME"])
    return "CRAM-MD5"


def swaks_sends(address, mode, trusted, path):
    path.write_bytes(path.read_bytes().removesuffix(b"\r\n"))
    run("swaks", "--server", address[0], "--port", address[1], "--from", LOGIN, "--to", RECIPIENT, "--helo", "client.test",
        "--data", f"@{path}", "--tls" if mode == "starttls" else "--tls-on-connect", "--tls-verify", "--tls-ca-path", trusted,
        "--auth", "LOGIN", "--auth-user", LOGIN, "--auth-password", PASSWORD)
    return "LOGIN"


def msmtp_sends(address, mode, trusted, path):
    secret = path.with_suffix(".password")
    secret.write_text(PASSWORD)
    run("msmtp", "-C", "/dev/null", "--host", address[0], "--port", address[1], "--from", LOGIN, "--domain", "client.test",
        "--tls=on", f"--tls-starttls={'on' if mode == 'starttls' else 'off'}", f"--tls-trust-file={trusted}",
        "--auth=scram-sha-256", f"--user={LOGIN}", f"--passwordeval=cat {secret}", "--", RECIPIENT,
        input=path.read_bytes().replace(b"\r\n", b"\n"))
    return "SCRAM-SHA-256"


def curl_sends(address, mode, trusted, path):
    scheme = "smtps" if mode == "implicit" else "smtp"
    run("curl", "-sS", "--ssl-reqd", "--max-time", DEADLINE, "--cacert", trusted, f"{scheme}://{text_of(address)}/client.test",
        "--user", f"{LOGIN}:{PASSWORD}", "--login-options", "AUTH=PLAIN", "--mail-from", LOGIN, "--mail-rcpt", RECIPIENT,
        "--upload-file", path)
    return "PLAIN"


def nodemailer_sends(address, mode, trusted, path):
    assert (HERE / "node_modules" / "nodemailer").is_dir(), "run `npm ci` in tests/e2e (scripts/test does)"
    options = {"secure": mode == "implicit", "requireTLS": True, "auth": {"user": LOGIN, "pass": PASSWORD}}
    run("node", HERE / "send.js", address[0], address[1], LOGIN, RECIPIENT, path, json.dumps(options),
        NODE_EXTRA_CA_CERTS=str(trusted))
    return "PLAIN"


def run(*arguments, input=None, **environment):
    done = subprocess.run([str(argument) for argument in arguments], input=input, capture_output=True, timeout=DEADLINE,
                          env={**os.environ, "LC_ALL": "C.UTF-8", **environment})
    assert done.returncode == 0, f"{arguments}: {done.stdout.decode()} {done.stderr.decode()}"


@MODES
def test_real_clients_with_the_development_certificate(mode, new_gate, new_submission, directory):
    """They check it, told to trust it: its names are the gate's. Each has another mechanism."""
    postfix = new_submission({LOGIN: PASSWORD})
    gate = new_gate(postfix.address, listener=port_of(mode), trusted='["192.0.2.0/24"]').start()
    used = {}
    for send in (smtplib_sends, swaks_sends, msmtp_sends, curl_sends, nodemailer_sends):
        path = directory / "letter.eml"
        path.write_bytes(letter(send.__name__, BODY))
        used[send.__name__] = send(gate.address, mode, development(gate), path)
    delivered = {maildir.fields(message, "Subject")[0]: message for message in postfix.wait_messages(len(used))}
    for name, mechanism in used.items():
        assert maildir.without_trace(delivered[name]) == letter(name, BODY)
        by_gate = maildir.fields(delivered[name], "Received")[1]
        assert "with ESMTPSA" in by_gate and "TLSv1.3" in by_gate
        assert f"mechanism={mechanism} login={LOGIN}" in gate.process.log


@MODES
def test_who_does_not_trust_it_is_told(mode, new_gate, upstream):
    """What every client shows for the development certificate: nobody vouches for it."""
    gate = new_gate(upstream.address, listener=port_of(mode)).start()
    with pytest.raises(ssl.SSLCertVerificationError):
        secured(gate, ssl.create_default_context(), mode)
    gate.process.wait_log("has the development certificate .*development.pem, which nobody can check")


@MODES
def test_a_large_message(mode, new_door, upstream, trusting):
    gate = new_door(upstream.address, mode, trusted='["127.0.0.1"]').start()
    body = b"0123456789abcdef" * 4 + b"\r\n"
    with secured(gate, trusting, mode) as client:
        assert client.deliver(["you@example.com"], letter("large", body * 60_000)).code == 250
    [message] = upstream.wait_messages(1)
    assert message.content.endswith(letter("large", body * 60_000))


@MODES
def test_cut_short_is_not_taken(mode, new_door, upstream, trusting):
    """The end of TLS, said or not, is not the end of a message."""
    gate = new_door(upstream.address, mode, trusted='["127.0.0.1"]').start()
    for says_goodbye in (True, False):
        client = secured(gate, trusting, mode)
        client.envelope(["you@example.com"])
        assert client.ask("DATA").code == 354
        client.send(letter() + b".")
        if says_goodbye:
            client.socket.unwrap()
        client.close()
    wait_until(lambda: gate.process.log.count("message cut short") == 2, "the gate has seen both ends")
    wait_until(lambda: all(one.ended for one in upstream.connections if b"DATA" in one.commands), "nothing more comes")
    assert upstream.messages == []


# What is said before TLS


def test_what_is_said_before_tls_is_forgotten(new_door, upstream, trusting):
    """CVE-2011-0411: commands behind STARTTLS, in the same packet, are of nobody who is known."""
    gate = new_door(upstream.address, trusted='["127.0.0.1"]').start()
    envelope = b"EHLO evil.test\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<you@example.com>\r\nDATA\r\n"
    injected = (b"", b"NOOP\r\n", b"RSE", b"\r\n", envelope, b"AUTH PLAIN\r\n", b"STARTTLS\r\n", b"QUIT\r\n")
    for octets in injected:
        client = Client(gate.address, ehlo="before.test")
        client.ask("MAIL FROM:<before@example.org>")
        client.send(b"STARTTLS\r\n" + octets)
        assert client.reply().code == 220
        client.socket = trusting.wrap_socket(client.socket, server_hostname="gate.test")
        assert client.ask("VRFY me").code == 252, "the first reply under TLS is to the first command under TLS"
        assert client.ask("RCPT TO:<you@example.com>").code == 503, "no transaction came over"
        assert client.ask("MAIL FROM:<news@example.org>").code == 503, "nor an EHLO"
        client.hello()
        assert not any(line.startswith("STARTTLS") for line in client.offers())
        assert client.ask("STARTTLS").code == 503
        client.close()
    assert not any(line.startswith((b"MAIL", b"RCPT", b"DATA")) for line in upstream.commands())
    assert gate.process.log.count("behind STARTTLS: they are dropped") == len(injected) - 1


def test_clear_text_in_the_place_of_a_handshake_ends_the_session(new_door, upstream):
    gate = new_door(upstream.address, trusted='["127.0.0.1"]').start()
    client = Client(gate.address)
    assert client.ask("STARTTLS").code == 220
    client.send(b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<you@example.com>\r\n")
    said = b""
    while piece := client.socket.recv(65536):
        said += piece
    assert b"250" not in said and not said[:1].isdigit(), said
    gate.process.wait_log(r"client=127\.0\.0\.1 TLS: ")
    assert not any(line.startswith(b"MAIL") for line in upstream.commands())


@MODES
def test_a_handshake_has_a_deadline(mode, new_door, upstream):
    gate = new_door(upstream.address, mode, more='[timeouts]\nhandshake = "200ms"\n').start()
    with socket.create_connection(gate.address, DEADLINE) as silent:
        if mode == "starttls":
            silent.sendall(b"STARTTLS\r\n")
        while silent.recv(65536):
            pass


# Passwords

LOAD_BALANCER = 'proxy_protocol = ["127.0.0.1"]\n'
FROM_ELSEWHERE = b"PROXY TCP4 203.0.113.7 127.0.0.1 40000 587\r\n"


@pytest.fixture
def knowing():
    """An upstream that takes any password."""
    server = FakeUpstream(extensions=(*EXTENSIONS, "AUTH PLAIN"), AUTH=b"235 2.7.0 welcome\r\n")
    yield server
    server.stop()


def test_no_password_in_clear_from_elsewhere(new_door, knowing, trusting):
    gate = new_door(knowing.address, listener=LOAD_BALANCER).start()
    with Client(gate.address, before=FROM_ELSEWHERE) as client:
        assert not any(line.startswith("AUTH") for line in client.offers())
        assert client.ask("AUTH PLAIN AGFubmEAc2VjcmV0").text.startswith("538 5.7.11 ")
        assert client.ask("MAIL FROM:<anna@example.com>").text.startswith("530 5.7.0 ")
        client.start_tls(trusting)
        assert "AUTH PLAIN" in client.offers()
        assert authenticate(client, "PLAIN", LOGIN, PASSWORD).code == 235
        assert client.deliver([RECIPIENT], letter()).code == 250
    assert not any(b"AGFubmEAc2VjcmV0" in line for line in knowing.commands())
    [message] = knowing.wait_messages(1)
    assert b"Received: from client.test ([203.0.113.7])" in message.data and b"with ESMTPSA" in message.data


def test_from_loopback_it_may_be_in_clear(new_door, knowing):
    gate = new_door(knowing.address).start()
    with Client(gate.address) as client:
        assert {"STARTTLS", "AUTH PLAIN"} <= set(client.offers())
        assert authenticate(client, "PLAIN", LOGIN, PASSWORD).code == 235
        assert client.deliver([RECIPIENT], letter()).code == 250
    [message] = knowing.wait_messages(1)
    assert b"with ESMTPA" in message.data


# Certificates


def served(gate, context, name=None):
    """(names, serial number) of the certificate that a client gets who asks for `name`."""
    context.check_hostname = False
    client = Client(gate.address, ehlo=None)
    client.start_tls(context, ehlo=None, name=name)
    shown = client.socket.getpeercert()
    client.close()
    return [value for kind, value in shown["subjectAltName"] if kind == "DNS"], shown["serialNumber"]


def test_several_certificates_by_name(new_door, upstream, authority, trusting):
    more = ", ".join('{{ certificate = "{}", key = "{}" }}'.format(*authority.sign(name))
                     for name in ("mail.example.com", "*.example.org"))
    gate = new_door(upstream.address, listener=f"certificates = [{more}]\n").start()
    for asked, got in ((None, "gate.test"), ("gate.test", "gate.test"), ("mail.example.com", "mail.example.com"),
                       ("MAIL.example.com", "mail.example.com"), ("smtp.example.org", "*.example.org"),
                       ("a.b.example.org", "gate.test"), ("unknown.test", "gate.test")):
        assert served(gate, trusting, asked)[0] == [got], asked


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@MODES
def test_sessions_are_resumed(mode, version, new_door, upstream, trusting, authority):
    trusting.minimum_version = trusting.maximum_version = version
    gate = new_door(upstream.address, mode, trusted='["127.0.0.1"]').start()
    with secured(gate, trusting, mode) as first:
        assert not first.socket.session_reused
        first.ask("NOOP")
        session = first.socket.session
    again = socket.create_connection(gate.address, DEADLINE)
    if mode == "starttls":
        assert again.recv(512).startswith(b"220 ")
        again.sendall(b"STARTTLS\r\n")
        assert again.recv(512).startswith(b"220 ")
    again = trusting.wrap_socket(again, server_hostname="gate.test", session=session)
    assert again.session_reused and again.version() == {771: "TLSv1.2", 772: "TLSv1.3"}[version]
    if mode == "implicit":
        assert again.recv(512).startswith(b"220 ")
    again.sendall(b"NOOP\r\n")
    assert again.recv(512).startswith(b"250 ")
    again.close()


@pytest.mark.parametrize("told", [True, False], ids=["sighup", "by itself"])
def test_a_renewed_certificate_is_served_and_a_broken_one_is_not(told, new_door, upstream, authority, trusting):
    gate = new_door(upstream.address).start()
    before = served(gate, trusting)
    certificate, key = authority.directory / "gate.test.pem", authority.directory / "gate.test.key"

    def changed():
        if told:
            gate.process.signal(signal.SIGHUP)

    with Client(gate.address) as old:
        start = len(gate.process.log)
        good = certificate.read_bytes()
        certificate.write_bytes(b"nothing\n")
        changed()
        gate.process.wait_log(r"error .*gate\.test\.pem.*stays the one that was in use", start)
        assert served(gate, trusting) == before
        certificate.write_bytes(good)

        authority.sign("renewed.test")
        for file, new in ((certificate, "renewed.test.pem"), (key, "renewed.test.key")):
            shutil.copy2(authority.directory / new, file)
        changed()
        after = wait_until(lambda: (now := served(gate, trusting)) != before and now, "the new one is served")
        assert after[0] == ["renewed.test"]
        assert old.ask("NOOP").code == 250, "sessions go on"


def test_a_listener_of_a_public_address_has_a_certificate(new_gate, upstream):
    gate = new_gate(upstream.address, listener='tls = "starttls"\n')
    gate.configure(listen="0.0.0.0:0")
    done = gate.run("serve", expect=2)
    assert "postern.toml:11: listener.tls: there is no certificate: set certificate and key" in done.stderr
    assert not development(gate).exists()
    gate.configure(listen="0.0.0.0:0", listener='tls = "starttls"\ncertificate = "development"\n')
    gate.run("check-config")


def test_the_development_certificate_is_made_once_and_its_key_kept(new_gate, upstream):
    gate = new_gate(upstream.address, listener='tls = "starttls"\n').start()
    key = development(gate).with_suffix(".key")
    assert key.stat().st_mode & 0o777 == 0o600 and key.parent.stat().st_mode & 0o777 == 0o700
    context = ssl.create_default_context(cafile=development(gate))
    names, serial = served(gate, context)
    assert set(names) == {"gate.test", "localhost"}
    gate.terminate()
    gate.start()
    assert served(gate, context)[1] == serial
    gate.terminate()
    key.chmod(0o644)
    done = gate.run("serve", expect=3)
    assert "everybody may read this key" in done.stderr
