"""A workload, round by round, its contenders in turn: what each round came to, checked against what the sink took."""

import contextlib
import itertools
import time
from dataclasses import dataclass, field, replace
from statistics import median

import mail
from measuring import Failure

LONGEST = 120  # seconds until the sink must have everything
WARM_UP = 4  # the round that does not count is so much smaller
LEAST_ROUNDS = 3


@dataclass
class Series:
    """The rounds of a contender: rate a second, CPU and the answers' p50 in microseconds, private octets."""

    rate: list = field(default_factory=list)
    cpu: list = field(default_factory=list)
    p50: list = field(default_factory=list)
    p99: list = field(default_factory=list)
    memory: list = field(default_factory=list)
    generator: list = field(default_factory=list)  # CPU of the load generator and the sink, for each unit
    taker: list = field(default_factory=list)

    def medians(self):
        return {name: median(values) for name, values in vars(self).items() if values}


class Budget:
    """Time for a run of several parts: each has an equal share of what is left, so that a slow one ends with fewer rounds."""

    def __init__(self, seconds, parts):
        self._end = time.monotonic() + seconds
        self._parts = parts
        self._share_ends = 0.0

    def next_part(self):
        now = time.monotonic()
        self._share_ends = now + (self._end - now) / max(1, self._parts)
        self._parts -= 1

    def rounds(self, wanted):
        """Numbers of rounds from 0 on, fewer than wanted where the share is used up."""
        for number in range(wanted):
            if number >= LEAST_ROUNDS and time.monotonic() > self._share_ends:
                return
            yield number


def options_of(workload, contender, share=1):
    options = {**workload.load, **workload.theirs.get(contender.name, {})}
    for count in ("messages", "latency"):
        if count in options:
            options[count] = max(1, options[count] // share)
    more = getattr(contender, "options", None)
    return {**options, **more(options["messages"])} if more else options


def expected(workload, contender, options):
    """(messages that the sink is to take, recipients that are answered, units)"""
    if "latency" in options:
        return 0, 0, options["latency"]
    recipients = options["messages"] * options.get("recipients", 1)
    units = recipients if workload.unit == "recipient" else options["messages"]
    if options.get("expect", "250") != "250":
        return 0, recipients, units
    split = workload.name == "R10" and contender.name != "haproxy"
    return (recipients if split else options["messages"]), recipients, units


def wait_for(sink, messages, recipients):
    """Until the sink has them all: (whether it had them at once, its CPU). A contender with a queue answers before."""
    counts = sink.taken()
    total, cpu, at_once = dict(counts), counts["cpu_ns"], counts["messages"] >= messages
    end = time.monotonic() + LONGEST
    while total["messages"] < messages:
        if time.monotonic() > end:
            raise Failure(f"the sink has {total['messages']} messages, not {messages}")
        time.sleep(0.01)
        counts = sink.taken()
        cpu += counts["cpu_ns"]
        for name in ("messages", "recipients"):
            total[name] += counts[name]
    wanted = recipients if messages else 0
    if total["messages"] != messages or total["recipients"] != wanted:
        raise Failure(f"the sink took {total['messages']} messages to {total['recipients']} recipients, "
                      f"not {messages} to {wanted}")
    return at_once, cpu


def shot(tools, workload, contender, share, series):
    options = options_of(workload, contender, share)
    messages, recipients, units = expected(workload, contender, options)
    contender.sink.taken()
    before, began = contender.cpu(), time.monotonic()
    sent = mail.send(tools, contender.port, **options)
    at_once, sink_cpu = wait_for(contender.sink, messages, recipients)
    seconds = sent.get("seconds", 0) if at_once else time.monotonic() - began
    contender.settle()
    series.cpu.append((contender.cpu() - before) / 1000 / units)
    series.memory.append(contender.memory())
    series.taker.append(sink_cpu / 1000 / units)
    if "p50_ns" in sent:
        series.p50.append(sent["p50_ns"] / 1000)
        series.p99.append(sent["p99_ns"] / 1000)
        return
    if sent["recipients"] != recipients:
        raise Failure(f"{sent['recipients']} recipients were answered, not {recipients}")
    series.rate.append(units / seconds)
    series.generator.append(sent["cpu_ns"] / 1000 / units)


def measure(tools, workload, running, rounds, folder):
    """{contender's name: Series}; where acknowledgements are delayed, also "NAME, prompt" without. `rounds`: their numbers."""
    taking_part = [running[name] for name in workload.contenders if name in running]
    results = {name: Series() for contender in taking_part for name in (contender.name, prompt(contender.name))}
    tls = {"tls": True} if workload.load.get("tls") else {}
    with contextlib.ExitStack() as held:
        if workload.idle:
            held.enter_context(mail.idle(tools, folder, taking_part, workload.idle, **tls))
        for number in itertools.chain([-1], rounds):  # the first is not counted
            # Who goes first changes, so that no contender always follows the same one.
            for contender in taking_part if number % 2 == 0 else reversed(taking_part):
                counted = number >= 0
                share = 1 if counted else WARM_UP
                of = results if counted else {name: Series() for name in results}
                if workload.delayed:
                    shot_delayed(tools, workload, contender, share, of)
                else:
                    shot(tools, workload, contender, share, of[contender.name])
    return {name: series for name, series in results.items() if series.memory}


def prompt(name):
    return f"{name}, prompt"


def shot_delayed(tools, workload, contender, share, results):
    """With delayed acknowledgements on both sides, then the same at once without: machines change from minute to minute."""
    contender.sink.delay_acks(True)
    shot(tools, replace(workload, load={**workload.load, "delayed-acks": True}), contender, share, results[contender.name])
    contender.sink.delay_acks(False)
    shot(tools, workload, contender, share, results[prompt(contender.name)])
