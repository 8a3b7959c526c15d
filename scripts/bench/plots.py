"""A case's figures as an SVG: a bar for each side and time, a thin line over all its passes."""

from xml.sax.saxutils import escape

import report

WIDTH, LEFT, RIGHT = 760, 170, 110  # names stand left of the bars, figures right of them
BAR, GAP, TOP = 12, 10, 34
COLOURS = {"tfos": "#1f77b4", "peer": "#8c8c8c", "limit": "#d9a441"}


def svg(case):
    """The SVG of a case of the JSON file. Warm bars are full, cold ones pale."""
    there = [side for side in case["sides"] if not side["did_not_run"]]
    bars = [(side, when) for side in there for when in ("cold", "warm") if side[when] is not None]
    most = max((max(spread(side, when)) for side, when in bars), default=1) or 1
    scale = (WIDTH - LEFT - RIGHT) / most
    parts, y, before = [text(0, 16, f"{case['title']}, {case['unit']}", "start", 14)], TOP, None
    for side, when in bars:
        if side is not before and before is not None:
            y += GAP
        if side is not before:
            parts.append(text(LEFT - 8, y + BAR - 2, side["name"], "end"))
        parts += bar(side, when, y, scale)
        y, before = y + BAR + 3, side
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + GAP}" '
        f'width="{WIDTH}" font-family="sans-serif">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def bar(side, when, y, scale):
    colour = COLOURS[side["role"]]
    pale = ' fill-opacity="0.35"' if when == "cold" else ""
    low, high = (LEFT + x * scale for x in spread(side, when))
    middle = y + BAR / 2
    return [
        f'<rect x="{LEFT}" y="{y}" width="{side[when] * scale:.1f}" height="{BAR}" '
        f'fill="{colour}"{pale}/>',
        f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="black" stroke-width="1"/>',
        text(high + 6, y + BAR - 2, f"{report.figure(side[when])} {when}", "start"),
    ]


def spread(side, when):
    """The least and the most that was measured."""
    processes = side["processes"]
    seen = [p["cold"] for p in processes] if when == "cold" else []
    seen += [x for p in processes for x in p["warm"]] if when == "warm" else []
    return min(seen), max(seen)


def text(x, y, words, anchor, size=11):
    return (
        f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="black">'
        f"{escape(words)}</text>"
    )
