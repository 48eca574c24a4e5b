"""The manual is true: its commands run, and say what it says they say.

A ```console block is a session: each line that begins with `$ ` is run, and the lines below it are what it prints
(standard output and error), dates and times aside. A ```sh block runs and succeeds. A ```toml block is a configuration
without mistakes. Blocks of one document run in order, in one shell, in one directory, with `postern` in PATH, a gate serving
./postern-data, and its mail in ./postern-mail. The gate's addresses stand for 127.0.0.1:2525 and 127.0.0.1:8525. Any other block is not run.
"""

import re
import subprocess
from pathlib import Path

import pytest

from processes import DEADLINE, POSTERN, ROOT, Process, run_postern, text_of

DOCUMENTS = sorted(path for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")] if path.exists())
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
END = "--- end of a command:"


def blocks(document):
    """(language, text) of each fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)


def commands(document):
    """(command, what it prints or None, whether it must succeed)"""
    for language, text in blocks(document):
        if language == "sh":
            yield text.rstrip("\n"), None, True
        elif language == "console":
            for step in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, output = step.partition("\n")
                yield command, output, False


def same(text):
    """Without what differs from day to day, from user to user, and from hold to hold."""
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?", "TIME", text)
    text = re.sub(r"\d{4}-\d\d-\d\d", "DATE", text.replace("2999-01-01", "FAR AWAY"))
    text = re.sub(r"\b[0-9a-f]{32}\b", "HOLD", re.sub(r"\bby \S+, postern", "by USER, postern", text))
    return [line.rstrip() for line in text.replace("\r", "").splitlines()]


def at_ours(command, addresses):
    for written, ours in addresses.items():
        command = command.replace(written, ours)
    return command


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_commands(document, directory):
    steps = list(commands(document))
    if not steps:
        return
    (directory / "build").mkdir()
    (directory / "build" / "release").symlink_to(POSTERN.parent)
    (directory / "bin").mkdir()
    (directory / "bin" / "postern").symlink_to(POSTERN)
    configurations = [text for language, text in blocks(document) if language == "toml"]
    if configurations:
        (directory / "postern.toml").write_text(configurations[0].replace("/var/lib/postern", "./postern-data"))

    sink = Process([POSTERN, "sink", "--listen", "127.0.0.1:0", "--maildir", "postern-mail"], cwd=directory)
    gate = None
    try:
        upstream = text_of(sink.listening("sink"))
        gate = Process([POSTERN, "serve", "--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--upstream", upstream],
                       cwd=directory)
        addresses = {"127.0.0.1:2525": text_of(gate.listening("relay")), "127.0.0.1:8525": text_of(gate.listening("web"))}
        # What the program prints has the address that is written, too.
        script = (f'export PATH="$PWD/bin:$PATH"\n'
                  f'curl() {{ command curl --connect-to 127.0.0.1:8525:{addresses["127.0.0.1:8525"]} "$@"; }}\n')
        script += "".join(
            f"{at_ours(command, addresses)}\necho '{END}' $?\n" for command, _, _ in steps)
        done = subprocess.run(["bash", "-c", f"exec 2>&1\n{script}"], cwd=directory, capture_output=True, text=True,
                              timeout=DEADLINE)
    finally:
        for process in (gate, sink):
            if process is not None:
                process.kill()

    results = re.findall(rf"(.*?){re.escape(END)} (\d+)\n", done.stdout, re.DOTALL)
    assert len(results) == len(steps), done.stdout
    for (command, wanted, must_succeed), (printed, status) in zip(steps, results):
        assert not must_succeed or status == "0", f"{command}\n{printed}"
        if wanted is not None:
            assert same(printed) == same(wanted), f"$ {command}\n{printed}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_configurations(document, directory):
    for language, text in blocks(document):
        if language == "toml":
            path = directory / "postern.toml"
            path.write_text(text)
            run_postern("check-config", "--config", path, cwd=directory)


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_links(document):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target
