"""The page behind a List-Unsubscribe link: what mail services, link scanners, browsers and attackers send to it."""

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest

from page import ONE_CLICK, PAGES, URLENCODED, address_of, ask, get, link_of, metric, post, raw, undo_of
from processes import Process, POSTERN, wait_until
from smtp_client import Client


@pytest.fixture
def pages(new_gate, upstream):
    """A serving gate with its pages."""
    return new_gate(upstream.address, more=PAGES).start()


@pytest.fixture
def web(pages):
    return address_of(pages, "web")


def refused(gate, sender, recipient="marie@example.fr"):
    with Client(gate.address) as client:
        return not client.envelope([recipient], sender=sender)[0].text.startswith("250")


def history(gate, recipient="marie@example.fr"):
    """The lines of history in `show`: newest first; none where nothing is known."""
    text = gate.run("show", recipient, expect=None).stdout
    return re.findall(r"^ +\d{4}-\d\d-\d\dT\S+ .*$", text, re.MULTILINE)


def test_one_click(pages, web):
    target = link_of(pages, campaign="spring")
    for _ in range(3):
        answer = post(web, target)
        assert answer.status == 200 and "Location" not in answer.headers and "Set-Cookie" not in answer.headers
    assert len(history(pages)) == 1 and "newsletter (web" in history(pages)[0], history(pages)
    assert target[3:40] not in pages.process.log and "marie" not in pages.process.log
    assert refused(pages, "a@news.example.com")
    assert not refused(pages, "a@offers.example.com") and not refused(pages, "billing@example.com")
    assert re.search(r"newsletter +spring +0 +0 +1 ", pages.run("report", "--campaign", "spring").stdout)
    assert metric(pages, 'postern_unsubscribes_total{via="one-click"}') == 1
    assert metric(pages, "postern_time_to_honour_seconds_count") == 3
    assert metric(pages, 'postern_web_requests_total{route="unsubscribe",status="200"}') == 3


def test_one_click_as_multipart(pages, web):
    body = ("--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n")
    assert post(web, link_of(pages), body, {"Content-Type": "multipart/form-data; boundary=b"}).status == 200
    assert refused(pages, "a@news.example.com")


def test_scanners_change_nothing(pages, web):
    """Link scanners fetch every link, browsers prefetch: DESIGN.md, "Lessons"."""
    target = link_of(pages)
    for i in range(1_000):
        method = ("GET", "HEAD", "OPTIONS", "GET")[i % 4]
        headers = {"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch"} if i % 4 == 3 else {}
        answer = ask(web, method, target + ("?x=List-Unsubscribe" if i % 2 else ""), headers=headers)
        assert answer.status == (405 if method == "OPTIONS" else 200)
    assert history(pages) == []
    assert not refused(pages, "a@news.example.com")


def test_the_page_and_its_head(web, pages):
    target = link_of(pages)
    page = get(web, target)
    assert "m•••@e•••.fr" in page.text and "Our newsletter" in page.text and "marie" not in page.text
    assert "Example &amp; Co" in page.text and "Twice a week" in page.text
    assert page.headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'")
    for name, value in {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow",
                        "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
                        "Content-Type": "text/html; charset=utf-8"}.items():
        assert page.headers[name] == value
    assert "Set-Cookie" not in page.headers and "Strict-Transport-Security" not in page.headers
    head = ask(web, "HEAD", target)
    assert head.text == "" and head.headers["Content-Length"] == page.headers["Content-Length"]
    for reference in re.findall(r'(?:href|src|action)="([^"]*)"', page.text):
        assert reference.startswith("../static/") or reference.startswith("?lang="), reference
    assert get(web, "/static/pico.min.css").status == 200 and get(web, "/static/page.css").status == 200


@pytest.mark.parametrize("language, words", [
    ("en", "Unsubscribe from"), ("fr-FR,fr;q=0.9,en;q=0.5", "Me désabonner"), ("de-CH", "abbestellen"),
    ("es;q=0.9,en;q=0.1", "Darme de baja"), ("it", "Unsubscribe from")])
def test_languages(web, pages, language, words):
    assert words in get(web, link_of(pages), Accept_Language=language).text


def test_keep_some_undo_and_come_back(pages, web):
    target = link_of(pages)
    bye = post(web, target, "do=leave&shown=offers&reason=too_many&comment=every+day%21")
    assert bye.status == 200 and "You are unsubscribed" in bye.text
    assert refused(pages, "a@news.example.com") and refused(pages, "a@offers.example.com")
    assert "Too many messages: every day!" in pages.run("show", "marie@example.fr").stdout
    assert metric(pages, 'postern_unsubscribes_total{via="page"}') == 1

    undone = post(web, target, f"do=undo&undo={undo_of(bye)}")
    assert undone.status == 200 and "as it was before" in undone.text
    assert not refused(pages, "a@news.example.com") and not refused(pages, "a@offers.example.com")

    post(web, target, "do=all")
    assert refused(pages, "a@elsewhere.example") and not refused(pages, "billing@example.com")
    back = post(web, target, "do=return")
    assert "Welcome back" in back.text
    assert not refused(pages, "a@news.example.com") and refused(pages, "a@offers.example.com")


def test_undo_leaves_what_was_there_before(pages, web):
    pages.run("unsubscribe", "marie@example.fr", "--stream", "newsletter")
    target = link_of(pages)
    bye = post(web, target, "do=leave&shown=offers")
    post(web, target, f"do=undo&undo={undo_of(bye)}")
    assert refused(pages, "a@news.example.com") and not refused(pages, "a@offers.example.com")


def test_an_undo_is_of_its_own_link(pages, web):
    bye = post(web, link_of(pages), "do=leave")
    other = post(web, link_of(pages, stream="offers"), f"do=undo&undo={undo_of(bye)}")
    assert "too late" in other.text and refused(pages, "a@news.example.com")


def test_a_post_that_asks_for_nothing_is_the_page(pages, web):
    for body in ("", "x=y", "List-Unsubscribe=no"):
        answer = post(web, link_of(pages), body)
        assert answer.status == 200 and "<form" in answer.text
    assert history(pages) == []


def test_forged_links(pages, web):
    token = link_of(pages)[3:]
    for bad in (token[:-1] + ("a" if token[-1] != "a" else "b"), token[:40], "x", "%00", "a" * 1_900):
        for answer in (get(web, f"/u/{bad}"), post(web, f"/u/{bad}")):
            assert answer.status == 404 and "This link does not work" in answer.text
    assert get(web, f"/u/{token.upper()}").status == 200
    assert history(pages) == []


def test_methods_and_paths(pages, web):
    target = link_of(pages)
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
        answer = ask(web, method, target)
        assert answer.status == 405 and answer.headers["Allow"] == "GET, HEAD, POST"
    assert get(web, "/healthz").text == "ok\n"
    for path in ("/", "/metrics", "/readyz", "/u/", target + "/x", "/static/", "/static/../../etc/passwd"):
        assert get(web, path).status == 404, path
    assert history(pages) == []


def test_limits(pages, web):
    def status(octets):
        return int(raw(web, octets).split(b" ", 2)[1])

    host = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    assert status(b"GET /" + b"a" * 3_000 + host + b"\r\n") == 414
    assert status(b"GET /" + host + b"X: " + b"a" * 9_000 + b"\r\n\r\n") == 431
    assert status(b"POST /u/x" + host + b"Content-Length: 20000\r\n\r\n" + b"a" * 20_000) == 413
    assert status(b"POST /u/x" + host + b"Transfer-Encoding: chunked\r\n\r\n5000\r\n" + b"a" * 0x5000) == 413
    assert status(b"nonsense\r\n\r\n") == 400
    assert status(b"GET / HTTP/9.9\r\n\r\n") == 400
    assert get(web, "/healthz").status == 200


def test_requests_of_one_connection(web):
    """Keep-alive, pipelined too; and an end to it."""
    answers = raw(web, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 150)
    assert answers.count(b"HTTP/1.1 200 OK") == 100 and b"Connection: close" in answers


def test_slow_clients_are_hung_up_on(pages, web):
    """A byte now and then does not hold a connection for longer than a request may take."""
    started = time.monotonic()
    clients = [socket.create_connection(web, timeout=30) for _ in range(50)]
    for client in clients:
        client.sendall(b"POST /u/x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\na")
    assert get(web, "/healthz").status == 200
    for client in clients:
        assert client.recv(100) == b""
        client.close()
    assert 8 < time.monotonic() - started < 25


def test_expect_continue(pages, web):
    with socket.create_connection(web, timeout=30) as client:
        client.sendall(f"POST {link_of(pages)} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                       f"Content-Length: {len(ONE_CLICK)}\r\n\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
        client.sendall(ONE_CLICK.encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_prefix_of_the_public_address(new_gate, upstream):
    """A reverse proxy may pass its prefix on, or take it away: both work, and the links of the page are relative."""
    more = PAGES.replace("https://unsub.example.com", "https://example.com/mail/unsub/")
    gate = new_gate(upstream.address, more=more).start()
    web = address_of(gate, "web")
    url = gate.run("link", "marie@example.fr").stdout.strip()
    assert url.startswith("https://example.com/mail/unsub/u/")
    target = url.removeprefix("https://example.com")
    assert get(web, target).status == 200 and get(web, target.removeprefix("/mail/unsub")).status == 200
    assert get(web, "/mail/unsub/static/page.css").status == 200
    assert get(web, "/mail/unsubstatic/page.css").status == 404


def test_a_brand_with_a_logo(new_gate, upstream, directory):
    gate = new_gate(upstream.address)
    (gate.directory / "logo.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    gate.configure(PAGES.replace("[unsubscribe]", '[unsubscribe]\nlogo = "logo.svg"\ncolour = "#7a1f3d"'))
    gate.start()
    web = address_of(gate, "web")
    assert get(web, "/static/logo").headers["Content-Type"] == "image/svg+xml"
    assert "#7a1f3d" in get(web, "/static/page.css").text
    assert 'alt="Example &amp; Co"' in get(web, link_of(gate)).text


def test_reload(pages, web):
    target = link_of(pages)
    pages.configure(PAGES.replace("Our newsletter", "The weekly letter"))
    pages.process.signal(signal.SIGHUP)
    wait_until(lambda: "The weekly letter" in get(web, target).text, "the new title")
    (pages.directory / "logo.png").write_text("no image")
    pages.configure(PAGES.replace("[unsubscribe]", '[unsubscribe]\nlogo = "logo.png"'))
    pages.process.signal(signal.SIGHUP)
    pages.process.wait_log("logo.png is not the image that its name says")
    assert "The weekly letter" in get(web, target).text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_disk_that_takes_no_more(new_gate, upstream, directory):
    """503, never a false yes; and again a yes when there is room."""
    place = directory / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "postern-test", place], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        gate = new_gate(upstream.address)
        gate.store = place / "store"
        gate.configure(PAGES)
        gate.start()
        web, admin = address_of(gate, "web"), address_of(gate, "admin")
        target = link_of(gate)
        assert get(admin, "/readyz").status == 200
        with open(place / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(b"x" * 4096)
        answer = wait_until(lambda: (lambda it: it if it.status == 503 else None)(post(web, link_of_next(gate))),
                            "a POST that finds no room")
        assert answer.headers["Retry-After"] == "60"
        assert get(web, target).status == 200
        assert get(admin, "/readyz").status == 503
        (place / "filler").unlink()
        wait_until(lambda: post(web, target).status == 200, "room")
        assert refused(gate, "a@news.example.com")
        assert get(admin, "/readyz").status == 200
    finally:
        gate.kill()
        gate.process = None
        subprocess.run(["umount", place], check=True)


def link_of_next(gate, counter=iter(range(100_000))):
    """Of another person each time: free pages of the store take a few before the disk is asked."""
    return link_of(gate, f"person{next(counter)}@example.com")


def test_a_store_that_is_away(pages, web):
    target = link_of(pages)
    moved = pages.store.with_name("moved")
    pages.store.rename(moved)
    wait_until(lambda: get(web, target).status == 503, "the gate sees that its store is gone")
    answer = post(web, target)
    assert answer.status == 503 and answer.headers["Retry-After"]
    admin = address_of(pages, "admin")
    assert get(admin, "/readyz").status == 503 and get(admin, "/healthz").status == 200
    shutil.rmtree(pages.store, ignore_errors=True)
    moved.rename(pages.store)
    wait_until(lambda: post(web, target).status == 200, "the store is back")
    assert refused(pages, "a@news.example.com")


def test_compactions_meanwhile(pages, web):
    """A change that meets the swap of the files is made in the new one: each 200 is true."""
    targets = [link_of(pages, f"p{i}@example.com") for i in range(30)]
    compacting = Process([POSTERN, "compact", "--config", pages.config], cwd=pages.directory)
    statuses = []
    for i, target in enumerate(targets):
        statuses.append(post(web, target).status)
        if i == 15:
            pages.run("compact")
    assert compacting.wait() == 0
    assert statuses == [200] * len(targets)
    with Client(pages.address) as client:
        replies = client.envelope([f"p{i}@example.com" for i in range(30)], sender="a@news.example.com")
    assert all(reply.text.startswith("550 ") for reply in replies)


def test_metrics_and_readiness(pages):
    admin = address_of(pages, "admin")
    assert get(admin, "/readyz").text == "ready\n" and get(admin, "/healthz").text == "ok\n"
    pages.run("unsubscribe", "marie@example.fr")
    wait_until(lambda: metric(pages, 'postern_contacts{state="unsubscribed"}') is not None, "contacts are counted")
    metrics = get(admin, "/metrics")
    assert metrics.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert metric(pages, "postern_store_bytes") > 0
    assert re.search(r'^postern_build_info\{version="[^"]+"\} 1$', metrics.text, re.MULTILINE)
    for line in metrics.text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) postern_\w+ .+|postern_\w+(\{[^{}]*\})? [0-9.e+-]+', line), line
    assert get(admin, "/u/x").status == 404 and ask(admin, "POST", "/metrics").status == 405
    assert "@" not in metrics.text


def certificate(directory, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "1", "-subj", f"/CN={name}", "-keyout", directory / "key.pem", "-out", directory / "cert.pem"],
                   check=True, capture_output=True)


def over_tls(address, version=None):
    """(the certificate that the server shows, its answer to /healthz)"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(address, timeout=30) as plain, context.wrap_socket(plain) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while chunk := client.recv(4096):
            answer += chunk
        return client.getpeercert(binary_form=True), answer


def test_tls_and_a_certificate_that_changes(new_gate, upstream):
    gate = new_gate(upstream.address)
    certificate(gate.directory, "one")
    gate.configure(PAGES.replace("[web]", '[web]\ncertificate = "cert.pem"\nkey = "key.pem"'))
    gate.start()
    web = address_of(gate, "web")
    first, answer = over_tls(web)
    assert answer.startswith(b"HTTP/1.1 200 ") and b"Strict-Transport-Security: max-age=" in answer
    assert over_tls(web, ssl.TLSVersion.TLSv1_2)[0] == first

    (gate.directory / "cert.pem").write_text("no certificate")
    gate.process.wait_log("the certificate stays the one that was in use")
    assert over_tls(web)[0] == first
    certificate(gate.directory, "two")
    wait_until(lambda: over_tls(web)[0] != first, "the new certificate")
    gate.process.signal(signal.SIGHUP)
    assert over_tls(web)[1].startswith(b"HTTP/1.1 200 ")


def test_a_certificate_that_is_not_there(new_gate, upstream):
    gate = new_gate(upstream.address,
                    more=PAGES.replace("[web]", '[web]\ncertificate = "cert.pem"\nkey = "key.pem"'))
    done = gate.run("serve", expect=3)
    assert "cert.pem: there is no such file" in done.stderr
    assert "cert.pem: there is no such file" in gate.run("check-config").stdout


def test_the_port_is_taken(new_gate, upstream):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gate = new_gate(upstream.address, more=PAGES.replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"', 1))
        done = gate.run("serve", expect=3)
        assert f"cannot listen on 127.0.0.1:{port} (web)" in done.stderr and "[web]" in done.stderr


def test_sigterm_answers_what_is_under_way(pages, web):
    target = link_of(pages)
    with socket.create_connection(web, timeout=30) as idle, socket.create_connection(web, timeout=30) as busy:
        busy.sendall(f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(ONE_CLICK)}\r\n\r\nList".encode())
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(2000).startswith(b"HTTP/1.1 200 ")
        pages.process.signal(signal.SIGTERM)
        assert idle.recv(100) == b""
        busy.sendall(ONE_CLICK[4:].encode())
        assert busy.recv(2000).startswith(b"HTTP/1.1 200 ")
    assert pages.process.wait() == 0
    assert len(history(pages)) == 1


def test_without_sections_nothing_listens(gate):
    assert "(web)" not in gate.process.log and "(admin)" not in gate.process.log
    done = gate.run("link", "marie@example.fr", expect=2)
    assert "[unsubscribe]" in done.stderr


def test_links_of_the_command_line(pages):
    assert pages.run("link", "marie@example.fr", "--stream", "invoices", expect=2).stderr.count("\n") == 1
    assert "newsletter" in pages.run("link", "marie@example.fr", "--stream", "nothing", expect=2).stderr
    first = pages.run("link", "marie@example.fr").stdout
    assert first.startswith("https://unsub.example.com/u/") and "marie" not in first
