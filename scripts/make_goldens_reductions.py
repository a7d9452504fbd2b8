#!/usr/bin/env python3
"""Makes tests/golden/reductions: NumPy's reductions over any axes, in float64.

scripts/goldens.py says how to run this.
"""
import warnings

import numpy as np

from goldens import Goldens, call, ints

warnings.simplefilter("ignore")
g = Goldens("reductions")
r = np.random.default_rng(46)


g.input("b", r.random((5, 7, 6)) < 0.4)
g.input("u8", ints(r, "u1", (5, 17, 7), 0, 255))
g.input("u16", ints(r, "u2", (18, 6, 3), 0, 65535))
g.input("i8", ints(r, "i1", (4, 150), -128, 127))
g.input("i16", ints(r, "i2", (3, 2, 4, 18), -32768, 32767))
g.input("u32", ints(r, "u4", (24, 9), 0, 2**32 - 1))
g.input("i32", ints(r, "i4", (9, 24), -(2**31), 2**31 - 1))
g.input("i64", ints(r, "i8", (30, 4), -(2**50), 2**50))
g.input("u64", ints(r, "u8", (4, 30), 0, 2**50))
g.input("f32", r.normal(100, 30, (7, 19, 3)).astype("f4"))
g.input("f64", r.normal(-5, 30, (3, 40, 4)))
g.input("f32_line", r.normal(0, 1, 1000).astype("f4"))
g.input("u8_same", np.full((20, 20), 7, "u1"))
nan = r.normal(size=(30, 5)); nan[4, 2] = np.nan; nan[9, 3] = np.inf; nan[10, 3] = -np.inf
g.input("f64_nan", nan)
g.input("f32_zero", np.array([[0.0, -0.0, 1], [-0.0, 0.0, -1], [2, 2, np.inf]], "f4"))
ties = ints(r, "u1", (24, 11), 0, 3)
g.input("u8_ties", ties)
ALL = list(g.inputs)


def axes_of(a):
    out = [None] + list(range(-1, a.ndim - 1))
    if a.ndim > 2:
        out += [(0, 2), (1, 2), (0, 1), tuple(range(a.ndim))]
    return out


def exact(name, a):
    return a.dtype.kind in "biu" and name == "sum" or name in ("min", "max", "any", "all", "count_nonzero", "argmin", "argmax")


def add(group, name, n, axis, keep, fn, check, *pos, **more):
    a = g.inputs[n]
    given = {} if axis is None else dict(axis=list(axis) if isinstance(axis, tuple) else axis)
    if keep:
        given["keepdims"] = True
    want = np.asarray(fn(a if a.dtype.kind != "f" else a.astype("f8"), axis, keep))
    if group in ("min", "max"):
        want = want.astype(a.dtype)
    elif group == "sum":
        want = want.astype("f8" if a.dtype.kind == "f" else "u8" if a.dtype.kind == "u" else "i8")
    elif group in ("argmin", "argmax", "count_nonzero"):
        want = want.astype("i8")
    elif group in ("mean", "std", "var", "median", "percentile"):
        want = want.astype("f8")
    g.add(group, n, call(name, *pos, **given, **more), want, check)


for n in ALL:
    a = g.inputs[n]
    for axis in axes_of(a):
        keep = bool(r.integers(2))
        for name in ("sum", "mean", "min", "max", "any", "all", "count_nonzero", "median"):
            if name in ("any", "all", "count_nonzero") and n not in ("b", "u8", "f32_zero", "f64_nan", "u16"):
                continue
            fn = getattr(np, name)
            if name == "mean":
                fn = lambda x, axis, keepdims: np.mean(x, axis, "f8", keepdims=keepdims)
            if name in ("median", "count_nonzero"):
                fn = lambda x, axis, keepdims, f=getattr(np, name): f(x, axis, keepdims=keepdims)
            if name in ("sum", "min", "max"):
                fn = lambda x, axis, keepdims, f=getattr(np, name): f(x, axis, keepdims=keepdims)
            if name in ("any", "all"):
                fn = lambda x, axis, keepdims, f=getattr(np, name): f(x, axis, keepdims=keepdims)
            if name == "median" and n in ("b",):
                fn = lambda x, axis, keepdims: np.median(x.astype("u1"), axis, keepdims=keepdims)
            add(name, name, n, axis, keep, fn, "exact" if exact(name, a) else 1e-12)
        for name in ("std", "var"):
            ddof = int(r.integers(2))
            fn = lambda x, axis, keepdims, f=getattr(np, name): f(x, axis, "f8", ddof=ddof, keepdims=keepdims)
            add(name, name, n, axis, keep, fn, 1e-11, **(dict(ddof=ddof) if ddof else {}))
        q = float(r.choice([0, 3.7, 25, 50, 66.6, 99.8, 100]))
        # In float64: differences of small integers wrap in NumPy, and it answers NaN beside an infinity.
        fn = lambda x, axis, keepdims: np.percentile(x.astype("f8"), q, axis, keepdims=keepdims)
        if n not in ("f64_nan", "f32_zero"):
            add("percentile", "percentile", n, axis, keep, fn, 1e-12, q)
        if axis is None or isinstance(axis, int):
            for name in ("argmin", "argmax"):
                add(name, name, n, axis, keep, lambda x, axis, keepdims, f=getattr(np, name): f(x, axis, keepdims=keepdims), "exact")

# By name, and back to the array.
for n, letters in (("u8", "tyx"), ("f32", "nyx"), ("u16", "yxc"), ("i16", "tzyx")):
    a = g.inputs[n].astype("f8")
    for letter in letters:
        axis = letters.index(letter)
        mean, std = a.mean(axis, keepdims=True), a.std(axis, keepdims=True)
        g.add("back", n, f'(input - mean(input, axis="{letter}")) / (std(input, axis="{letter}") + 1)', (a - mean) / (std + 1), 1e-12, axes=letters)
    g.add("back", n, f'mean(input, axis="{letters[1:]}")', a.mean(tuple(range(1, a.ndim))), 1e-12, axes=letters)
g.add("back", "u8", "input - mean(input, axis=0)", g.inputs["u8"] - g.inputs["u8"].mean(0), 1e-12)
g.add("back", "u8", "input - mean(input, axis=1, keepdims=true)", g.inputs["u8"] - g.inputs["u8"].mean(1, keepdims=True), 1e-12)

if __name__ == "__main__":
    g.main(__doc__)
