#!/usr/bin/env python3
"""Makes tests/golden/thresholds: scikit-image's global and local thresholds.

Global thresholds of integers are exact; those of floats, and li's, agree to 1e-6. Local ones are computed by
scikit-image in float64. scripts/goldens.py says how to run this.
"""
import warnings

import numpy as np
import scipy.ndimage as nd
from skimage import filters as sk

from goldens import Goldens, Raw, call

warnings.simplefilter("ignore")
g = Goldens("thresholds")
r = np.random.default_rng(4)


def two_hills(shape, low, high, spread):
    """A dark ground with bright spots."""
    ground = r.normal(low, spread, shape)
    spots = nd.gaussian_filter(r.normal(size=shape), 2) > 0.08
    return np.where(spots, r.normal(high, spread * 1.5, shape), ground)


def rounded(x, dtype):
    info = np.iinfo(dtype)
    return np.clip(np.rint(x), info.min, info.max).astype(dtype)


g.input("u8", rounded(two_hills((48, 40), 60, 170, 12), "u1"))
g.input("u8_3d", rounded(two_hills((6, 12, 14), 30, 90, 10), "u1"))
g.input("i8", rounded(two_hills((30, 31), -40, 40, 9), "i1"))
g.input("u16", rounded(two_hills((60, 50), 900, 3000, 200), "u2"))
g.input("u16_full", np.concatenate([rounded(two_hills((40, 50), 9000, 40000, 4000), "u2").ravel(), [0, 65535]]).astype("u2"))
g.input("i16", rounded(two_hills((40, 41), -700, 900, 120), "i2"))
g.input("i32", rounded(two_hills((40, 30), -5000, 9000, 700), "i4"))
g.input("u32", rounded(two_hills((30, 30), 900, 9000, 200), "u4"))
g.input("i64", rounded(two_hills((20, 30), -1000, 2000, 100), "i8"))
g.input("f32", two_hills((40, 41), 0.2, 0.7, 0.05).astype("f4"))
g.input("f32_large", two_hills((40, 41), 1e6, 3e6, 2e5).astype("f4"))
g.input("f64", two_hills((30, 33), -3.0, 2.0, 0.4))
g.input("f64_negative", two_hills((30, 33), -1e-3, -4e-4, 1e-4))
g.input("f32_steps", (rounded(two_hills((40, 41), 60, 170, 12), "u1") / 255).astype("f4"))
g.input("f64_steps", rounded(two_hills((40, 41), 900, 3000, 200), "u2") / 65535)
g.input("f32_tail", np.where(r.random((40, 40)) < 0.01, 40, r.exponential(1.0, (40, 40))).astype("f4"))
nan = two_hills((20, 21), 0.2, 0.7, 0.05); nan[3, 4] = nan[0, 0] = np.nan; nan[7, 7] = np.inf; nan[8, 8] = -np.inf
g.input("f64_nan", nan)
g.input("f32_same", np.full((5, 4), 2.5, "f4")); g.input("u8_same", np.full((5, 4), 7, "u1")); g.input("i32_same", np.full((5, 4), -7, "i4"))
g.input("u8_pair", np.array([3, 3, 3, 200, 3, 3, 200], "u1")); g.input("f64_pair", np.array([0.25, 0.25, 4.0, 0.25]))
g.input("u16_ends", np.array([[0, 65535, 65535], [0, 1, 65535]], "u2"))
g.input("i16_three", np.array([-5, -5, 0, 0, 0, 9, 9, 9, -5], "i2"))

INTS = ["u8", "u8_3d", "i8", "u16", "u16_full", "i16", "i32", "u32", "i64", "u8_pair", "u16_ends", "i16_three"]
FLOATS = ["f32", "f32_large", "f64", "f64_negative", "f32_steps", "f64_steps", "f32_tail", "f64_pair"]
SAME = ["f32_same", "u8_same", "i32_same"]


def value(group, inp, pipeline, expected):
    """One threshold."""
    whole = np.issubdtype(np.asarray(expected).dtype, np.integer)
    exact = np.float64(expected) if inp in ("i32", "u32", "i64", "i32_same") else expected
    g.add(group, inp, pipeline, np.int64(exact) if whole and exact is expected else np.float64(exact), "exact" if whole else 1e-6, value_only=True)


def globals_():
    for inp in INTS + FLOATS + SAME:
        x = g.inputs[inp]
        for name in ("otsu", "yen", "isodata", "triangle", "minimum"):
            if name == "minimum" and inp in ("u16_full", "u16_ends", "i32", "u32"):
                continue  # minutes in Python
            f = getattr(sk, f"threshold_{name}")
            for kw in ({}, dict(nbins=64)) if inp in FLOATS else ({},):
                try:
                    t = f(x, **kw)
                except (RuntimeError, IndexError):
                    continue
                value(name, inp, call(f"threshold_{name}", **kw), t)
        value("mean", inp, "threshold_mean(input)", np.mean(x.astype("f8")))
    for inp in ("u8", "i16", "f32"):
        x = g.inputs[inp]
        for name in ("isodata", "li", "mean", "minimum", "otsu", "triangle", "yen"):
            wide = x.astype("f8") if inp == "f32" and name in ("li", "mean") else x.astype("i4") if name == "li" else x
            g.add("mask", inp, f'threshold(input, "{name}")', x > getattr(sk, f"threshold_{name}")(wide), "exact")


def li():
    for inp in INTS + FLOATS + SAME + ["f64_nan"]:
        x = g.inputs[inp]
        # In the type of the data scikit-image's differences wrap around, or are rounded.
        wide = x.astype("i8") if x.dtype.kind in "iu" else x.astype("f8")
        finite = wide[np.isfinite(wide)]
        lo, hi = float(finite.min()), float(finite.max())
        kws = [{}] if lo == hi else [{}, dict(tolerance=(hi - lo) / 50), dict(initial_guess=float(int(lo + 0.8 * (hi - lo)))) if hi - lo > 20 else dict(initial_guess=lo + 0.25 * (hi - lo))]
        for kw in kws:
            t = sk.threshold_li(wide.copy(), **kw)
            g.add("li", inp, call("threshold_li", **kw), np.float64(t), 1e-12, value_only=True)
            if inp != "f64_nan" and x.dtype.kind == "f":
                t = sk.threshold_li(x.copy(), **kw)  # rounded at every step to the type of the data
                g.add("li", inp, call("threshold_li", **kw), np.float64(t), 1e-6, value_only=True)


def multi():
    for inp, classes in [("u8", 2), ("u8", 3), ("u8", 4), ("u8_3d", 5), ("i8", 3), ("u16", 3), ("i16", 3), ("i16_three", 3), ("i16_three", 2), ("u8_pair", 2)]:
        t = sk.threshold_multiotsu(g.inputs[inp], classes=classes)
        g.add("multiotsu", inp, call("threshold_multiotsu", classes=classes), t.astype("i8"), "exact")
        g.add("multiotsu", inp, call("threshold_multiotsu", Raw("input"), classes=classes) + f".t{classes - 1}", np.int64(t[-1]), "exact", value_only=True)
    for inp in FLOATS[:-1]:
        for kw in (dict(), dict(classes=4, nbins=40), dict(classes=2)):
            g.add("multiotsu", inp, call("threshold_multiotsu", **kw), sk.threshold_multiotsu(g.inputs[inp], **kw).astype("f8"), 1e-6)


def single(x):
    return "f8" if x.dtype.itemsize * (1 if x.dtype.kind == "f" else 2) >= 8 else "f4"


def local():
    for inp in ("u8", "u8_3d", "i16", "i32", "f32", "f64"):
        x = g.inputs[inp][:18, :17]
        g.input(inp + "_cut", x)
        ref = x.astype("f8")

        def add(op, *pos, **kw):
            t = getattr(sk, op)(ref, *pos, **kw)
            g.add(op, inp + "_cut", call(op, Raw("input"), *pos, **kw), t.astype(single(x)), 1e-5 if single(x) == "f4" else 1e-9)

        add("threshold_local", 5)
        add("threshold_local", 7, method="mean", offset=2.5)
        add("threshold_local", [3, 1, 5][:x.ndim], method="mean", mode="constant", cval=1.5)
        add("threshold_local", [1, 7, 3][:x.ndim], mode="wrap", offset=-1)
        add("threshold_local", 25, mode="mirror"); add("threshold_local", 9, param=0.8, mode="nearest"); add("threshold_local", 1)
        add("threshold_local", 5, method="median", offset=1); add("threshold_local", 3, method="median", mode="constant", cval=0.5)
        for op in ("threshold_niblack", "threshold_sauvola"):
            kw = {} if op == "threshold_niblack" else dict(r=float(np.ptp(ref)) / 2)
            add(op, **kw); add(op, window_size=3, k=-0.5, **kw); add(op, window_size=[5, 1, 3][:x.ndim], **kw); add(op, window_size=51, k=1.0, **kw)
        t = sk.threshold_sauvola(x, 5)
        g.add("threshold_sauvola", inp + "_cut", "threshold_sauvola(input, 5)", t.astype(single(x)), 1e-5)


globals_(); li(); multi(); local()
g.main(__doc__)
