"""Charts as SVG: bars for what takes a time, lines for what grows."""

import math

FONT = "font-family='sans-serif' font-size='12' fill='#222'"
OURS, FLOOR, OTHER = "#1f6fb4", "#8a8a8a", "#d08a2e"
COLOURS = [OURS, "#555555", "#d08a2e", "#b5443c", "#4f9a4f", "#8460a8", "#5fb0d8", "#a7a24a", "#d68fb0", "#7a5c3e"]


def escape(text):
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def short(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def page(width, height, parts):
    return (f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
            f"viewBox='0 0 {width} {height}' {FONT}>\n<rect width='{width}' height='{height}' fill='#fff'/>\n"
            + "\n".join(parts) + "\n</svg>\n")


def bars(rows):
    """Bars on a logarithmic axis of milliseconds, a group a row: the median, and a line from p10 to p90."""
    rows = [(row, [one for one in row["contestants"] if one.get("median", 0) > 0]) for row in rows if row["unit"] == "ms"]
    rows = [(row, found) for row, found in rows if found]
    if not rows:
        return page(10, 10, [])
    every = [one for _, found in rows for one in found]
    low = math.floor(math.log10(min(max(one["p10"], one["median"] / 10) for one in every)))
    high = max(low + 1, math.ceil(math.log10(max(one["p90"] for one in every))))
    left, width = 170, 620

    def place(value):
        return left + width * (math.log10(max(value, 10 ** low)) - low) / (high - low)

    parts, y = [], 24
    for row, found in rows:
        y += 26
        parts.append(f"<text x='12' y='{y}' font-weight='bold'>{escape(row['title'])}</text>")
        y += 8
        for one in found:
            name = one["name"]
            ours = name.startswith("drawbridge") or name in ("status", "--help", "no vif")
            colour = FLOOR if name.startswith("floor") else OURS if ours else OTHER
            end = max(place(one["p90"]), place(one["median"]))
            parts += [
                f"<text x='{left - 8}' y='{y + 12}' text-anchor='end'>{escape(name)}</text>",
                f"<rect x='{left}' y='{y + 1}' width='{max(1, place(one['median']) - left):.1f}' height='14' "
                f"fill='{colour}'/>",
                f"<path d='M{place(one['p10']):.1f} {y + 8}H{place(one['p90']):.1f}' stroke='#111' stroke-width='1.5'/>",
                f"<text x='{end + 6:.1f}' y='{y + 12}'>{short(one['median'])} ms</text>"]
            y += 18
    axis = []
    for step in range(low, high + 1):
        x = place(10 ** step)
        axis += [f"<path d='M{x:.1f} 24V{y}' stroke='#e2e2e2'/>",
                 f"<text x='{x:.1f}' y='16' text-anchor='middle'>{10.0 ** step:g} ms</text>"]
    return page(left + width + 110, y + 14, axis + parts)


def curves(panels, columns=2):
    """Lines on logarithmic axes, a panel each.

    A panel has a `title`, the names of its axes (`x`, `y`), and `series`: by name a list of (x, y, p10, p90).
    """
    width, height = 560, 330
    parts = []
    for number, panel in enumerate(panels):
        parts += _panel(panel, number % columns * width, number // columns * height, width, height)
    rows = (len(panels) + columns - 1) // columns
    return page(width * min(columns, len(panels)), height * rows, parts)


def _panel(panel, x0, y0, width, height):
    left, right, top, bottom = x0 + 64, x0 + width - 150, y0 + 40, y0 + height - 44
    points = [point for series in panel["series"].values() for point in series if point[1] > 0]
    parts = [f"<text x='{x0 + 12}' y='{y0 + 20}' font-weight='bold'>{escape(panel['title'])}</text>",
             f"<text x='{(left + right) / 2}' y='{y0 + height - 10}' text-anchor='middle'>{escape(panel['x'])}</text>",
             f"<text x='{x0 + 12}' y='{y0 + 34}' font-size='11'>{escape(panel['y'])}</text>"]
    if not points:
        return parts
    xs = sorted({point[0] for point in points})
    x_low, x_high = math.log10(max(xs[0], 0.1)), math.log10(max(xs[-1], 1))
    x_high = max(x_high, x_low + 0.3)
    y_low = math.floor(math.log10(min(point[1] for point in points)))
    y_high = max(y_low + 1, math.ceil(math.log10(max(point[1] for point in points))))

    def across(value):
        return left + (right - left) * (math.log10(max(value, 0.1)) - x_low) / (x_high - x_low)

    def down(value):
        return bottom - (bottom - top) * (math.log10(min(max(value, 10 ** y_low), 10 ** y_high)) - y_low) / (y_high - y_low)

    for step in range(y_low, y_high + 1):
        y = down(10 ** step)
        parts += [f"<path d='M{left} {y:.1f}H{right}' stroke='#e2e2e2'/>",
                  f"<text x='{left - 6}' y='{y + 4:.1f}' text-anchor='end' font-size='11'>{10.0 ** step:,g}</text>"]
    last = -100
    for value in xs:
        x = across(value)
        parts.append(f"<path d='M{x:.1f} {top}V{bottom}' stroke='#efefef'/>")
        if x - last > 34:
            parts.append(f"<text x='{x:.1f}' y='{bottom + 16}' text-anchor='middle' font-size='11'>{value:,g}</text>")
            last = x
    labels = []
    for number, (name, series) in enumerate(panel["series"].items()):
        colour = COLOURS[number % len(COLOURS)]
        series = [point for point in series if point[1] > 0]
        if not series:
            continue
        line = " ".join(f"{across(point[0]):.1f},{down(point[1]):.1f}" for point in series)
        parts.append(f"<polyline points='{line}' fill='none' stroke='{colour}' stroke-width='2'/>")
        for x, y, p10, p90 in series:
            parts += [f"<path d='M{across(x):.1f} {down(p10):.1f}V{down(p90):.1f}' stroke='{colour}' opacity='0.6'/>",
                      f"<circle cx='{across(x):.1f}' cy='{down(y):.1f}' r='3' fill='{colour}'/>"]
        labels.append([down(series[-1][1]), across(series[-1][0]), colour, name])
    return parts + _labels(labels, right, top, bottom)


def _labels(labels, right, top, bottom):
    """The names of the lines, beside their ends, moved apart where they would cover each other."""
    labels.sort()
    places, previous = [], top - 16
    for y, *_ in labels:
        previous = max(y, previous + 15)
        places.append(previous)
    over = max(0, places[-1] - bottom) if places else 0
    parts = []
    for place, (y, x, colour, name) in zip(places, labels):
        place -= over
        parts += [f"<path d='M{x + 4:.1f} {y:.1f}L{right + 6} {place:.1f}' stroke='{colour}' opacity='0.4'/>",
                  f"<text x='{right + 9}' y='{place + 4:.1f}' fill='{colour}'>{escape(name)}</text>"]
    return parts


def by_growth(rows):
    """The lines of the rows that have a table."""
    panels = []
    for row in rows:
        if "table" not in row:
            continue
        table = row["table"]
        series = {one["name"]: [(column, figure["median"], figure["p10"], figure["p90"])
                                for column, figure in zip(table["columns"], one["figures"]) if figure]
                  for one in table["contestants"]}
        panels.append({"title": row["title"], "x": table["along"], "y": row["unit"], "series": series})
    return panels
