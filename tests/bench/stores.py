"""The store by its size: import beside `postmap lmdb:`, lookups beside LMDB's own get, and what else an operator waits for."""

import contextlib
import itertools
import os
import statistics
import subprocess
import time
from pathlib import Path

from measuring import Failure, gate, memory, temporary_folder

POSTMAP_ENTRIES = 1_000_000
CGROUP = Path("/sys/fs/cgroup/memory")  # version 1; version 2 has its files one folder up
numbers = itertools.count()


def command(words, log, feed=None):
    """(seconds, CPU seconds of it alone) of a command that must end with 0; `feed` is one whose output it reads."""
    with open(log, "wb") as output:
        source = subprocess.Popen([str(word) for word in feed], stdout=subprocess.PIPE) if feed else None
        begun = time.monotonic()
        process = subprocess.Popen(
            [str(word) for word in words], stdin=source.stdout if source else subprocess.DEVNULL, stdout=output, stderr=output)
        if source:
            source.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begun
        if source:
            source.wait()
    if process.returncode != 0:
        raise Failure(f"{words[0]} {words[1]} ended with {process.returncode}: {Path(log).read_text(errors='replace')[-1000:]}")
    return seconds, usage.ru_utime + usage.ru_stime


def forget_pages(folder):
    """Takes the files of a folder out of the page cache, as far as nobody has them mapped."""
    for file in folder.iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def memory_limit(octets):
    """A cgroup whose members, page cache included, have so much: its list of members; None where none can be made."""
    group = CGROUP / f"postern-bench-{os.getpid()}-{next(numbers)}"
    try:
        group.mkdir()
    except OSError:
        yield None
        return
    try:
        (group / "memory.limit_in_bytes").write_text(str(octets))
        yield group / "cgroup.procs"
    finally:
        (group / "memory.force_empty").write_text("0")
        group.rmdir()


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.log = folder / "log"

    def postern(self, *words, feed=None):
        return command([self.options.gate, *words], self.log, feed)

    def helper(self, *words):
        return [str(self.options.gate.parent / "tests/bench/store/bench_store"), *(str(word) for word in words)]

    def asked(self, how, store, contacts, which, cache, group=None):
        """ns a lookup."""
        def join():
            if group:
                group.write_text(str(os.getpid()))

        done = subprocess.run(self.helper(how, store, contacts, which, cache), capture_output=True, text=True, check=False,
                              preexec_fn=join if group else None)
        if done.returncode != 0:
            raise Failure(f"bench_store {how}: {done.stderr}")
        return float(done.stdout)

    def postmap(self, entries):
        """(seconds, CPU seconds) of an access map, made while nothing else runs; with Postfix's own bound on its size, which
        this one passes."""
        access = self.folder / "access"
        (self.folder / "postfix").mkdir(exist_ok=True)
        (self.folder / "postfix/main.cf").write_text(f"lmdb_map_size = {1 << 24}\ncompatibility_level = 3.6\n")
        with open(access, "wb") as out:
            subprocess.run(self.helper("access", entries), stdout=out, check=True)
        spent = command(["/usr/sbin/postmap", "-c", self.folder / "postfix", f"lmdb:{access}"], self.log)
        for file in (access, Path(f"{access}.lmdb")):
            file.unlink()
        return spent


def tell(name, text):
    print(f"  {name:26} {text}", flush=True)


def tell_imports(bench, store, contacts):
    """Into an empty store, beside postmap before and after it: the same minutes."""
    before = bench.postmap(POSTMAP_ENTRIES)
    spent = bench.postern("import", "--store", store, "-", feed=bench.helper("rows", contacts))
    after = bench.postmap(POSTMAP_ENTRIES)
    yard = [statistics.mean(pair) for pair in zip(before, after)]
    size = (store / "data.mdb").stat().st_size
    million = contacts / 1e6
    tell("postmap lmdb:, 1 million", f"{yard[0]:9.2f} s   CPU {yard[1]:8.2f} s")
    tell("import", f"{spent[0]:9.2f} s   CPU {spent[1]:8.2f} s   {contacts / spent[0]:10,.0f} a second")
    tell("  of postmap, a contact", f"{spent[0] / million / yard[0]:9.2f} x   CPU {spent[1] / million / yard[1]:8.2f} x")
    tell("size", f"{size / (1 << 20):9.1f} MiB   {size / contacts:.0f} octets a contact")


def tell_lookups(bench, store, contacts):
    for which in ("held", "absent"):
        ours, theirs = [], []
        for _ in range(bench.options.rounds):
            theirs.append(bench.asked("get", store, contacts, which, "warm"))
            ours.append(bench.asked("find", store, contacts, which, "warm"))
        tell(f"lookup, warm, {which}", f"{statistics.median(ours):9.0f} ns   mdb_get {statistics.median(theirs):8.0f} ns   "
             f"{statistics.median(ours) / statistics.median(theirs):.2f} x")
    for which in ("held", "absent"):
        forget_pages(store)
        ours = bench.asked("find", store, contacts, which, "cold")
        forget_pages(store)
        theirs = bench.asked("get", store, contacts, which, "cold")
        tell(f"lookup, cold, {which}", f"{ours / 1000:9.1f} us   mdb_get {theirs / 1000:8.1f} us")


def tell_small_memory(bench, store, contacts):
    """The store ten times the memory."""
    octets = max((store / "data.mdb").stat().st_size // 10, 48 << 20)
    with memory_limit(octets) as group:
        if group is None:
            tell("a tenth of it as memory", "not measured: no cgroup can be made here")
            return
        for which in ("held", "absent"):
            forget_pages(store)
            ours = bench.asked("find", store, contacts, which, "cold", group)
            tell(f"a tenth as memory, {which}", f"{ours / 1000:9.1f} us a lookup, of {octets >> 20} MiB")


def tell_verbs(bench, store):
    tell("stats", f"{bench.postern('stats', '--store', store)[0]:9.2f} s")
    tell("export", f"{bench.postern('export', '--store', store)[0]:9.2f} s")
    bench.log.unlink()
    backup = bench.folder / "backup"
    tell("backup", f"{bench.postern('backup', '--store', store, backup)[0]:9.2f} s")
    for file in backup.iterdir():
        file.unlink()


def tell_gate(bench, store):
    home = bench.folder / "gate"
    home_store = home / "store"
    begun = time.monotonic()

    def put_store():
        home_store.symlink_to(store)

    with gate(bench.options.gate, home, 9, prepare=put_store) as (process, _):
        ready = time.monotonic() - begun
        tell("gate", f"{ready:9.2f} s to listen   private memory {memory(process.pid)['Anonymous'] / (1 << 20):.1f} MiB")
    home_store.unlink()


def tell_commits(bench, store, contacts):
    """One new contact a commit, of one process after the other: what an unsubscription waits for."""
    spent = [bench.postern("unsubscribe", "--store", store, f"late{number}@example.net")[0] for number in range(9)]
    tell("unsubscribe, one", f"{statistics.median(spent) * 1000:9.1f} ms, process, commit and fsync")


def measure(bench, contacts):
    print(f"{contacts:,} contacts", flush=True)
    store = bench.folder / f"store-{contacts}"
    try:
        tell_imports(bench, store, contacts)
        tell_gate(bench, store)
        tell_lookups(bench, store, contacts)
        tell_small_memory(bench, store, contacts)
        tell_commits(bench, store, contacts)
        tell_verbs(bench, store)
    finally:
        if store.exists():
            for file in store.iterdir():
                file.unlink()
            store.rmdir()


def run(options):
    with temporary_folder(options.folder) as folder:
        bench = Bench(options, folder)
        for contacts in options.contacts:
            measure(bench, contacts)
