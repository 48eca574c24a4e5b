"""Which contenders run for which workloads: a setup is started, measured, and ended before the next one."""

import contextlib

import contenders
import mail
from measuring import Failure

# From the sink's end of a gate with a return domain: addresses that its own bounces come to.
RETURN_ADDRESSES = 40_000
BOUNCE = """\
From: Mail Delivery System <MAILER-DAEMON@mx.example.net>\r
To: news@example.com\r
Subject: Undelivered Mail Returned to Sender\r
Date: Mon, 02 Nov 2026 10:00:00 +0000\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status; boundary="bounce"\r
\r
This is a MIME-encapsulated message.\r
\r
--bounce\r
Content-Type: text/plain; charset=us-ascii\r
\r
I'm sorry to have to inform you that your message could not be delivered.\r
\r
<p0@example.net>: host mx.example.net said: 550 5.1.1 <p0@example.net>: User unknown (in reply to RCPT TO command)\r
\r
--bounce\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mx.example.net\r
Arrival-Date: Mon, 02 Nov 2026 10:00:00 +0000\r
\r
Final-Recipient: rfc822; p0@example.net\r
Action: failed\r
Status: 5.1.1\r
Diagnostic-Code: smtp; 550 5.1.1 <p0@example.net>: User unknown\r
\r
--bounce\r
Content-Type: text/rfc822-headers\r
\r
From: Example News <news@example.com>\r
Subject: Message 1 of the benchmark\r
Message-ID: <1.bench@example.com>\r
\r
--bounce--\r
"""


class Bench:
    """What all setups share: the programs, the folder, and the suppressed contacts, which are made when first asked for."""

    def __init__(self, options, folder):
        self.binary, self.folder = options.gate, folder
        self.tools = mail.Tools()
        self._store = self._table = None

    def store(self):
        if self._store is None:
            self._store = contenders.make_store(self.binary, self.folder)
        return self._store

    def table(self):
        if self._table is None:
            self._table = contenders.make_table(self.folder)
        return self._table

    @contextlib.contextmanager
    def setup(self, name):
        """{name: Contender}"""
        with contextlib.ExitStack() as stack:
            yield getattr(self, f"_{name}")(stack, self.folder / name)

    def _plain(self, stack, folder):
        folder.mkdir()
        sink = stack.enter_context(mail.sink(self.tools, folder))
        settings = contenders.POSTFIX.format(table=self.table(), upstream=sink.port)
        return {
            "haproxy": stack.enter_context(contenders.haproxy(folder / "haproxy", sink)),
            "gate": stack.enter_context(contenders.gate(self.binary, folder / "gate", sink, self.store())),
            "postfix": stack.enter_context(contenders.postfix(folder / "postfix", settings, sink)),
        }

    def _idle(self, stack, folder):
        """A gate of its own: what another workload's messages left in its heap is not what idle connections cost."""
        folder.mkdir()
        sink = stack.enter_context(mail.sink(self.tools, folder))
        return {
            "haproxy": stack.enter_context(contenders.haproxy(folder / "haproxy", sink)),
            "gate": stack.enter_context(contenders.gate(self.binary, folder / "gate", sink, self.store())),
        }

    def _tls(self, stack, folder):
        folder.mkdir()
        pair = contenders.make_certificate(folder)
        sink = stack.enter_context(mail.sink(self.tools, folder, certificate=pair))
        return {
            "haproxy": stack.enter_context(contenders.haproxy(folder / "haproxy", sink, pair)),
            "gate": stack.enter_context(contenders.gate(self.binary, folder / "gate", sink, self.store(), pair)),
        }

    # Processes of their own: what other messages left in their heaps is not what idle connections cost.
    _tls_idle = _tls

    def _edited(self, stack, folder):
        folder.mkdir()
        sink = stack.enter_context(mail.sink(self.tools, folder))
        settings = contenders.POSTFIX_SPLIT.format(upstream=sink.port)
        edits = contenders.EDITED
        return {
            "haproxy": stack.enter_context(contenders.haproxy(folder / "haproxy", sink)),
            "gate": stack.enter_context(contenders.gate(self.binary, folder / "gate", sink, self.store(), more=edits)),
            "postfix": stack.enter_context(contenders.postfix(folder / "postfix", settings, sink)),
        }

    def _return(self, stack, folder):
        """A gate that has sent mail, and takes what comes back of it: the contender's port is that of its return mail."""
        folder.mkdir()
        senders, bounce = folder / "senders", folder / "bounce"
        bounce.write_bytes(BOUNCE.encode())
        sink = stack.enter_context(mail.sink(self.tools, folder, senders=senders, any_mail=True))
        gate = stack.enter_context(
            contenders.gate(self.binary, folder / "gate", sink, self.store(), more=contenders.EDITED))
        mail.send(self.tools, gate.port, messages=RETURN_ADDRESSES, size=1)
        sink.taken()
        addresses = [line for line in senders.read_text().split() if line.endswith("@bounce.example.com")]
        if len(set(addresses)) != RETURN_ADDRESSES:
            raise Failure(f"{len(set(addresses))} return addresses of {RETURN_ADDRESSES}")
        gate.port = gate.port_of("returns")
        gate.options = returns(addresses, folder / "to", bounce)
        return {"gate": gate}

    def compared(self, old_binary):
        """A setup of two gates, each with a store that it made itself."""

        @contextlib.contextmanager
        def both(_name):
            with contextlib.ExitStack() as stack:
                folder = self.folder / "compared"
                for part in (folder, folder / "old"):
                    part.mkdir()
                sink = stack.enter_context(mail.sink(self.tools, folder))
                store = contenders.make_store(old_binary, folder / "old")
                yield {
                    "old": stack.enter_context(contenders.gate(old_binary, folder / "gate-old", sink, store, name="old")),
                    "gate": stack.enter_context(contenders.gate(self.binary, folder / "gate", sink, self.store())),
                }

        return both


def returns(addresses, file, bounce):
    """Options of the load generator for a round: return addresses that had no bounce yet."""

    def options(messages):
        if len(addresses) < messages:
            raise Failure("too few return addresses for so many rounds")
        file.write_text("".join(f"{address}\n" for address in addresses[:messages]))
        del addresses[:messages]
        return {"to": file, "message": bounce}

    return options
