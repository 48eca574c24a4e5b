"""The gate's memory: before, during and after one big message, and with idle connections that have said EHLO.

Resident memory (Rss) counts the pages of the program and of the mapped store too; private memory (Anonymous) is what
sessions and buffers cost. Each part has a gate of its own, so that none inherits the other's heap.
"""

import contextlib
import socket
import time

from measuring import Failure, gate, memory, raise_file_limit, smtp_sink, temporary_folder

REPLY_LIMIT = 300  # seconds
SPARE_FILES = 500
SAMPLE_EVERY = 4 << 20  # octets sent
LINE = b"x" * 76 + b"\r\n"


class Client:
    """An SMTP session, a command at a time."""

    def __init__(self, port):
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=REPLY_LIMIT)
        self.expect(b"220")

    def expect(self, code):
        reply = b""
        while not reply.endswith(b"\r\n") or reply.splitlines()[-1][3:4] == b"-":
            octets = self.connection.recv(4096)
            if not octets:
                raise Failure("the gate closed the connection")
            reply += octets
        if not reply.startswith(code):
            raise Failure(f"the gate answered {reply.decode(errors='replace').strip()}, not {code.decode()}")

    def ask(self, command, code):
        self.connection.sendall(command + b"\r\n")
        self.expect(code)

    def send_message(self, size, watch):
        """A message of `size` octets; `watch` is called every so often while it flows."""
        self.ask(b"MAIL FROM:<sender@example.com>", b"250")
        self.ask(b"RCPT TO:<recipient@example.net>", b"250")
        self.ask(b"DATA", b"354")
        self.connection.sendall(b"Subject: memory\r\n\r\n")
        block = LINE * (SAMPLE_EVERY // len(LINE))
        left = size
        while left > 0:
            # A whole number of lines, whatever is left.
            piece = block if left >= len(block) else LINE * -(-left // len(LINE))
            self.connection.sendall(piece)
            left -= len(piece)
            watch()
        self.ask(b".", b"250")

    def close(self):
        self.connection.close()


def print_row(what, sizes, note=""):
    mib = {name: size / (1 << 20) for name, size in sizes.items()}
    print(f"{what:34}{mib['Rss']:10.1f}{mib['Anonymous']:10.1f}   {note}".rstrip())


def big_message(options, folder, sink_port):
    with gate(options.gate, folder / "big", sink_port) as (process, port):
        print_row("started", memory(process.pid))
        client = Client(port)
        client.ask(b"EHLO client.example.com", b"250")
        client.send_message(4096, lambda: None)
        print_row("after a message of 4 KiB", memory(process.pid))

        samples = []
        began = time.monotonic()
        client.send_message(options.message, lambda: samples.append(memory(process.pid)))
        seconds = time.monotonic() - began
        peak = {name: max(sample[name] for sample in samples) for name in samples[0]}
        mib = options.message / (1 << 20)
        print_row(f"during one of {mib:,.0f} MiB, highest", peak, f"{len(samples)} samples, {mib / seconds:,.0f} MiB/s")
        print_row("after it", memory(process.pid))
        client.ask(b"QUIT", b"221")
        client.close()


def idle_connections(options, folder, sink_port):
    with gate(options.gate, folder / "idle", sink_port) as (process, port):
        with contextlib.ExitStack() as open_clients:
            first = open_clients.enter_context(contextlib.closing(Client(port)))
            first.ask(b"EHLO client.example.com", b"250")
            before = memory(process.pid)
            print_row("with one idle connection", before)
            for _ in range(options.connections):
                client = open_clients.enter_context(contextlib.closing(Client(port)))
                client.ask(b"EHLO client.example.com", b"250")
            after = memory(process.pid)
            each = (after["Anonymous"] - before["Anonymous"]) / options.connections / 1024
            print_row(f"with {options.connections:,} more", after, f"{each:.2f} KiB private each")


def run(options):
    raise_file_limit(options.connections + SPARE_FILES)
    print(f"{'the gate, in MiB':34}{'resident':>10}{'private':>10}")
    with temporary_folder() as folder, smtp_sink(folder) as (_, sink_port):
        big_message(options, folder, sink_port)
        idle_connections(options, folder, sink_port)
