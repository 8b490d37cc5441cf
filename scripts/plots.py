"""Plots as SVG, without any library: readable in the dark and in the light."""

import math
from html import escape

WIDTH = 760
LEFT, RIGHT, TOP = 170, 90, 44
COLOURS = ("#2f6fdb", "#9aa4b2", "#d9822b", "#3a9d5d", "#b04fc4", "#c94a4a", "#20a4a4", "#7a6f3a")
TEXT = "#6b7785"  # readable on white and on black

Bars = list[tuple[str, list[tuple[str, float]]]]
Series = dict[str, list[tuple[float, float]]]


def page(height: float, title: str, body: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{TEXT}" role="img">'
    )
    titled = [f"<title>{escape(title)}</title>", f'<text x="8" y="18" font-size="13">{escape(title)}</text>']
    return "\n".join([head, *titled, *body, "</svg>", ""])


def short(value: float) -> str:
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def legend(names: list[str], y: float) -> list[str]:
    drawn, x = [], 8.0
    for name, colour in zip(names, COLOURS, strict=False):
        drawn.append(f'<rect x="{x:.0f}" y="{y - 9:.0f}" width="10" height="10" fill="{colour}"/>')
        drawn.append(f'<text x="{x + 14:.0f}" y="{y:.0f}">{escape(name)}</text>')
        x += 30 + 7 * len(name)
    return drawn


def bars(title: str, groups: Bars) -> str:
    """Groups of bars on a logarithmic scale, one colour for each name within a group."""
    names = list(dict.fromkeys(name for _, sides in groups for name, _ in sides))
    every = [value for _, sides in groups for _, value in sides]
    low = 10 ** math.floor(math.log10(min(every)))
    span = math.log10(max(every) / low) or 1
    body, y = legend(names, 36), float(TOP)
    for group, sides in groups:
        body.append(f'<text x="8" y="{y + 7 + 7 * len(sides):.0f}">{escape(group)}</text>')
        for name, value in sides:
            width = max(1.0, math.log10(value / low) / span * (WIDTH - LEFT - RIGHT))
            body.append(f'<rect x="{LEFT}" y="{y:.0f}" width="{width:.1f}" height="12" fill="{COLOURS[names.index(name)]}"/>')
            body.append(f'<text x="{LEFT + width + 5:.1f}" y="{y + 10:.0f}">{short(value)}</text>')
            y += 14
        y += 10
    return page(y, title, body)


def lines(title: str, across: str, series: Series, *, logarithmic: bool = True) -> str:
    """Lines with points, on scales that are both logarithmic, or both linear from 0."""
    points = [point for one in series.values() for point in one]
    scale = math.log10 if logarithmic else float
    xs, ys = [scale(x) for x, _ in points], [scale(y) for _, y in points]
    left, right, top, bottom = 60, WIDTH - 190, TOP, 380
    if logarithmic:
        first, last, low, high = min(xs), max(xs), math.floor(min(ys)), math.ceil(max(ys))
        across_at, up_at = sorted({x for x, _ in points}), [10.0**power for power in range(low, high + 1)]
    else:
        first, last, low, high = 0, max(xs), 0, nice(max(ys))
        across_at, up_at = [last * sixth / 6 for sixth in range(7)], [high * fifth / 5 for fifth in range(6)]
    x_of = lambda x: left + (scale(x) - first) / ((last - first) or 1) * (right - left)  # noqa: E731
    y_of = lambda y: bottom - (scale(y) - low) / ((high - low) or 1) * (bottom - top)  # noqa: E731
    body = []
    for mark in up_at:
        y = y_of(mark)
        body.append(f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{TEXT}" stroke-opacity="0.25"/>')
        body.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{short(mark)}</text>')
    for x in across_at:
        body.append(f'<text x="{x_of(x):.1f}" y="{bottom + 18}" text-anchor="middle">{short(x)}</text>')
    body.append(f'<text x="{(left + right) / 2:.0f}" y="{bottom + 36}" text-anchor="middle">{escape(across)}</text>')
    for at, (name, one) in enumerate(series.items()):
        colour = COLOURS[at % len(COLOURS)]
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in sorted(one))
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body += [f'<circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3" fill="{colour}"/>' for x, y in one]
        y = top + 8 + 18 * at
        body.append(f'<rect x="{right + 20}" y="{y - 9:.0f}" width="10" height="10" fill="{colour}"/>')
        body.append(f'<text x="{right + 34}" y="{y:.0f}">{escape(name)}</text>')
    return page(bottom + 50, title, body)


def nice(value: float) -> float:
    """The next of 1, 2, 5 and 10 times a power of ten."""
    power = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)
