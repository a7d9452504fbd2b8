#!/usr/bin/env python3
"""Makes tests/golden/morphology: minimum and maximum filters with footprints, grey and binary morphology, from scipy.

Every binary case with several iterations is computed by both of scipy's algorithms, which must agree; every grey case
that wraps is a case of integers, where wrapping is defined.
"""
import warnings

import numpy as np
import scipy.ndimage as nd

from goldens import Goldens, Raw, call, lit

warnings.simplefilter("ignore")
MODES = ("reflect", "mirror", "nearest", "constant", "wrap")
INTS = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")
r = np.random.default_rng(20261123)
g = Goldens("morphology")


def ints(dtype, shape):
    i = np.iinfo(dtype)
    lo, hi = max(i.min, -(2**52)), min(i.max, 2**53)
    a = r.integers(lo, hi, shape, dtype=np.int64, endpoint=True).astype(dtype)
    a.flat[1], a.flat[a.size // 2] = hi, lo
    return a


for name in INTS:
    g.input(name, ints(name, (9, 7)))
    g.input(f"mid_{name}", r.integers(-60 if name[0] == "i" else 40, 100, (9, 7)).astype(name))
g.input("float32", r.normal(7, 50, (9, 7)).astype("f4"))
g.input("float64", r.normal(7, 50, (9, 7)))
g.input("mid_1d", r.integers(40, 60000, 23).astype("u2"))
g.input("bool", r.random((9, 7)) < 0.6)
g.input("u8_small", r.integers(20, 200, (12, 13)).astype("u1"))
g.input("u16_1d", ints("uint16", 23))
g.input("u8_3d", ints("uint8", (6, 7, 8)))
g.input("f32_3d", r.normal(0, 9, (4, 5, 6)).astype("f4"))
g.input("i16_4d", ints("int16", (3, 4, 5, 3)))
g.input("u8_one", np.array([[201]], "u1"))
g.input("u16_row", ints("uint16", (1, 9)))
g.input("u8_col", ints("uint8", (11, 1)))
g.input("u8_flat", np.full((5, 6), 77, "u1"))
g.input("u16_5d", ints("uint16", (2, 3, 4, 2, 3)))
g.input("f32_inf", np.array([[np.inf, 1, -np.inf, 2.5], [3, np.inf, -4, 0.25], [9, 8, -7, -np.inf]], "f4"))
I = g.inputs
DTYPES = INTS + ("float32", "float64")


def disk(n):
    y, x = np.mgrid[-n:n + 1, -n:n + 1]
    return (y * y + x * x <= n * n).astype(int)


def ball(n):
    z, y, x = np.mgrid[-n:n + 1, -n:n + 1, -n:n + 1]
    return (z * z + y * y + x * x <= n * n).astype(int)


ELL = [[1, 0, 0], [1, 0, 1], [1, 1, 0], [0, 0, 0]]
HOLES = [[1, 0, 1, 0, 1], [0, 0, 0, 0, 0], [1, 1, 0, 1, 1]]
CROSS = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
EVEN = [[1, 0], [1, 1]]
AWAY = [[0, 0, 0, 0], [0, 0, 0, 1]]
CORNER = [[0, 0, 0], [0, 1, 1], [0, 1, 1]]
FULL2 = np.ones((2, 3), int).tolist()
FOOTPRINTS = [(ELL, 0), (ELL, [1, -1]), (HOLES, 0), (HOLES, [-1, 2]), (CROSS, 0), (EVEN, 0), (EVEN, [-1, -1]), (AWAY, 0), (AWAY, [0, 1]),
              (CORNER, 0), (FULL2, [0, -1]), ([[1]], 0), ([[0, 0, 1]], 0), (disk(4).tolist(), 0), (disk(6).tolist(), [6, -6]), ([[1] * 15], 3)]


def short(text):
    """The text with small arrays by name, where the language has one."""
    for word, a in [(f"disk({n})", disk(n)) for n in range(2, 7)] + [(f"ball({n})", ball(n)) for n in (1, 2)] + [("cross()", np.array(CROSS))]:
        text = text.replace(lit(a), word)
    return text


def filters(group, op, inp, text=None, **kw):
    """One call of an op that scipy has under the same name and with the same arguments."""
    expected = getattr(nd, op)(I[inp], **kw)
    if expected.dtype.kind == "f":
        assert np.isfinite(expected).all() or inp == "f32_inf"
    g.add(group, inp, text or short(call(op, **kw)), expected, "exact")


def origin(o):
    return {} if o == 0 else {"origin": o}


# ---------------------------------------------------------------------------------------- minimum and maximum filter
for k, (fp, o) in enumerate(FOOTPRINTS):
    for j, op in enumerate(("minimum_filter", "maximum_filter")):
        for m, mode in list(enumerate(MODES))[(k + j) % 2::2]:
            inp = (DTYPES + ("u8_small", "bool"))[(k + 5 * j + 3 * m) % 12]
            filters("footprint", op, inp, footprint=fp, mode=mode, **origin(o), **({"cval": 1} if mode == "constant" else {}))
for d in DTYPES:
    filters("footprint-dtype", "minimum_filter", d, footprint=disk(5).tolist())
    filters("footprint-dtype", "maximum_filter", d, footprint=CROSS)
for text, fp, inp in [("disk(3)", disk(3), "u8_small"), ("disk(9)", disk(9), "uint16"), ("ball(2)", ball(2), "u8_3d"), ("ball(1)", ball(1), "f32_3d"),
                      ("cross(1)", np.ones(3, int), "u16_1d"), ("ball(3)", ball(3), "f32_3d"), ("disk(0)", disk(0), "uint16")]:
    for op in ("minimum_filter", "maximum_filter"):
        filters("footprint-word", op, inp, text=f"{op}(input, footprint={text})", footprint=fp.tolist())
for inp, fp in [("u16_1d", [1, 0, 0, 1, 1, 0]), ("u8_one", ELL), ("u16_row", disk(2).tolist()), ("u8_col", disk(2).tolist()), ("u8_flat", HOLES),
                ("f32_inf", CROSS), ("f32_inf", disk(4).tolist()), ("i16_4d", np.eye(3, dtype=int)[None, :, :, None].repeat(2, 3).tolist()),
                ("u16_5d", r.integers(0, 2, (1, 2, 3, 2, 3)).tolist())]:
    for mode in ("reflect", "wrap", "constant"):
        filters("footprint-shape", "minimum_filter", inp, footprint=fp, mode=mode)
        filters("footprint-shape", "maximum_filter", inp, footprint=fp, mode=mode)
for axes in ([0, 2], [2, 1], [0, 1]):
    filters("footprint-axes", "minimum_filter", "u8_3d", footprint=ELL, axes=axes)
    filters("footprint-axes", "maximum_filter", "u8_3d", footprint=disk(3).tolist(), axes=axes, mode="nearest")
filters("footprint-axes", "maximum_filter", "u8_3d", footprint=[1, 0, 0, 1], axes=[1], origin=-2)
g.add("named", "u8_3d", call("maximum_filter", footprint=disk(3).tolist()), nd.maximum_filter(I["u8_3d"], footprint=disk(3), axes=(0, 1)), "exact", axes="yxc")
g.add("named", "f32_3d", call("grey_dilation", footprint=disk(3).tolist()), nd.grey_dilation(I["f32_3d"], footprint=disk(3), axes=(0, 1)), "exact", axes="yxc")
g.add("named", "u8_3d", call("minimum_filter", footprint=HOLES), nd.minimum_filter(I["u8_3d"], footprint=HOLES, axes=(0, 1)), "exact", axes="yxc")
g.add("named", "u8_3d", "binary_erosion(input > 60, disk(2))", nd.binary_erosion(I["u8_3d"] > 60, disk(2), axes=(1, 2)), "exact", axes="tyx")
g.add("named", "u8_3d", "binary_closing(input > 60)", nd.binary_closing(I["u8_3d"] > 60, axes=(0, 1)), "exact", axes="yxc")

# -------------------------------------------------------------------------------------------------- grey morphology
GREY = ("grey_erosion", "grey_dilation", "grey_opening", "grey_closing", "white_tophat", "black_tophat", "morphological_gradient", "morphological_laplace")
SHAPES = [dict(size=3), dict(size=[4, 2]), dict(size=[1, 6], origin=[0, -2]), dict(footprint=ELL), dict(footprint=EVEN, origin=[-1, 0]),
          dict(footprint=HOLES, origin=[1, -2]), dict(footprint=disk(3).tolist()), dict(footprint=FULL2), dict(structure=[[3, 1, 2], [0, 9, 4]]),
          dict(structure=[[5, 2], [1, 7]], footprint=EVEN, origin=[0, -1]), dict(structure=[[0, 0, 0]]), dict(structure=[[-2, 1, 3]], origin=[0, 1])]
n = 0
for op in GREY:
    for shape in SHAPES:
        for m in range(2):
            n += 1
            mode, inp = MODES[n % 5], (DTYPES + ("u8_small",))[n % 11]
            inp = "mid_" + inp if "structure" in shape and inp in INTS else inp
            filters(op, op, inp, **shape, mode=mode, **({"cval": 50} if mode == "constant" else {}))
    for inp in ("u8_one", "u8_flat", "u16_row", "u8_col"):
        filters(op, op, inp, size=[3, 4])
        filters(op, op, inp, footprint=disk(2).tolist(), mode="mirror")
    filters(op, op, "mid_1d", structure=[1, 4, 0, 2])
    filters(op, op, "u8_3d", footprint=ball(1).tolist())
    filters(op, op, "f32_3d", structure=r.integers(0, 9, (2, 3, 2)).tolist(), mode="wrap")
    filters(op, op, "u8_3d", footprint=ELL, axes=[0, 2])
    filters(op, op, "u8_3d", size=[2, 3], axes=[0, 1], mode=["wrap", "nearest"])
for op in GREY[:6]:
    filters(op, op, "bool", size=3)
    filters(op, op, "bool", footprint=ELL, mode="constant")
filters("negative", "grey_dilation", "mid_int16", structure=[[-2, 5, -3]])
filters("fraction", "grey_erosion", "float32", structure=[[0.1, 1e-3, 3.3]])
filters("fraction", "grey_closing", "f32_3d", structure=[[[3.3, 0.1]], [[1e-3, 2.7]]])
filters("fraction", "grey_dilation", "float64", structure=[[0.1, 1e-3, 3.3]])
for d in ("uint8", "int8", "uint16"):
    # What does not fit stops at the end of the type, where scipy is of two minds.
    for op in ("grey_erosion", "grey_dilation"):
        wide = getattr(nd, op)(I[d].astype("i8"), structure=[[20, 50, -30]])
        i = np.iinfo(d)
        g.add("saturated", d, call(op, structure=[[20, 50, -30]]), wide.clip(i.min, i.max).astype(d), "exact")
filters("negative", "grey_erosion", "float32", structure=[[-2.5, 5, -3]])
g.add("bool", "bool", "morphological_gradient(input, size=3)", nd.grey_dilation(I["bool"], 3) ^ nd.grey_erosion(I["bool"], 3), "exact")

# ------------------------------------------------------------------------------------------------ binary morphology
for d in (35, 60, 85):
    g.input(f"m_{d}", r.random((13, 11)) < d / 100)
g.input("m3", r.random((6, 7, 8)) < 0.7)
g.input("m1", r.random(40) < 0.7)
g.input("m_ones", np.ones((6, 7), bool))
g.input("m_zeros", np.zeros((6, 7), bool))
g.input("m_u8", (I["m_60"] * r.integers(1, 255, (13, 11), endpoint=True)).astype("u1"))
g.input("m_f32", np.where(I["m_60"], r.choice([0.5, -0.25, np.nan, 1e-40, 7], (13, 11)), r.choice([0.0, -0.0], (13, 11))).astype("f4"))
g.input("m_u16", (I["m_85"] * 256).astype("u2"))


def binary(op, inp, mask=None, **kw):
    a, more = I[inp], {}
    if mask is not None:
        more["mask"] = mask(a)
    expected = getattr(nd, op)(a, **kw, **more)
    if op != "binary_hit_or_miss" and kw.get("iterations", 1) != 1:
        assert (expected == getattr(nd, op)(a, **kw, **more, brute_force=True)).all()
    if mask is not None:
        kw = dict(input=Raw("input"), **kw, mask=Raw("maximum_filter(input, [2, 4], mode=\"wrap\", origin=[-1, 1]) == input"))
    g.add(op, inp, short(call(op, **kw)), expected, "exact")


def masked(a):
    return nd.maximum_filter(a, (2, 4), mode="wrap", origin=(-1, 1)) == a


STRUCTURES = [dict(), dict(structure=np.ones((3, 3), int).tolist()), dict(structure=ELL), dict(structure=ELL, origin=[1, 1]), dict(structure=EVEN),
              dict(structure=EVEN, origin=[-1, -1]), dict(structure=HOLES, origin=[-1, 2]), dict(structure=disk(3).tolist()), dict(structure=FULL2, origin=[0, -1]),
              dict(structure=AWAY), dict(structure=[[0, 0], [0, 0]]), dict(structure=[[1]]), dict(structure=CROSS, origin=[1, 0])]
for op in ("binary_erosion", "binary_dilation", "binary_opening", "binary_closing"):
    for k, s in enumerate(STRUCTURES):
        for it in (1, 2, 5):
            for border in (0, 1) if k < 2 else ((k + it) % 2,):
                inp = ("m_35", "m_60", "m_85")[(k + it + border) % 3]
                kw = dict(s)
                if it > 1:
                    kw["iterations"] = it
                if border:
                    kw["border_value"] = 1
                binary(op, inp, **kw)
        binary(op, "m_60", mask=masked, iterations=1 + k % 3, border_value=k % 2, **s)
    for inp in ("m_u8", "m_f32", "m_u16", "m_ones", "m_zeros", "u8_one", "u16_row", "u8_col"):
        binary(op, inp)
        binary(op, inp, structure=disk(2).tolist(), border_value=1)
    for it in (3, 70, 130):
        binary(op, "m_85", iterations=it, border_value=1)
        binary(op, "m_35", iterations=it)
    for it in (1, 2, 3):
        binary(op, "m3", iterations=it)
        binary(op, "m3", structure=ball(2).tolist(), border_value=1, iterations=it)
        binary(op, "m1", iterations=it, structure=[1, 0, 1, 1])
        binary(op, "m1", iterations=it, border_value=1)
    for word, rank in (("cross", 1), ("full", 3)):
        g.add(op, "m3", f'{op}(input, "{word}")', getattr(nd, op)(I["m3"], nd.generate_binary_structure(3, rank)), "exact")
    for it in (0, -1):
        for border in (0, 1):
            for inp in ("m_60", "m_ones", "m_zeros"):
                binary(op, inp, iterations=it, border_value=border)
        binary(op, "m_60", iterations=it, structure=[[1]])
    binary(op, "m3", structure=ELL, axes=[0, 2])
    binary(op, "m3", axes=[1, 2], iterations=3)
    binary(op, "m3", structure=[1, 0, 1, 1], axes=[1], origin=-1, iterations=2)

HITS = [dict(), dict(structure1=[[0, 1], [1, 1]]), dict(structure1=ELL), dict(structure1=ELL, origin1=[1, -1]), dict(structure1=CROSS, structure2=EVEN),
        dict(structure1=[[1]], structure2=[[0, 0, 1]], origin1=0, origin2=[0, -1]), dict(structure1=np.ones((3, 3), int).tolist()),
        dict(structure1=[[0, 0, 0]]), dict(structure1=[[1, 1], [1, 0]], structure2=[[0, 0], [0, 1]], origin1=[-1, 0], origin2=[0, 0])]
for kw in HITS:
    for inp in ("m_35", "m_60", "m_85", "m_u8", "m_f32"):
        binary("binary_hit_or_miss", inp, **kw)
binary("binary_hit_or_miss", "m3")
binary("binary_hit_or_miss", "m1", structure1=[1, 1, 0])
binary("binary_hit_or_miss", "m3", structure1=[[1, 1], [0, 1]], axes=[0, 2])

# ------------------------------------------------------------------------------------ until nothing changes in a mask
g.input("grow", r.integers(0, 100, (24, 31)).astype("u1"))
g.input("grow_3d", r.integers(0, 100, (6, 7, 9)).astype("u1"))
ROW, DIAGONAL = [[1, 1, 1]], [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
WIDE = np.pad(np.array(CROSS), ((0, 2), (1, 1))).tolist()
STEPS = [dict(), dict(structure=np.ones((3, 3), int).tolist()), dict(structure=ROW), dict(structure=DIAGONAL), dict(structure=WIDE, origin=[-1, 0])]


def grow(op, inp, seeds, mask, **kw):
    x, known = I[inp], {} if op == "binary_propagation" else {"iterations": -1}
    given = {} if mask is None else {"mask": eval(mask, {"input": x})}
    expected = getattr(nd, op)(eval(seeds, {"input": x}), **kw, **known, **given)
    if known:
        assert (expected == getattr(nd, op)(eval(seeds, {"input": x}), **kw, **known, **given, brute_force=True)).all()
    text = call(op, Raw(seeds), **kw, **known, **({} if mask is None else {"mask": Raw(mask)}))
    g.add("grow_" + op, inp, short(text), expected, "exact")


PAIRS = [("input > 95", "input % 10 < 6"), ("input > 95", "input < 60"), ("input > 2", "input % 10 < 5"), ("input > 2", "input > 40")]
for op in ("binary_erosion", "binary_dilation", "binary_opening", "binary_closing", "binary_propagation"):
    for k, s in enumerate(STEPS):
        for j, (seeds, mask) in enumerate(PAIRS):
            for border in (0, 1) if k < 2 else ((k + j) % 2,):
                grow(op, "grow", seeds, mask, **s, **({"border_value": 1} if border else {}))
        for border in (0, 1):
            grow(op, "grow", "input > 97", None, **s, **({"border_value": 1} if border else {}))
    grow(op, "grow_3d", "input > 95", "input % 10 < 5")
    grow(op, "grow_3d", "input > 95", "input % 10 < 6", axes=[0, 2])
    grow(op, "grow_3d", "input > 95", "input % 10 < 6", axes=[1, 0], structure=DIAGONAL)
    grow(op, "grow_3d", "input > 95", None, axes=[1, 0])
x = I["grow_3d"]
for op in ("binary_erosion", "binary_dilation"):
    g.add("named", "grow_3d", f"{op}(input > 90, iterations=-1, mask=input % 4 < 2)",
          getattr(nd, op)(x > 90, axes=(1, 2), iterations=-1, mask=x % 4 < 2), "exact", axes="tyx")

if __name__ == "__main__":
    g.main(__doc__)
