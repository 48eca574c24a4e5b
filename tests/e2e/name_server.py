"""A name server that knows the names it is told, and of every other says that there is none (NXDOMAIN).

It answers over UDP at port 53, the only one that a resolv.conf can name, of a loopback address that nobody else has. With
it a program asks nobody outside, and learns at once, and for certain, that a domain does not exist.
"""

import random
import socket
import struct
import threading

ATTEMPTS = 50
A, MX, IN = 1, 15, 1
RESPONSE, NO_SUCH_NAME = 0x8580, 3
LIFE = 60  # seconds
WAKE = 0.1  # seconds between looks whether it is to stop


class NameServer:
    def __init__(self, names):
        """`names`: the IPv4 address of each; or its MX, as (preference, host): the host "." says that it takes no mail."""
        self.names = {name.lower(): value for name, value in names.items()}
        self._stopping = threading.Event()
        self._socket = self._bind()
        self._socket.settimeout(WAKE)
        self.address = self._socket.getsockname()[0]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self):
        self._stopping.set()
        self._thread.join()
        self._socket.close()

    def resolv_conf(self):
        return f"nameserver {self.address}\noptions timeout:2 attempts:2\n"

    @staticmethod
    def _bind():
        chance = random.SystemRandom()
        for attempt in range(ATTEMPTS):
            place = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                place.bind((f"127.{chance.randrange(1, 255)}.{chance.randrange(256)}.{chance.randrange(1, 255)}", 53))
                return place
            except OSError:
                place.close()
                if attempt + 1 == ATTEMPTS:
                    raise

    def _serve(self):
        while not self._stopping.is_set():
            try:
                question, peer = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            if len(question) > 16:
                self._socket.sendto(self._answer(question), peer)

    def _answer(self, packet):
        end = packet.index(b"\0", 12) + 5
        labels, rest = [], packet[12:end - 5]
        while rest:
            labels.append(rest[1:1 + rest[0]].decode("latin-1").lower())
            rest = rest[1 + rest[0]:]
        kind = struct.unpack("!H", packet[end - 4:end - 2])[0]
        value = self.names.get(".".join(labels))
        records = [_record(kind, value)] if value is not None and kind == (A if isinstance(value, str) else MX) else []
        flags = RESPONSE | (NO_SUCH_NAME if value is None else 0)
        return packet[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + packet[12:end] + b"".join(records)


def _record(kind, value):
    data = socket.inet_aton(value) if kind == A else struct.pack("!H", value[0]) + _encoded(value[1])
    return struct.pack("!HHHIH", 0xC00C, kind, IN, LIFE, len(data)) + data


def _encoded(name):
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
