"""What the rounds came to, as a table for people."""

from statistics import median

from rounds import prompt

MIB = 1 << 20
LEAST_DELAYED = 0.8  # of the rate without delayed acknowledgements


def ratios(series, other, what):
    """Of the gate to another, round by round: rounds that stood side by side are compared, not medians of all."""
    mine, theirs = getattr(series, what), getattr(other, what)
    return [a / b for a, b in zip(mine, theirs) if b > 0]


def ratio(of, peer, what):
    """The median, or None where the peer was not there."""
    if "gate" not in of or peer not in of:
        return None
    found = ratios(of["gate"], of[peer], what)
    return median(found) if found else None


def number(value, digits=None):
    if value is None:
        return "-"
    if digits is None:
        digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}"


def small(value):
    return "-" if value is None else f"{value:.4f}" if value < 0.1 else f"{value:.2f}"


def measured_by(workload):
    return "p50" if "latency" in workload.load else "cpu"


def verdict(workload, of):
    """Of what was asked, all: yes; of CPU or p50, rate, and memory."""
    reached = []
    if workload.limit and (found := ratio(of, workload.limit[0], measured_by(workload))) is not None:
        reached.append(found <= workload.limit[1])
    if workload.delayed and (found := ratio(of, prompt("gate"), "rate")) is not None:
        reached.append(found >= LEAST_DELAYED)
    if workload.memory:
        peer = get(of, workload.memory, "memory") if isinstance(workload.memory, str) else workload.memory * MIB
        reached.append(get(of, "gate", "memory") <= peer)
    return "" if not reached else "yes" if all(reached) else "NO"


def get(of, who, what):
    if who not in of or not getattr(of[who], what):
        return None
    return median(getattr(of[who], what))


COLUMNS = (("", 5), ("unit", 10), ("rounds", 6), ("gate/s", 10), ("haproxy/s", 10), ("Postfix/s", 10), ("gate us", 9),
           ("haproxy us", 11), ("Postfix us", 11), ("x haproxy", 10), ("x Postfix", 10), ("gate MiB", 9), ("haproxy", 8), ("Postfix", 8))


def row(workload, of):
    what = measured_by(workload)
    cells = [workload.name, workload.unit, len(of["gate"].memory)]
    cells += [number(get(of, who, "rate")) for who in ("gate", "haproxy", "postfix")]
    cells += [number(get(of, who, what)) for who in ("gate", "haproxy", "postfix")]
    cells += [small(ratio(of, "haproxy", what)), small(ratio(of, "postfix", what))]
    for who in ("gate", "haproxy", "postfix"):
        memory = get(of, who, "memory")
        cells.append(number(memory / MIB, 1) if memory is not None else "-")
    goal = "; ".join(filter(None, (workload.at_most, f"aim {workload.aim}" if workload.aim else "")))
    return line(cells) + f"  {verdict(workload, of):4}{goal}"


def line(cells):
    first, second, *rest = (f"{cell:>{width}}" for cell, (_, width) in zip(cells, COLUMNS))
    return f"{first.strip():{COLUMNS[0][1]}}{second.strip():{COLUMNS[1][1]}}" + "".join(rest)


def table(workloads, results):
    lines = ["Contenders in turn, medians of the rounds. us: CPU of all of the contender's processes for a unit, of an answer its "
             "p50. MiB: private memory. Ratios: of us, round by round."]
    lines.append(line([name for name, _ in COLUMNS]) + "  ok  goal, of us unless it says otherwise")
    lines += [row(workload, results[workload.name]) for workload in workloads]
    lines += delayed(results)
    lines.append("")
    lines += [f"{workload.name:5}{workload.about}" for workload in workloads]
    return "\n".join(lines)


def delayed(results):
    """What the rate is with delayed acknowledgements, in parts of the rate without, round by round."""
    if "ACK" not in results:
        return []
    shares = [(who, median(ratios(of, results["ACK"][prompt(who)], "rate")))
              for who, of in results["ACK"].items() if prompt(who) in results["ACK"]]
    told = ", ".join(f"{who} {share:.2f}" for who, share in shares)
    return [f"ACK: rate with delayed acknowledgements, in parts of that without: {told}"]


def compared_table(commit, workloads, results):
    lines = [f"Both gates in turn, medians of the rounds. old: {commit}. Ratios new : old, round by round.",
             f"{'':5}{'unit':10}{'rounds':>6}{'old/s':>10}{'new/s':>10}{'ratio':>8}{'old us':>10}{'new us':>10}{'ratio':>8}"]
    for workload in workloads:
        of = results[workload.name]
        lines.append(
            f"{workload.name:5}{workload.unit:10}{len(of['gate'].memory):>6}"
            f"{number(get(of, 'old', 'rate')):>10}{number(get(of, 'gate', 'rate')):>10}"
            f"{ratio(of, 'old', 'rate'):>8.2f}{number(get(of, 'old', 'cpu')):>10}{number(get(of, 'gate', 'cpu')):>10}"
            f"{ratio(of, 'old', 'cpu'):>8.2f}")
    return "\n".join(lines)
