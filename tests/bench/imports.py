"""An import of many rows: time, memory, the store's size, `check` of one; beside `postmap lmdb:` of the same addresses in the
same run. And the answers to RCPT of a gate on that store while it is imported into, against those while it is idle.
"""

import contextlib
import re
import resource
import statistics
import subprocess
import time
from pathlib import Path

from memory import Client
from measuring import Failure, gate, smtp_sink, temporary_folder

DOMAINS = ("gmail.com", "example.com", "yahoo.example", "corp.example.org", "web.example.de", "mail.example.fr")
WARM_UP = 200  # questions that are not counted


def address(number):
    scattered = number * 2654435761 % (1 << 32)
    return f"user{scattered:08x}.{number % 97}@{DOMAINS[scattered % len(DOMAINS)]}"


def write_export(path, rows):
    """As Mailchimp writes unsubscribed members, in no order of the store's."""
    with open(path, "w", encoding="ascii") as out:
        out.write("Email Address,First Name,UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_REASON\n")
        for number in range(rows):
            out.write(f"{address(number)},Name,2024-0{1 + number % 9}-{1 + number % 28:02d} 10:00:00,Spring,NORMAL\n")


def write_access_map(path, rows):
    with open(path, "w", encoding="ascii") as out:
        for number in range(rows):
            out.write(f"{address(number)} REJECT 5.7.1 recipient unsubscribed on 2024-01-01\n")


def anonymous(pid):
    """Private memory in octets: without the pages of the mapped store, which are the system's to take back."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def timed(command, folder):
    """(seconds, CPU seconds, most private octets) of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log, cwd=folder)
        most = 0
        while process.poll() is None:
            with contextlib.suppress(OSError):
                most = max(most, anonymous(process.pid))
            time.sleep(0.02)
    seconds = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode != 0:
        raise Failure(f"{command[0]} ended with {process.returncode}: {(folder / 'log').read_text()[-1000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, most


class Asker:
    """Asks a gate about recipients, one after the other, until it is told to stop; keeps how long each answer took."""

    def __init__(self, port, rows):
        self.rows = rows
        self.client = Client(port)
        self.client.ask(b"EHLO bench.example.com", b"250")

    def ask(self, go_on):
        times = []
        number = 0
        while go_on(len(times)):
            number += 7919
            self.client.ask(b"MAIL FROM:<news@example.com>", b"250")
            begun = time.perf_counter()
            self.client.ask(f"RCPT TO:<{address(number % self.rows)}>".encode(), b"")
            times.append(time.perf_counter() - begun)
            self.client.ask(b"RSET", b"250")
        return sorted(times[WARM_UP:])


def percentile(times, share):
    return times[min(len(times) - 1, int(len(times) * share))] * 1e6


def tell_latency(name, times):
    print(f"  {name:22} p50 {percentile(times, 0.5):7.0f} us   p99 {percentile(times, 0.99):7.0f} us   ({len(times)} answers)",
          flush=True)


def latency(options, folder, export):
    """Of RCPT on one connection: the gate idle, then while another process imports into its store."""
    with smtp_sink(folder) as (_, sink_port), gate(options.gate, folder / "gate", sink_port) as (_, port):
        asker = Asker(port, options.rows)
        idle = asker.ask(lambda asked: asked < options.questions + WARM_UP)
        importing = subprocess.Popen(
            [str(options.gate), "import", "--store", str(folder / "gate" / "store"), str(export)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            busy = asker.ask(lambda asked: importing.poll() is None)
        finally:
            importing.kill()
            importing.wait()
        if not busy:
            raise Failure("the import ended before a question was answered: more --rows")
    tell_latency("RCPT, idle", idle)
    tell_latency("RCPT, while importing", busy)
    print(f"  ratio                  p50 {percentile(busy, 0.5) / percentile(idle, 0.5):.2f}      "
          f"p99 {percentile(busy, 0.99) / percentile(idle, 0.99):.2f}")


def tell(name, rows, seconds, cpu, most, size):
    print(f"  {name:22} {seconds:7.1f} s {rows / seconds:10,.0f} rows/s   CPU {cpu:6.1f} s   private memory "
          f"{most / (1 << 20):6.1f} MiB   file {size / (1 << 20):8.1f} MiB", flush=True)


def run(options):
    with temporary_folder() as folder:
        export = folder / "export.csv"
        access = folder / "access"
        write_export(export, options.rows)
        write_access_map(access, options.rows)
        print(f"{options.rows:,} rows")
        store = folder / "store"
        first = timed([options.gate, "import", "--store", store, export], folder)
        tell("import, empty store", options.rows, *first, (store / "data.mdb").stat().st_size)
        again = timed([options.gate, "import", "--store", store, export], folder)
        tell("the same file again", options.rows, *again, (store / "data.mdb").stat().st_size)
        # Postfix's own bound, which a map of this size passes.
        bound = ["-c", folder / "postfix"]
        (folder / "postfix").mkdir()
        (folder / "postfix" / "main.cf").write_text(f"lmdb_map_size = {1 << 24}\ncompatibility_level = 3.6\n")
        postmap = timed(["/usr/sbin/postmap", *bound, f"lmdb:{access}"], folder)
        tell("postmap lmdb:", options.rows, *postmap, Path(f"{access}.lmdb").stat().st_size)
        print(f"  ratio                  {postmap[0] / first[0]:.2f} of postmap's rows a second")
        asked = [timed_check(options.gate, store, address(number)) for number in range(0, 20)]
        print(f"  check of one           {statistics.median(asked) * 1000:.1f} ms, the process included")
        latency(options, folder, export)


def timed_check(binary, store, recipient):
    begun = time.perf_counter()
    done = subprocess.run([str(binary), "check", "--store", str(store), recipient], capture_output=True, check=False)
    if done.returncode != 1:
        raise Failure(f"{recipient} is not refused: {done.stdout.decode()}{done.stderr.decode()}")
    return time.perf_counter() - begun

