"""The micro-benchmarks: their times, and how many instructions a turn takes in two revisions (callgrind)."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from measuring import Failure, temporary_folder

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = Path("tests/bench/micro")
TURNS = (20, 1020)  # what their counts differ by is what the turns between take


def build(root):
    """The benchmarks of a tree in its release build."""
    for words in (["cmake", "--preset", "release"], ["cmake", "--build", "build/release", "--target", "micro"]):
        done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"{root}: {' '.join(words)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return root / "build/release/tests/bench/micro/micro"


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
    return (many - few) / (TURNS[1] - TURNS[0])


def tree_of(revision):
    """The revision checked out under build/, with the micro-benchmarks of this tree where it has none."""
    name = subprocess.run(["git", "rev-parse", "--short", revision], cwd=ROOT, capture_output=True, text=True, check=False)
    if name.returncode != 0:
        raise Failure(f"no revision {revision}")
    tree = ROOT / "build" / f"bench-{name.stdout.strip()}"
    if not tree.exists():
        subprocess.run(["git", "worktree", "add", "--detach", str(tree), revision], cwd=ROOT, check=True, capture_output=True)
    if not (tree / SOURCES).exists():
        print(f"{revision} has no micro-benchmarks: those of the work tree are built with it", flush=True)
        shutil.copytree(ROOT / SOURCES, tree / SOURCES)
        with open(tree / "tests/CMakeLists.txt", "a", encoding="utf-8") as out:
            out.write("find_package(benchmark REQUIRED)\nadd_subdirectory(bench/micro)\n")
    return tree


def run(options):
    words = [build(ROOT), f"--benchmark_repetitions={options.rounds}", "--benchmark_report_aggregates_only=true",
             "--benchmark_enable_random_interleaving=true", f"--benchmark_filter={options.only}"]
    if subprocess.run(words, check=False).returncode != 0:
        raise Failure("the micro-benchmarks failed")


def compare(options):
    """Instructions a turn: of the revision, of the work tree, and the ratio."""
    then, now = build(tree_of(options.revision)), build(ROOT)
    known = set(names(then))
    print(f"{'instructions a turn':34} {options.revision[:14]:>14} {'work tree':>14} {'ratio':>7}", flush=True)
    with temporary_folder() as folder:
        then, now = (stripped(binary, folder / side) for binary, side in ((then, "then"), (now, "now")))
        for name in names(now):
            if not re.search(options.only, name):
                continue
            ours = counts(now, name, folder)
            if name not in known:
                print(f"{name:34} {'-':>14} {ours:14,.0f}", flush=True)
                continue
            theirs = counts(then, name, folder)
            print(f"{name:34} {theirs:14,.0f} {ours:14,.0f} {ours / theirs:7.2f}", flush=True)
