"""Figures of one contestant in one measurement, and the rows they stand in."""

import statistics

ROWS = []


def row(identifier, title, unit="ms"):
    """Declares a measurement: a function of a `Bench` that fills the row it is given."""
    def declare(function):
        ROWS.append((identifier, title, unit, function))
        return function
    return declare


class Row:
    """One line of the issue's table: what was measured of every contestant in one alternating run."""

    def __init__(self, identifier, title, unit):
        self.identifier, self.title, self.unit = identifier, title, unit
        self.samples, self.missing, self.goals, self.notes = {}, {}, [], []
        self.table = None

    def add(self, contestant, value):
        self.samples.setdefault(contestant, []).append(value)

    def lacks(self, contestant, reason):
        """Says that a contestant could not be had, and why."""
        self.missing[contestant] = reason

    def goal(self, text, value, limit, unit="", at_least=False):
        """A goal with what was reached, both as numbers."""
        reached = value >= limit if at_least else value <= limit
        self.goals.append({"text": text, "value": round(value, 3), "limit": limit, "unit": unit,
                           "at_least": at_least, "reached": reached})

    def matrix(self, along, columns, figures):
        """Figures of contestants by something that grows, in place of one figure each.

        `figures` has lists of them by contestant and column; a contestant need not have every column.
        """
        self.table = {"along": along, "columns": columns, "contestants": [
            {"name": name, "figures": [summary(values[column]) if column in values else None for column in columns]}
            for name, values in figures.items()]}

    def note(self, text):
        self.notes.append(text)

    def median(self, contestant):
        return statistics.median(self.samples[contestant]) if self.samples.get(contestant) else None

    def paired(self, contestant, other):
        """The median of the ratios of runs that followed each other: what else the machine did cancels out."""
        pairs = zip(self.samples.get(contestant, []), self.samples.get(other, []))
        ratios = [a / b for a, b in pairs if b]
        return statistics.median(ratios) if ratios else None

    def document(self):
        """The row as it is written to the results."""
        contestants = []
        ours = self.median("drawbridge")
        for name, values in self.samples.items():
            figures = {"name": name, **summary(values)}
            if ours and name != "drawbridge":
                figures["ratio"] = figures["median"] / ours
            contestants.append(figures)
        for name, reason in self.missing.items():
            contestants.append({"name": name, "missing": reason})
        return {"id": self.identifier, "title": self.title, "unit": self.unit, "contestants": contestants,
                **({"table": self.table} if self.table else {}), "goals": self.goals, "notes": self.notes}


def summary(values):
    """Median, p10 and p90 of some values, and how many they are."""
    return {"runs": len(values), "median": statistics.median(values), "p10": quantile(values, 0.1),
            "p90": quantile(values, 0.9)}


def quantile(values, share):
    """The value below which a share of the values lies, between the two nearest."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
