#!/usr/bin/env python3
"""Makes tests/golden/rank: the rank filters of scipy.ndimage. See scripts/goldens.py for how to run it.

Every case is computed twice, by scipy and by `brute`, the definition on integers and sorted floats; the script stops where
they differ, but for what scipy does otherwise and tilewise's help says so: 64-bit integers beyond 2^53 (scipy goes through
float64), holes in footprints of one dimension (scipy ignores them), `axes` out of order (scipy's origins follow them, its sizes
do not) and NaN (undefined in scipy). There brute counts.
"""
import itertools

import numpy as np
import scipy.ndimage as nd

from goldens import Goldens, Raw, call

MODES = ("reflect", "mirror", "nearest", "constant", "wrap")
PAD = dict(reflect="symmetric", mirror="reflect", nearest="edge", constant="constant", wrap="wrap")
g = Goldens("rank")


def brute(a, footprint, rank, mode, cval, origins):
    before = [n // 2 + o for n, o in zip(footprint.shape, origins)]
    kw = dict(constant_values=np.array(cval).astype(a.dtype)) if mode == "constant" else {}
    padded = a
    for axis, n in enumerate(footprint.shape):     # axis by axis: np.pad repeats reflections of axes of length 1 otherwise
        widths = [(0, 0)] * a.ndim
        widths[axis] = (before[axis], n - 1 - before[axis])
        padded = np.pad(padded, widths, PAD[mode], **kw)
    stack = [padded[tuple(slice(i, i + n) for i, n in zip(at, a.shape))] for at in np.argwhere(footprint)]
    return np.sort(np.stack(stack), axis=0)[rank]


def rank_of(op, arg, n):
    if op == "median_filter":
        return n // 2
    if op == "rank_filter":
        return arg % n
    p = arg + 100 if arg < 0 else arg
    return n - 1 if p == 100 else int(float(n) * p / 100)


def case(group, name, op, arg=None, size=None, footprint=None, mode=None, cval=None, origin=None, axes=None, scipy=True):
    a = g.inputs[name]
    pos = [] if arg is None else [arg]
    kw = {k: v for k, v in dict(size=size, mode=mode, cval=cval, origin=origin, axes=axes).items() if v is not None}
    along = list(range(a.ndim)) if axes is None else [x % a.ndim for x in axes]
    seq = lambda v: list(v) if isinstance(v, (list, tuple)) else [v] * len(along)
    small = np.ones(seq(size), bool) if footprint is None else np.asarray(getattr(footprint, "array", footprint), bool)
    order = np.argsort(along)
    shape, origins = [1] * a.ndim, [0] * a.ndim
    for k, x in enumerate(along):
        shape[x], origins[x] = small.shape[k], seq(origin or 0)[k]
    foot = small.transpose(order).reshape(shape)
    want = brute(a, foot, rank_of(op, arg, int(foot.sum())), mode or "reflect", cval or 0, origins)
    if scipy:
        skw = dict(kw) if footprint is None else dict(kw, footprint=small)
        got = getattr(nd, op)(a, *pos, **skw)
        assert got.dtype == a.dtype and np.array_equal(got, want), (name, op, arg, kw, got, want)
    text = dict(kw)
    if footprint is not None:
        text["footprint"] = footprint if isinstance(footprint, Raw) else np.asarray(footprint, int)
    g.add(group, name, call(op, Raw("input"), *pos, **text), want, "exact")


def ops(k):
    return [("median_filter", None), ("percentile_filter", [20, -20, 73.5, 100, 0][k % 5]), ("rank_filter", [1, -2, 0, -1, 2][k % 5])]


def main():
    r = np.random.default_rng(1979)
    ints = {"u1": (0, 255), "i1": (-128, 127), "u2": (0, 65535), "i2": (-32768, 32767), "u4": (0, 2**32 - 1), "i4": (-2**31, 2**31 - 1)}
    for d, (lo, hi) in ints.items():
        a = r.integers(lo, hi, (9, 11), endpoint=True).astype(d)
        a[0, 0], a[4, 5] = lo, hi
        g.input(f"{d}_2d", a)
    g.input("b_2d", r.random((9, 11)) < 0.5)
    g.input("u8_2d", r.integers(0, 2**53, (9, 11)).astype("u8"))
    g.input("i8_2d", r.integers(-2**53, 2**53, (9, 11)).astype("i8"))
    g.input("u8_far", r.integers(2**64 - 40, 2**64 - 1, (7, 8), dtype="u8", endpoint=True))
    g.input("i8_far", np.array([-2**63, 2**63 - 1, -2**63 + 1, 2**63 - 2, 0, 1], "i8")[r.integers(0, 6, (7, 8))])
    for d in ("f4", "f8"):
        g.input(f"{d}_2d", (r.normal(size=(9, 11)) * 50).astype(d))
        f = (r.normal(size=(9, 11)) * 50).astype(d)
        f[r.random(f.shape) < 0.1] = np.nan
        f[2, 3], f[5, 5], f[0, 10] = np.inf, -np.inf, -np.inf
        g.input(f"{d}_nan", f)
    g.input("few", r.integers(0, 3, (9, 11)).astype("u1"))
    g.input("flat", np.full((5, 6), 7, "u2"))
    g.input("one", np.array([[42]], "i2"))
    g.input("row", r.integers(0, 99, (1, 9)).astype("u2"))
    g.input("tiny", (r.normal(size=(2, 3)) * 9).astype("f4"))
    g.input("u1_1d", r.integers(0, 255, 40).astype("u1"))
    g.input("f4_1d", r.normal(size=60).astype("f4"))
    g.input("u2_3d", r.integers(0, 65535, (5, 6, 7)).astype("u2"))
    g.input("f4_3d", r.normal(size=(4, 7, 5)).astype("f4"))
    g.input("u1_4d", r.integers(0, 255, (3, 4, 3, 5)).astype("u1"))
    g.input("u1_big", r.integers(0, 255, (40, 37)).astype("u1"))
    g.input("f4_big", r.normal(size=(40, 37)).astype("f4"))
    every = ["b_2d"] + [f"{d}_2d" for d in [*ints, "u8", "i8", "f4", "f8"]]
    holes = [[1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 0, 1]]
    disk = [[0, 0, 1, 0, 0], [0, 1, 1, 1, 0], [1, 1, 1, 1, 1], [0, 1, 1, 1, 0], [0, 0, 1, 0, 0]]
    edge = [[0, 0, 0, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 1, 0]]

    for k, name in enumerate(every):
        for op, arg in ops(k):
            case("dtypes", name, op, arg, size=3)
            case("dtypes", name, op, arg, footprint=holes, mode=MODES[k % 5], cval=1)
    for k, (mode, name) in enumerate(itertools.product(MODES, ("u1_2d", "f4_2d"))):
        for op, arg in ops(k):
            case("modes", name, op, arg, size=[5, 4], mode=mode, cval=3, origin=[-1, 1])
            case("modes", name, op, arg, footprint=disk, mode=mode, cval=3)
        case("halo", "tiny", "median_filter", size=9, mode=mode, cval=2)
        case("halo", "one", "median_filter", size=4, mode=mode, cval=2)
        case("halo", "row", "rank_filter", 3, size=[3, 12], mode=mode, cval=2, origin=[1, -6])
    for origin in ([-2, -1], [1, 1], [0, -1], [-2, 1]):
        case("origins", "i2_2d", "median_filter", size=[4, 3], origin=origin)
        case("origins", "i2_2d", "rank_filter", 0, size=[4, 3], origin=origin)
        case("origins", "i2_2d", "rank_filter", -1, footprint=holes, origin=origin)
        case("origins", "f4_2d", "percentile_filter", 30, footprint=edge, origin=[origin[0] // 2, origin[1]], mode="wrap")
    for rank in (0, 1, 7, 12, -1, -2, -13):
        case("ranks", "u2_2d", "rank_filter", rank, footprint=disk)
        case("ranks", "f4_2d", "rank_filter", rank, size=[3, 5])
    for p in (0, 1, 12.5, 25, 49.9, 50, 50.1, 99, 99.999, 100, -1, -99.5, -100):
        case("percentiles", "i4_2d", "percentile_filter", p, size=[3, 4])
    case("names", "u1_2d", "median_filter", footprint=Disk(3))
    case("names", "u1_2d", "rank_filter", 5, footprint=Disk(2), mode="wrap")
    for n in (1, 2, 3, 6, 9, 25, 31):
        case("1d", "u1_1d", "median_filter", size=n)
        case("1d", "f4_1d", "percentile_filter", 30, size=n, mode="mirror")
    case("1d", "u1_1d", "median_filter", footprint=[1, 0, 1, 1, 0, 1], scipy=False)
    for n in ([3, 3, 3], [5, 5, 5], [1, 4, 2], [3, 1, 5]):
        case("3d", "u2_3d", "median_filter", size=n)
        case("3d", "f4_3d", "percentile_filter", 60, size=n, mode="wrap", origin=[-(k // 2) for k in n])
    case("3d", "f4_3d", "median_filter", footprint=nd.generate_binary_structure(3, 1))
    case("4d", "u1_4d", "median_filter", size=3)
    case("4d", "u1_4d", "rank_filter", 9, size=[2, 3, 1, 4], mode="constant", cval=7)
    case("axes", "u2_3d", "median_filter", size=5, axes=[0])
    case("axes", "u2_3d", "median_filter", size=[2, 5], axes=[2, 0], origin=[-1, 1], scipy=False)
    case("axes", "f4_3d", "rank_filter", 3, footprint=holes, axes=[0, 2])
    case("axes", "f4_3d", "rank_filter", 3, footprint=holes, axes=[2, 1], origin=[1, 0], scipy=False)
    case("axes", "u1_4d", "percentile_filter", 40, size=7, axes=[1, 3])
    for name in ("few", "flat"):
        case("ties", name, "median_filter", size=5)
        case("ties", name, "rank_filter", -4, footprint=disk)
    for name in ("u1_big", "f4_big"):
        case("large", name, "median_filter", size=21)
        case("large", name, "rank_filter", 100, size=[33, 30], mode="wrap", origin=[-16, 3])
        case("large", name, "percentile_filter", 90, footprint=Disk(11), mode="mirror")
    for name in ("u8_far", "i8_far"):
        case("wide", name, "median_filter", size=3, scipy=False)
        case("wide", name, "rank_filter", -3, footprint=disk, mode="nearest", scipy=False)
    for name in ("f4_nan", "f8_nan"):
        for rank in (1, 4, 7):
            case("nan", name, "rank_filter", rank, size=3, scipy=False)
        case("nan", name, "median_filter", footprint=disk, scipy=False)
        case("nan", name, "percentile_filter", 85, size=6, mode="wrap", scipy=False)
    g.main(__doc__)


class Disk(Raw):
    """disk(r) in the language, and as an array."""
    def __new__(cls, r):
        self = super().__new__(cls, f"disk({r})")
        y, x = np.mgrid[-r:r + 1, -r:r + 1]
        self.array = y * y + x * x <= r * r
        return self


main()
