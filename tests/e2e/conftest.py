"""Fixtures: a gate, what may stand behind it, and where they live.

One file alone: /usr/bin/python3 -m pytest tests/e2e/test_wire.py (POSTERN_BIN: another binary than the release's).
"""

import shutil
import ssl
import tempfile
from pathlib import Path

import pytest

from authority import Authority
from dovecot import Dovecot
from fake_upstream import FakeUpstream
from postfix import Postfix, sasl_settings
from processes import POSTERN, Gate, Process


@pytest.fixture(scope="session", autouse=True)
def binary():
    assert POSTERN.is_file(), f"{POSTERN} is not built (POSTERN_BIN names another)"


@pytest.fixture
def directory():
    """A directory that every user may enter (Postfix's processes are not us), with a short path (sockets)."""
    path = Path(tempfile.mkdtemp(prefix="postern-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def new_gate(directory):
    """Makes gates that are killed when the test ends: new_gate(upstream address, trusted=..., more=...)."""
    made = []

    def make(upstream, **options):
        place = directory / f"gate{len(made)}"
        place.mkdir()
        gate = Gate(place, upstream, **options)
        made.append(gate)
        return gate

    yield make
    for gate in made:
        if gate.process is not None:
            gate.kill()


@pytest.fixture
def upstream():
    server = FakeUpstream()
    yield server
    server.stop()


@pytest.fixture
def gate(new_gate, upstream):
    """A serving gate in front of `upstream`."""
    return new_gate(upstream.address).start()


class Sink:
    def __init__(self, directory):
        self.maildir = Path(directory) / "maildir"
        self.process = Process([POSTERN, "sink", "--listen", "127.0.0.1:0", "--maildir", self.maildir], cwd=directory)
        self.address = self.process.listening("sink")


@pytest.fixture
def sink(directory):
    started = Sink(directory)
    yield started
    started.process.kill()


@pytest.fixture
def new_postfix(directory):
    """Starts instances of Postfix, stopped when the test ends: new_postfix(settings=..., smtpd=...)."""
    made = []

    def make(**options):
        place = directory / f"postfix{len(made)}"
        made.append(Postfix(place, **options))
        return made[-1].start()

    yield make
    for instance in made:
        instance.stop()


@pytest.fixture
def postfix(new_postfix):
    return new_postfix()


@pytest.fixture
def authority(directory):
    return Authority(directory)


@pytest.fixture
def new_submission(directory, new_postfix):
    """Starts instances of Postfix that relay for those whom a Dovecot knows: new_submission({login: password})."""
    made = []

    def make(passwords, settings="", **options):
        made.append(Dovecot(directory / f"dovecot{len(made)}", passwords))
        return new_postfix(settings=sasl_settings(made[-1]) + settings, **options)

    yield make
    for service in made:
        service.stop()


@pytest.fixture
def trusting(authority):
    """The context of clients that trust the gate's certificate."""
    return ssl.create_default_context(cafile=authority.certificate)


@pytest.fixture
def new_door(new_gate, authority):
    """Makes gates that take passwords, under TLS, and relay for who has one alone: new_door(upstream address, mode=...)."""
    certificate, key = authority.sign("gate.test")

    def make(upstream, mode="starttls", listener="", **options):
        lines = f'tls = "{mode}"\ncertificate = "{certificate}"\nkey = "{key}"\nauth = "passthrough"\n{listener}'
        return new_gate(upstream, listener=lines, **{"trusted": '["192.0.2.0/24"]', **options})

    return make
