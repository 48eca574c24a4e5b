"""A clean Debian for the package: the smallest that there is, made once with mmdebstrap, and beside it the packages that ours
depends on. A test works in a copy, and needs no network. Like the roots of mta_roots.py, and in the same cache; made by
scripts/setup --test as well.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from mta_roots import DOWNLOAD_LIMIT, NoRoot, reason_against
from processes import ROOT

LAYOUT = "1"  # changes when what is made does
# What a package of a program of ours depends on; a test says so where it has come to depend on more.
DEPENDENCIES = ("libboost-container1.81.0", "libboost-json1.81.0", "libfmt9", "libidn2-0", "liblmdb0", "libmimetic0v5",
                "libspdlog1.10-fmt9", "libssl3", "libstdc++6", "libsystemd0", "libunistring2", "systemd-standalone-sysusers")


def _release():
    text = Path("/etc/os-release").read_text()
    return next(line.split("=")[1].strip('"') for line in text.splitlines() if line.startswith("VERSION_CODENAME="))


def cached():
    """The root of the cache, with the packages in var/cache/apt/archives; made when it is not there."""
    if reason := reason_against():
        raise NoRoot(reason)
    if shutil.which("mmdebstrap") is None:
        raise NoRoot("needs mmdebstrap (scripts/setup --test)")
    key = hashlib.sha256("\n".join((LAYOUT, _release(), *DEPENDENCIES)).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or ROOT / "build") / "postern-mta"
    cache.mkdir(parents=True, exist_ok=True)
    place = cache / f"debian-{key}"
    with open(cache / "debian.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.is_dir():
            for left in cache.glob("debian-*"):
                shutil.rmtree(left)
            _make(place)
    return place


def _make(place):
    beginning = place.with_name(f".{place.name}")
    shutil.rmtree(beginning, ignore_errors=True)
    fetch = f"chroot \"$1\" apt-get install -qq -y --download-only --no-install-recommends {' '.join(DEPENDENCIES)}"
    done = subprocess.run(
        ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=directory",
         '--aptopt=APT::Sandbox::User "root"', '--dpkgopt=path-exclude=/usr/share/locale/*',
         "--skip=cleanup/apt", f"--customize-hook={fetch}", _release(), str(beginning)],
        capture_output=True, text=True, timeout=2 * DOWNLOAD_LIMIT)
    if done.returncode != 0:
        raise NoRoot(f"mmdebstrap ended with {done.returncode}: {done.stderr.strip()[-1000:]}")
    beginning.rename(place)


class CleanDebian:
    """A copy of that root. Its programs share the machine's process numbers: a store's lock file has them."""

    def __init__(self, place):
        self.place = Path(place)
        subprocess.run(["cp", "-a", "--reflink=auto", cached(), self.place], check=True, capture_output=True)

    def command(self, *command):
        """The command line that runs `command` in there, with /proc."""
        script = 'mount -t proc proc "$0/proc"; exec chroot "$0" "$@"'
        return ["unshare", "--mount", "sh", "-ec", script, str(self.place),
                *map(str, command)]

    def run(self, *command, input=None, expect=0):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(self.command(*command), input=input, env=env, capture_output=True, text=True, timeout=120)
        if expect is not None:
            assert done.returncode == expect, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done


def main():
    if reason := reason_against():
        print(f"debian_root: {reason}; the test of the package will be skipped", file=sys.stderr)
        return 0
    try:
        print(f"debian_root: {cached()}")
    except NoRoot as error:
        print(f"debian_root: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
