"""The store's rows of the benchmark's table: lookups beside LMDB's own get, an import beside `postmap lmdb:`, and commits."""

import page
import stores
from measuring import Failure
from statistics import median

NAMES = ("S1", "S2", "S3")
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


def lookups(bench, store):
    """S1: a process for each, in turn."""
    lines = []
    for which, goal in (("held", "1.2 x LMDB's own get; aim 500 ns"), ("absent", "aim 100 ns")):
        ours, theirs = [], []
        for _ in range(bench.options.rounds):
            theirs.append(bench.asked("get", store, CONTACTS, which, "warm"))
            ours.append(bench.asked("find", store, CONTACTS, which, "warm"))
        lines.append(row("S1", f"a lookup, warm, of a contact that is {which}", ours, "mdb_get", theirs, "ns", 1.2, goal))
    return lines


def imports(bench, store):
    """S2, each round into a store of its own; the last one stays."""
    ours, theirs = [], []
    for _ in range(min(IMPORTS, bench.options.rounds)):
        if store.exists():
            for file in store.iterdir():
                file.unlink()
        theirs.append(bench.postmap(CONTACTS)[0])
        ours.append(bench.postern("import", "--store", store, "-", feed=bench.helper("rows", CONTACTS))[0])
    return [row("S2", f"an import of {CONTACTS:,} contacts", ours, "postmap lmdb:", theirs, "s", 1.0,
                "postmap; aim 0.35")]


def commits(bench, folder):
    """S3: POSTs of the unsubscribe page, each answered when it is on the disk."""
    folder.mkdir()
    rounds = bench.options.rounds
    alone, together, disk = [], [], []
    with page.page_of(bench.options.gate, folder) as (port, config):
        each = ONE_BY_ONE + AT_ONCE
        targets = page.make_links(bench.options.gate, config, each * rounds)
        for number in range(rounds):
            mine = targets[number * each:(number + 1) * each]
            disk.append(page.syncs_a_second(folder))
            alone.append(ONE_BY_ONE / page.post_all(port, mine[:ONE_BY_ONE], 1)[0])
            together.append(AT_ONCE / page.post_all(port, mine[ONE_BY_ONE:], CLIENTS)[0])
        page.check_stored(bench.options.gate, config, len(targets))
    beside = "fdatasync of 4 KiB"
    return [row("S3", "unsubscriptions on the disk, one at a time", alone, beside, disk, "a second"),
            row("S3", f"unsubscriptions on the disk, {CLIENTS} at a time", together, beside, disk, "a second")]


def measure(options, folder, names):
    """Lines of the table."""
    bench = stores.Bench(options, folder)
    store = folder / "measured"
    helper = bench.helper()[0]
    if not stores.Path(helper).is_file():
        raise Failure(f"no {helper}; build it: cmake --preset release && cmake --build --preset release")
    lines = []
    if {"S1", "S2"} & set(names):
        of_import = imports(bench, store)
        if "S1" in names:
            lines += lookups(bench, store)
        if "S2" in names:
            lines += of_import
    if "S3" in names:
        lines += commits(bench, folder / "page")
    return lines
