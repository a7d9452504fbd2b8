#!/usr/bin/env python3
"""Makes tests/golden/components: masks by component, as scipy and scikit-image make them. See scripts/goldens.py."""
import warnings

import numpy as np
import scipy.ndimage as nd
from skimage.filters import apply_hysteresis_threshold
from skimage.morphology import remove_small_holes, remove_small_objects
from skimage.segmentation import clear_border, expand_labels, find_boundaries

from goldens import Goldens, Raw, call

warnings.simplefilter("ignore")
G = Goldens("components")


def inputs():
    r = np.random.default_rng(20261123)
    smooth = lambda shape, s: nd.gaussian_filter(r.normal(size=shape), s, mode="wrap")
    unit = lambda a: (a - a.min()) / (a.max() - a.min())
    for name, shape, s in (("1d", (61,), 1.5), ("2d", (26, 31), 1.3), ("3d", (6, 11, 9), 0.9), ("4d", (3, 4, 5, 6), 0.6),
                           ("5d", (2, 3, 4, 3, 5), 0.5)):
        a = unit(smooth(shape, s))
        G.input(f"u8_{name}", np.round(a * 255).astype("u1"))
        G.input(f"f32_{name}", (a * 3 - 1).astype("f4"))
    a = unit(smooth((17, 19), 1))
    G.input("i16", np.round(a * 60000 - 30000).astype("i2"))
    G.input("u64", np.round(a * 2**40).astype("u8") + np.uint64(2**60))
    G.input("i64", np.round(a * 2**40).astype("i8") - 2**60)
    f64 = G.input("f64", a * 5 - 2)
    f64[3, 4:9], f64[10, 10], f64[11, 3] = np.nan, np.inf, -np.inf
    G.input("bool", a > 0.5)
    G.input("one", np.array([[5]], "u1"))


def without_small(m, fewer, connectivity):
    """By the definition of the deprecated parameters, which scikit-image 0.26.0 takes for max_size."""
    labels, _ = nd.label(m, nd.generate_binary_structure(m.ndim, connectivity))
    return m & ~(np.bincount(labels.ravel()) < fewer)[labels]


# name of a mask: its expression in the language, and the array
def masks():
    spiral = np.array([[c == "#" for c in row] for row in (
        "###########.#", "#.........#.#", "#.#######.#.#", "#.#.....#.#.#", "#.#.###.#.#.#", "#.#.#.#.#.#.#",
        "#.#.#...#.#.#", "#.#.#####.#.#", "#.#.......#.#", "#.#########.#", "#...........#", "#############")])
    y, x = np.mgrid[:21, :21]
    rings = np.minimum(np.minimum(y, x), 20 - np.maximum(y, x)) % 2 == 0
    G.input("spiral", spiral), G.input("rings", rings), G.input("board", (y + x) % 2 == 0)
    G.input("full", np.ones((6, 7), bool)), G.input("empty", np.zeros((6, 7), bool))
    blobs = [("input > 130", "u8_1d"), ("input > 128", "u8_2d"), ("input < 120", "u8_2d"), ("input > 115", "u8_3d"),
             ("input < 125", "u8_4d"), ("input > 110", "u8_5d")]
    for text, name in blobs:
        a = G.inputs[name]
        yield text, name, a > int(text[8:]) if ">" in text else a < int(text[8:])
    for name in ("spiral", "rings", "board", "full", "empty", "bool"):
        yield "input", name, G.inputs[name]


def filters():
    def put(group, name, text, want):
        G.add(group, name, text, want, "exact")

    for text, name, m in masks():
        head = Raw(text)
        rank = m.ndim
        for structure in (None, "full"):
            s = nd.generate_binary_structure(rank, rank) if structure else None
            kw = dict(structure=structure) if structure else {}
            put("fill_holes", name, call("binary_fill_holes", head, **kw), nd.binary_fill_holes(m, s))
        for connectivity in {1, rank}:
            for kw in (dict(max_size=9.5), dict(min_size=4), dict(max_size=0), {}):
                put("small_objects", name, call("remove_small_objects", head, connectivity=connectivity, **kw),
                    without_small(m, kw["min_size"], connectivity) if "min_size" in kw
                    else remove_small_objects(m, connectivity=connectivity, **kw))
            for kw in (dict(max_size=3), dict(area_threshold=6), {}):
                put("small_holes", name, call("remove_small_holes", head, connectivity=connectivity, **kw),
                    ~without_small(~m, kw["area_threshold"], connectivity) if "area_threshold" in kw
                    else remove_small_holes(m, connectivity=connectivity, **kw))
            labels, n = nd.label(m, nd.generate_binary_structure(rank, connectivity))
            want = labels == np.bincount(labels.ravel())[1:].argmax() + 1 if n else m
            put("largest", name, call("keep_largest", head, connectivity=connectivity), want)
        for size in (0, 1, 2):
            if size < min(m.shape):
                put("border", name, call("clear_border", head, buffer_size=size), clear_border(m, size))
    m = G.inputs["u8_2d"] > 128
    for s in ([[0, 0, 0], [1, 1, 1], [0, 0, 0]], [[0, 1, 0], [0, 1, 0], [0, 1, 0]], [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
              [[1, 0, 1], [0, 1, 0], [1, 0, 1]]):
        put("fill_holes", "u8_2d", call("binary_fill_holes", Raw("input > 128"), structure=s), nd.binary_fill_holes(m, s))
    a = G.inputs["u8_2d"]
    put("border", "u8_2d", "clear_border(input > 128, mask=input < 180)", clear_border(m, mask=a < 180))
    put("border", "u8_2d", "clear_border(input > 128, buffer_size=90, mask=input < 230)", clear_border(m, mask=a < 230))
    frames = G.inputs["u8_3d"] > 115
    for text, f in (("binary_fill_holes(input > 115)", nd.binary_fill_holes),
                    ("clear_border(input > 115, 1)", lambda f: clear_border(f, 1)),
                    ("remove_small_objects(input > 115, max_size=5)", lambda f: remove_small_objects(f, max_size=5)),
                    ("remove_small_holes(input > 115, max_size=5)", lambda f: remove_small_holes(f, max_size=5))):
        G.add("frames", "u8_3d", text, np.stack([f(x) for x in frames]), "exact", axes="tyx")
    labels = G.inputs["u8_2d"]
    put("small_holes", "u8_2d", "remove_small_holes(where(input > 120, input, 0), max_size=4)",
        remove_small_holes(labels > 120, max_size=4))


def label():
    a = G.inputs["u8_3d"]
    cells = np.zeros((3, 3, 3), int)
    cells[0, 0, 0] = cells[2, 2, 2] = cells[1, 0, 1] = cells[1, 2, 1] = 1
    G.add("label", "u8_3d", call("label", Raw("input > 110"), structure=cells), nd.label(a > 110, cells)[0].astype("u4"), "exact")
    for axes in ([1, 2], [0, 2], [2, 0], [1]):
        s = np.zeros((3, 3, 3), bool)
        part = np.ones((3,) * len(axes), bool)
        if len(axes) == 2:
            part[0, 0] = part[2, 2] = False
        index = [1, 1, 1]
        for cell in np.ndindex(part.shape):
            for axis, at in zip(axes, cell):
                index[axis] = at
            s[tuple(index)] = part[cell]
        G.add("label", "u8_3d", call("label", Raw("input > 110"), structure=part.astype(int), axes=axes),
              nd.label(a > 110, s)[0].astype("u4"), "exact")


def boundaries():
    r = np.random.default_rng(5)
    objects = lambda a, t: nd.label(a > t)[0]
    G.input("l2", objects(G.inputs["u8_2d"], 110).astype("u2")), G.input("l3", objects(G.inputs["u8_3d"], 120).astype("i4"))
    G.input("l1", np.repeat(r.integers(0, 4, 20), r.integers(1, 5, 20)).astype("i8"))
    G.input("few", np.repeat(np.repeat(r.integers(0, 3, (9, 8)), 2, 0), 3, 1).astype("u1"))
    G.input("signed", r.integers(-2, 2, (11, 9)).astype("i2")), G.input("l4", r.integers(0, 3, (3, 4, 5, 4)).astype("u4"))
    for name in ("l1", "l2", "l3", "l4", "few", "signed", "bool", "one", "rings"):
        a = G.inputs[name]
        for mode in ("thick", "inner", "outer"):
            for connectivity in {1, a.ndim}:
                for background in (0, 2):
                    if background and mode == "thick":
                        continue
                    want = find_boundaries(a, connectivity, mode, background)
                    G.add("boundaries", name, call("find_boundaries", connectivity=connectivity, mode=mode, background=background),
                          want, "exact")


def expanded():
    for name in ("l1", "l2", "l3", "l4", "few", "signed", "u8_1d"):
        a = G.inputs[name]
        for distance in (1, 1.5, 3.7, 40):
            G.add("expand", name, call("expand_labels", distance=distance), expand_labels(a, distance), "exact")
    a = np.where(G.inputs["u8_2d"] > 190, G.inputs["u8_2d"], 0)
    for distance in (1, 3, 6.3):
        G.add("expand", "u8_2d", f"expand_labels(where(input > 190, input, 0), {distance})", expand_labels(a, distance), "exact")
    f = np.where(G.inputs["f32_3d"] > 1.2, G.inputs["f32_3d"], 0).astype("f4")
    G.add("expand", "f32_3d", "expand_labels(where(input > 1.2, input, 0.0), 2)", expand_labels(f, 2), "exact")
    G.add("expand", "l3", "expand_labels(distance=2)", np.stack([expand_labels(x, 2) for x in G.inputs["l3"]]), "exact", axes="tyx")


def hysteresis():
    def put(name, low, high, axes=None):
        a = G.inputs[name]
        G.add("hysteresis", name, call("apply_hysteresis_threshold", low, high), apply_hysteresis_threshold(a, low, high),
              "exact")

    for name in ("u8_1d", "u8_2d", "u8_3d", "u8_4d", "u8_5d"):
        put(name, 110, 170)
        put(name, 127.5, 150)
        put(name, 90, 200.5)
    for name in ("f32_1d", "f32_2d", "f32_3d", "f32_4d", "f32_5d"):
        put(name, 0.4, 1.1)
        put(name, float(np.sort(G.inputs[name].ravel())[G.inputs[name].size // 2]), 0.9)
        put(name, 0, 1)
    for low, high in ((-1, 1.5), (0.3, 0.3), (1.5, 0.2), (0.5, 100.0), (-100, -50)):
        put("f64", low, high)
    put("i16", -2000, 12000), put("i16", 12000.5, -2000.5), put("i16", -40000, 0)
    put("u64", 2**60 + 2**39, 2**60 + 3 * 2**38), put("i64", -2**60 + 2**39, -2**60 + 3 * 2**38)
    put("bool", 0, 0), put("bool", 0.5, 0), put("one", 4, 4), put("one", 4, 5), put("one", 1, 2)
    a = G.inputs["f32_2d"]
    # Thresholds that are exactly a pixel, or just not: floats of the image's type, and of 64 bits.
    v = float(np.sort(a.ravel())[a.size * 3 // 4])
    for low, high in ((v, v), (0.1, v), (v, 0.9), (np.nextafter(v, 9), 0.9), (0.1, float(np.nextafter(v, 9)))):
        put("f32_2d", float(low), high)
    stack = np.stack([apply_hysteresis_threshold(f, 110, 170) for f in G.inputs["u8_3d"]])
    G.add("hysteresis", "u8_3d", "apply_hysteresis_threshold(110, 170)", stack, "exact", axes="tyx")
    G.add("hysteresis", "u8_3d", "apply_hysteresis_threshold(110, 170, axes=[1, 2])", stack, "exact")
    b = G.inputs["u8_2d"]
    G.add("hysteresis", "u8_2d", "apply_hysteresis_threshold(input, mean(input), max(input) - 60)",
          apply_hysteresis_threshold(b, b.mean(), float(b.max()) - 60), "exact")
    lines = np.stack([apply_hysteresis_threshold(f, 110, 150) for f in b.T], axis=1)
    G.add("hysteresis", "u8_2d", "apply_hysteresis_threshold(110, 150, axes=[0])", lines, "exact")


if __name__ == "__main__":
    inputs()
    hysteresis()
    filters()
    label()
    boundaries()
    expanded()
    G.main(__doc__)
