#!/usr/bin/env python3
"""Makes tests/golden/labels: measurements by label as scipy's, label images changed as scikit-image changes them. See
scripts/goldens.py. An input holds labels and values on top of each other: `input[0]` and `input[1]`."""
import warnings

import numpy as np
import scipy.ndimage as nd
from skimage.measure import regionprops_table
from skimage.morphology import remove_small_objects
from skimage.segmentation import clear_border, join_segmentations, relabel_sequential

from goldens import Goldens, call, lit

warnings.simplefilter("ignore")
G = Goldens("labels")
HEAD = 'l = cast(input[0], "{}"); v = input[1]; '


def blobs(r, shape, kinds):
    """Objects in one piece or several, that meet at corners and reach the edges."""
    a = nd.gaussian_filter(r.normal(size=shape), 0.8, mode="wrap")
    a = (a - a.min()) / (a.max() - a.min())
    return np.where(r.random(shape) < 0.15, 0, np.round(a * kinds)).astype(np.int64)


def inputs():
    r = np.random.default_rng(20270105)
    for name, shape in (("1d", (41,)), ("2d", (13, 17)), ("3d", (5, 6, 7)), ("4d", (3, 4, 3, 5)), ("5d", (2, 3, 2, 3, 4))):
        labels = blobs(r, shape, 9)
        G.input(f"u8_{name}", np.stack([labels, r.integers(0, 12, shape)]).astype("u1"))
        G.input(f"f32_{name}", np.stack([labels - 2, np.round(r.normal(size=shape) * 50, 2)]).astype("f4"))
    labels = blobs(r, (11, 9), 7)
    values = r.integers(-2**31, 2**31, (11, 9))
    G.input("i32", np.stack([labels * 1000 - 3000, values]).astype("i4"))
    G.input("i64", np.stack([labels * 2**40 - 2**41, values * 2**20]))
    G.input("u64", np.stack([labels * 2**57 + (labels > 0), r.integers(0, 2**55, (11, 9))]).astype("u8"))
    G.input("f64", np.stack([labels, r.normal(size=(11, 9)) * 10.0 ** r.integers(-8, 9, (11, 9))]))
    G.input("ties", np.stack([blobs(r, (9, 14), 4), r.integers(-1, 2, (9, 14))]).astype("i1"))
    G.input("none", np.zeros((2, 4, 5), "u1")), G.input("one", np.array([[[3]], [[5]]], "u1"))
    G.input("bool", r.random((2, 7, 8)) < 0.5)


# name of an input and the type of its labels
PAIRS = [(f"u8_{n}", "uint8") for n in ("1d", "2d", "3d", "4d", "5d")]
PAIRS += [(f"f32_{n}", "int16") for n in ("1d", "3d")]
PAIRS += [("i32", "int32"), ("i64", "int64"), ("u64", "uint64"), ("f64", "uint16"), ("ties", "int8"), ("one", "uint8"), ("bool", "bool")]


def indices(l):
    """Lists of labels: in any order, twice, absent ones, 0 and negative ones; nested; one label."""
    seen = [int(x) for x in np.unique(l)]
    absent = 77 if l.dtype != bool else 5
    yield [seen[-1], seen[0], absent, seen[len(seen) // 2], seen[-1]]
    if l.dtype.kind == "i":
        yield [[seen[0], 0], [-9, seen[-1]]]
    yield seen[-1]


def unravel(n, shape):
    return np.array(np.unravel_index(n, shape), "i8")


def places(find, v, l, index):
    """scipy's, label by label: for a list of labels it leaves open which of equal values counts."""
    index = np.asarray(index)
    out = [find(v, l, i) if (l == i).any() else (0,) * v.ndim for i in index.ravel().tolist()]
    return np.array(out, "i8").reshape(index.shape + (v.ndim,))


def measurements():
    for name, dtype in PAIRS:
        stack = G.inputs[name]
        l, v = stack[0].astype(dtype), stack[1]
        head = HEAD.format(dtype)
        d = v.astype("f8")
        put = lambda group, text, want, check="exact": G.add(group, name, head + text, want, check)
        wide = v.dtype if v.dtype.kind == "f" else np.dtype("u8" if v.dtype.kind == "u" else "i8")
        floats = v.dtype.kind == "f"
        whole = v.astype(object) if not floats else d
        for index in list(indices(l)) + [None]:
            arr = None if index is None else np.asarray(index)
            masks = [l > 0] if index is None else [l == i for i in arr.ravel().tolist()]
            shape = () if index is None else arr.shape
            # Exact sums as integers; scipy's own for floats.
            sums = np.array([whole[m].sum() if m.any() else 0 for m in masks], "f8" if floats else wide).reshape(shape)
            kw = {} if index is None else dict(index=index)
            args = lambda **more: ", ".join([f"{k}={lit(x)}" for k, x in {**kw, **more}.items()])
            tail = "".join(f", {k}={lit(x)}" for k, x in kw.items())
            put("sum", f"sum_labels(v, l{tail})" if index is None else f"sum(v, labels=l{tail})", sums, 1e-12 if floats else "exact")
            put("area", f"area(v, l{tail})", np.array([m.sum() for m in masks], "i8").reshape(shape))
            stat = lambda f: np.array([f(d[m]) if m.any() else np.nan for m in masks]).reshape(shape)
            put("mean", f"mean(v, labels=l{tail})", stat(np.mean), 1e-12)
            put("variance", f"variance(v, l{tail})", stat(np.var), 1e-12)
            put("deviation", f"standard_deviation(v, l{tail})", stat(np.std), 1e-12)
            put("deviation", f"std(v, labels=l, ddof=1{tail})",
                np.array([d[m].std(ddof=1) if m.sum() > 1 else np.nan for m in masks]).reshape(shape), 1e-12)
            put("median", f"median(v, labels=l{tail})", stat(np.median), 1e-15)
            assert np.allclose(nd.variance(d, l, index), stat(np.var), equal_nan=True) or index is not None
            if index is not None:
                lists = np.atleast_1d(arr)
                vals = lambda f: np.array(f(v, l, lists)).reshape(shape).astype(v.dtype)
                put("extremes", f"minimum(v, labels=l{tail})", vals(nd.minimum))
                put("extremes", f"max(v, labels=l{tail})", vals(nd.maximum))
                put("positions", f"minimum_position(v, l{tail})", places(nd.minimum_position, v, l, index))
                put("positions", f"maximum_position(v, l{tail})", places(nd.maximum_position, v, l, index))
                e = f"e = extrema(v, l{tail}); e."
                put("extrema", e + "maximum", vals(nd.maximum))
                put("extrema", e + "minimum_position", places(nd.minimum_position, v, l, index))
            else:
                put("extremes", "min(v, labels=l)", np.asarray(v[l > 0].min()))
                put("extremes", "maximum(v, labels=l)", np.asarray(v[l > 0].max()))
                put("positions", "minimum_position(v, l)", np.array(nd.minimum_position(v, l), "i8"))
                put("positions", "e = extrema(v, l); e.maximum_position", np.array(nd.maximum_position(v, l), "i8"))
            centre = np.full(shape + (v.ndim,), np.nan).reshape(-1, v.ndim)
            grid = np.moveaxis(np.indices(v.shape), 0, -1).astype(object)
            for row, m in zip(centre, masks):
                total = whole[m].sum() if m.any() else 0
                moments = [float((whole[m] * grid[..., k][m]).sum()) if m.any() else 0.0 for k in range(v.ndim)]
                row[:] = np.array(moments) / np.float64(total)
            put("centre", f"center_of_mass(v, l{tail})", centre.reshape(shape + (v.ndim,)), 1e-9)
            lo, hi = float(d.min()) + 0.5, float(d.max())
            if hi > lo and not name.endswith("64"):
                counts = np.array([nd.histogram(v[m], lo, hi, 7) for m in masks], "i8").reshape(shape + (7,))
                put("histogram", f"histogram(v, 7, {lit([lo, hi])}, labels=l{tail})", counts)
            if index is not None:
                own = l.astype("u1") if l.dtype == bool else l
                for func, f in (("median", np.median),):
                    want = np.array(nd.labeled_comprehension(d, own, lists.ravel().astype(own.dtype), f, float, -3.5)).reshape(shape)
                    put("comprehension", f"labeled_comprehension(v, l, {lit(index)}, {lit(func)}, default=-3.5)", want, 1e-12)
        put("positions", "minimum_position(v)", np.array(nd.minimum_position(v), "i8"))
        put("positions", "maximum_position(v)", np.array(nd.maximum_position(v), "i8"))
    G.add("frames", "u8_3d", "l = cast(input[t=0], \"uint8\"); maximum_position(input[t=1], l, [1, 2])",
          places(nd.maximum_position, G.inputs["u8_3d"][1], G.inputs["u8_3d"][0], [1, 2]), "exact", axes="tzyx")


def changes():
    integers = [(n, d) for n, d in PAIRS if d != "bool"] + [("none", "uint8"), ("u8_2d", "int64"), ("u8_2d", "uint32")]
    for name, dtype in integers:
        l = G.inputs[name][0].astype(dtype)
        # scikit-image takes no negative labels (and counts up to the largest).
        l = np.where(l < 0, 0, l)
        head = f'l = maximum(cast(input[0], "{dtype}"), 0); '
        put = lambda group, text, want, **kw: G.add(group, name, head + text, want, "exact", **kw)
        small, forward, inverse = relabel_sequential(l)
        put("sequential", "relabel_sequential(l)", small.astype(dtype))
        put("sequential", "relabel_sequential(l, offset=5)", relabel_sequential(l, 5)[0].astype(dtype))
        back = lambda a: inverse[a].astype(dtype)
        for size in (0, 9):
            put("small_objects", f"remove_small_objects(l, max_size={size})", back(remove_small_objects(small, max_size=size)))
        counts = np.bincount(small.ravel())
        put("small_objects", "remove_small_objects(l, min_size=4)", np.where((counts < 4)[small], 0, l))
        largest = counts[1:].argmax() + 1 if len(counts) > 1 else 0
        put("largest", "keep_largest(l)", np.where(small == largest, l, 0))
        for size in (0, 1):
            if size < min(l.shape):
                border = np.ones(l.shape, bool)
                border[tuple(slice(size + 1, -size - 1) for _ in l.shape)] = False
                gone = np.isin(l, np.setdiff1d(np.unique(l[border]), [0]))
                put("border", f"clear_border(l, {size})", np.where(gone, 0, l))
                if size == 0:
                    put("border", f"clear_border(l, {size}, bgval=9)", np.where(gone, 9, l).astype(l.dtype))
        other = G.inputs[name][1]
        if other.dtype.kind == "u":
            most = min(2**40, int(np.iinfo(other.dtype).max))
            text = f'join_segmentations(l, cast(where(input[1] < {most}, input[1], 0), "{dtype}"))'
            m = np.where(other < most, other, 0).astype(dtype)
            want = join_segmentations(small.astype("i8"), m.astype("i8"))
            put("join", text, want.astype("u4"))
    # In one piece, labels are cleared as scikit-image clears them.
    l = nd.label(G.inputs["u8_2d"][1] > 5)[0].astype("u4")
    for size in (0, 1, 2):
        G.add("border", "u8_2d", f"clear_border(label(input[1] > 5), {size})", clear_border(l, size), "exact")
    G.add("border", "u8_2d", "clear_border(label(input[1] > 5), mask=input[0] < 6)",
          clear_border(l, mask=G.inputs["u8_2d"][0] < 6), "exact")
    conditions = [("area > 3 and area <= 9", lambda t: (t["area"] > 3) & (t["area"] <= 9)),
                  ("intensity_mean >= 6 or touches_border == false and area > 1", None),
                  ("not (eccentricity < 0.9) or area == 1", lambda t: ~(t["eccentricity"] < 0.9) | (t["area"] == 1)),
                  ("bbox-2 - bbox-0 > 2 and mean_intensity < 6", lambda t: (t["bbox-2"] - t["bbox-0"] > 2) & (t["intensity_mean"] < 6)),
                  ("4 * pi * area / (2 * area_bbox) ** 2 > 0.4", lambda t: 4 * np.pi * t["area"] / (2 * t["area_bbox"]) ** 2 > 0.4)]
    v = G.inputs["u8_2d"][0]
    t = regionprops_table(l, v, ("label", "area", "bbox", "eccentricity", "intensity_mean", "area_bbox"))
    touches = (t["bbox-0"] == 0) | (t["bbox-1"] == 0) | (t["bbox-2"] == l.shape[0]) | (t["bbox-3"] == l.shape[1])
    for text, keep in conditions:
        keep = keep(t) if keep else (t["intensity_mean"] >= 6) | ~touches & (t["area"] > 1)
        want = np.where(np.isin(l, t["label"][keep]), l, 0)
        G.add("condition", "u8_2d", call("filter_labels", "L", text, intensity="V").replace('"L"', "label(input[1] > 5)")
              .replace('"V"', "input[0]"), want, "exact")


if __name__ == "__main__":
    inputs()
    measurements()
    changes()
    G.main(__doc__)
