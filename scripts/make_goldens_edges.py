#!/usr/bin/env python3
"""Goldens of edge detection: canny, pixel for pixel on the same dtype.

How to run, and the format: scripts/goldens.py

NumPy's `exp` for AVX-512 is off by the last bit in 6 of 100 weights of gaussians, and where two gradients are equal that
decides: scikit-image itself finds other edges with it than without. The goldens are made without.
"""
import os
import warnings

os.environ["NPY_DISABLE_CPU_FEATURES"] = "X86_V4 AVX512_ICL AVX512_SPR"

import numpy as np  # noqa: E402
from skimage.feature import canny

from goldens import Goldens, Raw, call

warnings.simplefilter("ignore")
MODES = ("reflect", "mirror", "nearest", "constant", "wrap")
r = np.random.default_rng(8)
g = Goldens("edges")

# Plateaus, straight and slanted edges, discs, ramps: where ties decide; and noise, where all directions meet.
y, x = np.mgrid[:27, :29]
square = np.zeros((27, 29)); square[6:20, 8:22] = 1
disc = ((y - 13) ** 2 + (x - 14) ** 2 < 90).astype("f8")
wedge = (y > 0.7 * x).astype("f8")
ramp = x / 28 + np.where(y > 12, 0.4, 0)
noisy = np.clip(0.55 * disc + 0.2 + 0.12 * r.normal(size=disc.shape), 0, 1)
noise = r.random((27, 29))
board = ((y // 5 + x // 5) % 2).astype("f8")
SHAPES = dict(square=square, disc=disc, wedge=wedge, ramp=ramp / ramp.max(), noisy=noisy, noise=noise, board=board)


def of(dtype, a):
    d = np.dtype(dtype)
    if d.kind == "f":
        return a.astype(d)
    if d.kind == "b":
        return a > 0.5
    info = np.iinfo(d)
    return np.round(a * info.max - (a < 0.2) * (info.min < 0) * info.max / 3).astype(d)


TYPES = {name: ("f4", "u1") + (("f8",) if name in ("square", "disc", "noise", "board") else ("u2",) if name == "noisy" else ())
         for name in SHAPES}
for name, a in SHAPES.items():
    for t in TYPES[name] + (("u2",) if name == "noise" else ()):
        g.input(f"{name}_{t}", of(t, a))
for t in ("i1", "i2", "u4", "i4", "?"):
    g.input(f"noisy_{t}".replace("?", "b"), of(t, noisy))
g.input("tiny", r.random((3, 4)).astype("f4")); g.input("one", np.ones((1, 1), "u1")); g.input("row", r.random((1, 9)))
g.input("pair", r.random((2, 2)).astype("f4")); g.input("flat", np.full((9, 8), 7, "u1"))
hole = g.input("nan", noisy.astype("f4")); hole[5, 7] = hole[20, 0] = np.nan
g.input("values", (noisy * 900 - 300).astype("f4")); g.input("yxc", np.stack([of("u1", a) for a in (disc, noisy, board)], 2)[:14, :16])
g.input("maze", of("u1", np.kron(r.random((9, 10)) < 0.5, np.ones((3, 3)))[:26, :28].astype("f8")))


def case(inp, *pos, text=None, axes=None, expected=None, **kw):
    image = g.inputs[inp]
    e = canny(image, *pos, **kw) if expected is None else expected
    g.add("canny", inp, text or call("canny", *pos, **kw), e.astype(bool), "exact", axes=axes)


for name in SHAPES:
    for t in TYPES[name]:
        case(f"{name}_{t}"); case(f"{name}_{t}", 2); case(f"{name}_{t}", sigma=0)
        case(f"{name}_{t}", 1.3, mode="reflect")
for t in ("i1", "i2", "u4", "i4", "b"):
    case(f"noisy_{t}"); case(f"noisy_{t}", 1.5, mode="nearest")
for mode in MODES:
    for inp in ("noisy_f4", "noise_u1", "board_f8", "disc_f4"):
        case(inp, 1.7, mode=mode, cval=0.25); case(inp, [0, 1.2], mode=mode)
    case("tiny", 1, 0.01, 0.02, mode=mode); case("tiny", 3, 0, 0, mode=mode); case("pair", mode=mode)
for inp, largest in (("noise_f4", 1), ("noise_f8", 1), ("noise_u1", 255), ("noise_u2", 65535), ("maze", 255)):
    for low, high in ((0, 0), (0.05, 0.6), (0.3, 0.3), (0.01, 0.9), (0.1, 5)):
        case(inp, 1, low * largest, high * largest)
case("noise_f4", 0.6, -1, 0.5); case("noise_u1", low_threshold=3); case("noise_u1", high_threshold=80.5); case("noise_f8", high_threshold=2)
case("values", 1, 20, 60); case("values", 1); case("flat"); case("one"); case("row"); case("nan"); case("nan", sigma=0)
for inp, test, text in (("noisy_f4", lambda a: a > 0.2, "input > 0.2"), ("noise_u1", lambda a: a < 240, "input < 240"),
                        ("noise_f8", lambda a: a > 0.03, "input > 0.03"), ("noisy_u2", lambda a: a == a, "input == input"),
                        ("disc_f4", lambda a: a > 0, "input"), ("noise_f4", lambda a: a != a, "input != input")):
    for mode in ("constant", "nearest", "wrap"):
        kw = dict(sigma=1.1, low_threshold=0.02 * g.inputs[inp].max().item(), high_threshold=0.3 * g.inputs[inp].max().item())
        case(inp, text=call("canny", Raw("input"), mask=Raw(text), mode=mode, **kw),
             expected=canny(g.inputs[inp], mask=test(g.inputs[inp]), mode=mode, **kw))
case("yxc", text="canny()", axes="yxc", expected=np.stack([canny(c) for c in np.moveaxis(g.inputs["yxc"], 2, 0)], 2))
case("yxc", text="canny([2, 0.5], mode=\"mirror\")", axes="yxc",
     expected=np.stack([canny(c, [2, 0.5], mode="mirror") for c in np.moveaxis(g.inputs["yxc"], 2, 0)], 2))
case("yxc", text="canny(axes=[0, 2])", expected=np.stack([canny(a) for a in np.moveaxis(g.inputs["yxc"], 1, 0)], 1))



def torus(image, sigma, low, high):
    """Canny on a torus: scikit-image's steps, each with the opposite edge beside it. Thresholds in the image's values."""
    import scipy.ndimage as nd
    from skimage.feature._canny_cy import _nonmaximum_suppression_bilinear as thin
    from skimage.filters import gaussian
    largest = np.iinfo(image.dtype).max if image.dtype.kind in "iu" else 1
    smooth = gaussian(image, sigma, mode="wrap", preserve_range=False)
    down, across = nd.sobel(smooth, axis=0, mode="wrap"), nd.sobel(smooth, axis=1, mode="wrap")
    length = np.sqrt(down * down + across * across)
    wide = [np.ascontiguousarray(np.pad(a, 1, mode="wrap")) for a in (down, across, length)]
    inside = np.zeros(wide[0].shape, bool); inside[1:-1, 1:-1] = True
    crest = thin(*wide, inside, low / largest)[1:-1, 1:-1]
    labels, n = nd.label(crest > 0, np.ones((3, 3)))
    parent = list(range(n + 1))

    def root(i):
        while parent[i] != i:
            i = parent[i]
        return i

    for y, x in np.argwhere(labels):
        for i in (-1, 0, 1):
            for j in (-1, 0, 1):
                other = labels[(y + i) % labels.shape[0], (x + j) % labels.shape[1]]
                if other:
                    parent[root(other)] = root(labels[y, x])
    strong = {root(i) for i in labels[(crest > 0) & (crest >= high / largest)]}
    return np.vectorize(lambda i: i != 0 and root(i) in strong, otypes=[bool])(labels)


for inp, largest in (("noise_f4", 1), ("noise_f8", 1), ("noise_u1", 255), ("maze", 255), ("board_f8", 1), ("noisy_f4", 1)):
    for sigma, low, high in ((1, 0.05, 0.3), (0.7, 0.1, 0.8), (1.5, 0.01, 0.25)):
        case(inp, text=call("canny", sigma=sigma, low_threshold=low * largest, high_threshold=high * largest, periodic=True),
             expected=torus(g.inputs[inp], sigma, low * largest, high * largest))

for inp in ("noise_f4", "noise_f8", "noise_u1", "noisy_f4", "noisy_u2", "maze", "wedge_f4"):
    for low, high in ((0.6, 0.9), (0.13, 0.77), (0, 1)):
        case(inp, 1, low, high, use_quantiles=True)
case("noisy_f4", use_quantiles=True, mode="nearest")

if __name__ == "__main__":
    g.main(__doc__)
