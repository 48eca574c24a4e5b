"""The gate beside haproxy and Postfix: workloads run round by round, and one table of what came of them."""

import json
import subprocess
import sys
import time
from pathlib import Path

import workloads
from measuring import Failure, raise_file_limit, temporary_folder
from rounds import measure
from setups import Bench
from tables import compared_table, table

MOST_FILES = 18_500  # of haproxy, with 5,000 idle connections and their other ends
COMPARED = ("R1", "R2", "R3", "R4", "R5")
ROOT = Path(__file__).resolve().parents[2]


def say(text):
    print(text, file=sys.stderr, flush=True)


def run_all(options, bench, chosen, setup):
    """({workload's name: {contender's name: Series}}, what could not be measured)"""
    results, failed = {}, []
    for name in dict.fromkeys(workload.setup for workload in chosen):
        with setup(name) as running:
            for workload in (workload for workload in chosen if workload.setup == name):
                began = time.monotonic()
                try:
                    results[workload.name] = measure(bench.tools, workload, running, options.rounds, bench.folder)
                except Failure as failure:
                    failed.append(f"{workload.name}: {failure}")
                    # What is left of it may still be under way there.
                    break
                say(f"bench: {workload.name} in {time.monotonic() - began:.0f} s")
    return results, failed


def conclude(options, text, results, failed):
    print(text)
    if options.json:
        options.json.write_text(json.dumps(as_json(results), indent=1) + "\n")
    if failed:
        raise Failure("not measured, nor what came behind it with the same contenders:\n" + "\n".join(failed))


def as_json(results):
    return {name: {who: {"medians": series.medians(), "rounds": vars(series)} for who, series in of.items()}
            for name, of in results.items()}


def run(options):
    try:
        chosen = workloads.chosen(options.only)
    except KeyError as error:
        raise Failure(f"no workload {error.args[0]}; there are: "
                      f"{', '.join(workload.name for workload in workloads.WORKLOADS)}") from error
    if options.compare:
        compare(options)
        return
    raise_file_limit(MOST_FILES)
    with temporary_folder() as folder:
        bench = Bench(options, folder)
        results, failed = run_all(options, bench, chosen, bench.setup)
    chosen = [workload for workload in chosen if workload.name in results]
    conclude(options, table(chosen, results, options.rounds), results, failed)


def build(revision):
    """The gate of another revision, in a worktree of its own under build/: its binary."""
    def git(*words):
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"git {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout.strip()

    commit = git("rev-parse", "--verify", "--short=12", f"{revision}^{{commit}}")
    tree = ROOT / "build" / f"bench-{commit}"
    if not tree.exists():
        git("worktree", "prune")
        git("worktree", "add", "--detach", str(tree), commit)
    for command in (["cmake", "--preset", "release"],
                    ["cmake", "--build", "build/release", "--target", "postern"]):
        say(f"bench: {commit}: {' '.join(command)}")
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"{commit} does not build:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return commit, tree / "build/release/postern"


def compare(options):
    commit, old = build(options.compare)
    chosen = [workloads.BY_NAME[name] for name in COMPARED if not options.only or name in options.only]
    chosen = [workload.against("old") for workload in chosen]
    with temporary_folder() as folder:
        bench = Bench(options, folder)
        results, failed = run_all(options, bench, chosen, bench.compared(old))
    chosen = [workload for workload in chosen if workload.name in results]
    conclude(options, compared_table(commit, chosen, results, options.rounds), results, failed)
