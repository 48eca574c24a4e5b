"""kill -9, some times; scripts/kill-test does it as often as one likes."""

from kills import OPERATIONS, kill


def test_nothing_acknowledged_is_lost(directory, upstream):
    done = kill(directory, rounds=24, seed=None, upstream=upstream.address)
    assert done.rounds == 24
    killed = {name: done.counts[name] - done.finished[name] for name in OPERATIONS}
    assert sum(killed.values()) >= 8, f"most of them ended before they were killed: {killed}"
