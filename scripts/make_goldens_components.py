#!/usr/bin/env python3
"""Makes tests/golden/components: masks by component, as scipy and scikit-image make them. See scripts/goldens.py."""
import warnings

import numpy as np
import scipy.ndimage as nd
from skimage.filters import apply_hysteresis_threshold

from goldens import Goldens, Raw, call

warnings.simplefilter("ignore")
G = Goldens("components")


def inputs():
    r = np.random.default_rng(20261123)
    smooth = lambda shape, s: nd.gaussian_filter(r.normal(size=shape), s, mode="wrap")
    unit = lambda a: (a - a.min()) / (a.max() - a.min())
    for name, shape, s in (("1d", (61,), 1.5), ("2d", (37, 43), 1.3), ("3d", (9, 13, 11), 0.9), ("4d", (3, 5, 7, 6), 0.6),
                           ("5d", (2, 3, 4, 3, 5), 0.5)):
        a = unit(smooth(shape, s))
        G.input(f"u8_{name}", np.round(a * 255).astype("u1"))
        G.input(f"f32_{name}", (a * 3 - 1).astype("f4"))
    a = unit(smooth((23, 29), 1))
    G.input("i16", np.round(a * 60000 - 30000).astype("i2"))
    G.input("u64", np.round(a * 2**40).astype("u8") + np.uint64(2**60))
    G.input("i64", np.round(a * 2**40).astype("i8") - 2**60)
    f64 = G.input("f64", a * 5 - 2)
    f64[3, 4:9], f64[10, 10], f64[11, 3] = np.nan, np.inf, -np.inf
    G.input("bool", a > 0.5)
    G.input("one", np.array([[5]], "u1"))


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
    G.main(__doc__)
