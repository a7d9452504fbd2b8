"""Goldens of what moves elements without changing them, by NumPy: concatenate, stack, block, transpose, flip, squeeze,
expand_dims, slices. See scripts/goldens.py."""
import numpy as np

from goldens import Goldens

g = Goldens("shape")
rng = np.random.default_rng(11)
g.input("one", np.array([[[7]]], np.uint8))
g.input("u16_1d", rng.integers(0, 65536, 13).astype(np.uint16))
g.input("u8_2d", rng.integers(0, 256, (9, 14)).astype(np.uint8))
g.input("f64_2d", np.where(rng.random((7, 5)) < 0.2, np.nan, rng.normal(size=(7, 5))))
g.input("b_3d", rng.random((4, 5, 6)) < 0.5)
g.input("i32_3d", rng.integers(-2**31, 2**31, (5, 1, 8)).astype(np.int32))
g.input("f32_4d", rng.normal(size=(2, 3, 4, 5)).astype(np.float32))
g.input("i64_5d", rng.integers(-2**63, 2**63 - 1, (2, 1, 3, 2, 4)).astype(np.int64))
A = g.inputs


def exact(group, inp, pipeline, expected, axes=None):
    g.add(group, inp, pipeline, expected, "exact", axes=axes)


for n, a in A.items():
    r = a.ndim
    exact("transpose", n, "transpose(input)", a.T)
    exact("flip", n, "flip(input)", np.flip(a))
    for k in range(-r, r):
        exact("flip", n, f"flip(input, {k})", np.flip(a, k))
        exact("concatenate", n, f"concatenate([input, input, input], {k})", np.concatenate([a, a, a], k))
        f = np.flip(a)
        exact("concatenate", n, f"f = flip(input); concatenate([f, input, f, f], axis={k})", np.concatenate([f, a, f, f], k))
    for k in range(-r - 1, r + 1) if r < 6 else []:
        exact("expand_dims", n, f"expand_dims(input, {k})", np.expand_dims(a, k))
        f = np.flip(a)
        exact("stack", n, f"stack([input, flip(input), input], {k})", np.stack([a, f, a], k))
    if a.size > 1:
        exact("squeeze", n, "squeeze(input)", np.squeeze(a))

for n, order in [("u8_2d", (0, 1)), ("u8_2d", (1, 0)), ("b_3d", (1, 2, 0)), ("b_3d", (-1, 0, -2)), ("f32_4d", (3, 1, 0, 2)),
                 ("f32_4d", (0, 2, 1, 3)), ("i64_5d", (4, 2, 0, 3, 1))]:
    exact("transpose", n, f"transpose(input, {list(order)})", A[n].transpose(order))
exact("transpose", "b_3d", 'transpose(input, "xyz")', A["b_3d"].transpose(2, 1, 0))
exact("transpose", "b_3d", 'transpose(input, "cyx")', A["b_3d"].transpose(2, 0, 1), axes="yxc")
exact("flip", "b_3d", "flip(input)", A["b_3d"][::-1, ::-1], axes="yxc")
exact("flip", "b_3d", 'flip(input, "cy")', np.flip(A["b_3d"], (0, 2)), axes="yxc")
exact("squeeze", "i64_5d", "squeeze(input, 1)", A["i64_5d"].squeeze(1))
exact("squeeze", "i32_3d", 'squeeze(input, "y")', A["i32_3d"].squeeze(1))

# Halves that lie anywhere: a tile meets one, the other, or both.
a = A["u8_2d"]
exact("concatenate", "u8_2d", "concatenate([input[2:5], input[:1], input[4:]])", np.concatenate([a[2:5], a[:1], a[4:]]))
exact("concatenate", "u8_2d", "concatenate([input[:, ::3], input, input[:, 3:4]], -1)",
      np.concatenate([a[:, ::3], a, a[:, 3:4]], -1))
exact("block", "u8_2d", "block([input, input])", np.block([a, a]))
exact("block", "u8_2d", "block([[input, input], [input, input]])", np.block([[a, a], [a, a]]))
exact("block", "u8_2d", "block([[input], [input[0:2]]])", np.block([[a], [a[:2]]]))
exact("block", "u8_2d", "block([[input, input[:, 0:3]], [input[1:4], input[6:, 2:5]]])",
      np.block([[a, a[:, :3]], [a[1:4], a[6:, 2:5]]]))
exact("block", "u8_2d", "block([[input[:, 0:3], input], [input, input[:, 0:3]]])", np.block([[a[:, :3], a], [a, a[:, :3]]]))
a = A["b_3d"]
exact("block", "b_3d", "block([[[input, input], [input, input]], [[input, input], [input, input]]])",
      np.block([[[a, a], [a, a]], [[a, a], [a, a]]]))
exact("block", "b_3d", "block([input, input])", np.block([a, a]))
exact("block", "b_3d", "block([[input, input[:, 1:3]], [input, flip(input)[:, 0:2]]])",
      np.concatenate([np.concatenate([a, a[:, 1:3]], 1), np.concatenate([a, a[::-1, ::-1, :][:, :2]], 1)], 0), axes="yxc")
exact("block", "b_3d", 'block([[input, input], [input, input]], axes="xc")',
      np.concatenate([np.concatenate([a, a], 2)] * 2, 1), axes="yxc")
exact("crop", "b_3d", "crop(input, z=[1, 3], x=[-4, none, 2])", a[1:3, :, -4::2])
exact("crop", "b_3d", "crop(input, y=[0, 100], c=[none, -1])", a[:100, :, :-1], axes="yxc")
exact("crop", "b_3d", "input[-3:-1, c=::4, x=-2]", a[-3:-1, -2, ::4], axes="yxc")

g.main(__doc__)
