"""SIGTERM drains, SIGHUP reads the configuration anew."""

import signal
import socket
import threading

import pytest

from fake_upstream import HANG
from processes import POSTERN, Process, wait_until
from smtp_client import Client, Closed, letter


def refuses_connections(address):
    try:
        socket.create_connection(address, 5).close()
        return False
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False  # it was in the queue when that was closed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_draining(number, gate, upstream):
    idle = Client(gate.address)
    between = Client(gate.address)
    assert between.envelope(["you@example.com"])[0].code == 250
    busy = Client(gate.address)
    assert busy.envelope(["you@example.com"])[0].code == 250
    assert busy.ask("DATA").code == 354
    busy.send(letter("half")[:100])

    gate.process.signal(number)
    for client in (idle, between):
        assert client.reply().text.startswith("421 4.3.2 ")
        assert client.ended()
    wait_until(lambda: refuses_connections(gate.address), "no new connections")
    assert gate.process.process.poll() is None, "the message is waited for"

    busy.send(letter("half")[100:] + b".\r\n")
    assert busy.reply().code == 250
    try:
        assert busy.reply().code == 421
    except Closed:
        pass
    assert gate.process.wait() == 0
    assert [b"Subject: half" in message.data for message in upstream.messages] == [True]


def test_draining_has_a_deadline(new_gate, upstream):
    gate = new_gate(upstream.address, more='[timeouts]\ndrain = "300ms"\n').start()
    client = Client(gate.address)
    assert client.envelope(["you@example.com"])[0].code == 250
    assert client.ask("DATA").code == 354
    client.send(letter()[:50])
    gate.process.signal(signal.SIGTERM)
    assert gate.process.wait() == 0
    assert upstream.messages == []


def test_sigterm_under_load_loses_nothing(new_gate, upstream):
    """Whoever got 250 was delivered; whoever did not was told so, or hung up on."""
    gate = new_gate(upstream.address).start()
    acknowledged = []
    lock = threading.Lock()

    def send(number):
        count = 0
        while True:
            name = f"load{number}.{count}"
            try:
                with Client(gate.address) as client:
                    if client.deliver([f"{name}@example.com"], letter(name)).code != 250:
                        return
            except (OSError, Closed, AssertionError):
                return
            with lock:
                acknowledged.append(name)
            count += 1

    threads = [threading.Thread(target=send, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) >= 100, "a hundred messages")
    assert gate.terminate() == 0
    for thread in threads:
        thread.join(60)
    delivered = {message.recipients[0].split(b"<")[1].split(b"@")[0].decode() for message in upstream.messages}
    assert set(acknowledged) <= delivered


def test_reload(new_gate, upstream):
    stream = '\n[[stream]]\nname = "news"\nkind = "{kind}"\nsender = ["news@example.org"]\n'
    gate = new_gate(upstream.address, more=stream.format(kind="transactional")).make_store()
    gate.run("unsubscribe", "you@example.com")
    gate.start()

    def code():
        with Client(gate.address) as client:
            return client.envelope(["you@example.com"])[0].code

    assert code() == 250
    standing = Client(gate.address)

    gate.configure(stream.format(kind="marketing"))
    gate.process.signal(signal.SIGHUP)
    wait_until(lambda: code() == 550, "new sessions have the new configuration")
    assert standing.envelope(["you@example.com"])[0].code == 250, "a session keeps the configuration that it began with"

    # A wrong one is refused: what was in force stays, and the log says what is wrong.
    start = len(gate.process.log)
    gate.config.write_text(gate.config.read_text() + "\nwrong = 1\n")
    gate.process.signal(signal.SIGHUP)
    gate.process.wait_log(r"Z error .*postern\.toml:\d+: .*wrong", start)
    assert code() == 550
    assert gate.terminate() == 0


def test_draining_does_not_wait_for_a_silent_upstream(gate, upstream):
    upstream.answers["RCPT"] = HANG
    with Client(gate.address) as client:
        assert client.ask("MAIL FROM:<news@example.org>").code == 250
        client.send(b"RCPT TO:<you@example.com>\r\n")
        wait_until(lambda: any(b"RCPT" in line for line in upstream.commands()), "the upstream was asked")
        gate.process.signal(signal.SIGTERM)
        assert client.reply().code == 451
        assert client.reply().text.startswith("421 4.3.2 ")
    assert gate.process.wait() == 0


def test_draining_takes_no_new_message_from_a_client_that_pipelines(gate, upstream):
    message = b"MAIL FROM:<news@example.org>\r\nRCPT TO:<you@example.com>\r\nDATA\r\n"
    with Client(gate.address) as client:
        client.send(message)
        assert [reply.code for reply in client.replies(3)] == [250, 250, 354]
        gate.process.signal(signal.SIGTERM)
        wait_until(lambda: refuses_connections(gate.address), "no new connections")
        client.send(letter() + b".\r\n" + message)
        assert client.reply().code == 250
        assert client.reply().text.startswith("421 4.3.2 ")
        assert client.ended()
    assert gate.process.wait() == 0
    assert len(upstream.messages) == 1


def test_a_second_gate_on_the_same_store_does_not_start(gate):
    def second():
        return Process([POSTERN, "serve", "--config", gate.config], cwd=gate.directory)

    process = second()
    assert process.wait() == 3
    pid = gate.process.process.pid
    assert f"error the store {gate.store} is served already, by process {pid}: " in process.log
    assert f"store {gate.store}: open" not in process.log, "it did not touch the store"
    gate.run("block", "someone@example.com")
    with Client(gate.address) as client:
        assert client.envelope(["someone@example.com"])[0].code == 550
    gate.process.kill()
    process = second()
    process.listening("relay")
    assert process.terminate() == 0
