"""What `postern --help` says, as values: the manual page and the completion are made of it, so that neither can be stale."""

import re
import subprocess
from typing import NamedTuple


class Option(NamedTuple):
    names: tuple  # ("-h", "--help"); of a positional its one name
    type: str  # "FILE"; empty for a flag
    text: str


class Verb(NamedTuple):
    name: str
    text: str
    usage: str  # "postern serve [OPTIONS]"
    positionals: list
    options: list
    footer: str  # example and exit status, as they stand


class Program(NamedTuple):
    version: str
    about: str
    footer: str
    verbs: list


def _say(binary, *arguments):
    return subprocess.run([str(binary), *arguments], check=True, capture_output=True, text=True, timeout=60).stdout


def _section(text, title):
    match = re.search(rf"^{title}:\n((?:  .*\n)+)", text, re.MULTILINE)
    return match.group(1).splitlines() if match else []


def _entry(line):
    left, text = re.match(r"  (.*?)(?:  +(.*))?$", line).groups()
    words = left.removesuffix(" REQUIRED").split(" ", 1)
    return Option(tuple(words[0].split(",")), words[1] if len(words) > 1 else "", text or "")


def _verb(binary, name):
    text = _say(binary, name, "--help")
    does, rest = text.split("\n", 1)
    return Verb(name, does, re.search(r"^Usage: (.*)$", rest, re.MULTILINE).group(1),
                [_entry(line) for line in _section(rest, "Positionals")],
                [_entry(line) for line in _section(rest, "Options")], rest[rest.index("\nExample:\n") + 1:].strip())


def read_program(binary):
    text = _say(binary, "--help")
    names = [_entry(line).names[0] for line in _section(text, "Subcommands")]
    return Program(_say(binary, "--version").split()[1], text.split("\n", 1)[0],
                   re.split(r"\n\n\n", text, maxsplit=1)[1].strip(), [_verb(binary, name) for name in names])
