#!/usr/bin/env python3
"""Goldens of linear filters: correlation in several dimensions, gaussian derivatives, sharpening, differences.

How to run, and the format: scripts/goldens.py
"""
import warnings

import numpy as np
import scipy.ndimage as nd
import skimage.filters as sf
from skimage.morphology import ball, disk

from goldens import Goldens, Raw, call, lit

warnings.simplefilter("ignore")
MODES = ("reflect", "mirror", "nearest", "constant", "wrap")
r = np.random.default_rng(4)
g = Goldens("linear")


def ints(dtype, shape):
    info = np.iinfo(dtype)
    a = r.integers(max(info.min, -(2**40)), min(info.max, 2**40), shape, dtype=np.int64, endpoint=True).astype(dtype)
    if a.size > 3:
        a.flat[1], a.flat[a.size // 2] = min(info.max, 2**53), max(info.min, -(2**53))
    return a


def reals(dtype, shape, scale=50.0, shift=7.0):
    return (r.normal(size=shape) * scale + shift).astype(dtype)


def floaty(dtype):
    """The dtype that smoothing and derivatives compute in and give."""
    dtype = np.dtype(dtype)
    return np.dtype("f4") if dtype.kind == "b" or dtype.itemsize <= 2 or dtype == "f4" else np.dtype("f8")


g.input("f32", reals("f4", (13, 11))); g.input("f64", reals("f8", (9, 7)))
for t in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"):
    g.input(t, ints(t, (9, 7)))
g.input("b", r.random((9, 8)) < 0.4)
g.input("f32_1d", reals("f4", 17)); g.input("f32_3d", reals("f4", (4, 5, 6))); g.input("u2_3d", ints("u2", (5, 4, 3)))
g.input("u1_yxc", ints("u1", (6, 7, 3))); g.input("f32_4d", reals("f4", (2, 3, 4, 3)))
g.input("tiny", reals("f4", (2, 3))); g.input("one", np.array([[3.25]], "f4")); g.input("row", reals("f4", (1, 9)))
g.input("flat", np.full((6, 5), 2.5, "f4")); g.input("unit", r.random((11, 9)).astype("f4"))
g.input("signed", (r.random((9, 8)) * 2 - 1).astype("f8")); g.input("big", reals("f4", (40, 37)))
holes = g.input("nan", reals("f4", (13, 11))); holes[4, 5] = holes[11, 0] = np.nan
DTYPES = ("f32", "f64", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "b")
# Sums of single precision lie within that of the reference; of double precision much nearer.
near = lambda e: 1e-5 if e.dtype == np.float32 else 1e-12


def case(group, inp, pipeline, expected, axes=None, dtype=None):
    e = np.asarray(expected).astype(dtype or floaty(g.inputs[inp].dtype))
    g.add(group, inp, pipeline, e, near(e), axes=axes)


def f64(inp):
    return g.inputs[inp].astype("f8")


def ndimage(group, inp, f, *pos, axes_letters=None, **kw):
    """One case of a function of scipy.ndimage."""
    case(group, inp, call(group, *[Raw(lit(p)) for p in pos], **kw), f(f64(inp), *pos, **kw), axes=axes_letters)


# ---------------------------------------------------------------- correlate, convolve
holed = [[1, 0, 2], [0, -1, 0], [3, 0, 0.5]]
outer = np.outer([1, 2, -1], [0.5, 3, 1, 2])
dense = np.round(r.normal(size=(4, 5)), 3)
for name, f in (("correlate", nd.correlate), ("convolve", nd.convolve)):
    for inp in DTYPES:
        ndimage(name, inp, f, holed)
        ndimage(name, inp, f, dense, mode="mirror", origin=[1, -2])
    for mode in MODES:
        for k in (holed, dense, outer, [[1], [2], [4]], [[2, 1, 1, 5]], [[3]], [[1, 2], [3, 4]]):
            ndimage(name, "f32", f, k, mode=mode, cval=2.5)
        ndimage(name, "tiny", f, np.round(r.normal(size=(7, 9)), 3), mode=mode, cval=-1)
        ndimage(name, "one", f, dense, mode=mode, cval=-1)
        ndimage(name, "f32_3d", f, np.round(r.normal(size=(3, 2, 4)), 3), mode=mode, cval=3, origin=[0, -1, 1])
        ndimage(name, "f32_3d", f, np.einsum("i,j,k->ijk", [1, 2, 1], [3, 1], [1, -1, 4]), mode=mode, cval=3)
    for origin in (-2, -1, 0, 1):
        ndimage(name, "f32", f, np.round(r.normal(size=(4, 4)), 3), origin=origin, mode="constant", cval=7.5)
        ndimage(name, "f32", f, np.outer([1, 2, 3, 4], [1, 5, 2, 2]), origin=origin, mode="constant", cval=7.5)
    ndimage(name, "f32_1d", f, [1, 0, -2.5, 4]); ndimage(name, "f32_1d", f, [1, 2, 3], origin=-1, mode="wrap")
    ndimage(name, "nan", f, holed); ndimage(name, "nan", f, outer, mode="wrap"); ndimage(name, "nan", f, [[1, 0, 1]])
    ndimage(name, "flat", f, [[1, -1], [-1, 1]]); ndimage(name, "f32", f, np.zeros((3, 3)))
    ndimage(name, "row", f, dense, mode="reflect"); ndimage(name, "f32_4d", f, np.round(r.normal(size=(2, 1, 3, 2)), 3))
    case(name, "u2_3d", f"{name}({lit(holed)}, axes=[0, 2])", f(f64("u2_3d"), holed, axes=(0, 2)))
    case(name, "u1_yxc", f"{name}({lit(dense)})", f(f64("u1_yxc"), dense, axes=(0, 1)), axes="yxc")
    case(name, "f32_3d", f"{name}([[1, 2], [3, -4]], axes=[2, 0], origin=[-1, 0])",
         f(f64("f32_3d"), np.array([[1, 2], [3, -4]]).T[:, None, :], origin=[0, 0, -1]))

# so large that it goes through the Fourier transform; NaN there is summed tap by tap
for mode in MODES:
    case("convolve", "big", f"convolve(disk(22), mode=\"{mode}\", cval=2)", nd.convolve(f64("big"), disk(22), mode=mode, cval=2))
# Not on "tiny": where the image is far smaller than the window and the origin, scipy 1.17 differs from its definition.
for inp in ("f64", "u2", "nan"):
    case("correlate", inp, "correlate(disk(22), origin=[3, -20])", nd.correlate(f64(inp), disk(22), origin=[3, -20]))
case("correlate", "f32_3d", "correlate(ball(7), mode=\"wrap\")", nd.correlate(f64("f32_3d"), ball(7), mode="wrap"))
case("correlate", "u1_yxc", "correlate(disk(22), mode=\"mirror\")", nd.correlate(f64("u1_yxc"), disk(22), mode="mirror", axes=(0, 1)), axes="yxc")

# ---------------------------------------------------------------- gaussian derivatives, laplace
for name, f in (("gaussian_laplace", nd.gaussian_laplace), ("gaussian_gradient_magnitude", nd.gaussian_gradient_magnitude)):
    for inp in DTYPES:
        ndimage(name, inp, f, 1.2)
    for mode in MODES:
        ndimage(name, "f32", f, 2, mode=mode, cval=4.5); ndimage(name, "tiny", f, 1, mode=mode, cval=1)
        ndimage(name, "f32_3d", f, [0.5, 1, 2], mode=mode)
    ndimage(name, "f32", f, 1, truncate=2); ndimage(name, "f32", f, 1, radius=3); ndimage(name, "f32", f, [0, 1.5]); ndimage(name, "f32", f, 0)
    ndimage(name, "f32_1d", f, 1.5); ndimage(name, "one", f, 1, mode="constant"); ndimage(name, "nan", f, 0.6)
    # (scipy's gaussian_gradient_magnitude smooths along all axes whatever `axes` says; gaussian_laplace does not.)
    case(name, "f32_3d", call(name, [1, 2], axes=[2, 0]), np.stack([f(a, [2, 1]) for a in np.moveaxis(f64("f32_3d"), 1, 0)], 1))
    ndimage(name, "f32", f, 1, mode=["wrap", "mirror"])
    case(name, "u1_yxc", call(name, 0.8), np.stack([f(a, 0.8) for a in np.moveaxis(f64("u1_yxc"), 2, 0)], 2), axes="yxc")
for order in ([2, 1], [3, 0], 4, 5):
    ndimage("gaussian_filter", "f64", nd.gaussian_filter, 1.4, order, mode="nearest")
    case("gaussian_filter", "f32", call("gaussian_filter", 1.4, order), nd.gaussian_filter(f64("f32"), 1.4, order))
for inp in DTYPES:
    ndimage("laplace", inp, nd.laplace)
for mode in MODES:
    ndimage("laplace", "f32", nd.laplace, mode=mode, cval=-3); ndimage("laplace", "tiny", nd.laplace, mode=mode, cval=1)
    ndimage("laplace", "f32_3d", nd.laplace, mode=mode, cval=9)
ndimage("laplace", "f32", nd.laplace, mode=["wrap", "nearest"]); ndimage("laplace", "f32_3d", nd.laplace, axes=[0, 2])
ndimage("laplace", "nan", nd.laplace); ndimage("laplace", "one", nd.laplace); ndimage("laplace", "f32_1d", nd.laplace)

# ---------------------------------------------------------------- scikit-image: integers as fractions
WIDE = lambda inp: f64(inp) if g.inputs[inp].dtype.kind == "f" else g.inputs[inp]
IMAGES = ("f32", "f64", "u1", "i1", "u2", "i2", "u4", "i4", "b", "unit", "signed")
mask = r.random((13, 11)) < 0.9


def skimage(group, inp, f, *pos, **kw):
    case(group, inp, call(group, *pos, **kw), f(WIDE(inp), *pos, **kw))


for inp in IMAGES:
    skimage("scharr", inp, sf.scharr); skimage("scharr", inp, sf.scharr, axis=0)
    skimage("roberts", inp, sf.roberts)
    skimage("unsharp_mask", inp, sf.unsharp_mask); skimage("unsharp_mask", inp, sf.unsharp_mask, 2, 1.5)
    skimage("unsharp_mask", inp, sf.unsharp_mask, radius=1.5, amount=-0.5, preserve_range=True)
    skimage("difference_of_gaussians", inp, sf.difference_of_gaussians, 1)
for mode in MODES:
    skimage("scharr", "f32", sf.scharr, mode=mode, cval=2.5); skimage("scharr", "tiny", sf.scharr, axis=1, mode=mode, cval=2.5)
    skimage("scharr", "f32_3d", sf.scharr, mode=mode, cval=1); skimage("scharr", "f32_3d", sf.scharr, axis=[0, 2], mode=mode)
    skimage("difference_of_gaussians", "f32", sf.difference_of_gaussians, 1, 2.5, mode=mode, cval=1.5)
    skimage("difference_of_gaussians", "tiny", sf.difference_of_gaussians, 0, 2, mode=mode)
skimage("scharr", "f32_1d", sf.scharr); skimage("scharr", "one", sf.scharr); skimage("scharr", "nan", sf.scharr); skimage("scharr", "row", sf.scharr)
lower = f64("f32") > -40
case("scharr", "f32", "scharr(input, mask=input > -40)", sf.scharr(f64("f32"), lower))
case("scharr", "f32", "scharr(input, input > -40, axis=1)", sf.scharr(f64("f32"), lower, axis=1))
case("roberts", "f32", "roberts(input, input > -40)", sf.roberts(f64("f32"), lower))
case("scharr", "u1_yxc", "scharr()", np.stack([sf.scharr(c) for c in np.moveaxis(g.inputs["u1_yxc"], 2, 0)], 2), axes="yxc")
case("roberts", "u1_yxc", "roberts()", np.stack([sf.roberts(c) for c in np.moveaxis(g.inputs["u1_yxc"], 2, 0)], 2), axes="yxc")
skimage("roberts", "tiny", sf.roberts); skimage("roberts", "one", sf.roberts); skimage("roberts", "nan", sf.roberts)
skimage("unsharp_mask", "f32_3d", sf.unsharp_mask, [1, 0, 2], preserve_range=True); skimage("unsharp_mask", "u2_3d", sf.unsharp_mask, 1, 2)
case("unsharp_mask", "u1_yxc", "unsharp_mask(amount=4)", sf.unsharp_mask(g.inputs["u1_yxc"], amount=4, channel_axis=2), axes="yxc")
skimage("difference_of_gaussians", "f32", sf.difference_of_gaussians, [1, 2], [3, 2]); skimage("difference_of_gaussians", "f32", sf.difference_of_gaussians, 1, truncate=2)
case("difference_of_gaussians", "u1_yxc", "difference_of_gaussians(1, 2)", sf.difference_of_gaussians(g.inputs["u1_yxc"], 1, 2, channel_axis=2), axes="yxc")

# ---------------------------------------------------------------- small differences of large values
# Values that differ little, and filters far larger than the image: what is left is far smaller than what goes in.
r = np.random.default_rng(44)
g.input("far", (1e5 + r.normal(size=(14, 12))).astype("f4")); g.input("bright", r.integers(60000, 60012, (12, 13)).astype("u2"))
for inp in ("tiny", "far", "bright", "unit"):
    for sigma in (2, 6, 20):
        ndimage("gaussian_laplace", inp, nd.gaussian_laplace, sigma); ndimage("gaussian_gradient_magnitude", inp, nd.gaussian_gradient_magnitude, sigma, mode="nearest")
        ndimage("gaussian_filter", inp, nd.gaussian_filter, sigma, [1, 2], mode="mirror"); ndimage("gaussian_filter1d", inp, nd.gaussian_filter1d, sigma, order=1, axis=0)
    ndimage("laplace", inp, nd.laplace); ndimage("sobel", inp, nd.sobel, axis=0); ndimage("prewitt", inp, nd.prewitt, axis=1)
    ndimage("correlate1d", inp, nd.correlate1d, [1, -3, 3, -1], axis=0); ndimage("convolve1d", inp, nd.convolve1d, [0.25, -0.5, 0.25], axis=1)
    for k in ([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.outer([1, 2, 1], [1, -2, 1]), np.outer([1, 3, 3, 1], [1, -1])):
        ndimage("correlate", inp, nd.correlate, k); ndimage("convolve", inp, nd.convolve, k, mode="nearest")
    skimage("scharr", inp, sf.scharr); skimage("roberts", inp, sf.roberts)
    skimage("difference_of_gaussians", inp, sf.difference_of_gaussians, 1); skimage("difference_of_gaussians", inp, sf.difference_of_gaussians, 3, 12)

if __name__ == "__main__":
    g.main(__doc__)
