#!/usr/bin/env python3
"""usage: make.py BINARY DIRECTORY

Writes the manual pages postern.1 and postern.toml.5, and postern.bash, the completion of the shell, into DIRECTORY. The first
and the last are made of what the program says with --help, the second of docs/configuration.md.
"""

import sys
from pathlib import Path

import roff
from program_help import read_program

ROOT = Path(__file__).resolve().parents[2]

# What an option or a place takes, where it is neither a file nor free text.
WORDS = {
    "export --format": "csv jsonl postfix",
    "export --hashed": "sha256 sha1 md5",
    "export --status": "unsubscribed bounced complained blocked subscribed",
    "import --dates": "dmy mdy",
    "import --status": "unsubscribed bounced complained blocked subscribed",
    "report --format": "text csv jsonl",
    "return-mail": "list show",
}


def _option(option):
    names = ", ".join(rf"\fB{roff.escaped(name)}\fR" for name in option.names)
    return roff.entry(names + (rf" \fI{roff.escaped(option.type)}\fR" if option.type else ""), roff.escaped(option.text))


def _verb(verb):
    yield roff.heading(verb.usage, 2)
    yield roff.escaped(verb.text) + "."
    for option in (*verb.positionals, *verb.options):
        if "--help" not in option.names:
            yield _option(option)
    example = verb.footer.split("\n")[1:]
    yield roff.example(line[2:] for line in example if line.startswith("  "))
    yield ".PP\n" + "\n.br\n".join(roff.escaped(line) for line in example if not line.startswith("  "))


def program_page(program):
    body = [roff.heading("Synopsis"), r"\fBpostern\fR \fIVERB\fR [\fIOPTIONS\fR]", ".br",
            r"\fBpostern\fR \fIVERB\fR \fB\-\-help\fR", roff.heading("Description"), roff.escaped(program.about)]
    body += [".PP\n" + roff.escaped(part) for part in program.footer.split("\n\n")]
    body.append(roff.heading("Verbs"))
    for verb in program.verbs:
        body += _verb(verb)
    body += [roff.heading("Files"), roff.entry(r"\fI/etc/postern/postern.toml\fR", "The configuration."),
             roff.entry(r"\fI/var/lib/postern/store\fR", "The store, as the package's configuration has it."),
             roff.heading("See also"), r"\fBpostern.toml\fR(5), \fI/usr/share/doc/postern/\fR"]
    return roff.page("postern", 1, program.version, "an SMTP gate that keeps the promise of an opt-out", body)


def configuration_page(program):
    text = (ROOT / "docs" / "configuration.md").read_text()
    body = [roff.heading("Description"), *roff.markdown(text), roff.heading("See also"), r"\fBpostern\fR(1)"]
    return roff.page("postern.toml", 5, program.version, "the configuration of postern", body)


def _takes(verb, option):
    """What bash completes behind an option."""
    if words := WORDS.get(f"{verb.name} {option.names[-1]}"):
        return f'-W "{words}"'
    return {"FILE": "-f", "DIR": "-d"}.get(option.type, "")


def completion(program):
    verbs = " ".join(verb.name for verb in program.verbs)
    lines = ["# Completion of postern(1) for bash; made of what `postern VERB --help` says.",
             "_postern() {", "  local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} takes='' options=''",
             "  COMPREPLY=()",
             "  if [ \"$COMP_CWORD\" -eq 1 ]; then",
             f"    mapfile -t COMPREPLY < <(compgen -W \"{verbs} --help --version\" -- \"$word\")",
             "    return", "  fi",
             "  case \"$verb ${COMP_WORDS[COMP_CWORD-1]}\" in"]
    for verb in program.verbs:
        for option in verb.options:
            if option.type:
                lines.append(f"    '{verb.name} {option.names[-1]}') takes='{_takes(verb, option)} ' ;;")
    lines += ["  esac", "  if [ -n \"$takes\" ]; then",
              "    if [ \"$takes\" != ' ' ]; then",
              "      eval \"mapfile -t COMPREPLY < <(compgen $takes -- \\\"\\$word\\\")\"",
              "    fi", "    return", "  fi", "  case \"$verb\" in"]
    for verb in program.verbs:
        options = " ".join(name for option in verb.options for name in option.names if name.startswith("--"))
        places = {place.names[0] for place in verb.positionals}
        takes = f"-W \"{WORDS[verb.name]}\"" if verb.name in WORDS else "-f" if places & {"FILE", "DIR"} else ""
        lines.append(f"    {verb.name}) options='{options}' takes='{takes}' ;;")
    lines += ["  esac", "  if [[ $word != -* && -n $takes ]]; then",
              "    eval \"mapfile -t COMPREPLY < <(compgen $takes -- \\\"\\$word\\\")\"", "  else",
              "    mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")", "  fi", "}",
              "complete -o filenames -F _postern postern", ""]
    return "\n".join(lines)


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    program = read_program(Path(sys.argv[1]).resolve())
    place = Path(sys.argv[2])
    (place / "postern.1").write_text(program_page(program))
    (place / "postern.toml.5").write_text(configuration_page(program))
    (place / "postern.bash").write_text(completion(program))
    return 0


if __name__ == "__main__":
    sys.exit(main())
