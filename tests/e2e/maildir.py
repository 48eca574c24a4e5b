"""Reading what was delivered."""

from pathlib import Path

from processes import wait_until


def messages(directory):
    """Octets of each delivered message, in no particular order. None in `tmp` counts."""
    found = []
    for folder in ("new", "cur"):
        place = Path(directory) / folder
        if place.is_dir():
            found += [path.read_bytes() for path in sorted(place.iterdir())]
    return found


def wait_messages(directory, count):
    wait_until(lambda: len(messages(directory)) >= count, f"{count} messages in {directory}")
    return messages(directory)


def fields(message, name):
    """Values of a header field, unfolded, in order. `message` with LF or CRLF."""
    header = message.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0].decode("utf-8", "replace")
    unfolded = header.replace("\n ", " ").replace("\n\t", " ").split("\n")
    return [line.split(":", 1)[1].strip() for line in unfolded if line.lower().startswith(name.lower() + ":")]


def without_trace(message, names=("Return-Path", "X-Original-To", "Delivered-To", "Received")):
    """The message below the trace fields in front of it, with CRLF: as the client sent it."""
    lines = message.replace(b"\r\n", b"\n").split(b"\n")
    wanted = tuple(name.lower().encode() + b":" for name in names)
    while lines and lines[0].lower().startswith(wanted):
        lines.pop(0)
        while lines and lines[0][:1] in (b" ", b"\t"):
            lines.pop(0)
    return b"\r\n".join(lines)
