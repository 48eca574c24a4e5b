"""The page as its visitors reach it: plain HTTP over sockets, so that a test may send what no library would."""

import http.client
import re
import socket

from processes import DEADLINE

PAGES = """\
[web]
address = "127.0.0.1:0"

[admin]
address = "127.0.0.1:0"

[unsubscribe]
url = "https://unsub.example.com"
brand = "Example & Co"

[[stream]]
name = "newsletter"
title = "Our newsletter"
sender = ["*@news.example.com"]

[[stream]]
name = "offers"
title = "Offers"
description = "Twice a week, what is cheaper"
sender = ["*@offers.example.com"]
offer = true

[[stream]]
name = "invoices"
kind = "transactional"
sender = ["billing@example.com"]
"""

ONE_CLICK = "List-Unsubscribe=One-Click"
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()


def ask(address, method, target, body=None, headers=None):
    connection = http.client.HTTPConnection(*address, timeout=DEADLINE)
    try:
        connection.request(method, target, body=body, headers=headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def get(address, target, **headers):
    return ask(address, "GET", target, headers={name.replace("_", "-"): value for name, value in headers.items()})


def post(address, target, body=ONE_CLICK, headers=None):
    return ask(address, "POST", target, body, headers or URLENCODED)


def raw(address, octets, deadline=DEADLINE):
    """Everything that is answered to these octets, until the server hangs up."""
    with socket.create_connection(address, timeout=deadline) as client:
        client.sendall(octets)
        got = b""
        while chunk := client.recv(65536):
            got += chunk
        return got


def link_of(gate, recipient="marie@example.fr", stream="newsletter", campaign=""):
    """The target of the link: /u/TOKEN."""
    more = ["--campaign", campaign] if campaign else []
    url = gate.run("link", recipient, "--stream", stream, *more).stdout.strip()
    return "/u/" + url.rpartition("/u/")[2]


def undo_of(page):
    """The token of the page's undo button."""
    return re.search(r'name="undo" value="([a-z2-7]+)"', page.text).group(1)


def address_of(gate, role):
    return gate.process.listening(role)


def metric(gate, name):
    """The value of a series, as `name{labels}`; None where there is none."""
    text = get(address_of(gate, "admin"), "/metrics").text
    match = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return match and float(match.group(1))


