"""How the cost of a store grows with its contacts, as a picture: SVG, both axes logarithmic."""

import math
from html import escape

# What is drawn: its name, and how the figures of one size come to it.
CURVES = (
    ("import, CPU us a contact", lambda contacts, known: known["import_cpu"] * 1e6 / contacts),
    ("postmap lmdb:, CPU us an entry", lambda _, known: known["postmap_cpu"]),
    ("lookup, held, warm, us", lambda _, known: known["warm_held_ns"] / 1000),
    ("lookup, absent, warm, us", lambda _, known: known["warm_absent_ns"] / 1000),
    ("mdb_get, held, warm, us", lambda _, known: known["warm_held_get_ns"] / 1000),
    ("lookup, held, cold, us", lambda _, known: known["cold_held_us"]),
    ("gate, s to listen", lambda _, known: known["ready_s"]),
)
COLOURS = ("#1b6ca8", "#888888", "#2a9d3a", "#7fc97f", "#bbbbbb", "#c0392b", "#8e44ad")
WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 300, 30, 50


def points_of(figures):
    """[(name, [(contacts, value)])], without what was not measured."""
    curves = []
    for name, value in CURVES:
        points = []
        for contacts, known in sorted(figures.items()):
            try:
                points.append((contacts, value(contacts, known)))
            except KeyError:
                continue
        curves.append((name, points))
    return [(name, points) for name, points in curves if points]


def decades(values):
    return math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))


def number(value):
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def picture(figures):
    curves = points_of(figures)
    if not curves:
        return '<svg xmlns="http://www.w3.org/2000/svg"/>\n'
    low_x, high_x = decades([contacts for _, points in curves for contacts, _ in points])
    low_y, high_y = decades([value for _, points in curves for _, value in points])
    high_x, high_y = max(high_x, low_x + 1), max(high_y, low_y + 1)

    def x(contacts):
        return LEFT + (math.log10(contacts) - low_x) / (high_x - low_x) * (WIDTH - LEFT - RIGHT)

    def y(value):
        return HEIGHT - BOTTOM - (math.log10(value) - low_y) / (high_y - low_y) * (HEIGHT - TOP - BOTTOM)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="18" font-size="14">What a contact, a lookup and a start cost, by the number of contacts</text>']
    for power in range(low_x, high_x + 1):
        out.append(f'<line x1="{x(10**power):.1f}" y1="{TOP}" x2="{x(10**power):.1f}" y2="{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        out.append(f'<text x="{x(10**power):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{number(10**power)}</text>')
    for power in range(low_y, high_y + 1):
        out.append(f'<line x1="{LEFT}" y1="{y(10**power):.1f}" x2="{WIDTH - RIGHT}" y2="{y(10**power):.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y(10**power) + 4:.1f}" text-anchor="end">{number(10**power)}</text>')
    for place, (name, points) in enumerate(curves):
        colour = COLOURS[place % len(COLOURS)]
        line = " ".join(f"{x(contacts):.1f},{y(value):.1f}" for contacts, value in points)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out.extend(f'<circle cx="{x(contacts):.1f}" cy="{y(value):.1f}" r="3" fill="{colour}"/>' for contacts, value in points)
        row = TOP + 16 + 20 * place
        out.append(f'<rect x="{WIDTH - RIGHT + 20}" y="{row - 9}" width="12" height="10" fill="{colour}"/>')
        out.append(f'<text x="{WIDTH - RIGHT + 38}" y="{row}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"
