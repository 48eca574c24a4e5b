"""The manual pages and the completion say what the program says: no verb and no option is missing, and none is invented."""

import re
import subprocess

import pytest

from processes import DEADLINE, POSTERN, ROOT, run_postern


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("manual")
    subprocess.run(["/usr/bin/python3", "-B", ROOT / "packaging" / "manual" / "make.py", POSTERN, place], check=True,
                   timeout=DEADLINE)
    return place


def verbs():
    listed = run_postern("--help").stdout.split("Subcommands:\n")[1].split("\n\n")[0]
    return re.findall(r"^  ([a-z-]+) ", listed, re.MULTILINE)


def options(verb):
    return set(re.findall(r"^  (?:-\w,)?(--[a-z-]+)", run_postern(verb, "--help").stdout, re.MULTILINE))


def shown(page):
    """A page as people read it; the formatter has nothing to say against it."""
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", page], capture_output=True, text=True, timeout=DEADLINE,
                          env={"MANWIDTH": "200", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""})
    assert (done.returncode, done.stderr) == (0, "")
    return re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)


def completed(made, *words):
    """What the shell offers for the last of the words."""
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _postern; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-euc", script, "bash", made / "postern.bash", *words], capture_output=True, text=True,
                          cwd=made, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_page_of_the_program(made):
    text = shown(made / "postern.1")
    for verb in verbs():
        section = re.search(rf"^ +postern {verb} \[(.*\n)+?(?= +postern [a-z-]+ \[|\w)", text, re.MULTILINE).group(0)
        assert options(verb) - {"--help"} == set(re.findall(r"^ +(--[a-z-]+)", section, re.MULTILINE)), verb


def test_the_page_of_the_configuration(made):
    text = shown(made / "postern.toml.5")
    document = (ROOT / "docs" / "configuration.md").read_text()
    for keys in re.findall(r"^\| (`.*?) \|", document, re.MULTILINE):
        assert re.search(rf"^ +{re.escape(keys.replace('`', ''))}\b", text, re.MULTILINE), keys
    for heading in re.findall(r"^## (.*)$", document, re.MULTILINE):
        assert re.search(rf"^{re.escape(heading.replace('`', ''))}$", text, re.MULTILINE), heading
    assert "](" not in text and "`" not in text


def test_completion(made):
    assert completed(made, "postern", "") == {*verbs(), "--help", "--version"}
    assert completed(made, "postern", "un") == {"unsubscribe", "unblock"}
    for verb in verbs():
        assert completed(made, "postern", verb, "--") == options(verb), verb
    assert completed(made, "postern", "export", "--format", "") == {"csv", "jsonl", "postfix"}
    assert completed(made, "postern", "serve", "--listen", "") == set()
    assert completed(made, "postern", "serve", "--config", "post") == {"postern.1", "postern.toml.5", "postern.bash"}
    assert completed(made, "postern", "return-mail", "") == {"list", "show"}
    assert completed(made, "postern", "dsn", "postern.b") == {"postern.bash"}
