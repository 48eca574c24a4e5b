"""The micro-benchmarks: their times, and how many instructions a turn takes in two revisions (callgrind)."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from measuring import Failure, temporary_folder
from revisions import ROOT, build, checked_out

SOURCES = Path("tests/bench/micro")
TURNS = (20, 1020)  # what their counts differ by is what the turns between take
# What comes before the turns differs from run to run by a million (a store has a random key): of short turns there are more.
ENOUGH = 100_000_000  # instructions
MOST_TURNS = 50_000


def benchmarks(tree):
    return build(tree, "micro") / "tests/bench/micro/micro"


def stripped(binary, to):
    """A copy without debug information: valgrind ends at some that clang writes."""
    subprocess.run(["objcopy", "--strip-debug", binary, to], check=True)
    return to


def names(binary):
    listed = subprocess.run([binary, "--benchmark_list_tests"], capture_output=True, text=True, check=True)
    return listed.stdout.split()


def counted(binary, name, turns, folder):
    """Instructions of a run with so many turns, what comes before them included."""
    words = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", str(binary),
             f"--benchmark_filter=^{re.escape(name)}(/iterations:[0-9]+)?$"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "POSTERN_TURNS": str(turns)})
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise Failure(f"callgrind of {name} failed: {done.stderr[-1000:]}")
    return int(found[1])


def counts(binary, name, folder):
    few, many = (counted(binary, name, turns, folder) for turns in TURNS)
    rough = (many - few) / (TURNS[1] - TURNS[0])
    turns = min(MOST_TURNS, int(ENOUGH / max(rough, 1)))
    if turns <= TURNS[1]:
        return rough
    return (counted(binary, name, turns, folder) - few) / (turns - TURNS[0])


def add_benchmarks(tree):
    """Those of this work tree, where a revision has none."""
    if (tree / SOURCES).exists():
        return
    print(f"{tree.name} has no micro-benchmarks: those of the work tree are built with it", flush=True)
    shutil.copytree(ROOT / SOURCES, tree / SOURCES)
    with open(tree / "tests/CMakeLists.txt", "a", encoding="utf-8") as out:
        out.write("find_package(benchmark REQUIRED)\nadd_subdirectory(bench/micro)\n")


def run(options):
    words = [benchmarks(ROOT), f"--benchmark_repetitions={options.rounds}", "--benchmark_report_aggregates_only=true",
             "--benchmark_enable_random_interleaving=true", f"--benchmark_filter={options.only}"]
    if subprocess.run(words, check=False).returncode != 0:
        raise Failure("the micro-benchmarks failed")


def compare(options):
    """Instructions a turn: of the revision, of the work tree, and the ratio."""
    with checked_out(options.revision) as tree, temporary_folder() as folder:
        add_benchmarks(tree)
        then, now = (stripped(benchmarks(root), folder / side) for root, side in ((tree, "then"), (ROOT, "now")))
        print_counts(options, then, now, folder)


def print_counts(options, then, now, folder):
    known = set(names(then))
    print(f"{'instructions a turn':34} {options.revision[:14]:>14} {'work tree':>14} {'ratio':>7}", flush=True)
    for name in names(now):
        if not re.search(options.only, name):
            continue
        ours = counts(now, name, folder)
        if name not in known:
            print(f"{name:34} {'-':>14} {ours:14,.0f}", flush=True)
            continue
        theirs = counts(then, name, folder)
        print(f"{name:34} {theirs:14,.0f} {ours:14,.0f} {ours / theirs:7.2f}", flush=True)
