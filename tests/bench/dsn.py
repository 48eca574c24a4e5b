"""`postern dsn` over a folder of return mail, files a second and a CPU second, beside Debian's Sisimai (libsisimai-perl) over
the same files: one process each, in turn, medians. Then what a hostile MiB costs, whatever it is made of."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median

from hostile import inputs
from measuring import Failure, temporary_folder

SISIMAI = Path(__file__).resolve().parent / "sisimai.pl"
MOST_ARGUMENTS = 60_000  # of short names: the system takes 2 MiB of arguments
LONGEST = 300  # seconds for a run
MOST_TIME = 0.1  # seconds for a MiB, whatever it is
MOST_MEMORY = 64 << 20
WARM_UP = 1


# Runs the command that it is given. A process begins with the peak of whoever forked it, so that is to be a small one.
MEASURING = """
import json, os, sys, time
began = time.monotonic()
process = os.fork()
if process == 0:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execvp(sys.argv[1], sys.argv[1:])
_, status, used = os.wait4(process, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), time.monotonic() - began, used.ru_utime + used.ru_stime,
                  used.ru_maxrss * 1024]))
"""


class Run:
    """A command to its end: seconds, CPU seconds, and peak memory in octets."""

    def __init__(self, command, folder):
        done = subprocess.run([sys.executable, "-IS", "-c", MEASURING, *command], cwd=folder, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=LONGEST)
        if done.returncode != 0:
            raise Failure(f"cannot start {command[0]}: {done.stderr[-1000:]}")
        status, self.seconds, self.cpu, self.memory = json.loads(done.stdout)
        if status not in (0, 1):
            raise Failure(f"{command[0]} ended with {status}: {done.stderr[-1000:]}")


def named(folder):
    """The files of the folder: those that its labels.jsonl names, else every *.eml."""
    labels = folder / "labels.jsonl"
    if labels.is_file():
        names = {json.loads(line)["file"] for line in labels.read_text().splitlines()}
        return sorted(folder / name for name in names)
    return sorted(folder.rglob("*.eml"))


def gathered(options, folder):
    """The files under short names, in a folder of our own."""
    found = [path for path in named(options.folder) if path.is_file()]
    if not found:
        raise Failure(f"no return mail in {options.folder}; --folder names another")
    for number, path in enumerate(found):
        shutil.copyfile(path, folder / str(number))
    return [str(number) for number in range(len(found))]


def has_sisimai():
    return subprocess.run(["perl", "-MSisimai", "-e", "1"], capture_output=True).returncode == 0


def speed(options, folder):
    mails = folder / "mails"
    mails.mkdir()
    names = gathered(options, mails)
    (folder / "names").write_text("\n".join(names) + "\n")
    ours = max(1, min(options.files, MOST_ARGUMENTS) // len(names))
    theirs = max(1, options.sisimai_files // len(names))
    ways = [("postern", [str(options.gate), "dsn", *names * ours], ours * len(names))]
    if has_sisimai():
        ways.append(("sisimai", ["perl", str(SISIMAI), str(theirs), str(folder / "names")], theirs * len(names)))
    rates = {way: ([], []) for way, _, _ in ways}
    for number in range(-WARM_UP, options.rounds):
        for way, command, count in ways if number % 2 == 0 else reversed(ways):
            run = Run(command, mails)
            if number >= 0:
                rates[way][0].append(count / run.seconds)
                rates[way][1].append(count / run.cpu)
    octets = sum((mails / name).stat().st_size for name in names)
    print(f"{len(names)} files of {octets / len(names):,.0f} octets on average, {options.rounds} rounds; medians")
    print(f"{'':12}{'files a run':>12}{'files/s':>12}{'files/CPU s':>14}")
    for way, _, count in ways:
        print(f"{way:12}{count:>12,}{median(rates[way][0]):>12,.0f}{median(rates[way][1]):>14,.0f}")
    if "sisimai" in rates:
        print(f"{'ratio':12}{'':12}{median(rates['postern'][0]) / median(rates['sisimai'][0]):>12,.1f}"
              f"{median(rates['postern'][1]) / median(rates['sisimai'][1]):>14,.1f}")
    else:
        print("sisimai     not here: apt-get install --no-install-recommends libsisimai-perl")


def worst(options, folder):
    """Each input in a process of its own, by its CPU time, whatever else the machine does; what a process costs that reads next
    to nothing is taken off."""
    place = folder / "hostile"
    place.mkdir()
    (place / "nothing").write_bytes(b"Subject: nothing\r\n\r\n")

    def measured(name, tries):
        runs = [Run([str(options.gate), "dsn", name], place) for _ in range(tries)]
        return median(run.cpu for run in runs), median(run.memory for run in runs)

    time_of_none, memory_of_none = measured("nothing", 9)
    rows = []
    for name, octets in inputs():
        (place / "input").write_bytes(octets)
        cpu, memory = measured("input", 1)
        if cpu - time_of_none > MOST_TIME / 2:  # it may have been disturbed
            cpu, memory = measured("input", options.tries)
        rows.append((cpu - time_of_none, memory - memory_of_none, name))
    rows.sort(reverse=True)
    over = [row for row in rows if row[0] > MOST_TIME or row[1] > MOST_MEMORY]
    print(f"\n{len(rows)} hostile inputs of 1 MiB, each in a process of its own ({time_of_none * 1000:.0f} ms of CPU and "
          f"{memory_of_none / 2**20:.0f} MiB of a process with nothing to read taken off);")
    print(f"slowest {rows[0][0] * 1000:.0f} ms, median {median(row[0] for row in rows) * 1000:.0f} ms; most memory "
          f"{max(row[1] for row in rows) / 2**20:.0f} MiB")
    for row in over + [row for row in rows if row not in over][:options.show]:
        print(f"{row[0] * 1000:>8.1f} ms{row[1] / 2**20:>8.1f} MiB  {row[2]}{'  OVER' if row in over else ''}")
    if over:
        raise Failure(f"{len(over)} inputs take more than {MOST_TIME * 1000:.0f} ms or {MOST_MEMORY >> 20} MiB")


def run(options):
    with temporary_folder() as folder:
        speed(options, folder)
        worst(options, folder)
