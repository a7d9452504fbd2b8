#!/usr/bin/env python3
"""Makes tests/golden/core: what scipy, scikit-image and NumPy answer to pipelines of tilewise's language.

    python3 -m venv VENV && VENV/bin/pip install numpy scipy scikit-image      # versions used: manifest.json
    VENV/bin/python scripts/make_goldens.py            # writes tests/golden/core (beside scripts/), replacing it
    VENV/bin/python scripts/make_goldens.py --check    # writes nothing; exit 1 when the folder differs

Seeds are fixed: the same versions give the same bytes. Every neighbourhood case is computed twice, by scipy and by
`brute` below (the definition, written plainly); the script stops if they disagree, or if a third run in float32
would not keep half the stated tolerance. Decisions (x > t) are only taken where no pixel is near the threshold.

tests/golden/core/
  in/*.npy                the inputs, shared by the cases
  expected.*.bin          the expected arrays, C order, little endian, bool one byte each; the files are ONE byte
                          string cut in pieces (manifest: "expected"), a case may lie across a cut
  manifest.json           {"versions", "expected": [file, ...], "cases": [case, ...]}, one case a line:
      name      unique
      pipeline  tilewise's language; `input` is the input
      input     path of the .npy below this folder
      dtype, shape, offset   of the expected array, `offset` bytes into the byte string; scalars have shape []
      check     "exact": equal shape, dtype and values (0.0 equals -0.0)
                {"rel": r}: equal shape and dtype, max|err| <= r * max|expected| over the finite ones
                both: NaN exactly where NaN is expected, infinities equal
      value_only  (optional) the dtype is not part of the claim: scalars such as a threshold or a count
"""
import argparse, json, math, os, shutil, sys, tempfile, warnings
from fractions import Fraction

import numpy as np
import scipy, scipy.ndimage as nd
import skimage
from skimage.filters import threshold_otsu

warnings.simplefilter("ignore")
MODES = ("reflect", "mirror", "nearest", "constant", "wrap")
CUT = 180_000                                            # bytes in one expected.N.bin
INPUTS, CASES, BLOB, SEEN = {}, [], bytearray(), {}


# ------------------------------------------------------------------------------------------------ inputs
def make_inputs():
    r = np.random.default_rng(20261122)
    put = INPUTS.__setitem__

    def ints(dtype, shape, lo, hi):
        a = r.integers(lo, hi, shape, dtype=np.int64, endpoint=True).astype(dtype)
        if a.size > 4:
            a.flat[1], a.flat[a.size // 2] = hi, lo
        return a

    def reals(dtype, shape, scale=50.0, shift=7.0):
        return (r.normal(size=shape) * scale + shift).astype(dtype)

    big, mid = (13, 11), (9, 7)
    put("b_2d", r.random(big) < 0.4)
    put("u8_2d", ints("u1", big, 0, 255)); put("i8_2d", ints("i1", mid, -127, 127))
    put("u16_2d", ints("u2", big, 0, 65535)); put("i16_2d", ints("i2", big, -32767, 32767))
    put("u32_2d", ints("u4", mid, 0, 2**32 - 1)); put("i32_2d", ints("i4", mid, -(2**31) + 1, 2**31 - 1))
    put("u64_2d", ints("u8", mid, 0, 2**53)); put("i64_2d", ints("i8", mid, -(2**52), 2**52))
    put("f32_2d", reals("f4", big)); put("f64_2d", reals("f8", mid))
    put("u16_wide", ints("u2", (17, 23), 0, 4095))
    put("b_1d", r.random(40) < 0.5); put("u8_1d", ints("u1", 29, 0, 255)); put("f32_1d", reals("f4", 19))
    put("u16_3d", ints("u2", (5, 7, 6), 0, 65535)); put("f32_3d", reals("f4", (4, 5, 6)))
    put("u8_3d", ints("u1", (7, 9, 11), 0, 255)); put("i16_3d", ints("i2", (4, 3, 5), -32767, 32767))
    put("f32_4d", reals("f4", (3, 4, 5, 2))); put("u8_4d", ints("u1", (5, 6, 7, 4), 0, 255))
    put("u16_5d", ints("u2", (2, 3, 4, 2, 3), 0, 65535)); put("f64_5d", reals("f8", (2, 2, 3, 2, 3)))
    # degenerate: smaller than any halo, axes of length one
    put("f32_tiny", reals("f4", (2, 3))); put("u8_tiny", ints("u1", (3, 4), 0, 255)); put("u16_pair", ints("u2", 2, 0, 65535))
    put("u16_one", np.array([[4711]], "u2")); put("f32_one1d", np.array([2.5], "f4"))
    put("f32_row", reals("f4", (1, 9))); put("u16_col", ints("u2", (9, 1), 0, 65535)); put("u8_plate", ints("u1", (4, 1, 5), 0, 255))
    nan = reals("f4", big); nan[4, 5] = nan[11, 0] = np.nan
    put("f32_nan", nan)
    # values: a few of every kind, for pointwise ops
    put("v_u8", np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 42, 99, 100, 101, 127, 128, 199, 200, 255], "u1").reshape(3, 7))
    put("v_i8", np.array([-127, -101, -100, -14, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 7, 10, 11, 100, 101, 127], "i1").reshape(3, 7))
    put("v_u16", np.array([0, 1, 3, 5, 6, 7, 10, 11, 100, 101, 199, 200, 201, 255, 256, 257, 300, 32767, 32768, 40000, 65535], "u2").reshape(3, 7))
    put("v_i16", np.array([-32767, -300, -201, -129, -128, -7, -3, -2, -1, 0, 1, 5, 6, 7, 10, 100, 199, 200, 255, 256, 32767], "i2").reshape(3, 7))
    put("v_u32", np.array([0, 1, 5, 6, 7, 10, 100, 199, 200, 255, 256, 65535, 65536, 2**24, 2**24 + 1, 2**31 - 1, 2**31, 2**32 - 1], "u4"))
    put("v_i32", np.array([-(2**31) + 1, -(2**24) - 1, -65536, -32769, -32768, -7, -3, -1, 0, 1, 5, 6, 7, 100, 200, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1], "i4"))
    put("v_i64", np.array([-(2**52), -(2**32), -(2**31) - 1, -129, -7, -3, -1, 0, 1, 5, 6, 7, 10, 100, 200, 255, 2**31, 2**32, 2**52], "i8"))
    put("v_u64", np.array([0, 1, 5, 6, 7, 10, 100, 200, 255, 256, 2**31, 2**32, 2**53], "u8"))
    f = [-300.5, -100.0, -32.25, -7.0, -2.5, -1.5, -0.75, -0.5, -0.0, 0.0, 0.1, 0.5, 1.5, 2.5, 3.0, 5.0, 7.0, 9.99, 10.0, 100.5, 200.0, 254.5, 255.5, np.nan]
    put("v_f32", np.array(f, "f4").reshape(4, 6)); put("v_f64", np.array(f, "f8").reshape(4, 6))
    c = [-1e20, -40000.5, -32768.5, -129.5, -128.5, -1.5, -0.5, -0.49, -0.0, 0.0, 0.25, 0.5, 0.51, 1.5, 2.5, 3.5, 126.5, 127.5, 254.5, 255.4, 255.5, 256.0,
         32766.5, 32767.5, 65534.5, 65535.5, 65536.5, 2147483520.0, 2147483648.0, -2147483648.0, 4294967296.0, 9.3e18, 1.9e19, 1e20, np.inf, -np.inf, np.nan]
    put("c_f32", np.array(c, "f4")); put("c_f64", np.array(c[:-3] + [2147483646.5, 2147483647.5, -2147483648.5, 0.1] + c[-3:], "f8"))
    # histograms and thresholds
    two = lambda shape, m1, s1, m2, s2: np.where(r.random(shape) < 0.6, r.normal(m1, s1, shape), r.normal(m2, s2, shape))
    put("o_u8", np.clip(two((13, 11), 60, 12, 170, 20), 0, 255).round().astype("u1"))
    put("o_u16", np.clip(two((13, 11), 900, 100, 2500, 300), 0, 65535).round().astype("u2"))
    put("o_u16full", np.clip(two((17, 23), 9000, 5000, 50000, 6000), 0, 65535).round().astype("u2"))
    put("o_i16neg", two((13, 11), -900, 60, -300, 50).round().astype("i2")); put("o_i16mix", two((13, 11), -400, 90, 500, 120).round().astype("i2"))
    put("o_i32", two((13, 11), -70, 9, 40, 12).round().astype("i4")); put("o_i8", two((9, 7), -60, 9, 50, 12).round().astype("i1"))
    put("o_f32", two((13, 11), 0.2, 0.05, 0.7, 0.1).astype("f4")); put("o_f64", two((9, 7), -3, 0.5, 4, 1))
    put("o_f32off", two((13, 11), 1000, 2, 1020, 3).astype("f4")); put("o_u16_3d", np.clip(two((5, 6, 7), 900, 100, 2500, 300), 0, 65535).round().astype("u2"))
    put("o_u8two", np.where(r.random((6, 7)) < 0.5, 3, 200).astype("u1")); put("o_u8flat", np.full((4, 5), 77, "u1")); put("o_f32flat", np.full((4, 5), -2.5, "f4"))
    put("h_edge", np.repeat(np.linspace(0, 1, 11, dtype="f4"), 2).reshape(2, 11)); put("h_f32", r.uniform(-50, 120, (17, 23)).astype("f4"))
    # masks
    for d in (20, 40, 59, 80):
        put(f"m_{d}", r.random((17, 23)) < d / 100)
    put("m_spiral", spiral(15)); put("m_checker", np.indices((8, 9)).sum(0) % 2 == 0)
    comb = np.zeros((7, 16), bool); comb[:, ::2] = True; comb[-1] = True; comb[3, 5] = True
    put("m_comb", comb); put("m_combx", np.ascontiguousarray(comb.T)); put("m_ones", np.ones((5, 6), bool)); put("m_zeros", np.zeros((5, 6), bool))
    put("m_one", np.ones((1, 1), bool)); put("m_row", np.array([[1, 0, 1, 1, 0, 0, 1, 0, 1]], bool)); put("m_col", INPUTS["m_row"].T.copy())
    for d in (20, 35, 50):
        put(f"m3_{d}", r.random((5, 7, 6)) < d / 100)
    for d in (15, 30):
        put(f"m4_{d}", r.random((3, 4, 3, 5)) < d / 100)
    put("m5_20", r.random((2, 3, 2, 3, 4)) < 0.2)
    put("m_u8", (INPUTS["m_40"][:9, :11] * r.integers(1, 255, (9, 11), endpoint=True)).astype("u1"))
    f = np.where(INPUTS["m_40"][8:, :11], r.normal(size=(9, 11)), 0.0).astype("f4"); f[0, 0], f[0, 1], f[2, 2] = -0.0, 1e-40, -3
    put("m_f32", f); put("m_i16", (INPUTS["m_59"][:9, :11] * r.integers(-3, -1, (9, 11), endpoint=True)).astype("i2"))


def spiral(n):
    m, y, x, d = np.zeros((n, n), bool), 0, 0, 0
    m[0, 0], steps = True, [(0, 1), (1, 0), (0, -1), (-1, 0)]
    legs, k = [n - 1, n - 1, n - 1], n - 3
    while k > 0:
        legs += [k, k]; k -= 2
    for leg in legs:
        for _ in range(leg):
            y, x = y + steps[d][0], x + steps[d][1]; m[y, x] = True
        d = (d + 1) % 4
    return m


# ------------------------------------------------------------------------------------------------ cases
def lit(v):
    """A value in the pipeline language."""
    if isinstance(v, (list, tuple)):
        return "[" + ", ".join(map(lit, v)) + "]"
    return {True: "true", False: "false"}[v] if isinstance(v, bool) else json.dumps(v) if isinstance(v, str) else "none" if v is None else repr(v)


def call(op, *pos, **kw):
    return f"{op}(" + ", ".join([p if isinstance(p, Raw) else lit(p) for p in pos] + [f"{k}={lit(v)}" for k, v in kw.items()]) + ")"


class Raw(str):
    """Pipeline text to be inserted as it is."""


def add(group, inp, pipeline, expected, check, value_only=False):
    e = np.asarray(expected)
    assert e.dtype.byteorder in "=|<" and e.size, (pipeline, e.dtype)
    raw = np.ascontiguousarray(e).tobytes()
    if raw not in SEEN:
        while len(BLOB) % 8: BLOB.append(0)
        SEEN[raw] = len(BLOB); BLOB.extend(raw)
    if check != "exact":
        assert e.dtype.kind == "f" and not np.isinf(e).any(), pipeline
        check = {"rel": check}
    if e.dtype.kind == "f" and not value_only:
        assert np.nanmax(np.abs(e), initial=0) > 0 or check == "exact" or np.isnan(e).any() or group in ("sobel", "prewitt", "correlate1d"), ("all zero", inp, pipeline)
    n = sum(c["name"].startswith(group + "-") for c in CASES)
    c = dict(name=f"{group}-{n:03d}", pipeline=pipeline, input=f"in/{inp}.npy", dtype=str(e.dtype), shape=list(e.shape), offset=SEEN[raw], check=check)
    if value_only: c["value_only"] = True
    assert not any(o["pipeline"] == pipeline and o["input"] == c["input"] for o in CASES), ("twice", inp, pipeline)
    CASES.append(c)


def floaty(dtype):
    """The dtype that smoothing, derivatives and + - * / compute in and give."""
    dtype = np.dtype(dtype)
    return np.dtype("f4") if dtype.kind == "b" or dtype.itemsize <= 2 or dtype == "f4" else np.dtype("f8")


# ------------------------------------------------------------------------------------------------ the definition, plainly
def outside(i, n, mode):
    """Index in 0..n that stands for index i, or -1 for cval."""
    if mode == "constant": return i if 0 <= i < n else -1
    if mode == "nearest": return min(max(i, 0), n - 1)
    if mode == "wrap": return i % n
    if mode == "reflect": i %= 2 * n; return min(i, 2 * n - 1 - i)
    if n == 1: return 0
    i %= 2 * n - 2; return min(i, 2 * n - 2 - i)              # mirror


def neighbours(a, axis, k, shift, mode, cval):
    """For tap k: the array of a[i + k - shift] along the axis, i running over the axis."""
    n = a.shape[axis]
    idx = np.array([outside(i + k - shift, n, mode) for i in range(n)])
    v = np.take(a, np.maximum(idx, 0), axis)
    if (idx < 0).any():
        v = np.moveaxis(v, axis, -1).copy(); v[..., idx < 0] = cval; v = np.moveaxis(v, -1, axis)
    return v


def brute_correlate(a, w, axis, mode="reflect", cval=0.0, origin=0):
    """out[i] = sum over k of w[k] * a[i + k - len(w)//2 - origin], in a's dtype"""
    out = np.zeros_like(a)
    for k, wk in enumerate(w):
        out = out + a.dtype.type(wk) * neighbours(a, axis, k, len(w) // 2 + origin, mode, a.dtype.type(cval))
    return out


def brute_rank(a, size, axis, mode, cval, origin, f):
    return f([neighbours(a, axis, k, size // 2 + origin, mode, cval) for k in range(size)], axis=0)


def gauss_taps(sigma, order, truncate=4.0, radius=None):
    """Correlation weights (already reversed, as odd orders need)."""
    R = int(truncate * sigma + 0.5) if radius is None else radius
    x = np.arange(-R, R + 1.0); s2 = sigma * sigma
    w = np.exp(-0.5 / s2 * x * x); w /= w.sum()
    return (w * [1, -x / s2, x**2 / s2**2 - 1 / s2, 3 * x / s2**2 - x**3 / s2**3][order])[::-1] if order else w


def per_axis(v, n):
    return list(v) if isinstance(v, (list, tuple)) else [v] * n


def brute(op, a, *pos, **kw):
    n, b = a.ndim, {k: kw[k] for k in ("mode", "cval", "origin") if k in kw}
    if op in ("correlate1d", "convolve1d"):
        w = np.array(pos[0] if pos else kw["weights"], float); ax = pos[1] if len(pos) > 1 else kw.get("axis", -1)
        if op == "convolve1d":
            w = w[::-1]; b["origin"] = -kw.get("origin", 0) - (1 - len(w) % 2)
        return brute_correlate(a, w, ax, **b)
    if op in ("sobel", "prewitt"):
        ax = (pos[0] if pos else kw.get("axis", -1)) % n
        out = brute_correlate(a, [-1, 0, 1], ax, **b)
        for i in range(n):                                   # the other axes in order; outside, the intermediate is cval too
            if i != ax: out = brute_correlate(out, [1, 2, 1] if op == "sobel" else [1, 1, 1], i, **b)
        return out
    if op.startswith("gaussian"):
        s = pos[0] if pos else kw["sigma"]
        if op.endswith("1d"):
            return brute_correlate(a, gauss_taps(s, kw.get("order", 0), kw.get("truncate", 4.0), kw.get("radius")), pos[1] if len(pos) > 1 else kw.get("axis", -1), **b)
        for i, (s, o, r, m) in enumerate(zip(per_axis(s, n), per_axis(kw.get("order", 0), n), per_axis(kw.get("radius"), n), per_axis(kw.get("mode", "reflect"), n))):
            if s > 1e-15: a = brute_correlate(a, gauss_taps(s, o, kw.get("truncate", 4.0), r), i, m, kw.get("cval", 0.0))
        return a
    size = pos[0] if pos else kw.get("size", 3)
    if op.endswith("1d"):
        ax = (pos[1] if len(pos) > 1 else kw.get("axis", -1)) % n
        todo = [(ax, size, kw.get("mode", "reflect"), kw.get("origin", 0))]
    else:
        todo = [(i, s, m, o) for i, (s, m, o) in enumerate(zip(per_axis(size, n), per_axis(kw.get("mode", "reflect"), n), per_axis(kw.get("origin", 0), n))) if s > 1]
    for ax, s, m, o in todo:
        if op.startswith("uniform"): a = brute_correlate(a, [1.0] * s, ax, m, kw.get("cval", 0.0), o) / a.dtype.type(s)
        else: a = brute_rank(a, s, ax, m, kw.get("cval", 0.0), o, np.min if op.startswith("min") else np.max)
    return a


WORST = {}


def close(a, b, rel, what):
    assert a.shape == b.shape and (np.isnan(a) == np.isnan(b)).all(), what
    err, top = np.nanmax(np.abs(a - b), initial=0), np.nanmax(np.abs(b), initial=0)
    assert err <= rel * top, (what, err, top, err / max(top, 1e-300))
    return err / top if top else 0.0


def hood(op, inp, *pos, explicit=False, **kw):
    """A neighbourhood op: scipy's answer, held against the definition, and the case for it."""
    x = INPUTS[inp]
    text = call(op, *((Raw("input"),) if explicit else ()), *pos, **kw)
    if op.split("_")[0] in ("minimum", "maximum"):
        ref = getattr(nd, op)(x, *pos, **kw)
        assert ref.dtype == x.dtype and (ref == brute(op, x, *pos, **kw)).all(), ("scipy differs from the definition", inp, text)
        return add(op, inp, text, ref, "exact")
    ref = getattr(nd, op)(x.astype("f8"), *pos, **kw)
    rel = 1e-6 if op.startswith("gaussian") else 1e-5
    close(brute(op, x.astype("f8"), *pos, **kw), ref, 1e-12, ("scipy differs from the definition", inp, text))
    if floaty(x.dtype) == "f4":
        e = close(brute(op, x.astype("f4"), *pos, **kw).astype("f8"), ref, 0.5 * rel, ("too strict for float32", inp, text))
        WORST[op] = max(WORST.get(op, (0,)), (e, inp, text))
    add(op, inp, text, ref.astype(floaty(x.dtype)), rel)


def cyc(*values):
    """Endless repetition, to vary a parameter over other cases."""
    import itertools
    return itertools.cycle(values)


ALL9 = ("b_2d", "u8_2d", "u16_2d", "i16_2d", "u32_2d", "i32_2d", "i64_2d", "f32_2d", "f64_2d")
DEGEN = ("f32_tiny", "u8_tiny", "u16_pair", "u16_one", "f32_one1d", "f32_row", "u16_col", "u8_plate")


def spread(items, per):
    """Every item with `per` of the five modes, in turn."""
    return [(i, MODES[(k * per + j) % 5]) for k, i in enumerate(items) for j in range(per)]


def bound(mode, cval):
    return dict(mode=mode, cval=cval) if mode == "constant" else dict(mode=mode)


def gaussians():
    g = "gaussian_filter"
    hood(g, "u16_wide", 1.5); hood(g, "f32_2d", 2, explicit=True); hood(g, "u16_wide", sigma=3.3, mode="wrap")
    par = cyc(dict(sigma=1), dict(sigma=[0, 1.5]), dict(sigma=2.5), dict(sigma=[2, 0.7]), dict(sigma=0.4), dict(sigma=1.2, truncate=2.5), dict(sigma=1, radius=2))
    cv = cyc(100.5, -3, 0.0, 17)
    for i, m in spread(ALL9, 2): hood(g, i, **next(par), **bound(m, next(cv)))
    orders = cyc(1, [0, 1], 2, [1, 2], [3, 0], [1, 1], 3, [2, 0])
    for i, m in spread(("f32_2d", "u8_2d", "f64_2d", "i16_2d"), 3): hood(g, i, sigma=1.1, order=next(orders), **bound(m, 12.5))
    hood(g, "f32_2d", sigma=[0, 1.5], order=1, mode="wrap")                    # sigma 0: that axis is left alone, its order too
    hood(g, "u16_2d", sigma=[1.5, 0], order=[0, 2], mode="mirror"); hood(g, "f32_2d", sigma=0); hood(g, "u8_2d", sigma=[0, 0], order=1)
    hood(g, "f32_2d", sigma=1, truncate=0.1); hood(g, "f32_2d", sigma=1, radius=0); hood(g, "u16_2d", sigma=1, radius=[3, 0]); hood(g, "u16_2d", sigma=[1, 2], radius=[1, 4], mode="nearest")
    hood(g, "f64_2d", sigma=2, radius=20, mode="mirror"); hood(g, "u8_2d", sigma=0.3, truncate=8.0); hood(g, "i16_2d", sigma=0.1)
    hood(g, "u16_2d", sigma=1, mode=["wrap", "mirror"]); hood(g, "f32_2d", sigma=[2, 1], mode=["constant", "reflect"], cval=9.0); hood(g, "f64_2d", sigma=1, order=[1, 0], mode=["nearest", "wrap"])
    for (i, m), s in zip(spread(DEGEN, 2), cyc(3, 1.7, 5)): hood(g, i, sigma=s, **bound(m, 33))      # the halo is larger than the image
    for m in MODES[1::2]: hood(g, "f32_nan", sigma=[0.6, 0.3], **bound(m, 5))
    for m, i, p in zip(MODES, ("u8_1d", "f32_1d", "f32_3d", "f32_4d", "u16_5d"), (dict(sigma=2), dict(sigma=1, order=1), dict(sigma=[1, 0, 2], order=[0, 1, 1]), dict(sigma=[1, 2, 0, 1]), dict(sigma=0.8))):
        hood(g, i, **p, **bound(m, -8))
    for m, i, p in zip(MODES, ("u16_3d", "i16_3d", "u8_plate", "f64_5d", "f32_1d"), (dict(sigma=[0.5, 1, 1.5]), dict(sigma=1, order=[2, 0, 1]), dict(sigma=[1, 2, 3]), dict(sigma=[0, 1, 0, 2, 0.5]), dict(sigma=1, order=3))):
        hood(g, i, **p, **bound(m, 40.25))
    g = "gaussian_filter1d"
    hood(g, "u8_1d", 1.5); hood(g, "u16_2d", 1.5, 0, explicit=True); hood(g, "f32_2d", sigma=1, axis=-2, order=1, mode="mirror")
    par = cyc(dict(sigma=1), dict(sigma=2, order=1), dict(sigma=0.7, order=2), dict(sigma=1.5, order=3), dict(sigma=3, truncate=2), dict(sigma=1, radius=7))
    ax = cyc(0, 1, -1, -2)
    for i, m in spread(ALL9, 2): hood(g, i, **next(par), axis=next(ax), **bound(m, next(cv)))
    for m in MODES: hood(g, "f32_3d", sigma=4, axis=0, **bound(m, 2))
    for m in MODES[2:]: hood(g, "u8_plate", sigma=1, axis=1, **bound(m, 200))
    hood(g, "u16_5d", sigma=1, axis=2, mode="wrap"); hood(g, "f32_4d", sigma=1, axis=-4, mode="nearest"); hood(g, "f32_one1d", sigma=2); hood(g, "f32_nan", sigma=0.5, axis=0)


def uniforms():
    u = "uniform_filter"
    hood(u, "u16_wide"); hood(u, "f32_2d", 5, explicit=True)
    par = cyc(dict(size=3), dict(size=4), dict(size=[2, 5]), dict(size=[1, 3]), dict(size=6, origin=-3), dict(size=6, origin=2), dict(size=[3, 4], origin=[1, -2]), dict(size=5, origin=[-2, 2]), dict(size=1), dict(size=2))
    cv = cyc(100.5, -3, 7, 255)
    for i, m in spread(ALL9, 2): hood(u, i, **next(par), **bound(m, next(cv)))
    for (i, m), s in zip(spread(DEGEN, 2), cyc(7, 4, 10)): hood(u, i, size=s, **bound(m, 33))
    hood(u, "f32_2d", size=3, mode=["wrap", "mirror"]); hood(u, "u8_2d", size=[3, 2], mode=["constant", "nearest"], cval=50); hood(u, "u8_2d", size=1, mode="wrap")
    for m, i, p in zip(MODES, ("u8_1d", "f32_3d", "u16_3d", "f32_4d", "u16_5d"), (dict(size=4, origin=1), dict(size=[3, 2, 4], origin=[1, -1, 0]), dict(size=5), dict(size=[1, 3, 2, 4]), dict(size=3))): hood(u, i, **p, **bound(m, 6.5))
    u = "uniform_filter1d"
    hood(u, "u8_1d", 3); hood(u, "u16_2d", 4, 0, explicit=True); hood(u, "f32_2d", size=3, axis=-2)
    par, ax = cyc(dict(size=2), dict(size=5, origin=2), dict(size=4, origin=-2), dict(size=1), dict(size=7), dict(size=4, origin=1), dict(size=3, origin=-1)), cyc(0, -1, 1, -2)
    for i, m in spread(ALL9, 2): hood(u, i, **next(par), axis=next(ax), **bound(m, next(cv)))
    for i, m in spread(("f32_3d", "u8_plate"), 3): hood(u, i, size=12, axis=1, origin=-6, **bound(m, 200))
    hood(u, "u16_5d", size=2, axis=3, mode="wrap"); hood(u, "f32_4d", size=3, axis=-4, mode="mirror"); hood(u, "f32_one1d", size=6, origin=-3, mode="mirror")


def correlations():
    w = {"even": [1, 2, 3, 4], "asym": [1, -2, 0.5], "anti": [-1, -3, 0, 3, 1], "sym": [1, 2, 1], "two": [1, 3], "one": [2.5], "long": [0.5, 0, -1, 2, 4, 2, -1, 3, 0.25], "symeven": [1, 2, 2, 1]}
    for c in ("correlate1d", "convolve1d"):
        hood(c, "u8_1d", [1, 2, 3]); hood(c, "u16_2d", [1, 2, 3, 4], 0, explicit=True); hood(c, "f32_2d", weights=[-1, 0, 2], axis=-2)
        par = cyc(*[dict(weights=v) for v in w.values()])
        ax, cv, org = cyc(0, -1, 1), cyc(11, -2.5, 130), cyc(0, "lo", 0, "hi", 0)
        for i, m in spread(ALL9, 2) if c == "correlate1d" else spread(ALL9[::2], 2):
            p, o = next(par), next(org); n = len(p["weights"])
            hood(c, i, **p, axis=next(ax), **bound(m, next(cv)), **(dict(origin={"lo": -(n // 2), "hi": (n - 1) // 2}[o]) if o else {}))   # what both allow
        for i, m in spread(("f32_tiny", "u8_plate"), 3 if c == "correlate1d" else 1): hood(c, i, weights=w["long" if i[0] == "f" else "even"], axis=i.count("u8"), origin=-1, **bound(m, 3))
        hood(c, "u16_5d", weights=w["asym"], axis=1, mode="wrap"); hood(c, "f32_4d", weights=w["even"], axis=-2, mode="mirror"); hood(c, "f32_3d", weights=w["anti"], axis=0, mode="nearest")
        hood(c, "u16_3d", weights=w["symeven"], axis=1, origin=1, mode="reflect"); hood(c, "f32_nan", weights=[1, 0, -1], axis=1, mode="mirror")   # 0 * NaN is NaN
        hood(c, "f32_one1d", weights=w["even"], mode="constant", cval=2)
    for s in ("sobel", "prewitt"):
        hood(s, "u16_wide"); hood(s, "f32_2d", 0, explicit=True)
        ax, cv = cyc(0, 1, -1, -2), cyc(5, -10.5, 200)
        for i, m in spread(ALL9, 2) if s == "sobel" else spread(ALL9[::2], 2): hood(s, i, axis=next(ax), **bound(m, next(cv)))
        for m in MODES[s == "sobel"::2]: hood(s, "f32_3d", axis=0, **bound(m, 2))
        for i, m in spread(("u8_plate", "u8_tiny", "f32_nan"), 1 + (s == "sobel")): hood(s, i, axis=1, **bound(m, 9))
        hood(s, "u8_1d"); hood(s, "f32_4d", axis=1, mode="constant", cval=3); hood(s, "u16_5d", axis=-3, mode="mirror"); hood(s, "u16_pair", mode="wrap"); hood(s, "u16_one", axis=0, mode="constant", cval=100); hood(s, "u16_col", axis=1)


def ranks():
    for f in ("minimum_filter", "maximum_filter"):
        hood(f, "u16_wide", 3); hood(f, "f32_2d", size=[3, 5], explicit=True)
        par = cyc(dict(size=3), dict(size=4), dict(size=[2, 5]), dict(size=[1, 3]), dict(size=6, origin=-3), dict(size=6, origin=2), dict(size=[3, 4], origin=[1, -2]), dict(size=5, origin=[-2, 2]), dict(size=2), dict(size=[7, 9]))
        if f[1] == "a": [next(par) for _ in range(3)]
        for k, i in enumerate(ALL9 + ("i8_2d", "u64_2d")):
            cval = {"b": 1, "u": 250, "i": -100, "f": 0.5}[INPUTS[i].dtype.kind]
            for j in range(2): m = MODES[(2 * k + j) % 5]; hood(f, i, **next(par), **bound(m, cval))
        for (i, m), s in zip(spread(DEGEN[f[1] == "a"::2], 2), cyc(7, 4, 3, 10)): hood(f, i, size=s, **bound(m, 33))
        hood(f, "u8_2d", size=1); hood(f, "u8_2d", size=3, mode=["wrap", "mirror"]); hood(f, "f32_2d", size=101, mode="wrap"); hood(f, "u16_2d", size=[25, 2], mode="mirror")
        for m, i, p in zip(MODES, ("u8_1d", "f32_3d", "u16_3d", "f32_4d", "u16_5d"), (dict(size=4, origin=1), dict(size=[3, 2, 4], origin=[1, -1, 0]), dict(size=5), dict(size=[1, 3, 2, 4]), dict(size=3))): hood(f, i, **p, **bound(m, 6))
        f += "1d"
        hood(f, "u8_1d", 3); hood(f, "u16_2d", 4, 0, explicit=True)
        par, ax = cyc(dict(size=2), dict(size=5, origin=2), dict(size=4, origin=-2), dict(size=1), dict(size=7), dict(size=4, origin=1), dict(size=3, origin=-1)), cyc(0, -1, 1, -2)
        for k, i in enumerate(ALL9):
            m = MODES[k % 5]; hood(f, i, **next(par), axis=next(ax), **bound(m, {"b": 0, "u": 100, "i": 50, "f": -0.25}[INPUTS[i].dtype.kind]))
        for m in MODES: hood(f, *(("f32_3d",) if m[0] in "mcw" else ("u8_plate",)), size=12, axis=1, origin=-6, **bound(m, 200))
        hood(f, "u16_5d", size=2, axis=3, mode="wrap"); hood(f, "f32_1d", size=19, origin=-9, mode="mirror"); hood(f, "f32_1d", size=20, origin=9, mode="reflect")


# ------------------------------------------------------------------------------------------------ pointwise
VALS = ("v_u8", "v_u16", "v_i16", "v_u32", "v_i32", "v_i64", "v_f32", "v_f64")
ENV = dict(sqrt=np.sqrt, hypot=np.hypot, minimum=np.minimum, maximum=np.maximum, where=np.where, clip=np.clip, abs=np.abs, mean=lambda a: mean(a), std=lambda a: std(a))


def py(expr, x):
    return eval(expr, {"__builtins__": {}}, dict(ENV, input=x))


def arithmetic():
    for v in VALS + ("v_i8", "v_u64"):
        add("input", v, "input", INPUTS[v], "exact")
    for n in ("b_2d", "u16_5d", "f32_one1d", "u8_4d"):
        add("input", n, "input", INPUTS[n], "exact")
    few = ("input + 1", "input * 2.5 - 3", "input / 3", "-input", "input ** 2")
    more = ("hypot(input, input * 2)", "abs(input - 100)", "1 - input", "1 / (abs(input) + 1)", "input - 3 - 4", "input / 4 / 2", "-input ** 2", "2 + input * 3", "(input + 1) ** 2 / 2", "input + 2 ** 3 ** 2",
            "sqrt(abs(input))", "abs(input) ** 0.5", "input * input - input", "hypot(input, 3)", "input ** 3")
    for k, v in enumerate(VALS + ("b_2d", "v_i8")):
        t = floaty(INPUTS[v].dtype)
        for e in (few if k % 2 else few[::2]) + more[k % 5::5]:
            if v == "b_2d" and "abs" in e: continue
            ref = py(e, INPUTS[v].astype("f8"))
            assert np.nanmax(np.abs(ref)) < (1e35 if t == "f4" else 1e300)
            add("arith", v, e, ref.astype(t), 1e-6)
    for v in ("v_u8", "v_u16", "v_u32", "v_f32", "v_f64", "v_i16"):       # square roots of negatives are NaN
        add("sqrt", v, "sqrt(input)", py("sqrt(input)", INPUTS[v].astype("f8")).astype(floaty(INPUTS[v].dtype)), 1e-6)
    add("sqrt", "b_2d", "sqrt(input)", INPUTS["b_2d"].astype("f4"), 1e-6)
    for v in VALS + ("v_i8", "v_u64"):
        x = INPUTS[v]; k = x.dtype.kind
        for e in ("input // 3", "input % 7") + (("input // -3", "input % -7") if k != "u" and v != "v_i8" else ()) + (("input // 2.5", "input % 0.75") if k == "f" else ("(input // 2) % 5",)):
            ref = py(e, x); assert ref.dtype == x.dtype, (v, e, ref.dtype)
            add("floordiv", v, e, ref, 1e-6 if k == "f" else "exact")
        lo = {"u": 3, "i": -5, "f": -0.25}[k]
        for e in ("abs(input)", "minimum(input, 10)", f"maximum(input, {lo})", "minimum(maximum(input, 4), 100)", f"clip(input, {lo if k != 'u' else 10}, {200 if x.dtype != 'i1' else 20})", "where(input > 5, input, 0)", "minimum(input, input // 2)")[:: 1 if v in ("v_u8", "v_i16", "v_f32", "v_u32") else 3]:
            ref = py(e, x); assert ref.dtype == x.dtype, (v, e, ref.dtype)
            add("keep", v, e, ref, "exact")
    add("keep", "b_2d", "abs(input)", INPUTS["b_2d"], "exact")
    add("keep", "v_u8", "where(input > 5, 7, input)", py("where(input > 5, 7, input)", INPUTS["v_u8"]), "exact")
    add("keep", "v_i16", "where((input > -3) & (input < 200), 0, input)", py("where((input > -3) & (input < 200), 0, input)", INPUTS["v_i16"]), "exact")
    add("keep", "v_f32", "where(input == input, input, 0)", py("where(input == input, input, 0)", INPUTS["v_f32"]), "exact")
    add("keep", "c_f32", "clip(input, -2.5, 300)", np.clip(INPUTS["c_f32"], -2.5, 300), "exact")          # NaN and infinities
    add("keep", "c_f32", "maximum(input, 0)", np.maximum(INPUTS["c_f32"], 0), "exact"); add("keep", "c_f64", "minimum(input, 0.5)", np.minimum(INPUTS["c_f64"], 0.5), "exact"); add("keep", "c_f32", "abs(input)", np.abs(INPUTS["c_f32"]), "exact")


def decisions():
    for k, v in enumerate(VALS + ("v_i8", "v_u64")):
        x = INPUTS[v]; big = x.dtype.itemsize > 1
        es = ["input > 100", "input == 7", "~(input > 3)", "input != 7", "input > 2.5", "input <= 5", "input > -1", "input > 300", "~(input > 3) & (input < 9) | (input == 200)", "(input > 3) ^ (input > 9)"]
        for e in (["(input > 10) & (input < 200)", "(input < 3) | (input >= 200)"] if k % 2 else ["input > 100", "input == 7"]) + es[k % 3::3]:
            if any(c["pipeline"] == e and c["input"] == f"in/{v}.npy" for c in CASES): continue
            ref = py(e, x); assert ref.dtype == bool
            add("compare", v, e, ref, "exact")
    f = INPUTS["v_f32"]
    for e in ("input > 0.1", "input == 0.1", "input >= 0.1", "input == 0", "input == input", "input < 0", "~(input < 0)"):  # a literal takes the array's dtype
        if any(c["pipeline"] == e and c["input"] == "in/v_f32.npy" for c in CASES): continue
        add("compare", "v_f32", e, py(e, f), "exact")
    b = INPUTS["b_2d"]
    for e, r in (("~input", ~b), ("input > 0", b), ("input & (input == 0)", b & ~b), ("input | ~input", b | ~b), ("input ^ input", b ^ b)):
        add("compare", "b_2d", e, r, "exact")
    add("compare", "u8_4d", "(input > 10) & (input < 200)", py("(input > 10) & (input < 200)", INPUTS["u8_4d"]), "exact")
    for v in ("u8_2d", "i16_2d", "f32_2d", "f64_2d"):                                             # computed scalars compare in f64
        x = INPUTS[v].astype("f8")
        for e, t in (("input > mean(input)", mean(x)), ("input > mean(input) + std(input)", mean(x) + std(x)), ("input < mean(input) - 2 * std(input)", mean(x) - 2 * std(x))):
            apart(x, t); add("scalar", v, e, py(e, x), "exact")
        add("scalar", v, "input == max(input)", x == x.max(), "exact")
    for v in ("u8_2d", "u16_2d", "i16_2d", "f32_2d"):
        add("threshold", v, "threshold(input, 100)", INPUTS[v] > 100, "exact")


def apart(x, t, rel=1e-5):
    assert np.abs(np.asarray(x, "f8") - float(t)).min() > rel * np.abs(x).max(), "a pixel is too near the threshold"


def cast(x, to):
    """Round half to even, saturate, NaN -> 0; bool: nonzero (NaN is)."""
    if to == "bool": return x != 0
    to = np.dtype(to)
    if to.kind == "f": return x.astype(to)
    lo, hi = np.iinfo(to).min, np.iinfo(to).max
    f = lambda v: 0 if v != v else hi if v == math.inf else lo if v == -math.inf else min(max(round(Fraction(v)), lo), hi)
    return np.array([f(v) for v in x.ravel().tolist()], to).reshape(x.shape)


def casts():
    every = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
    for v in ("c_f32", "c_f64"):
        for to in every + ("bool",): add("cast", v, call("cast", Raw("input"), to), cast(INPUTS[v], to), "exact")
    add("cast", "c_f32", 'cast(input, "float64")', INPUTS["c_f32"].astype("f8"), "exact"); add("cast", "c_f64", 'cast(input, "float32")', INPUTS["c_f64"].astype("f4"), "exact")
    for v in ("v_u16", "v_i32", "v_i64", "v_u32", "v_i16", "v_u64"):
        for to in every + ("float32", "float64", "bool"):
            if np.dtype(to) != INPUTS[v].dtype and (v in ("v_u16", "v_i32") or to in ("uint8", "int16", "float32", "bool")[v == "v_u64"::1 + (v in ("v_u64", "v_i16", "v_u32"))]): add("cast", v, call("cast", to) if to == "uint8" else call("cast", Raw("input"), to), cast(INPUTS[v], to), "exact")
    for to in ("uint8", "float32", "int16"): add("cast", "b_2d", call("cast", Raw("input"), to), cast(INPUTS["b_2d"], to), "exact")
    for v, e, to in (("v_u8", "input * 1.5", "uint8"), ("v_u16", "input / 2", "uint8"), ("v_i16", "input * 0.5 - 1", "int8")):
        add("cast", v, call("cast", Raw(e), to), cast(py(e, INPUTS[v].astype("f4")), to), "exact")


# ------------------------------------------------------------------------------------------------ whole image
def exact(x): return [Fraction(v) for v in x.ravel().tolist()]
def mean(x): return float(sum(exact(x)) / x.size) if np.isfinite(np.asarray(x, "f8")).all() else math.nan


def std(x, ddof=0):
    """sqrt of the exact variance, correct to the last bit or so"""
    if not np.isfinite(np.asarray(x, "f8")).all() or x.size <= ddof: return math.nan
    e = exact(x); m = sum(e) / len(e); v = sum((a - m) ** 2 for a in e) / (len(e) - ddof)
    return float(Fraction(math.isqrt(int(v * 2**256)), 2**128))


def total(x):
    if x.dtype.kind in "bui": return x.sum()
    return np.float64(math.fsum(x.ravel().tolist()))


def reductions():
    for i in ALL9 + ("i8_2d", "u64_2d", "f32_3d", "u16_5d", "u16_one", "f32_nan", "o_f32flat"):
        x = INPUTS[i]
        if i in ALL9[::2] + ("f32_nan", "u64_2d"): add("min", i, "min(input)", x.min(), "exact")
        if i in ALL9[1::2] + ("f32_nan", "b_2d", "u16_5d"): add("max", i, "max(input)", x.max(), "exact")
        s = total(x); add("sum", i, "sum(input)", s, "exact" if s.dtype.kind != "f" else 1e-12)
        m, d, d1 = mean(x), std(x), std(x, 1)
        if np.isfinite(m): assert np.isclose(m, x.mean(dtype="f8"), rtol=1e-9) and np.isclose(d, x.std(dtype="f8"), rtol=1e-9)
        add("mean", i, "mean(input)", np.float64(m), 1e-12); add("std", i, "std(input)", np.float64(d), 1e-12 if d else "exact")
        if i in ("u8_2d", "f32_2d", "f64_2d", "u16_one"): add("std", i, "std(input, ddof=1)", np.float64(d1), 1e-12)
    add("max", "f32_2d", "max(abs(input))", np.abs(INPUTS["f32_2d"]).max(), "exact"); add("sum", "u8_2d", "sum(input > 100)", np.int64((INPUTS["u8_2d"] > 100).sum()), "exact")


def histograms():
    for i in ("u8_2d", "u16_2d", "i16_2d", "u32_2d", "i32_2d", "i64_2d", "f32_2d", "f64_2d", "h_f32", "h_edge", "o_u8flat", "o_f32flat"):
        for kw in (dict(bins=10), dict(bins=16, range=[0, 100])):
            if i == "h_edge" and "range" in kw: kw = dict(bins=10, range=[0, 1])
            add("histogram", i, call("histogram", Raw("input"), **kw), np.histogram(INPUTS[i], **kw)[0].astype("i8"), "exact")
    for i, kw in (("u16_5d", dict(bins=5)), ("h_f32", dict(bins=7, range=[-50.5, 49.5])), ("h_f32", dict(bins=1)), ("h_f32", dict(bins=256)), ("u8_2d", dict(bins=256, range=[0, 256])), ("u8_2d", dict(bins=3)), ("i16_2d", dict(bins=13, range=[-1000, 1000])), ("u8_2d", dict(bins=4, range=[300, 400])), ("h_edge", dict(bins=5)), ("h_edge", dict(bins=3, range=[0.1, 0.7])), ("f32_row", dict(bins=4))):
        add("histogram", i, call("histogram", Raw("input"), **kw), np.histogram(INPUTS[i], **kw)[0].astype("i8"), "exact")
    add("histogram", "u8_1d", "histogram(input)", np.histogram(INPUTS["u8_1d"])[0].astype("i8"), "exact")


def otsu_f64(x, nbins):
    """Otsu with counts and products in float64 (scikit-image keeps the counts in float32)."""
    if x.min() == x.max(): return x.flat[0]
    if x.dtype.kind in "ui": c = np.arange(int(x.min()), int(x.max()) + 1); n = np.bincount(x.ravel().astype("i8") - c[0]).astype("f8")
    else: n, e = np.histogram(x, nbins); n = n.astype("f8"); c = ((e[:-1] + e[1:]) / 2).astype("f8")
    w1, w2 = n.cumsum(), n[::-1].cumsum()[::-1]
    m1, m2 = (n * c).cumsum() / w1, ((n * c)[::-1].cumsum() / w2[::-1])[::-1]
    return c[np.argmax(w1[:-1] * w2[1:] * (m1[:-1] - m2[1:]) ** 2)]


def otsus():
    for i in ("o_u8", "o_u16", "o_u16full", "o_i16neg", "o_i16mix", "o_i32", "o_i8", "o_f32", "o_f64", "o_f32off", "o_u16_3d", "o_u8two", "o_u8flat", "o_f32flat", "u8_1d", "i16_3d"):
        x = INPUTS[i]
        for kw in (dict(), dict(nbins=64), dict(nbins=1000)) if x.dtype.kind == "f" and x.min() < x.max() else (dict(),):
            t = threshold_otsu(x, **kw)
            assert abs(float(t) - float(otsu_f64(x, kw.get("nbins", 256)))) <= 1e-6 * abs(float(t)), ("float32 counts decide", i, kw)
            add("otsu", i, call("threshold_otsu", *((Raw("input"),) if kw else ()), **kw) if kw else "threshold_otsu(input)", np.float64(t), "exact" if x.dtype.kind != "f" else 1e-6, value_only=True)
        if x.dtype.kind == "f" and x.min() < x.max(): apart(x, threshold_otsu(x), 1e-6)
        m = x > threshold_otsu(x)
        n = sum(c["name"].startswith("threshold-") for c in CASES)
        add("threshold", i, 'threshold(input, "otsu")' if n % 3 else "input > threshold_otsu(input)", m, "exact")
    add("otsu", "o_u16", "o = input / 2\nthreshold_otsu(o, nbins=100)", np.float64(threshold_otsu(INPUTS["o_u16"].astype("f4") / 2, 100)), 1e-6, value_only=True)


# ------------------------------------------------------------------------------------------------ labels
def brute_label(x, structure=None):
    """Flood fill, starting from each unlabelled pixel in raster order."""
    s = nd.generate_binary_structure(x.ndim, 1) if structure is None else np.asarray(structure)
    steps = [tuple(o - 1 for o in at) for at in np.argwhere(s) if (at != 1).any()]
    fg, out, n = x != 0, np.zeros(x.shape, int), 0
    for at in map(tuple, np.argwhere(fg)):
        if out[at]: continue
        n += 1; out[at] = n; todo = [at]
        while todo:
            p = todo.pop()
            for st in steps:
                q = tuple(a + b for a, b in zip(p, st))
                if all(0 <= a < k for a, k in zip(q, x.shape)) and fg[q] and not out[q]: out[q] = n; todo.append(q)
    return out


def label(x, structure=None):
    l, n = nd.label(x, structure)
    assert (l == brute_label(x, structure)).all(), "scipy differs from the definition"
    if n:                                                  # raster order of the first pixel
        first = np.unique(l[l > 0], return_index=True)[1]
        assert (np.diff(first) > 0).all() and l.max() == n
    return l.astype("u4"), n


def labels():
    full, diag, rows, cols = [[1] * 3] * 3, [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 0, 0], [1, 1, 1], [0, 0, 0]], [[0, 1, 0]] * 3
    masks = [m for m in INPUTS if m.startswith("m")] + ["b_1d", "u8_plate", "f32_tiny"]
    for m in masks:
        x = INPUTS[m]
        l, n = label(x)
        add("label", m, "label(input)", l, "exact")
        if m in ("b_1d", "m_59", "m_checker", "m_zeros", "m_ones", "m3_35", "m4_30", "m_f32"): add("labelcount", m, "p = label(input); p.count", np.uint64(n), "exact", value_only=True)
        for c in range(1, x.ndim + 1) if x.ndim > 1 and m not in ("m_one", "m_ones", "m_zeros", "m_u8", "m_row", "m_col", "m_80", "m_combx", "u8_plate", "f32_tiny", "m4_15", "m3_20") else ():
            if c == 1 and m not in ("m_40", "m3_35"): continue
            add("label", m, f"label(input, connectivity={c})", label(x, nd.generate_binary_structure(x.ndim, c))[0], "exact")
        if m in ("m_40", "m_59", "m_checker", "m_comb", "m_u8"):
            for s in (full, diag, rows, cols, [[0, 0, 1], [0, 1, 0], [1, 0, 0]], [[1, 1, 0], [1, 1, 1], [0, 1, 1]]):
                if s == full and m != "m_59" or m == ("m_59" if s != diag else "m_checker"): add("label", m, call("label", structure=s) if s is diag else call("label", Raw("input"), structure=s), label(x, s)[0], "exact")
    add("label", "b_1d", "label(input, structure=[1, 1, 1])", label(INPUTS["b_1d"], [1, 1, 1])[0], "exact"); add("label", "b_1d", "label(input, structure=[0, 1, 0])", label(INPUTS["b_1d"], [0, 1, 0])[0], "exact")
    s3 = [[[0, 0, 0], [0, 1, 0], [0, 0, 0]], [[0, 1, 0], [1, 1, 1], [0, 1, 0]], [[0, 0, 0], [0, 1, 0], [0, 0, 0]]]
    z0 = [[[0] * 3] * 3, [[1] * 3] * 3, [[0] * 3] * 3]      # every plane on its own, full in the plane
    add("label", "m3_50", call("label", Raw("input"), structure=s3), label(INPUTS["m3_50"], s3)[0], "exact"); add("label", "m3_50", call("label", Raw("input"), structure=z0), label(INPUTS["m3_50"], z0)[0], "exact")
    add("label", "u8_2d", "label(input > 150)", label(INPUTS["u8_2d"] > 150)[0], "exact"); add("label", "o_u8", 'label(threshold(input, "otsu"), connectivity=2)', label(INPUTS["o_u8"] > threshold_otsu(INPUTS["o_u8"]), full)[0], "exact")
    add("label", "u8_4d", "label(input > 230)", label(INPUTS["u8_4d"] > 230)[0], "exact")
    add("labelcount", "u8_4d", "p = label(input > 200, connectivity=4); p.count", np.uint64(label(INPUTS["u8_4d"] > 200, np.ones((3,) * 4))[1]), "exact", value_only=True)
    add("max", "m_59", "max(label(input))", label(INPUTS["m_59"])[0].max(), "exact")


# ------------------------------------------------------------------------------------------------ selection, padding
def selections():
    """Axes of an unnamed array are z y x, from the right."""
    names = "zyx"
    for i, text in (("u16_2d", "y=2:10, x=::2"), ("u16_2d", "3"), ("u16_2d", "-1"), ("u16_2d", "x=4"), ("u16_2d", "y=-3, x=-4:-1"), ("u16_2d", "y=5:100"), ("u16_2d", "y=-100:3"), ("u16_2d", "2:9:3"), ("u16_2d", "x=1::4"), ("u16_2d", "x=:-2"), ("u16_2d", "1:4, 2:5"), ("u16_2d", "y=12:13, x=10:11"), ("u16_2d", "y=::50"),
                    ("b_2d", "x=3:9"), ("f32_nan", "y=3:6, x=4:7"), ("i64_2d", "y=::2, x=1::2"), ("f32_2d", "x=0"), ("u8_1d", "x=5:20:4"), ("u8_1d", "-7:"), ("u8_1d", "3:4"),
                    ("u8_3d", "z=1"), ("u8_3d", "3"), ("u8_3d", "z=1:4, y=::2, x=-3:"), ("u8_3d", "y=4"), ("u8_3d", "z=-1, x=2"), ("u8_3d", "x=10"), ("u8_3d", "z=::3, y=1:8:3"), ("u8_3d", "2, 3"), ("u8_3d", "1:3, 4, ::5"),
                    ("u8_plate", "y=0"), ("u8_4d", "3"), ("u8_4d", "1:3, 2"), ("u8_4d", "x=2"), ("u8_4d", "z=::5, x=1:2"), ("u16_5d", "1, 2"), ("u16_5d", "x=-1")):
        x = INPUTS[i]; at = [slice(None)] * x.ndim
        for k, part in enumerate(text.split(", ")):
            n, _, v = part.rpartition("=")
            at[x.ndim - 3 + names.index(n) if n else k] = slice(*[int(p) if p else None for p in v.split(":")]) if ":" in v else int(v)
        add("select", i, f"input[{text}]", x[tuple(at)], "exact")
    x = INPUTS["u8_3d"]; add("select", "u8_3d", "input[z=1:6][y=2:8][z=0]", x[1:6, 2:8][0], "exact")
    x = INPUTS["u16_2d"]; add("select", "u16_2d", "maximum_filter(input[y=2:9, x=1::2], size=3)", nd.maximum_filter(x[2:9, 1::2], 3), "exact")          # the border is the selection's
    add("select", "u16_2d", "maximum_filter(input, size=3)[y=2:9, x=1::2]", nd.maximum_filter(x, 3)[2:9, 1::2], "exact")


def pads():
    def pad(i, widths, **kw):
        add("pad", i, call("pad", Raw("input"), widths, **kw), np.pad(INPUTS[i], widths, **kw), "exact")
    pm = (dict(mode="symmetric"), dict(mode="reflect"), dict(mode="edge"), dict(mode="wrap"), dict(mode="constant", constant_values=7), dict(mode="constant"))
    for kw in pm:
        pad("u8_2d", [[2, 3], [4, 1]], **kw); pad("u8_tiny", [[5, 7], [9, 6]], **kw)                                                                    # wider than the image
        pad("i16_3d", [[0, 2], [1, 0], [3, 0]], **kw); pad("u8_plate", [[1, 0], [2, 3], [0, 1]], **kw)
    pad("f32_1d", [[3, 0]], mode="symmetric"); pad("f32_1d", [[0, 40]], mode="wrap")
    pad("u16_pair", [[7, 11]], mode="reflect"); pad("u16_pair", [[7, 11]], mode="symmetric"); pad("u16_pair", [[7, 11]], mode="wrap"); pad("u16_one", [[3, 2], [0, 4]], mode="symmetric"); pad("u16_one", [[3, 2], [0, 4]], mode="reflect")
    pad("u8_2d", 2); pad("u8_2d", [1, 2], mode="edge"); pad("b_2d", [[1, 1], [2, 2]], mode="constant", constant_values=True); pad("f32_2d", [[0, 1], [2, 0]], mode="constant", constant_values=-2.5); pad("f32_nan", [[1, 8], [1, 1]], mode="reflect")
    pad("f64_5d", [[1, 0], [0, 1], [0, 0], [1, 1], [2, 0]], mode="wrap"); pad("i64_2d", [[12, 0], [0, 13]], mode="reflect"); pad("u8_2d", [[0, 0], [0, 0]], mode="edge")


# ------------------------------------------------------------------------------------------------ chains
def chains():
    def chain(i, *steps, rel=1e-5):
        x = INPUTS[i]; y = x.astype("f8"); z = x.astype("f8"); dt = x.dtype; text = []
        for op, kw in steps:
            y = getattr(nd, op)(y, **kw); z = brute(op, z, **kw); text.append(call(op, **kw))
            if op.split("_")[0] not in ("minimum", "maximum"): dt = floaty(dt)
        close(z, y, 1e-11, ("scipy differs from the definition", i, text))
        add("chain", i, " |> ".join(text), y.astype(dt), rel if dt.kind == "f" else "exact")
    G = lambda s, m, **k: ("gaussian_filter", dict(sigma=s, mode=m, **k)); U = lambda s, m, **k: ("uniform_filter", dict(size=s, mode=m, **k))
    MX = lambda s, m, **k: ("maximum_filter", dict(size=s, mode=m, **k)); MN = lambda s, m, **k: ("minimum_filter", dict(size=s, mode=m, **k))
    S = lambda a, m, **k: ("sobel", dict(axis=a, mode=m, **k)); C = lambda w, a, m, **k: ("correlate1d", dict(weights=w, axis=a, mode=m, **k))
    for i in ("u16_2d", "f32_2d", "u8_tiny"):
        chain(i, G(1, "wrap"), MX(3, "mirror"), U(4, "nearest")); chain(i, MN(3, "wrap"), MX(4, "reflect", origin=-2), MN([2, 5], "constant", cval=40))
        chain(i, U(3, "reflect"), U(5, "wrap")); chain(i, U(5, "wrap"), U(3, "reflect")); chain(i, G(1.5, "constant", cval=20), G(1, "wrap"), G(0.7, "mirror"))
    chain("f64_2d", G(1, "wrap"), MX(3, "mirror"), U(4, "nearest")); chain("i32_2d", U(3, "reflect"), S(0, "wrap"), MN(4, "constant", cval=-7))
    for n, a in enumerate(MODES):
        for k, b in enumerate(MODES):                       # every mode after every mode
            chain(("u8_2d", "f32_2d", "i16_2d")[(n + k) % 3], MX(3, a, **({"cval": 100} if a == "constant" else {})), C([1, 2, 3, 4], k % 2, b, **({"cval": -5} if b == "constant" else {})))
    chain("u8_1d", G(2, "wrap"), C([1, 0, -2], 0, "mirror"), MX(5, "constant", cval=3)); chain("u8_3d", MX([1, 3, 2], "wrap"), MN(3, "mirror"), MX(2, "nearest"))
    chain("f32_4d", U(3, "wrap"), G([1, 0, 1, 0], "mirror"), U(2, "constant", cval=9)); chain("u16_5d", MN(2, "wrap"), U([1, 2, 1, 3, 2], "reflect"), MX(3, "wrap")); chain("u8_plate", G(2, "wrap"), U(5, "mirror"), MX(3, "reflect"))
    chain("u16_wide", *[U(3, "wrap")] * 5); chain("u16_wide", *[MX(3, "reflect"), MN(4, "wrap")] * 3); chain("f32_row", S(1, "wrap"), G(3, "reflect"), U(4, "wrap"))

    def text(i, pipeline, ref, check=1e-5): add("chain", i, pipeline, ref, check)
    for i in ("u16_2d", "f32_2d", "u8_3d"):
        x = INPUTS[i].astype("f8")
        text(i, "sobel(input, axis=0) |> hypot(sobel(input, axis=1))", np.hypot(nd.sobel(x, 0), nd.sobel(x, 1)).astype("f4"))
        text(i, "a = gaussian_filter(input, sigma=1)\nb = gaussian_filter(input, sigma=2, mode=\"wrap\")\na - b", (nd.gaussian_filter(x, 1) - nd.gaussian_filter(x, 2, mode="wrap")).astype("f4"))
        text(i, "(input - uniform_filter(input, size=5)) / 2", ((x - nd.uniform_filter(x, 5)) / 2).astype("f4"))
        y = nd.gaussian_filter(x, 1); apart(y, 90); text(i, "gaussian_filter(input, sigma=1) > 90", y > 90, "exact")
        t = mean(y); apart(y, t, 1e-6); text(i, "g = gaussian_filter(input, sigma=1); g > mean(g)", y > t, "exact")
        text(i, "maximum_filter(input, size=3) == input", nd.maximum_filter(INPUTS[i], 3) == INPUTS[i], "exact")
        text(i, "sum(maximum_filter(input, size=3) == input)", np.int64((nd.maximum_filter(INPUTS[i], 3) == INPUTS[i]).sum()), "exact")
        text(i, "maximum_filter(input, size=3) - minimum_filter(input, size=3)", (nd.maximum_filter(x, 3) - nd.minimum_filter(x, 3)).astype("f4"))
        text(i, "label(maximum_filter(input, size=3) == input)", label(nd.maximum_filter(INPUTS[i], 3) == INPUTS[i])[0], "exact")
    x = INPUTS["u16_2d"].astype("f8")
    text("u16_2d", 'pad(input, [[2, 2], [3, 3]], mode="symmetric") |> uniform_filter(size=3, mode="wrap")', nd.uniform_filter(np.pad(x, [[2, 2], [3, 3]], mode="symmetric"), 3, mode="wrap").astype("f4"))
    text("u16_2d", 'input[y=1:9] |> gaussian_filter(sigma=1, mode="wrap") |> pad([[1, 0], [0, 1]], mode="edge")', np.pad(nd.gaussian_filter(x[1:9], 1, mode="wrap"), [[1, 0], [0, 1]], mode="edge").astype("f4"))
    text("b_2d", "uniform_filter(size=3)", nd.uniform_filter(INPUTS["b_2d"].astype("f8"), 3).astype("f4"))


# ------------------------------------------------------------------------------------------------ writing
def write(out):
    os.makedirs(f"{out}/in")
    used = {c["input"] for c in CASES}
    for n, a in INPUTS.items():
        if f"in/{n}.npy" in used: np.save(f"{out}/in/{n}.npy", np.ascontiguousarray(a))
    files = []
    for k in range(0, len(BLOB), CUT):
        files.append(f"expected.{len(files)}.bin")
        with open(f"{out}/{files[-1]}", "wb") as f: f.write(BLOB[k:k + CUT])
    head = dict(made_by="scripts/make_goldens.py, which explains the fields", versions=dict(python=sys.version.split()[0], numpy=np.__version__, scipy=scipy.__version__, skimage=skimage.__version__), expected=files)
    with open(f"{out}/manifest.json", "w") as f:
        f.write(json.dumps(head)[:-1] + ', "cases": [\n' + ",\n".join(json.dumps(c, separators=(",", ":")) for c in CASES) + "\n]}\n")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", default=os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "golden", "core"))
    ap.add_argument("--check", action="store_true")
    a = ap.parse_args()
    make_inputs()
    for f in (gaussians, uniforms, correlations, ranks, arithmetic, decisions, casts, reductions, histograms, otsus, labels, selections, pads, chains): f()
    tmp = tempfile.mkdtemp(prefix="goldens-")
    try:
        write(f"{tmp}/golden")
        if a.check:
            import filecmp
            files = lambda d: sorted(os.path.relpath(os.path.join(p, n), d) for p, _, ns in os.walk(d) for n in ns)
            here, there = files(f"{tmp}/golden"), files(a.out)
            bad = sorted(set(here) ^ set(there)) + [n for n in set(here) & set(there) if not filecmp.cmp(f"{tmp}/golden/{n}", f"{a.out}/{n}", shallow=False)]
            print("same" if not bad else f"differs: {bad}"); sys.exit(bool(bad))
        shutil.rmtree(a.out, ignore_errors=True); shutil.copytree(f"{tmp}/golden", a.out)
    finally:
        shutil.rmtree(tmp)
    groups = {}
    for c in CASES: groups[c["name"].rsplit("-", 1)[0]] = groups.get(c["name"].rsplit("-", 1)[0], 0) + 1
    print(len(CASES), "cases", groups); print("bytes:", len(BLOB), "worst float32 error over max|ref|:")
    for k, v in WORST.items(): print(f"  {k}: {v[0]:.1e} {v[1]} {v[2]}")


if __name__ == "__main__":
    main()
