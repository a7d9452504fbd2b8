#!/usr/bin/env python3
"""Makes tests/golden/exposure: scikit-image's exposure functions, rgb2gray and invert.

Results that keep an integer type are exact; where tilewise gives float32 and scikit-image float64, the float64 is rounded.
scripts/goldens.py says how to run this.
"""
import warnings

import numpy as np
from skimage import color, exposure, util

from goldens import Goldens, Raw, call, ints

warnings.simplefilter("ignore")
g = Goldens("exposure")
r = np.random.default_rng(44)


g.input("b", r.random((9, 8)) < 0.4)
g.input("u8", ints(r, "u1", (16, 16), 3, 240)); g.input("u8_all", np.arange(256, dtype="u1").reshape(16, 16))
g.input("i8", ints(r, "i1", (12, 11), -100, 127)); g.input("u16", ints(r, "u2", (15, 14), 200, 41000)); g.input("i16", ints(r, "i2", (12, 13), -3000, 32767))
g.input("u32", ints(r, "u4", (8, 9), 7, 50000)); g.input("i32", ints(r, "i4", (8, 9), -90000, 200000)); g.input("i64", ints(r, "i8", (8, 9), -9000, 20000))
g.input("f32", r.random((13, 12)).astype("f4")); g.input("f64", r.random((13, 12))); g.input("f32_neg", r.normal(size=(13, 12)).astype("f4"))
g.input("f64_neg", r.normal(size=(9, 12)) * 50)
for n in ("i8", "i16", "i32"):
    g.input(n + "_up", np.abs(g.inputs[n].astype("i8")).astype(g.inputs[n].dtype))
g.input("u8_same", np.full((4, 5), 130, "u1")); g.input("f32_same", np.full((4, 5), 0.3, "f4")); g.input("i32_same", np.full((4, 5), 300, "i4"))
nan = r.random((6, 7)); nan[2, 3] = np.nan
g.input("f64_nan", nan)
for n, d in (("u8", "u1"), ("u16", "u2"), ("i16", "i2"), ("f32", "f4"), ("f64", "f8")):
    a = ints(r, d, (5, 6, 3), 0, 255) if d[0] == "u" else ints(r, "i2", (5, 6, 3), -32768, 32767) if d == "i2" else r.random((5, 6, 3)).astype(d)
    g.input(n + "_rgb", a)
ALL = ["b", "u8", "u8_all", "i8", "u16", "i16", "u32", "i32", "i64", "f32", "f64", "f32_neg", "f64_neg", "u8_same", "f32_same", "i32_same"]


def ours(x, dtype):
    """Floats in tilewise's type for such input."""
    wide = dtype.itemsize * (1 if dtype.kind == "f" else 2) >= 8
    return x.astype("f8" if wide else "f4")


def add(group, inp, pipeline, y):
    x = g.inputs[inp]
    if y.dtype.kind == "f" and x.dtype.kind != "f":
        y = ours(y, x.dtype)
    g.add(group, inp, pipeline, y, 1e-6 if y.dtype.kind == "f" else "exact")


def rescale():
    for inp in ALL:
        x = g.inputs[inp]
        for kw in (dict(), dict(out_range=[0, 255]), dict(out_range="uint8"), dict(in_range=[2, 200.5]), dict(in_range="uint8", out_range=[-1.5, 3]), dict(out_range="uint12"), dict(in_range="dtype"), dict(out_range="image")):
            if x.dtype.kind == "b" and "in_range" in kw or inp == "i64" and kw.get("out_range") is None:
                continue  # 2^63 wraps around in NumPy
            y = exposure.rescale_intensity(x, **{k: tuple(v) if isinstance(v, list) else v for k, v in kw.items()})
            if y.dtype.kind == "f" and str(kw.get("out_range")) in ("uint8", "uint12"):
                continue
            if "out_range" in kw and isinstance(kw["out_range"], str) or "out_range" not in kw:
                g.add("rescale", inp, call("rescale_intensity", **kw), y, 1e-6 if y.dtype.kind == "f" else "exact")
            else:
                add("rescale", inp, call("rescale_intensity", **kw), y)
    x = g.inputs["u16"]
    lo, hi = float(np.mean(x.astype("f8"))), int(x.max())
    add("rescale", "u16", "rescale_intensity(input, in_range=[mean(input), max(input)], out_range=[0, 1])", exposure.rescale_intensity(x, in_range=(lo, hi), out_range=(0, 1)))
    g.add("rescale", "f32", 'rescale_intensity(input, out_range="float64")', exposure.rescale_intensity(g.inputs["f32"], out_range="float64"), 1e-6)
    g.add("rescale", "f64", 'rescale_intensity(input, out_range="uint16")', exposure.rescale_intensity(g.inputs["f64"], out_range="uint16"), "exact")
    g.add("rescale", "f32", 'rescale_intensity(input, out_range="int16")', exposure.rescale_intensity(g.inputs["f32"], out_range="int16"), "exact")


def adjust():
    for inp in ["u8_all", "i8_up", "u16", "i16_up", "u32", "i32_up", "f32", "f64", "f64_nan"]:
        x = g.inputs[inp]
        for op, kws in (("adjust_gamma", (dict(), dict(gamma=0.7), dict(gamma=2, gain=0.8), dict(gamma=0), dict(gamma=0.5), dict(gamma=3.3, gain=0.25))),
                        ("adjust_log", (dict(), dict(gain=0.7), dict(inv=True), dict(gain=0.3, inv=True))),
                        ("adjust_sigmoid", (dict(), dict(cutoff=0.2, gain=5), dict(cutoff=0.7, inv=True)))):
            for kw in kws:
                add(op, inp, call(op, **kw), getattr(exposure, op)(x, **kw))
    add("adjust_gamma", "u8_all", "adjust_gamma(input, 0.5, gain=3)", exposure.adjust_gamma(g.inputs["u8_all"], 0.5, 3))


def equalize():
    for inp in ["u8", "u8_all", "i8", "u16", "i16", "u32", "i64", "f32", "f64", "f32_neg", "f64_neg", "u8_same", "f32_same"]:
        x = g.inputs[inp]
        add("equalize", inp, "equalize_hist(input)", exposure.equalize_hist(x))
        if x.min() < x.max():
            m = x > x.dtype.type(np.median(x))
            add("equalize", inp, f"equalize_hist(input, mask=input > {np.median(x).astype(x.dtype).item()!r})", exposure.equalize_hist(x, mask=m))
        if x.dtype.kind == "f":
            for n in (16, 1000):
                add("equalize", inp, call("equalize_hist", nbins=n), exposure.equalize_hist(x, nbins=n))


def colours():
    for inp in ("u8_rgb", "u16_rgb", "i16_rgb", "f32_rgb", "f64_rgb"):
        x = g.inputs[inp]
        add("rgb2gray", inp, "rgb2gray(input)", color.rgb2gray(x))
    x = g.inputs["u8_rgb"]
    g.add("rgb2gray", "u8_rgb", "rgb2gray(input)", color.rgb2gray(x).astype("f4"), 1e-6, axes="yxc")
    g.input("u8_rgb_first", x.transpose(2, 0, 1))
    g.add("rgb2gray", "u8_rgb_first", "rgb2gray(input)", color.rgb2gray(x).astype("f4"), 1e-6, axes="cyx")
    g.add("rgb2gray", "u8_rgb_first", "rgb2gray(input, channel_axis=0)", color.rgb2gray(x).astype("f4"), 1e-6)


def inverts():
    for inp in ALL:
        for kw in (dict(), dict(signed_float=True)):
            g.add("invert", inp, call("invert", **kw), util.invert(g.inputs[inp], **kw), "exact")


def rescale_items():
    """Every channel, frame or row has its own range."""
    of = exposure.rescale_intensity
    for inp in ("u8", "u16", "f32", "f64_neg", "i16_up"):
        x = g.inputs[inp]
        g.add("rescale_items", inp, "rescale_intensity(input, axis=1)", np.stack([of(row) for row in x]), "exact" if x.dtype.kind in "iu" else 1e-6)
        g.add("rescale_items", inp, "rescale_intensity(out_range=\"image\", axis=-2)", np.stack([of(c, out_range="image") for c in x.T], 1),
              "exact" if x.dtype.kind in "iu" else 1e-6)
    x = g.inputs["u8_rgb_first"]
    g.add("rescale_items", "u8_rgb_first", "rescale_intensity(axis=\"yx\")", np.stack([of(c) for c in x]), "exact", axes="cyx")


rescale(); adjust(); equalize(); colours(); inverts(); rescale_items()
g.main(__doc__)
