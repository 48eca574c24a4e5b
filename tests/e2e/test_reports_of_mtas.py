"""What Postfix, Exim, OpenSMTPD and Sendmail write when they cannot deliver, made to do so on the spot, and read by
`postern dsn`: all of the ways are in bounce_ways.py, the most different of them are taken here."""

import json

import pytest

import mta_roots
from bounce_ways import PERMANENT, SLOW, WARNED, WAYS
from foreign_mta import MTAS
from make_bounces import Bench, save
from processes import run_postern

TAKEN = {
    PERMANENT: ("user-unknown", "user-unknown-bare", "user-unknown-lines", "disabled", "moved", "full", "policy", "too-large",
                "suppressed-bounced", "domain-unknown", "late", "pipe", "alias", "several", "odd-name", "headers-only",
                "forwarded-bounce", "letter-with-codes", "eight-bit", "delivered", "vacation"),
    SLOW: ("refused-connection",),
    WARNED: ("delayed",),
}


@pytest.fixture(scope="module", autouse=True)
def lab():
    if reason := mta_roots.reason_against():
        pytest.skip(reason)


def read(paths, directory):
    """What `postern dsn` says: {file: [finding, ...]}."""
    found = {path.name: [] for path in paths}
    for line in run_postern("dsn", *(path.name for path in paths), cwd=directory, expect=None).stdout.splitlines():
        finding = json.loads(line)
        found[finding["file"]].append(finding)
    return found


def differences(expected, findings):
    """Of one mail, in words."""
    if expected[0]["recipient"] is None:  # an automatic reply
        return [] if [one["type"] for one in findings] == [expected[0]["type"]] else [f"{expected}: {findings}"]
    named = {one["recipient"].lower(): one for one in findings if "recipient" in one}
    wrong = []
    for label in expected:
        names = {label["recipient"], *label.get("recipient_also", ())}
        found = [named.pop(name) for name in list(named) if name in names]
        if len(found) != 1:
            wrong.append(f"{label['recipient']}: named {len(found)} times in {findings}")
            continue
        for key in ("type", "class", "reason", "status"):
            right = {label.get(key), *label.get(f"{key}_also", ())} - {None}
            if right and found[0].get(key) not in right:
                wrong.append(f"{label['recipient']}: {key} {found[0].get(key)} instead of {sorted(right)}: {found[0]}")
    return wrong + [f"{name}: nobody wrote to it" for name in named]


@pytest.mark.parametrize("mode", TAKEN)
@pytest.mark.parametrize("name", ["postfix", *MTAS])
def test_reports_are_understood(name, mode, directory):
    ways = [way for way in WAYS if way.name in TAKEN[mode] and name not in way.not_by]
    assert ways and all(way.mode == mode for way in ways)
    folder = directory / "reports"
    folder.mkdir()
    labels = []
    with Bench(name, mode, directory / name) as bench:
        for way in ways:
            reports = bench.reports(way)
            assert isinstance(reports, list), f"{way.name}: {reports}\n{bench.mta.log}"
            labels += save(folder, name, way, reports)
    wanted = {}
    for label in labels:
        wanted.setdefault(label["file"], []).append(label)
    found = read([folder / file for file in wanted], folder)
    wrong = [f"{file}: {text}" for file in wanted for text in differences(wanted[file], found[file])]
    assert not wrong, "\n".join(wrong)
