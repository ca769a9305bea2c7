"""How it is told: a table on the terminal, JSON, a chart, and the page of the documentation."""

import json
import os
import platform
import subprocess

from rig.product import REPOSITORY

from . import peers

PLACE = os.path.join(REPOSITORY, "Benchmarks/results")
PAGE = os.path.join(REPOSITORY, "docs/performance.md")
BEGIN, END = "<!-- table: written by make bench -->\n", "<!-- end of the table -->\n"


def machine():
    """The machine in general words."""
    model = "unknown"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    with open("/proc/meminfo") as file:
        memory = round(int(file.readline().split()[1]) / 1e6)
    virtual = subprocess.run(["systemd-detect-virt"], capture_output=True, text=True).stdout.strip()
    return {"processors": os.cpu_count(), "model": model, "memory": f"{memory} GB",
            "kernel": platform.release(), "virtual": virtual not in ("", "none"),
            "load": round(os.getloadavg()[0], 1),
            "peers": {name: peers.version(name) for name in peers.PACKAGES if peers.present(name)}}


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def verdict(goal):
    word = "reached" if goal["reached"] else "MISSED"
    return f"{word}: {goal['text']}: {number(goal['value'])} {goal['unit']}".rstrip()


def lines(rows):
    """The table for the terminal."""
    for row in rows:
        yield ""
        yield f"{row['title']} ({row['unit']})"
        yield f"  {'':20} {'median':>10} {'p10':>10} {'p90':>10} {'ratio':>8} {'runs':>5}"
        for one in row["contestants"]:
            if "missing" in one:
                yield f"  {one['name']:20} missing: {one['missing']}"
                continue
            ratio = f"{one['ratio']:.2f}x" if "ratio" in one else ""
            yield (f"  {one['name']:20} {number(one['median']):>10} {number(one['p10']):>10} "
                   f"{number(one['p90']):>10} {ratio:>8} {one['runs']:>5}")
        for goal in row["goals"]:
            yield "  " + verdict(goal)
        for note in row["notes"]:
            yield "  " + note


def write(document):
    """Writes the JSON and the charts, and puts the table into the documentation."""
    os.makedirs(PLACE, exist_ok=True)
    with open(os.path.join(PLACE, "results.json"), "w") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
    with open(os.path.join(PLACE, "chart.svg"), "w") as file:
        file.write(chart(document["rows"]))
    if os.path.exists(PAGE):
        with open(PAGE) as file:
            head, begin, rest = file.read().partition(BEGIN)
        _, end, tail = rest.partition(END)
        if begin and end:
            with open(PAGE, "w") as file:
                file.write(head + begin + "\n".join(page(document)) + "\n" + end + tail)


def page(document):
    """The table as the documentation holds it."""
    machine = document["machine"]
    kind = "a virtual machine" if machine["virtual"] else "a machine"
    yield ""
    yield (f"Measured on {kind} with {machine['processors']} processors ({machine['model']}), {machine['memory']} of "
           f"memory and Linux {machine['kernel']}; load average at the beginning: {machine['load']}.")
    yield "Layers that were on: " + ", ".join(document["layers"]) + "."
    yield "Peers: " + ", ".join(f"{name} {version}" for name, version in machine["peers"].items()) + "."
    for row in document["rows"]:
        yield ""
        yield f"**{row['title']}** ({row['unit']})"
        yield ""
        yield "| | median | p10 | p90 | to Drawbridge | runs |"
        yield "|---|---:|---:|---:|---:|---:|"
        for one in row["contestants"]:
            if "missing" in one:
                yield f"| {one['name']} | missing | | | | {one['missing']} |"
                continue
            ratio = f"{one['ratio']:.2f}" if "ratio" in one else ""
            yield (f"| {one['name']} | {number(one['median'])} | {number(one['p10'])} | {number(one['p90'])} "
                   f"| {ratio} | {one['runs']} |")
        yield ""
        for goal in row["goals"]:
            yield "- " + verdict(goal)
        for note in row["notes"]:
            yield "- " + note
    yield ""


def chart(rows):
    """Bars on a logarithmic axis, a group a row: the median, and a line from p10 to p90."""
    import math
    bars = [(row, one) for row in rows for one in row["contestants"]
            if one.get("median", 0) > 0 and row["unit"] == "ms"]
    if not bars:
        return "<svg xmlns='http://www.w3.org/2000/svg'/>\n"
    low = math.floor(math.log10(min(one["p10"] or one["median"] for _, one in bars)))
    high = math.ceil(math.log10(max(one["p90"] for _, one in bars)))
    left, width = 190, 560

    def place(value):
        return left + width * (math.log10(max(value, 10 ** low)) - low) / (high - low)

    parts, y, last = [], 20, None
    for row, one in bars:
        if row is not last:
            y += 14
            parts.append(f"<text x='10' y='{y}' font-weight='bold'>{escape(row['title'])}</text>")
            y, last = y + 8, row
        colour = "#2a6fb0" if one["name"] == "drawbridge" else "#777" if one["name"].startswith("floor") \
            else "#c58a3a"
        parts.append(f"<text x='{left - 8}' y='{y + 10}' text-anchor='end'>{escape(one['name'])}</text>"
                     f"<rect x='{left}' y='{y}' width='{place(one['median']) - left:.1f}' height='12' "
                     f"fill='{colour}'/><path d='M{place(one['p10']):.1f} {y + 6}H{place(one['p90']):.1f}' "
                     f"stroke='#222'/><text x='{place(one['p90']) + 5:.1f}' y='{y + 10}'>"
                     f"{number(one['median'])} ms</text>")
        y += 16
    axis = [f"<path d='M{place(10 ** step):.1f} 16V{y}' stroke='#ddd'/>"
            f"<text x='{place(10 ** step):.1f}' y='12' text-anchor='middle'>{10.0 ** step:g} ms</text>"
            for step in range(low, high + 1)]
    return (f"<svg xmlns='http://www.w3.org/2000/svg' width='{left + width + 110}' height='{y + 10}' "
            "font-family='sans-serif' font-size='11'><rect width='100%' height='100%' fill='#fff'/>"
            + "\n".join(axis + parts) + "</svg>\n")


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")
