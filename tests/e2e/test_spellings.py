"""A suppressed mailbox is refused however its path is written, and an address that only looks alike is not."""

import itertools
import random
import unicodedata

import pytest

from smtp_client import Client

ROUNDS = 150  # spellings of each mailbox
ERRORS = "[limits]\nerrors = 1000\n"


def chance_case(text, chance):
    return "".join(chance.choice((c.lower(), c.upper())) if c.isascii() else c for c in text)


def wide(text, chance):
    """Some of its letters in their full width, which IDNA and NFKC read as the plain ones."""
    return "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() and chance.random() < 0.3 else c for c in text)


def quoted(local, chance):
    """Quoted, some of it escaped: that changes nothing (RFC 5321 section 4.1.2)."""
    return '"' + "".join("\\" + c if chance.random() < 0.3 and c.isascii() else c for c in local) + '"'


def labels(domain, chance):
    """Each label as it is, or as its A-label."""
    def label(text):
        return text if text.isascii() or chance.random() < 0.5 else "xn--" + text.encode("punycode").decode()
    return ".".join(label(one) for one in domain.split("."))


def spelling(local, domain, chance):
    local = chance_case(local, chance)
    if chance.random() < 0.5:
        local = unicodedata.normalize("NFD", local)
    if chance.random() < 0.3:
        local += "+" + chance.choice(("shop", "a.b", "1", "x+y"))
    if chance.random() < 0.4:
        local = quoted(local, chance)
    if chance.random() < 0.5:
        domain = labels(domain, chance)
    if any(not c.isascii() for c in domain) and chance.random() < 0.5:
        domain = unicodedata.normalize("NFD", domain)
    domain = chance_case(domain, chance)
    if chance.random() < 0.2 and "xn--" not in domain.lower():
        domain = wide(domain, chance)
    if chance.random() < 0.2 and "xn--" not in domain.lower():
        domain = domain.replace(".", "\u3002", 1)
    if chance.random() < 0.3:
        domain += "."
    route = chance.choice(("", "", "", "@relay.example:", "@a.example,@b.example:"))
    return f"{route}{local}@{domain}"


MAILBOXES = [("jane", "example.com"), ("jane.doe", "mail.example.com"), ("j\u00fcrgen", "b\u00fccher.example"),
             ("o'hara_1-x", "example.org"), ("\u00e9l\u00e8ve", "\u00e9cole.example"), ("\u0438\u0432\u0430\u043d", "\u043f\u043e\u0447\u0442\u0430.example"),
             ("stra\u00dfe", "example.net")]


@pytest.fixture
def utf8_gate(new_gate, upstream):
    gate = new_gate(upstream.address, more=ERRORS).make_store()
    gate.run("unsubscribe", *(f"{local}@{domain}" for local, domain in MAILBOXES))
    return gate.start()


def verdicts(gate, addresses):
    """(address, reply) for each, each in a transaction of its own."""
    with Client(gate.address) as client:
        for address in addresses:
            client.ask("RSET")
            assert client.ask("MAIL FROM:<news@example.org> SMTPUTF8").code == 250
            yield address, client.ask(f"RCPT TO:<{address}>")


@pytest.mark.parametrize("local, domain", MAILBOXES)
def test_spellings_of_one_mailbox(local, domain, utf8_gate, upstream):
    chance = random.Random(f"{local}@{domain}")
    spellings = {spelling(local, domain, chance) for _ in range(ROUNDS)}
    assert len(spellings) > ROUNDS // 4
    got_through = [(address, reply.text) for address, reply in verdicts(utf8_gate, spellings)
                   if reply.code != 550 or "recipient unsubscribed on" not in reply.text]
    assert got_through == []
    assert not any(line.startswith(b"RCPT") for line in upstream.commands())


def test_what_gmail_takes_for_one_mailbox(new_gate, upstream):
    gate = new_gate(upstream.address, more=ERRORS).make_store()
    gate.run("unsubscribe", "jane.doe@gmail.com")
    gate.start()
    letters, chance = "janedoe", random.Random(1)
    for _ in range(100):
        dotted = letters[0] + "".join(chance.choice(("", ".")) + c for c in letters[1:])
        address = spelling(dotted, chance.choice(("gmail.com", "googlemail.com")), chance)
        [(_, reply)] = verdicts(gate, [address])
        assert reply.code == 550, (address, reply)


# Letters that look like others and are none.
HOMOGLYPHS = {"a": "\u0430\u0251\u03b1", "e": "\u0435\u0454", "o": "\u043e\u03bf\u0585", "j": "\u0458", "n": "\u0578", "d": "\u0501", "c": "\u0441\u03f2",
              "p": "\u0440", "m": "\u043c", "x": "\u0445", "l": "\u04cf1I|"}


def look_alikes(local, domain):
    for i, c in enumerate(local):
        for other in HOMOGLYPHS.get(c, ""):
            yield local[:i] + other + local[i + 1:], domain
        yield local[:i] + local[i + 1:], domain
        yield local[:i] + c + local[i:], domain
    for i, c in enumerate(domain.split(".")[0]):
        for other in HOMOGLYPHS.get(c, ""):
            if other.isalpha():
                yield local, domain[:i] + other + domain[i + 1:]
    yield from ((local, other) for other in (f"x{domain}", f"{domain}x", f"sub.{domain}", domain.split(".", 1)[1],
                                            domain.replace(".", "-", 1) + ".example", f"{domain}.example"))
    yield from ((other, domain) for other in (f"{local}1", f"x{local}", f"{local}-shop", f"{local}_shop", f"{local}=shop", f"+{local}",
                                             f"shop+{local}", f'"{local} "', f'" {local}"', f"{local}.{local}", local[::-1]))


def test_what_only_looks_like_a_suppressed_mailbox(utf8_gate):
    own = {f"{local}@{domain}" for local, domain in MAILBOXES}
    candidates = [f"{local}@{domain}" for local, domain in itertools.chain.from_iterable(
        look_alikes(local, domain) for local, domain in MAILBOXES[:2]) if local]
    candidates = [one for one in candidates if one not in own and ".." not in one and not one.startswith(".") and ".@" not in one]
    # Dots count elsewhere than at the providers that say so.
    candidates += ["janedoe@mail.example.com", "jane.d.oe@mail.example.com", "jurgen@b\u00fccher.example", "juergen@b\u00fccher.example",
                   "j\u00fcrgen@bucher.example", "j\u00fcrgen@buecher.example", "eleve@\u00e9cole.example", "ivan@\u043f\u043e\u0447\u0442\u0430.example",
                   "\u00e9l\u00e8ve@ecole.example", "strase@example.net", "jane@example.co", "jane@example.comm"]
    refused = [(address, reply.text) for address, reply in verdicts(utf8_gate, candidates) if "unsubscribed" in reply.text]
    assert refused == []
    taken = [reply.code for _, reply in verdicts(utf8_gate, candidates)]
    assert taken.count(250) > 0.9 * len(taken), "most of them are good addresses"


def test_a_subaddress_that_is_suppressed_alone(gate, upstream):
    gate.run("unsubscribe", "jane+shop@example.com")
    codes = {address: reply.code for address, reply in verdicts(gate, [
        "jane+shop@example.com", "JANE+SHOP@Example.com", '"jane+shop"@example.com', "jane@example.com", "jane+other@example.com",
        "jane+sho@example.com", "jane+shop.x@example.com"])}
    assert list(codes.values()) == [550, 550, 550, 250, 250, 250, 250], codes
