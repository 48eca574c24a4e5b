"""The workloads of the gate's benchmark, and what each is to cost (docs/performance.md)."""

from dataclasses import dataclass, field, replace

REFUSED = {"template": "u%d@example.net", "range": 1_000_000, "expect": "550"}


@dataclass(frozen=True)
class Workload:
    """`load`: options of smtp_load; `theirs`: what a contender is given instead. `setup`: which contenders (smtp.py).
    `unit`: what CPU and rate are counted by. `at_most`, `aim`: the goal, for people; `limit`: what of it can be checked."""

    name: str
    about: str
    load: dict
    contenders: tuple = ("haproxy", "gate", "postfix")
    theirs: dict = field(default_factory=dict)
    setup: str = "plain"
    unit: str = "message"
    idle: int = 0
    delayed: bool = False
    at_most: str = ""
    aim: str = ""
    limit: tuple = ()  # (peer, the ratio of CPU or latency that it may have)
    memory: int | str = 0  # MiB, or the peer, that its private memory may have

    def against(self, name):
        """The same for the gate and another one, with nobody else."""
        return replace(self, contenders=(name, "gate"), setup="compared")


def few(messages, **more):
    """Postfix is slower: it gets fewer messages."""
    return {"postfix": {"messages": messages, **more}}


WORKLOADS = (
    Workload("R1", "a message a connection", {"messages": 3000, "each": 1}, theirs=few(300),
             at_most="1.0 x haproxy", aim="0.7", limit=("haproxy", 1.0)),
    Workload("R2", "100 messages a connection", {"messages": 8000}, theirs=few(500),
             at_most="1.5 x haproxy", aim="1.1", limit=("haproxy", 1.5)),
    Workload("R2k", "R2 over 1,000 connections at a time", {"messages": 10_000, "connections": 1000, "each": 10},
             contenders=("haproxy", "gate")),
    Workload("R3", "50 recipients a message", {"messages": 5000, "recipients": 50}, theirs=few(100, each=10),
             unit="recipient", at_most="2 x haproxy", aim="1.3, 0.9 us", limit=("haproxy", 2.0)),
    Workload("R4", "50 recipients a message, all of them suppressed, of 1,000,000",
             {"messages": 8000, "recipients": 50, **REFUSED}, contenders=("gate", "postfix"),
             theirs=few(200, each=20), unit="recipient", at_most="0.015 x Postfix, 460,000/s", aim="0.01",
             limit=("postfix", 0.015)),
    Workload("R5", "a body of 10 MiB", {"messages": 60, "each": 6, "size": 10 << 20}, theirs=few(30, each=3),
             at_most="1.1 x haproxy", aim="0.9", limit=("haproxy", 1.1)),
    Workload("R6a", "R2 while 1,000 other connections are idle", {"messages": 8000}, idle=1000, setup="idle",
             contenders=("haproxy", "gate"), at_most="1.2 x haproxy, 32 MiB", aim="12 MiB", limit=("haproxy", 1.2), memory=32),
    Workload("R6b", "R2 while 5,000 other connections are idle", {"messages": 8000}, idle=5000, setup="idle",
             contenders=("haproxy", "gate"), at_most="1.2 x haproxy, 48 MiB", aim="24 MiB", limit=("haproxy", 1.2), memory=48),
    Workload("R7a", "the answer to RCPT, passed; p50", {"latency": 4000}, theirs={"postfix": {"latency": 1000}},
             unit="answer", at_most="1.2 x haproxy", aim="1.0", limit=("haproxy", 1.2)),
    Workload("R7b", "the answer to RCPT, refused; p50", {"latency": 4000, **REFUSED}, contenders=("gate", "postfix"),
             theirs={"postfix": {"latency": 1000}}, unit="answer", at_most="0.4 x Postfix", limit=("postfix", 0.4)),
    Workload("R8", "R2 with TLS on both sides", {"messages": 4000, "tls": True}, contenders=("haproxy", "gate"),
             setup="tls", at_most="1.3 x haproxy", aim="1.0", limit=("haproxy", 1.3)),
    Workload("R8i", "R8 while 5,000 other TLS connections are idle", {"messages": 4000, "tls": True}, idle=5000,
             contenders=("haproxy", "gate"), setup="tls_idle", at_most="haproxy's memory", memory="haproxy"),
    Workload("R9", "R2 with List-Unsubscribe and a return address added", {"messages": 8000},
             contenders=("haproxy", "gate"), setup="edited"),
    Workload("R10", "50 recipients, a copy with a link for each; haproxy: the client sends the copies; Postfix: its queue does",
             {"messages": 200, "recipients": 50, "each": 20, "connections": 4}, setup="edited", unit="recipient",
             theirs={"haproxy": {"messages": 10_000, "recipients": 1, "each": 100},
                     "postfix": {"messages": 20, "each": 5}}),
    Workload("ACK", "R2 with delayed acknowledgements on both sides", {"messages": 8000},
             contenders=("haproxy", "gate"), delayed=True, at_most="0.8 of the rate without"),
    Workload("D1", "return mail, each a bounce of another message", {"messages": 2000, "sender": ""},
             contenders=("gate",), setup="return"),
)

BY_NAME = {workload.name: workload for workload in WORKLOADS}


def chosen(names):
    """`names`: R1,R6: R6 stands for R6a and R6b. All without any."""
    if not names:
        return list(WORKLOADS)
    found = [workload for workload in WORKLOADS
             if any(workload.name == name or workload.name[:-1] == name and workload.name[-1].isalpha() for name in names)]
    for name in names:
        if not any(workload.name.startswith(name) for workload in found):
            raise KeyError(name)
    return found
