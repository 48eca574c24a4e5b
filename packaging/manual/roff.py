"""Manual pages in man(7): text escaped, and the Markdown of our documents as it stands there (no other)."""

import re


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return re.sub(r"^\.", r"\\&.", text, flags=re.MULTILINE)


def inline(text):
    """Links lose their target, `code` and **bold** become bold."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text.replace("\\|", "|"))
    pieces = re.split(r"(`[^`]*`|\*\*[^*]*\*\*)", text)
    return "".join(rf"\fB{escaped(piece.strip('`*'))}\fR" if piece[:1] in ("`", "*") and len(piece) > 2
                   else escaped(piece) for piece in pieces)


def heading(title, level=1):
    return f".S{'HS'[level > 1]} {inline(title)}"


def example(lines):
    return "\n".join([".PP", ".in +4n", ".EX", *(escaped(line) for line in lines), ".EE", ".in"])


def entry(term, *texts):
    """A term, and paragraphs below it."""
    return "\n.IP\n".join([f".TP\n{term}\n{texts[0]}", *texts[1:]])


def page(name, section, version, summary, body):
    title = f'.TH {name.upper()} {section} "" "postern {version}" "Postern"'
    return "\n".join([title, heading("Name"), rf"{escaped(name)} \- {escaped(summary)}", *body, ""])


def table(lines):
    """Each row is an entry: the first cell its term, the others below it, with the names of their columns where it has more than
    one of them."""
    rows = [[cell.strip().replace("\0", "|") for cell in line.replace("\\|", "\0").strip("|").split("|")]
            for line in lines]
    names, rows = rows[0], rows[2:]
    for row in rows:
        *short, last = zip(names[1:], row[1:])
        facts = "; ".join(f"{inline(name)}: {inline(cell)}" for name, cell in short if cell)
        texts = [text for text in (facts, inline(last[1])) if text]
        yield entry(inline(row[0]), "\n.br\n".join(texts))


def markdown(text):
    """The parts of a document in man(7), without its title."""
    lines = text.split("\n")
    while lines:
        line = lines.pop(0)

        def block(belongs, first=line):
            taken = [first]
            while lines and belongs(lines[0]):
                taken.append(lines.pop(0))
            return taken

        if line.startswith("```"):
            taken = block(lambda next_line: next_line != "```")
            lines.pop(0)
            yield example(taken[1:])
        elif line.startswith("    "):
            taken = "\n".join(block(lambda next_line: next_line.startswith("    ") or not next_line))
            yield example(part[4:] for part in taken.rstrip().split("\n"))
        elif line.startswith("|"):
            yield from table(block(lambda next_line: next_line.startswith("|")))
        elif match := re.match(r"(##+) (.*)", line):
            yield heading(match.group(2), len(match.group(1)) - 1)
        elif line.startswith("- "):
            taken = block(lambda next_line: next_line.startswith("  "))
            yield ".IP \\(bu 2\n" + inline(" ".join(part.strip("- ") for part in taken))
        elif line and not line.startswith("# "):
            taken = block(lambda next_line: next_line and not re.match(r"[#|`]|- |    ", next_line))
            yield ".PP\n" + inline("\n".join(taken))
