"""The Debian package, on a Debian that has nothing else: installed, started as its own user, mail through it, upgraded, removed,
purged.
"""

import re
import subprocess

import pytest

from debian_root import CleanDebian
from mta_roots import NoRoot, reason_against
from processes import DEADLINE, POSTERN, ROOT, Process, text_of
from smtp_client import Client, letter

# Where roots can be had, a test that has none fails.
pytestmark = pytest.mark.skipif(reason_against() is not None, reason=str(reason_against()))


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    done = subprocess.run([ROOT / "scripts" / "package", "--binary", POSTERN, "--output", tmp_path_factory.mktemp("package")],
                          cwd="/", capture_output=True, text=True, timeout=2 * DEADLINE)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def debian(tmp_path_factory, package):
    try:
        root = CleanDebian(tmp_path_factory.mktemp("debian") / "root")
    except NoRoot as error:
        pytest.fail(str(error))
    subprocess.run(["cp", package, root.place / "postern.deb"], check=True)
    return root


@pytest.fixture
def serving(debian):
    """Starts the service's command, as its user, in the root."""
    started = []

    def start():
        started.append(Process(service_command(debian)))
        return started[-1], started[-1].listening("relay")

    yield start
    for process in started:
        process.kill()


def service_command(debian):
    unit = (debian.place / "lib/systemd/system/postern.service").read_text()
    command = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE).group(1).split()
    user = re.search(r"^User=(.*)$", unit, re.MULTILINE).group(1)
    return debian.command("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *command)


def test_the_life_of_the_package(debian, serving, upstream):
    place = debian.place
    debian.run("apt-get", "install", "-y", "--no-install-recommends", "systemd-standalone-sysusers", "/postern.deb")

    # As it comes: nobody is listening where its mail goes, and nothing is let out.
    configuration = place / "etc/postern/postern.toml"
    assert debian.run("stat", "-c", "%U:%G %a", "/etc/postern/postern.toml").stdout == "root:postern 640\n"
    assert debian.run("stat", "-c", "%U:%G %a", "/var/lib/postern").stdout == "postern:postern 700\n"
    assert debian.run("postern", "check-config").stdout.strip() != ""
    text = configuration.read_text()
    port = "127.0.0.1:0"
    configuration.write_text(text.replace("127.0.0.1:2525", port))
    process, address = serving()
    with Client(address) as client:
        assert client.envelope(["you@example.com"])[0].code == 451
    assert process.terminate() == 0

    # Configured: mail goes through it, and its verbs work beside it.
    configuration.write_text(text.replace("127.0.0.1:2525", port).replace("127.0.0.1:2526", text_of(upstream.address)))
    process, address = serving()
    with Client(address) as client:
        assert client.deliver(["you@example.com"], letter()).code == 250
    debian.run("postern", "unsubscribe", "you@example.com")
    with Client(address) as client:
        assert client.envelope(["you@example.com"])[0].code == 550
    assert process.terminate() == 0
    assert len(upstream.messages) == 1
    files = debian.run("find", "/var/lib/postern", "-printf", "%u %m\\n").stdout.split("\n")
    assert set(files) <= {"postern 700", "postern 600", ""}

    # The same again is an upgrade: what the operator wrote stays.
    debian.run("dpkg", "-i", "/postern.deb")
    assert text_of(upstream.address) in configuration.read_text()
    assert debian.run("stat", "-c", "%U:%G %a", "/etc/postern/postern.toml").stdout == "root:postern 640\n"

    # The promises outlive the program, and a purge takes them.
    debian.run("dpkg", "--remove", "postern")
    assert not (place / "usr/bin/postern").exists()
    assert configuration.exists() and (place / "var/lib/postern/store/data.mdb").exists()
    debian.run("dpkg", "--install", "/postern.deb")
    assert "550" in debian.run("postern", "check", "you@example.com", expect=1).stdout
    debian.run("dpkg", "--purge", "postern")
    for left in ("etc/postern", "var/lib/postern", "usr/share/doc/postern", "usr/lib/sysusers.d/postern.conf"):
        assert not (place / left).exists(), left


def test_what_is_in_it(package):
    listing = subprocess.run(["dpkg-deb", "--contents", package], check=True, capture_output=True, text=True).stdout
    names = set(re.findall(r" \./(\S+)$", listing, re.MULTILINE))
    assert {"usr/bin/postern", "lib/systemd/system/postern.service", "usr/lib/sysusers.d/postern.conf",
            "etc/postern/postern.toml", "usr/share/man/man1/postern.1.gz", "usr/share/man/man5/postern.toml.5.gz",
            "usr/share/bash-completion/completions/postern", "usr/share/doc/postern/copyright"} <= names
    for line in listing.splitlines():
        mode, owner = line.split()[:2]
        assert owner == "root/root" and "w" not in mode[5:], line
