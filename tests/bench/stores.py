"""The store by its size: import beside `postmap lmdb:`, lookups beside LMDB's own get, and what else an operator waits for."""

import contextlib
import itertools
import json
import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

import growth
from measuring import Failure, gate, memory, smtp_sink, temporary_folder
from memory import Client

POSTMAP_ENTRIES = 1_000_000
CGROUP = Path("/sys/fs/cgroup/memory")  # version 1; version 2 has its files one folder up
SPARE_DISK = 10 << 30
OCTETS_WHILE_SORTED = 470  # of a contact: its part of the store, and of the rows that wait in files to be sorted
QUESTIONS = 2_000  # to a gate with little memory
DOMAINS = ("gmail.com", "example.com", "yahoo.example", "corp.example.org", "web.example.de", "mail.example.fr")
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
    def __init__(self, options, folder, keep=None):
        """`keep`: a file for the figures, which may have those of other sizes already."""
        self.options = options
        self.folder = folder
        self.log = folder / "log"
        self.keep = keep
        self.figures = {}
        if keep and keep.exists():
            self.figures = {int(contacts): known for contacts, known in json.loads(keep.read_text()).items()}

    def note(self, contacts, **figures):
        """For the picture; in the file at once, so that a run that is broken off leaves what it found."""
        self.figures.setdefault(contacts, {}).update(figures)
        if self.keep:
            self.keep.write_text(json.dumps(self.figures, indent=1, sort_keys=True) + "\n")

    @contextlib.contextmanager
    def gate(self, store, upstream):
        """A gate on that store: (process, port)."""
        home = self.folder / "gate"
        with gate(self.options.gate, home, upstream, prepare=lambda: (home / "store").symlink_to(store)) as started:
            yield started
        shutil.rmtree(home)

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


def say(name, text):
    print(f"  {name:28} {text}", flush=True)


def tell_imports(bench, store, contacts):
    """Into an empty store, beside postmap before and after it: the same minutes."""
    before = bench.postmap(POSTMAP_ENTRIES)
    spent = bench.postern("import", "--store", store, "-", feed=bench.helper("rows", contacts))
    after = bench.postmap(POSTMAP_ENTRIES)
    yard = [statistics.mean(pair) for pair in zip(before, after)]
    size = (store / "data.mdb").stat().st_size
    million = contacts / 1e6
    say("postmap lmdb:, 1 million", f"{yard[0]:9.2f} s   CPU {yard[1]:8.2f} s")
    say("import", f"{spent[0]:9.2f} s   CPU {spent[1]:8.2f} s   {contacts / spent[0]:10,.0f} a second")
    say("  of postmap, a contact", f"{spent[0] / million / yard[0]:9.2f} x   CPU {spent[1] / million / yard[1]:8.2f} x")
    say("size", f"{size / (1 << 20):9.1f} MiB   {size / contacts:.0f} octets a contact")
    bench.note(contacts, postmap_s=yard[0], postmap_cpu=yard[1], import_s=spent[0], import_cpu=spent[1], octets=size)


def tell_lookups(bench, store, contacts):
    for which in ("held", "absent"):
        ours, theirs = [], []
        for _ in range(bench.options.rounds):
            theirs.append(bench.asked("get", store, contacts, which, "warm"))
            ours.append(bench.asked("find", store, contacts, which, "warm"))
        ns, yard = statistics.median(ours), statistics.median(theirs)
        say(f"lookup, warm, {which}", f"{ns:9.0f} ns   mdb_get {yard:8.0f} ns   {ns / yard:.2f} x")
        bench.note(contacts, **{f"warm_{which}_ns": ns, f"warm_{which}_get_ns": yard})
    for which in ("held", "absent"):
        forget_pages(store)
        ours = bench.asked("find", store, contacts, which, "cold")
        forget_pages(store)
        theirs = bench.asked("get", store, contacts, which, "cold")
        say(f"lookup, cold, {which}", f"{ours / 1000:9.1f} us   mdb_get {theirs / 1000:8.1f} us")
        bench.note(contacts, **{f"cold_{which}_us": ours / 1000, f"cold_{which}_get_us": theirs / 1000})


def tell_small_memory(bench, store, contacts):
    """The store ten times the memory: lookups, and a gate that is asked by SMTP."""
    octets = max((store / "data.mdb").stat().st_size // 10, 48 << 20)
    with memory_limit(octets) as group:
        if group is None:
            say("a tenth of it as memory", "not measured: no cgroup can be made here")
            return
        for which in ("held", "absent"):
            forget_pages(store)
            ours = bench.asked("find", store, contacts, which, "cold", group)
            say(f"a tenth as memory, {which}", f"{ours / 1000:9.1f} us a lookup, of {octets >> 20} MiB")
            bench.note(contacts, **{f"tenth_{which}_us": ours / 1000, "tenth_octets": octets})
        forget_pages(store)
        with smtp_sink(bench.folder) as (_, sink), bench.gate(store, sink) as (process, port):
            group.write_text(str(process.pid))
            for which, code in (("held", b"550"), ("absent", b"250")):
                times = answers(port, contacts, which, code)
                say(f"  the gate's RCPT, {which}", f"{statistics.median(times) * 1e6:9.1f} us p50   {times[-len(times) // 100] * 1e6:9.1f} "
                    f"us p99   {len(times)} answers, all {code.decode()}")
                bench.note(contacts, **{f"tenth_rcpt_{which}_us": statistics.median(times) * 1e6})


def address(number):
    """As bench_store has it."""
    scattered = number * 0x9E3779B97F & 0xFFFFFFFFFF
    return f"user{scattered:010x}@{DOMAINS[scattered % len(DOMAINS)]}"


def answers(port, contacts, which, code):
    """Seconds until each RCPT was answered, sorted; another answer than `code` ends the measurement."""
    client = Client(port)
    client.ask(b"EHLO bench.example.com", b"250")
    times = []
    for turn in range(QUESTIONS):
        number = turn * 2_147_483_647 % contacts + (0 if which == "held" else contacts)
        client.ask(b"MAIL FROM:<news@example.com>", b"250")
        begun = time.perf_counter()
        client.ask(f"RCPT TO:<{address(number)}>".encode(), code)
        times.append(time.perf_counter() - begun)
        client.ask(b"RSET", b"250")
    client.close()
    return sorted(times)


def tell_verbs(bench, store, contacts):
    for verb in ("stats", "export"):
        spent = bench.postern(verb, "--store", store)
        bench.log.unlink()  # the export itself
        say(verb, f"{spent[0]:9.2f} s   CPU {spent[1]:8.2f} s")
        bench.note(contacts, **{f"{verb}_s": spent[0]})
    size = (store / "data.mdb").stat().st_size
    free = shutil.disk_usage(bench.folder).free
    if free < size + SPARE_DISK:
        say("backup", f"not measured: it takes {size >> 30} GiB, and the disk has {free >> 30} GiB, "
            f"of which {SPARE_DISK >> 30} are left alone")
        return
    backup = bench.folder / "backup"
    spent = bench.postern("backup", "--store", store, backup)
    say("backup", f"{spent[0]:9.2f} s   CPU {spent[1]:8.2f} s")
    bench.note(contacts, backup_s=spent[0])
    shutil.rmtree(backup)


def tell_gate(bench, store, contacts):
    begun = time.monotonic()
    with bench.gate(store, 9) as (process, _):
        ready = time.monotonic() - begun
        private = memory(process.pid)["Anonymous"]
        say("gate", f"{ready:9.2f} s to listen   private memory {private / (1 << 20):.1f} MiB")
        bench.note(contacts, ready_s=ready, private_octets=private)


def tell_commits(bench, store, contacts):
    """One new contact a commit, of one process after the other: what an unsubscription waits for."""
    spent = [bench.postern("unsubscribe", "--store", store, f"late{number}@example.net")[0] for number in range(9)]
    say("unsubscribe, one", f"{statistics.median(spent) * 1000:9.1f} ms, process, commit and fsync")
    bench.note(contacts, unsubscribe_ms=statistics.median(spent) * 1000)


def measure(bench, contacts):
    print(f"{contacts:,} contacts", flush=True)
    wanted = contacts * OCTETS_WHILE_SORTED + SPARE_DISK
    free = shutil.disk_usage(bench.folder).free
    if free < wanted:
        say("import", f"not measured: the store and the sorted rows take {wanted - SPARE_DISK >> 30} GiB, and the disk has "
            f"{free >> 30} GiB, of which {SPARE_DISK >> 30} are left alone")
        return
    store = bench.folder / f"store-{contacts}"
    try:
        tell_imports(bench, store, contacts)
        tell_gate(bench, store, contacts)
        tell_lookups(bench, store, contacts)
        tell_small_memory(bench, store, contacts)
        tell_commits(bench, store, contacts)
        tell_verbs(bench, store, contacts)
    finally:
        shutil.rmtree(store, ignore_errors=True)


def run(options):
    with temporary_folder(options.folder) as folder:
        bench = Bench(options, folder, options.json)
        for contacts in options.contacts:
            measure(bench, contacts)
        if options.picture:
            options.picture.write_text(growth.picture(bench.figures), encoding="utf-8")
