"""Kill -9 under load: what was acknowledged is delivered, and every acknowledged suppression is in force."""

import signal
import smtplib
import subprocess
import threading

import maildir
from processes import POSTERN, wait_until
from smtp_client import Client, letter

SENDERS = 4
KILLS = 5


class RetryingClient(threading.Thread):
    """Sends one message after the other, each until it was acknowledged."""

    def __init__(self, gate, number, stop):
        super().__init__(daemon=True)
        self.gate, self.number, self.stop_event = gate, number, stop
        self.acknowledged = []

    def run(self):
        count = 0
        while not self.stop_event.is_set():
            name = f"client{self.number}-{count}"
            if self.send(name):
                self.acknowledged.append(name)
                count += 1

    def send(self, name):
        try:
            with smtplib.SMTP(*self.gate.address, local_hostname="client.test", timeout=10) as client:
                client.sendmail("news@example.org", [f"{name}@example.com"], letter(name, b"x" * 4000 + b"\r\n"))
            return True
        except (OSError, smtplib.SMTPException):
            return False


class Unsubscriber(threading.Thread):
    """Unsubscribes one address after the other; those whose verb exited 0 are acknowledged."""

    def __init__(self, gate, stop):
        super().__init__(daemon=True)
        self.gate, self.stop_event = gate, stop
        self.acknowledged = []

    def run(self):
        count = 0
        while not self.stop_event.is_set():
            address = f"gone{count}@example.com"
            self.gate.run("unsubscribe", address)
            self.acknowledged.append(address)
            count += 1


def test_kill_under_load(new_gate, sink):
    gate = new_gate(sink.address).start()
    stop = threading.Event()
    clients = [RetryingClient(gate, number, stop) for number in range(SENDERS)]
    unsubscriber = Unsubscriber(gate, stop)
    for thread in [*clients, unsubscriber]:
        thread.start()

    def progress():
        return sum(len(client.acknowledged) for client in clients)

    for _ in range(KILLS):
        at = progress(), len(unsubscriber.acknowledged)
        wait_until(lambda: progress() >= at[0] + 40 and len(unsubscriber.acknowledged) > at[1], "progress before a kill")
        gate.kill()
        gate.start()
    at = progress()
    wait_until(lambda: progress() >= at + 40, "progress after the last kill")
    stop.set()
    for thread in [*clients, unsubscriber]:
        thread.join(60)
    gate.kill()

    delivered = {maildir.fields(message, "Subject")[0] for message in maildir.messages(sink.maildir)}
    lost = [name for client in clients for name in client.acknowledged if name not in delivered]
    assert lost == []

    gate.start()
    with Client(gate.address) as client:
        for address in unsubscriber.acknowledged:
            assert client.envelope([address])[0].code == 550, address
        assert client.deliver(["here@example.com"], letter()).code == 250


def test_an_import_that_is_killed_loses_nothing_and_can_be_repeated(new_gate, upstream, directory):
    gate = new_gate(upstream.address).start()
    rows = directory / "rows.txt"
    rows.write_text("".join(f"reader{number}@example.com\n" for number in range(100_000)))
    importer = subprocess.Popen([POSTERN, "import", "--config", gate.config, rows], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
    with Client(gate.address) as client:

        def first_row_binds():
            client.ask("RSET")
            return client.envelope(["reader0@example.com"])[0].code == 550

        wait_until(first_row_binds, "the first rows are in force")
        importer.send_signal(signal.SIGKILL)
        importer.communicate()
        client.ask("RSET")
        assert client.envelope(["reader0@example.com"])[0].code == 550, "what was committed stays"
        gate.run("import", rows)
        for number in (0, 50_000, 99_999):
            client.ask("RSET")
            assert client.envelope([f"reader{number}@example.com"])[0].code == 550
