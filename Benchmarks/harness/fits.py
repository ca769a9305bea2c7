"""How a cost grows: the simplest of a few shapes that the measured points agree with."""

import math
import statistics

SHAPES = {
    "constant": lambda x: 0.0,
    "logarithmic": lambda x: math.log2(x + 1),
    "linear": lambda x: x,
    "n log n": lambda x: x * math.log2(x + 1),
    "quadratic": lambda x: x * x,
}
# A shape with more in it has to be this much nearer to the points than a simpler one.
BETTER = 0.6
# What differs by no more than this from its mean is constant, unless another shape is that much nearer.
NOISE, MUCH_BETTER = 0.2, 0.25


def solve(points, shape):
    """The `a` and `b` of a + b·shape(x), neither of them negative, that come nearest to the points by their logarithms,
    and the root mean square of what is left: a figure twice as high is as far off as one half as high."""
    def at(share):
        """With b as a share of a; the share that has only b is infinite."""
        values = [SHAPES[shape](x) if share == math.inf else 1 + share * SHAPES[shape](x) for x, _ in points]
        if min(values) <= 0:
            return math.inf, 0.0
        scale = statistics.fmean(math.log(y / value) for (_, y), value in zip(points, values))
        error = math.sqrt(statistics.fmean((math.log(y / value) - scale) ** 2 for (_, y), value in zip(points, values)))
        return error, math.exp(scale)

    if shape == "constant":
        error, a = at(0.0)
        return a, 0.0, error
    shares = [10 ** (step / 10) for step in range(-120, 41)] + [math.inf]
    best = min(range(len(shares)), key=lambda place: at(shares[place])[0])
    if shares[best] == math.inf:
        error, b = at(math.inf)
        return 0.0, b, error
    near = [shares[best] * 10 ** (step / 200) for step in range(-20, 21)]
    share = min(near, key=lambda one: at(one)[0])
    error, a = at(share)
    return a, a * share, error


def fit(points):
    """The shape, its two numbers and the error that is left, of points (x, y) with y above 0."""
    best = ("constant", *solve(points, "constant"))
    if len(points) < 4:
        return best
    better = MUCH_BETTER if best[3] <= NOISE else BETTER
    for shape in list(SHAPES)[1:]:
        found = (shape, *solve(points, shape))
        if found[2] > 0 and found[3] < best[3] * better:
            best, better = found, BETTER
    return best


def foretold(points):
    """What the points but the last, by their own fit, say of the last: (said, measured)."""
    if len(points) < 5:
        return None
    shape, a, b, _ = fit(points[:-1])
    return a + b * SHAPES[shape](points[-1][0]), points[-1][1]


def words(shape, a, b, most, unit, along):
    """A fit as people read it: what it is at most, and how much comes with what."""
    def number(value):
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

    if shape == "constant":
        return f"constant: {number(a)} {unit}"
    step = 10 ** max(0, math.floor(math.log10(most)) - 1)
    if shape == "linear":
        return f"linear: {number(a)} {unit} and {number(b * step)} {unit} for every {step:,} {along}"
    if shape == "logarithmic":
        return f"logarithmic: {number(a)} {unit} and {number(b)} {unit} with every doubling"
    growth = (a + b * SHAPES[shape](most)) / (a + b * SHAPES[shape](most / 2))
    return f"{shape}: the last doubling takes {growth:.1f} times as much"
