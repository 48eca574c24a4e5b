"""Clients of SASL mechanisms (RFC 4616, 2195, 5802, 7677) as generators: the first value is the initial response (None:
the server begins), each further one answers the challenge that was sent in; and AUTH over a connection (RFC 4954)."""

import base64
import hashlib
import hmac
import secrets


def plain(login, password):
    yield f"\0{login}\0{password}".encode()


def login(login, password):
    yield login.encode()
    yield password.encode()


def cram_md5(login, password):
    challenge = yield None
    digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
    yield f"{login} {digest}".encode()


def scram(name, login, password):
    escaped = login.replace("=", "=3D").replace(",", "=2C")
    bare = f"n={escaped},r={secrets.token_urlsafe(18)}".encode()
    server = yield b"n,," + bare
    said = dict(item.split(b"=", 1) for item in server.split(b","))
    salted = hashlib.pbkdf2_hmac(name, password.encode(), base64.b64decode(said[b"s"]), int(said[b"i"]))
    without_proof = b"c=biws,r=" + said[b"r"]
    signed = b",".join([bare, server, without_proof])
    key = hmac.digest(salted, b"Client Key", name)
    signature = hmac.digest(hashlib.new(name, key).digest(), signed, name)
    proof = bytes(a ^ b for a, b in zip(key, signature))
    server = yield without_proof + b",p=" + base64.b64encode(proof)
    shown = hmac.digest(hmac.digest(salted, b"Server Key", name), signed, name)
    assert server == b"v=" + base64.b64encode(shown), "the server knows the password, too"
    yield b""


MECHANISMS = {
    "PLAIN": plain,
    "LOGIN": login,
    "CRAM-MD5": cram_md5,
    "SCRAM-SHA-1": lambda *who: scram("sha1", *who),
    "SCRAM-SHA-256": lambda *who: scram("sha256", *who),
}


def encoded(octets):
    return base64.b64encode(octets).decode()


def authenticate(client, mechanism, login, password, initial=True):
    """The last reply. `initial`: the first response goes with the command, where the mechanism has one."""
    exchange = MECHANISMS[mechanism](login, password)
    first = next(exchange)
    if first is not None and initial:
        reply = client.ask(f"AUTH {mechanism} {encoded(first)}")
    else:
        reply = client.ask(f"AUTH {mechanism}")
        if first is not None and reply.code == 334:
            reply = client.ask(encoded(first))
    while reply.code == 334:
        reply = client.ask(encoded(exchange.send(base64.b64decode(reply.raw[4:]))))
    return reply


def traces(secret):
    """What of a secret would be found where somebody wrote it down: as it is, and in base64 at each of the three places in
    which it can begin."""
    octets = secret.encode()
    found = [octets.decode(), octets.hex()]
    for before in range(3):
        coded = encoded(b"\0" * before + octets)
        # Without the characters that hold bits of its neighbours.
        found.append(coded[-(-before * 8 // 6):(before + len(octets)) * 8 // 6])
    return found
