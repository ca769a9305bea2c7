"""How costs grow: what is measured at points that lie far apart, and what is expected on paper."""

import os
import subprocess
import time


from . import fits
from .bench import Host, resident
from .figures import summary
from .tools import Command, Failed, said, tool

SERIES = []
ONE = 12  # How often a thing is done at a point, one after the other.


def series(function):
    SERIES.append(function)
    return function


class Curves:
    """The curves of a series: by name the points, in the order in which they were measured."""

    def __init__(self):
        self.found = {}

    def declare(self, name, along, unit, paper, why):
        """`paper` is the shape that is expected, and `why` the reason."""
        self.found[name] = {"name": name, "along": along, "unit": unit, "paper": paper, "why": why, "points": []}

    def add(self, name, x, values):
        self.found[name]["points"].append({"x": x, **summary(values)})

    def attempt(self, name, x, measure):
        """Adds what is measured; what fails at this point is said, and keeps nothing else from being measured."""
        try:
            self.add(name, x, measure())
        except (Failed, AssertionError, subprocess.TimeoutExpired) as failure:
            self.found[name].setdefault("failed", []).append(f"{name}, {x:,} {self.found[name]['along']}: "
                                                              f"{said(failure)}")

    def measured(self, reason):
        """The curves that have points, with their fits."""
        curves = [fitted(curve) for curve in self.found.values() if curve["points"]]
        if reason:
            for curve in curves:
                curve["given-up"] = reason
        return curves


def fitted(curve):
    points = [(point["x"], point["median"]) for point in curve["points"] if point["median"] > 0]
    if not points:
        return {**curve, "fit": None, "agrees": False}
    shape, a, b, error = fits.fit(points)
    told = fits.foretold(points)
    order = list(fits.SHAPES)
    most = points[-1][0]
    return {**curve, "fit": {"shape": shape, "a": a, "b": b, "error": error,
                             "words": fits.words(shape, a, b, most, curve["unit"], curve["along"])},
            "foretold": told and {"said": told[0], "measured": told[1]},
            # To grow less than expected is as expected.
            "agrees": order.index(shape) <= order.index(curve["paper"])}


def text(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def lines(curve):
    yield ""
    yield f"{curve['name']} ({curve['unit']}), by {curve['along']}"
    yield "  " + "  ".join(f"{point['x']:,}: {text(point['median'])}" for point in curve["points"])
    if curve["fit"]:
        word = "as expected" if curve["agrees"] else f"NOT AS EXPECTED ({curve['paper']})"
        yield f"  {curve['fit']['words']}; {word}"
    yield from (f"  NOT MEASURED: {text}" for text in curve.get("failed", []))


def panels(curves):
    """A panel for each thing that grows and unit."""
    found = {}
    for curve in curves:
        panel = found.setdefault((curve["along"], curve["unit"]), {
            "title": f"By {curve['along']}", "x": curve["along"], "y": curve["unit"], "series": {}})
        panel["series"][curve["name"]] = [(point["x"], point["median"], point["p10"], point["p90"])
                                          for point in curve["points"]]
    return list(found.values())


def page(document):
    """The tables as the documentation holds them."""
    machine = document["machine"]
    yield ""
    yield (f"Measured on a machine with {machine['processors']} processors ({machine['model']}), {machine['memory']} of memory "
           f"and Linux {machine['kernel']}{', with fewer points (--quick)' if document['quick'] else ''}.")
    for along in dict.fromkeys(curve["along"] for curve in document["curves"]):
        curves = [curve for curve in document["curves"] if curve["along"] == along]
        xs = sorted({point["x"] for curve in curves for point in curve["points"]})
        yield ""
        yield f"| by {along} | unit | " + " | ".join(f"{x:,}" for x in xs) + " | it is | expected |"
        yield "|---|---|" + "---:|" * len(xs) + "---|---|"
        for curve in curves:
            values = {point["x"]: text(point["median"]) for point in curve["points"]}
            verdict = curve["paper"] if curve["agrees"] else f"**{curve['paper']}**"
            yield (f"| {curve['name']} | {curve['unit']} | " + " | ".join(values.get(x, "") for x in xs)
                   + f" | {curve['fit']['words'] if curve['fit'] else ''} | {verdict} |")
        told = [(curve["name"], curve["foretold"]) for curve in curves if curve.get("foretold")]
        if told:
            yield ""
            yield "What the fit of all points but the last says of the last: " + "; ".join(
                f"{name} {text(one['said'])}, measured {text(one['measured'])}" for name, one in told) + "."
        failures = [failure for curve in curves for failure in curve.get("failed", [])]
        for reason in dict.fromkeys(failures + [curve["given-up"] for curve in curves if "given-up" in curve]):
            yield ""
            yield reason
    yield ""


def kept(daemon):
    """How many octets the daemon keeps in its state directories."""
    return sum(os.path.getsize(os.path.join(path, name)) for directory in (daemon.state, daemon.kept)
               for path, _, names in os.walk(directory) for name in names)


def restart(host):
    """Milliseconds from the start of the daemon to its word that it is ready, with all to adopt."""
    host.daemon.drawbridge("daemon", "stop", "--keep-network", timeout=60)
    host.daemon.wait(60)
    before = time.monotonic()
    host.daemon.start()
    return (time.monotonic() - before) * 1000


@series
def vifs(bench, curves, quick):
    """With 1 to 10,000 vifs, on as many isolated networks as that takes."""
    curves.declare("attach one", "vifs", "ms", "linear", "the kernel looks through the names of the chain's devices")
    curves.declare("detach one", "vifs", "ms", "linear", "likewise")
    curves.declare("attach one, the floor", "vifs", "ms", "linear", "the same, without Drawbridge")
    curves.declare("status", "vifs", "ms", "linear", "every vif is told")
    curves.declare("show one vif", "vifs", "ms", "constant", "one is looked up")
    curves.declare("start, all adopted", "vifs", "ms", "linear", "every vif is looked at, in one dump")
    curves.declare("memory", "vifs", "MB", "linear", "what is wanted of each is kept")
    curves.declare("state on disk", "vifs", "kB", "linear", "a record for each")
    points = [1, 10, 100, 1000] if quick else [1, 10, 100, 1000, 2000, 5000, 10000]
    with bench.host() as host:
        count, next_domain = 0, 100001
        status = Command(host.daemon.product.command, "status", "--socket", host.daemon.socket)
        for point in points:
            if point > count:
                next_domain = host.fill(point - count, next_domain, floor=True)
                count = point
            time.sleep(0.3 if quick else 1)
            curves.add("attach one", point, host.attach(1, ONE))
            curves.add("attach one, the floor", point, host.floor_attach(1, ONE))
            curves.attempt("show one vif", point, lambda: [host.stopwatch.time(Command(
                host.daemon.product.command, "vif", "show", "vif1.0", "--socket", host.daemon.socket))
                for _ in range(ONE)])
            curves.attempt("status", point, lambda: [host.stopwatch.time(status) for _ in range(4)])
            curves.add("detach one", point, host.detach(1, ONE))
            host.floor.run("sh", "-c", f"{tool('floor')} detach 1 {ONE} > /dev/null")
            curves.add("memory", point, [resident(host.process())])
            curves.add("state on disk", point, [kept(host.daemon) / 1000])
            if point in (1, 10, 100, 1000, 10000):  # Last: where it does not start there is no going on.
                curves.attempt("start, all adopted", point,
                               lambda: [restart(host) for _ in range(3 if point <= 100 else 1)])


@series
def networks(bench, curves, quick):
    """With 1 to 100 isolated networks, of which each has a vif."""
    curves.declare("start one network", "networks", "ms", "constant", "no network looks at another")
    curves.declare("attach one", "networks", "ms", "constant", "nor does a vif")
    curves.declare("memory", "networks", "MB", "linear", "what is wanted of each is kept")
    points = [1, 5, 10, 20] if quick else [1, 2, 5, 10, 20, 50, 100]
    with bench.host() as host:
        count = 0
        for point in points:
            taken = []
            while count < point:
                count += 1
                taken.append(host.stopwatch.time(Command(
                    host.daemon.product.command, "network", "start", f"isolated{count}", "--isolated", "--socket",
                    host.daemon.socket)))
                host.attach(1000 + count, 1, f"isolated{count}")
            curves.add("start one network", point, taken[-6:])
            curves.add("attach one", point, host.attach(1, ONE, f"isolated{count}"))
            host.detach(1, ONE)
            curves.add("memory", point, [resident(host.process())])


@series
def addresses(bench, curves, quick):
    """With 1 to 64 addresses of each family for a vif."""
    curves.declare("attach one", "addresses of each family", "ms", "linear", "two elements for each address")
    points = [1, 4, 16, 64] if quick else [1, 2, 4, 8, 16, 32, 64]
    with bench.host() as host:
        host.attach(500, ONE)
        for point in points:
            curves.add("attach one", point, host.attach(1, ONE, addresses=point))
            host.detach(1, ONE)


CONFIGURATION = """version: 1
networks:
  xenbr0: {{uplink: eth0, groups: base}}
groups:
  base:
{rules}
"""


@series
def rules(bench, curves, quick):
    """With a group of 1 to 1,000 rules, that every vif is in."""
    curves.declare("reload with other rules", "rules of a group", "ms", "linear", "each is an element of a set")
    curves.declare("attach one that is in it", "rules of a group", "ms", "constant",
                   "a vif in a group is an element, however many rules the group has")
    curves.declare("memory", "rules of a group", "MB", "linear", "what is wanted of each is kept")
    points = [1, 10, 100] if quick else [1, 3, 10, 30, 100, 300, 1000]
    with Host(bench, configuration=configuration(1), suffix="yaml") as host:
        host.attach(500, 10)
        for point in points:
            taken = []
            for turn in range(3):
                host.daemon.configure(configuration(point, turn))
                reload = Command(host.daemon.product.command, "daemon", "reload", "--socket", host.daemon.socket)
                taken.append(host.stopwatch.time(reload))
            curves.add("reload with other rules", point, taken)
            curves.add("attach one that is in it", point, host.attach(1, ONE))
            host.detach(1, ONE)
            curves.add("memory", point, [resident(host.process())])


def configuration(count, turn=0):
    """A group whose rules are about different ports and places, so that none is part of another."""
    lines = [f"    - in tcp {2000 + number * 2 + turn * 20000} from 10.{number // 250}.{number % 250}.0/24"
             for number in range(count)]
    return CONFIGURATION.format(rules="\n".join(lines))
