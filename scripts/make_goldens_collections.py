#!/usr/bin/env python3
"""Makes tests/golden/collections: NumPy's running sums, normalisation in float64, scikit-learn's PCA.

scripts/goldens.py says how to run this; it also needs scikit-learn.
"""
import numpy as np
from scipy import stats
from sklearn.decomposition import PCA

from goldens import Goldens, Raw, call, ints

g = Goldens("collections")
r = np.random.default_rng(47)


g.input("b", r.random((5, 7, 6)) < 0.4)
g.input("u8", ints(r, "u1", (5, 9, 7), 0, 255))
g.input("u16", ints(r, "u2", (14, 6, 3), 0, 65535))
g.input("i8", ints(r, "i1", (4, 80), -128, 127))
g.input("i16", ints(r, "i2", (3, 2, 4, 9), -32768, 32767))
g.input("i32", ints(r, "i4", (9, 24), -(2**31), 2**31 - 1))
g.input("i64", ints(r, "i8", (30, 4), -(2**50), 2**50))
g.input("f32", r.normal(100, 30, (7, 11, 3)).astype("f4"))
g.input("f64", r.normal(-5, 30, (3, 20, 4)))
g.input("f32_line", r.normal(0, 1, 100).astype("f4"))

# Running sums and products.
for n in ("b", "u8", "i16", "f32", "i64"):
    a = g.inputs[n]
    for axis in (0, -1):
        wide = a.astype("f8" if a.dtype.kind == "f" else "u8" if a.dtype.kind == "u" else "i8")
        g.add("cumulative", n, call("cumsum", axis=axis), wide.cumsum(axis), 1e-13 if a.dtype.kind == "f" else "exact")
        if n != "f32":
            g.add("cumulative", n, call("cumprod", axis=axis), wide.cumprod(axis), "exact")


# Normalisation.
def single(n, a):
    return a.astype("f8" if g.inputs[n].dtype.name in ("float64", "int32", "int64", "uint32", "uint64") else "f4")


for n in ("u8", "f32", "f64", "i32"):
    a = g.inputs[n].astype("f8")
    for axis in (None, 0, -1):
        given = {} if axis is None else dict(axis=axis)
        g.add("zscore", n, call("zscore", **given, ddof=1), single(n, stats.zscore(a, axis, ddof=1)), 1e-6)
        lo, hi = np.percentile(a, 5, axis, keepdims=True), np.percentile(a, 90, axis, keepdims=True)
        g.add("normalize", n, call("normalize_percentile", low=5, high=90, **given), single(n, (a - lo) / (hi - lo + 1e-20)), 1e-6)
    g.add("normalize", n, call("normalize_percentile", clip=True), single(n, np.clip((a - np.percentile(a, 3)) / (np.percentile(a, 99.8) - np.percentile(a, 3)), 0, 1)), 1e-6)
    f = a.mean(tuple(range(1, a.ndim)), keepdims=True)
    g.add("bleach", n, call("bleach_correct", axis=0, background=-500.5), single(n, (a + 500.5) * (f[:1] + 500.5) / (f + 500.5)), 1e-6)
a = g.inputs["u16"].astype("f8")  # y x c: every channel by itself, every row a frame
f = a.mean(1, keepdims=True)
g.add("bleach", "u16", call("bleach_correct", axis="y"), single("u16", a * f[:1] / f), 1e-6, axes="yxc")
light = a + 2
g.add("flat", "u16", "flat_field(input, flat=cast(input, \"float64\") + 7, dark=5)", single("u16", (a - 5) / light * light.mean((0, 1))), 1e-6, axes="yxc")
a = g.inputs["f64"]
light = a[0] ** 2 + 1
g.add("flat", "f64", "flat_field(input, input[0] * input[0] + 1)", a / light * light.mean(), 1e-12)


# Principal components: sign by the projection of largest magnitude, or with more items than values by the element.
def pca(a, k, axis, center=True):
    x = np.moveaxis(a.astype("f8"), axis, 0)
    items = x.reshape(len(x), -1)
    if center:
        own = PCA(k, svd_solver="full").fit(items)
        u, s, v = (own.transform(items) / own.singular_values_), own.singular_values_, own.components_
        variance, ratio = own.explained_variance_, own.explained_variance_ratio_
    else:
        u, s, v = (m for m in np.linalg.svd(items, full_matrices=False))
        u, v, total = u[:, :k], v[:k], (s**2).sum()
        s = s[:k]
        variance, ratio = s**2 / (len(x) - 1), s**2 / total
    sign = np.sign(u[np.abs(u).argmax(0), range(k)] if items.shape[0] <= items.shape[1] else v[range(k), np.abs(v).argmax(1)])
    return (sign[:, None] * v).reshape((k,) + x.shape[1:]), s, variance, ratio, u * s * sign, x.mean(0)


def decaying(items, values, rate, noise, dtype, offset=0.0):
    """Singular values that fall off by `rate`, on top of an offset."""
    k = min(items, values) - 1
    u, _ = np.linalg.qr(r.normal(size=(items, k)))
    v, _ = np.linalg.qr(r.normal(size=(values, k)))
    a = (u * (100.0 * rate ** np.arange(k) + noise)) @ v.T * np.sqrt(values) + offset
    return np.rint(a).astype(dtype) if np.dtype(dtype).kind in "ui" else a.astype(dtype)


g.input("wide", decaying(40, 99, 0.5, 0.1, "u2", 9000).reshape(40, 9, 11))
g.input("tall", decaying(99, 40, 0.5, 0.1, "u2", 9000).reshape(99, 5, 8))
g.input("wide_f4", decaying(30, 64, 0.4, 0, "f4", -70).reshape(30, 8, 8))
g.input("tall_f8", decaying(70, 12, 0.4, 0, "f8", 3))
g.input("tall_i4", decaying(70, 12, 0.6, 1, "i4", -100000) * 1000)

names = ("components", "singular_values", "explained_variance", "explained_variance_ratio", "projections", "mean")


def check(group, n, axis, components, others, **given):
    for name, want in zip(names, pca(g.inputs[n], given["n_components"], axis, given["center"])):
        text = call("pca", Raw("input"), axis=axis, **given)
        first = name == "components"
        g.add(group, n, text if first else f"{text}.{name}", single(n, want) if first else want, components if first else others)


for n, k, axis, center in (("u8", 3, 0, True), ("u16", 4, 0, True), ("u16", 2, -1, True), ("f32", 3, 0, True), ("f64", 2, 0, True),
                           ("f64", 2, 1, False), ("i16", 3, 3, True), ("i8", 3, 0, True), ("i32", 4, 0, True), ("u8", 2, 1, False), ("f32_line", 1, 0, False),
                           # More items than values.
                           ("i64", 3, 0, True), ("i64", 2, 0, False), ("tall_f8", 3, 0, True), ("tall_i4", 4, 0, True)):
    check("pca", n, axis, 1e-6, 1e-9, n_components=k, center=center)
# The randomized solver against exact values.
for n, axis in (("wide", 0), ("tall", 0), ("wide_f4", 0), ("tall_f8", 0), ("tall_f8", 1), ("tall_i4", 0)):
    for given in (dict(n_components=3, center=True), dict(n_components=2, center=False, random_state=7), dict(n_components=1, center=True, n_oversamples=4, iterated_power=9)):
        check("randomized", n, axis, 1e-5, 1e-5, svd_solver=Raw('"randomized"'), **given)

# Histograms along axes, over the same bins.
for n, axis in (("u8", (1, 2)), ("u8", 0), ("u16", (0, 1)), ("i16", (0, 3)), ("f32", -1), ("f64", (0, 2)), ("i32", 0), ("b", (0, 1, 2))):
    a = g.inputs[n]
    if n == "b":
        a = a.astype("u1")
    gone = [x % a.ndim for x in (axis if isinstance(axis, tuple) else (axis,))]
    kept = [x for x in range(a.ndim) if x not in gone]
    rows = a.transpose(kept + gone).reshape([a.shape[x] for x in kept] + [-1])
    for given in (dict(bins=5), dict(bins=8, range=[-3.5, 120])):
        edges = np.histogram_bin_edges(a, **given)
        counts = np.apply_along_axis(lambda row: np.histogram(row, edges)[0], -1, rows).astype("i8")
        text = call("histogram", Raw("input"), **given, axis=list(axis) if isinstance(axis, tuple) else axis)
        g.add("histogram", n, text, counts, "exact")
        g.add("histogram", n, text + ".bin_edges", edges.astype("f8"), 1e-15)

if __name__ == "__main__":
    g.main(__doc__)
