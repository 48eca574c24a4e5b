"""The gate beside haproxy and Postfix: workloads run round by round, and one table of what came of them."""

import json
import sys
import time

import store_rows
import workloads
from measuring import Failure, raise_file_limit, temporary_folder
from revisions import build, checked_out, commit_of
from rounds import Budget, measure
from setups import Bench
from tables import compared_table, table

MOST_FILES = 18_500  # of haproxy, with 5,000 idle connections and their other ends
COMPARED = ("R1", "R2", "R3", "R4", "R5")


def say(text):
    print(text, file=sys.stderr, flush=True)


def run_all(options, bench, chosen, setup, budget):
    """({workload's name: {contender's name: Series}}, what could not be measured)"""
    results, failed = {}, []
    for name in dict.fromkeys(workload.setup for workload in chosen):
        with setup(name) as running:
            for workload in (workload for workload in chosen if workload.setup == name):
                began = time.monotonic()
                budget.next_part()
                rounds = budget.rounds(options.rounds)
                try:
                    results[workload.name] = measure(bench.tools, workload, running, rounds, bench.folder)
                except Failure as failure:
                    failed.append(f"{workload.name}: {failure}")
                    # What is left of it may still be under way there.
                    break
                say(f"bench: {workload.name} in {time.monotonic() - began:.0f} s")
    return results, failed


def run_store(options, folder, names, budget):
    """(lines of the store's table, what could not be measured)"""
    began = time.monotonic()
    try:
        lines = store_rows.measure(options, folder, names, budget)
    except Failure as failure:
        return [], [f"{', '.join(names)}: {failure}"]
    say(f"bench: {', '.join(names)} in {time.monotonic() - began:.0f} s")
    return ["", store_rows.heading(), *lines], []


def chosen_of(names):
    """(workloads, names of the store's rows)"""
    of_store = [name for name in store_rows.ABOUT if not names or name in names]
    of_mail = [name for name in names if name not in store_rows.ABOUT]
    try:
        return (workloads.chosen(of_mail) if of_mail or not names else []), of_store
    except KeyError as error:
        known = [workload.name for workload in workloads.WORKLOADS] + list(store_rows.ABOUT)
        raise Failure(f"no workload {error.args[0]}; there are: {', '.join(known)}") from error


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
    chosen, of_store = chosen_of(options.only)
    if options.compare:
        compare(options)
        return
    raise_file_limit(MOST_FILES)
    began = time.monotonic()
    budget = Budget(options.minutes * 60, len(chosen) + len(of_store))
    with temporary_folder() as folder:
        bench = Bench(options, folder)
        results, failed = run_all(options, bench, chosen, bench.setup, budget)
        lines, failed_too = run_store(options, folder, of_store, budget) if of_store else ([], [])
    chosen = [workload for workload in chosen if workload.name in results]
    text = table(chosen, results) if chosen else ""
    took = f"\n{(time.monotonic() - began) / 60:.1f} minutes"
    conclude(options, "\n".join([text, *lines, took]).lstrip("\n"), results, failed + failed_too)


def compare(options):
    commit = commit_of(options.compare)
    chosen = [workloads.BY_NAME[name] for name in COMPARED if not options.only or name in options.only]
    chosen = [workload.against("old") for workload in chosen]
    with checked_out(commit) as tree, temporary_folder() as folder:
        old = build(tree, "postern") / "postern"
        bench = Bench(options, folder)
        budget = Budget(options.minutes * 60, len(chosen))
        results, failed = run_all(options, bench, chosen, bench.compared(old), budget)
    chosen = [workload for workload in chosen if workload.name in results]
    conclude(options, compared_table(commit, chosen, results), results, failed)
