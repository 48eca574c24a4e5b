"""The store's rows of the benchmark's table: lookups beside LMDB's own get, an import beside `postmap lmdb:`, and commits."""

import itertools
from pathlib import Path
from statistics import median

import page
import stores
from measuring import Failure

ABOUT = {
    "S1": "lookups in a store of a million contacts, beside LMDB's own get",
    "S2": "an import of a million contacts, beside postmap lmdb:",
    "S3": "unsubscriptions that are on the disk, a second, one at a time and a hundred",
}
CONTACTS = 1_000_000
IMPORTS = 3  # rounds of S2, at most
ONE_BY_ONE, AT_ONCE = 300, 3000  # POSTs of a round
CLIENTS = 100


def row(name, what, ours, peer, theirs, unit, limit=None, goal=""):
    """`ours` and `theirs`: of each round."""
    share = median(a / b for a, b in zip(ours, theirs))
    verdict = "" if limit is None else "yes" if share <= limit else "NO"
    return (f"{name:5}{what:44}{median(ours):>11,.2f}{peer:>22}{median(theirs):>11,.2f} {unit:12}{share:>7.2f}  "
            f"{len(ours):>2}  {verdict:4}{goal}").rstrip()


def heading():
    return f"{'':5}{'':44}{'gate':>11}{'beside':>22}{'':11} {'':12}{'ratio':>7}  rounds  ok, goal"


def lookups(bench, store, rounds):
    """S1: a process for each, in turn."""
    found = {(how, which): [] for which in ("held", "absent") for how in ("get", "find")}
    for _ in rounds:
        for (how, which), series in found.items():
            series.append(bench.asked(how, store, CONTACTS, which, "warm"))
    goals = {"held": "1.2 x LMDB's own get; aim 500 ns", "absent": "1.2 x LMDB's own get; aim 100 ns"}
    return [row("S1", f"a lookup, warm, of a contact that is {which}", found["find", which], "mdb_get", found["get", which],
                "ns", 1.2, goal) for which, goal in goals.items()]


def imports(bench, store, rounds):
    """S2, each round into a store of its own; the last one stays."""
    ours, theirs = [], []
    for _ in itertools.islice(rounds, IMPORTS):
        if store.exists():
            for file in store.iterdir():
                file.unlink()
        theirs.append(bench.postmap(CONTACTS)[0])
        ours.append(bench.postern("import", "--store", store, "-", feed=bench.helper("rows", CONTACTS))[0])
    return [row("S2", f"an import of {CONTACTS:,} contacts", ours, "postmap lmdb:", theirs, "s", 1.0,
                "1.0 x postmap; aim 0.35")]


def commits(bench, folder, rounds):
    """S3: POSTs of the unsubscribe page, each answered when it is on the disk."""
    folder.mkdir()
    alone, together, disk = [], [], []
    with page.page_of(bench.options.gate, folder) as (port, config):
        each = ONE_BY_ONE + AT_ONCE
        for number in rounds:
            mine = page.make_links(bench.options.gate, config, each, number * each)
            disk.append(page.syncs_a_second(folder))
            alone.append(ONE_BY_ONE / page.post_all(port, mine[:ONE_BY_ONE], 1)[0])
            together.append(AT_ONCE / page.post_all(port, mine[ONE_BY_ONE:], CLIENTS)[0])
        page.check_stored(bench.options.gate, config, each * len(disk))
    beside = "fdatasync of 4 KiB"
    return [row("S3", "unsubscriptions on the disk, one at a time", alone, beside, disk, "a second"),
            row("S3", f"unsubscriptions on the disk, {CLIENTS} at a time", together, beside, disk, "a second")]


def measure(options, folder, names, budget):
    """Lines of the table."""
    bench = stores.Bench(options, folder)
    store = folder / "measured"
    helper = Path(bench.helper()[0])
    if not helper.is_file():
        raise Failure(f"no {helper}; build it: cmake --preset release && cmake --build --preset release")
    def rounds():
        budget.next_part()
        return budget.rounds(options.rounds)

    lines = []
    if {"S1", "S2"} & set(names):
        of_import = imports(bench, store, rounds() if "S2" in names else range(1))
        lines += lookups(bench, store, rounds()) if "S1" in names else []
        lines += of_import if "S2" in names else []
    lines += commits(bench, folder / "page", rounds()) if "S3" in names else []
    return lines
