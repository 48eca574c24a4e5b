#!/usr/bin/env python3
"""Roots of other MTAs: Debian's packages, extracted and never installed, since they exclude one another.

A root holds the packages of one MTA and the libraries that these need, from whatever Debian the machine runs. It is made
once, in $XDG_CACHE_HOME/postern (else build/) of the machine, and each test works in a copy of it. Run as a program, it
makes all of them: what scripts/setup --test does, so that tests need no network.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from processes import ROOT, wait_until

DOWNLOAD_LIMIT = 300  # seconds
STOP_LIMIT = 10  # seconds between SIGTERM and SIGKILL

PACKAGES = {
    "exim": ("exim4-daemon-light", "exim4-base", "vacation", "dash"),
    "opensmtpd": ("opensmtpd", "dash"),
    "sendmail": ("sendmail-bin", "sendmail-base", "sendmail-cf", "m4", "dash"),
}
LAYOUT = "2"  # changes when what is made of the packages does

DEVICES = {"null": (1, 3), "zero": (1, 5), "random": (1, 8), "urandom": (1, 9)}
DROPPED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian")


class NoRoot(Exception):
    """A root cannot be made here; the text says why, for a person."""


def reason_against():
    """Why this machine cannot hold roots at all; None where it can."""
    if os.geteuid() != 0:
        return "needs root: chroot(2), and processes that change their user"
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return "needs apt-get and dpkg-deb"
    return None


def cached(name):
    """The root of `name`; made when it is not there. Whoever comes while it is being made waits."""
    if reason := reason_against():
        raise NoRoot(reason)
    key = hashlib.sha256("\n".join((LAYOUT, *PACKAGES[name])).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or ROOT / "build") / "postern-mta"
    cache.mkdir(parents=True, exist_ok=True)
    place = cache / f"{name}-{key}"
    with open(cache / f"{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.is_dir():
            for left in cache.glob(f"{name}-*"):  # of an attempt that was cut short, or of an older layout
                shutil.rmtree(left)
            _make(name, place)
    return place


def copy(name, place):
    """A root of a test's own. Files share their octets with the cached one: replace them, never write into them."""
    source = cached(name)
    linked = subprocess.run(["cp", "-al", source, place], capture_output=True)
    if linked.returncode != 0:  # another file system
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run(["cp", "-a", source, place], check=True, capture_output=True)
    # Linked device nodes would do; but a mode or an owner set here would be set there too.
    shutil.rmtree(place / "dev")
    _devices(place / "dev")
    return Path(place)


def put(root, name, text, mode=0o644):
    """Writes a file of a root anew, whoever else has links to the old one."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=mode)
    path.chmod(mode)
    path.write_text(text)
    return path


def end_processes(root):
    """Ends every process that lives in this root, and waits for it."""
    def living():
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and os.readlink(entry / "root") == str(root) and not _is_zombie(entry):
                    found.append(int(entry.name))
        return found

    def send(number):
        for pid in living():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def ended():
        return not living()

    send(signal.SIGTERM)
    try:
        wait_until(ended, f"the processes in {root} end", STOP_LIMIT)
    except AssertionError:
        send(signal.SIGKILL)
        wait_until(ended, f"the processes in {root} end", STOP_LIMIT)


def _is_zombie(entry):
    return (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _make(name, place):
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=place.parent) as temporary:
        temporary = Path(temporary)
        packages, root = temporary / "packages", temporary / "root"
        packages.mkdir()
        root.mkdir()
        _download(_with_libraries(PACKAGES[name]), packages)
        for package in sorted(packages.glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", package, root], check=True, capture_output=True)
        for folder in DROPPED:
            shutil.rmtree(root / folder, ignore_errors=True)
        for folder in ("etc", "root", "run", "home", "var/mail"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "tmp").mkdir(exist_ok=True)
        (root / "tmp").chmod(0o1777)
        if not (root / "bin/sh").exists():
            (root / "bin/sh").symlink_to("dash")
        _devices(root / "dev")
        root.chmod(0o755)
        root.rename(place)


def _devices(place):
    place.mkdir()
    for name, (major, minor) in DEVICES.items():
        os.mknod(place / name, 0o020666, os.makedev(major, minor))
        (place / name).chmod(0o666)


def _with_libraries(packages):
    """The packages and the libraries that they depend on, and these on: no more of a Debian than the programs load."""
    found, level = set(), set(packages)
    while level:
        found |= level
        lines = _apt("apt-cache", "depends", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks",
                     "--no-replaces", "--no-enhances", *sorted(level)).stdout
        named = set(re.findall(r"^ +\|?(?:Pre)?Depends: ((?:lib|zlib)[^\s:]+)", lines, re.MULTILINE))
        level = named - found
    return sorted(found)


def _download(packages, place):
    command = ("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *packages)
    try:
        _apt(*command, cwd=place)
    except NoRoot:  # no lists yet, or older than what the archive has
        _apt("apt-get", "-qq", "update")
        _apt(*command, cwd=place)


def _apt(*command, cwd=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=DOWNLOAD_LIMIT)
    if done.returncode != 0:
        raise NoRoot(f"{' '.join(command[:3])} ... ended with {done.returncode}: {done.stderr.strip()[-1000:]}")
    return done


def main():
    if reason := reason_against():
        print(f"mta_roots: {reason}; tests of other MTAs will be skipped", file=sys.stderr)
        return 0
    for name in PACKAGES:
        try:
            print(f"mta_roots: {name}: {cached(name)}")
        except NoRoot as error:
            print(f"mta_roots: {name}: {error}", file=sys.stderr)
            return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
