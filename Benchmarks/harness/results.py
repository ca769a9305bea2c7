"""How it is told: a table on the terminal, JSON, a chart, and the page of the documentation."""

import json
import os
import platform
import subprocess

from rig.product import REPOSITORY

from . import charts, peers

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


def cell(figure):
    """A figure of a row by something that grows: its median."""
    return "" if figure is None else number(figure["median"])


def lines(rows):
    """The table for the terminal."""
    for row in rows:
        yield ""
        yield f"{row['title']} ({row['unit']})"
        if "table" not in row:
            yield f"  {'':20} {'median':>10} {'p10':>10} {'p90':>10} {'ratio':>8} {'runs':>5}"
        for one in row["contestants"]:
            if "missing" in one:
                yield f"  {one['name']:20} missing: {one['missing']}"
                continue
            ratio = f"{one['ratio']:.2f}x" if "ratio" in one else ""
            yield (f"  {one['name']:20} {number(one['median']):>10} {number(one['p10']):>10} "
                   f"{number(one['p90']):>10} {ratio:>8} {one['runs']:>5}")
        if "table" in row:
            table = row["table"]
            yield "  " + f"{table['along']:20}" + "".join(f"{column:>12,}" for column in table["columns"])
            for one in table["contestants"]:
                yield "  " + f"{one['name']:20}" + "".join(f"{cell(figure):>12}" for figure in one["figures"])
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
        file.write(charts.bars(document["rows"]))
    panels = charts.by_growth(document["rows"])
    if panels:
        with open(os.path.join(PLACE, "frames.svg"), "w") as file:
            file.write(charts.curves(panels, columns=1))
    replace(PAGE, BEGIN, END, page(document))


def replace(path, begin, end, text):
    """Puts lines between two others that a page has, if it has them."""
    if not os.path.exists(path):
        return
    with open(path) as file:
        head, found_begin, rest = file.read().partition(begin)
    _, found_end, tail = rest.partition(end)
    if found_begin and found_end:
        with open(path, "w") as file:
            file.write(head + begin + "\n".join(text) + "\n" + end + tail)


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
        if "table" in row:
            table = row["table"]
            yield f"| {table['along']} | " + " | ".join(f"{column:,}" for column in table["columns"]) + " |"
            yield "|---|" + "---:|" * len(table["columns"])
            for one in table["contestants"]:
                yield f"| {one['name']} | " + " | ".join(cell(figure) for figure in one["figures"]) + " |"
            for one in row["contestants"]:
                if "missing" in one:
                    yield f"| {one['name']} | missing: {one['missing']} |" + " |" * (len(table["columns"]) - 1)
            yield ""
            for goal in row["goals"]:
                yield "- " + verdict(goal)
            for note in row["notes"]:
                yield "- " + note
            continue
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
