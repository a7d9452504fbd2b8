#!/usr/bin/env python3
"""Holds .npy, raw, PNG, JPEG and tables against NumPy, Pillow and pyarrow, both ways: `scripts/check_files.py`, from the repository.

Needs numpy, pillow and pyarrow, and the command as `cargo test` builds it: target/debug/tilewise.
"""

import csv
import os
import pathlib
import subprocess
import tempfile

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

BINARY = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "debug" / "tilewise"
DTYPES = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float32 float64".split()
rng = np.random.default_rng(5)


def run(*words):
    done = subprocess.run([BINARY.absolute(), "run", *map(str, words), "--quiet", "--overwrite"], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)


def sample(shape, dtype):
    return rng.random(shape) > 0.5 if dtype == "bool" else (rng.random(shape) * 100).astype(dtype)


def arrays(folder):
    for dtype in DTYPES:
        for order in "CF":
            array = np.asarray(sample((5, 7, 9), dtype), order=order)
            np.save(folder / "in.npy", array)
            run(folder / "in.npy", folder / "out.npy", "input")
            back = np.load(folder / "out.npy")
            assert back.dtype == array.dtype and np.array_equal(back, array), dtype
            run(folder / "in.npy", f"raw:{folder}/out.bin", "input")
            assert np.array_equal(np.fromfile(folder / "out.bin", array.dtype).reshape(array.shape), array), dtype
    return 4 * len(DTYPES)


def pictures(folder):
    cases = [((40, 31), "uint8"), ((40, 31), "uint16"), ((40, 31, 3), "uint8"), ((40, 31, 4), "uint8")]
    for shape, dtype in cases:
        array = (rng.random(shape) * np.iinfo(dtype).max).astype(dtype)
        np.save(folder / "in.npy", array)
        run(folder / "in.npy", folder / "out.png", "input", "--axes", "yxc"[: array.ndim])
        assert np.array_equal(np.asarray(Image.open(folder / "out.png")), array), (shape, dtype)
    smooth = np.add.outer(np.arange(60), np.arange(50)).astype("u1")
    colour = np.stack([smooth, 255 - smooth, smooth // 2], 2)
    for array in (smooth, colour):
        np.save(folder / "in.npy", array)
        run(folder / "in.npy", folder / "out.jpg", "input", "--axes", "yxc"[: array.ndim])
        assert np.abs(np.asarray(Image.open(folder / "out.jpg")).astype(int) - array).max() < 16
    modes = ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]
    for mode in modes:
        image = Image.fromarray((rng.random((23, 34)) * 65535).astype("u2")) if mode == "I;16" else Image.fromarray(colour).convert(mode)
        image.save(folder / "in.png")
        run(folder / "in.png", folder / "out.npy", "input")
        wanted = np.asarray(image.convert("RGB") if mode == "P" else image)
        got = np.load(folder / "out.npy")
        got = got[..., :3] if mode == "P" else got
        got = got > 0 if mode == "1" else got
        assert np.array_equal(got.reshape(wanted.shape), wanted), mode
    for options in ({}, {"progressive": True}, {"subsampling": 0}, {"quality": 30}):
        Image.fromarray(colour).save(folder / "in.jpg", **options)
        run(folder / "in.jpg", folder / "out.npy", "input")
        wanted = np.asarray(Image.open(folder / "in.jpg")).astype(int)
        assert np.abs(np.load(folder / "out.npy") - wanted).max() < 32, options
    return len(cases) + 2 + len(modes) + 4


def tables(folder):
    labels = (rng.random((50, 60)) * 9).astype("u1")
    values = sample(labels.shape, "float32")
    np.save(folder / "in.npy", labels)
    np.save(folder / "values.npy", values)
    pipeline = f'measure(input, open("{folder}/values.npy"), ["area", "intensity_min", "touches_border"])'
    for name in ("t.csv", "t.parquet"):
        run(folder / "in.npy", folder / name, pipeline)
    with open(folder / "t.csv") as lines:
        rows = [[row["label"], row["area"], row["intensity_min"]] for row in csv.DictReader(lines)]
    table = pq.read_table(folder / "t.parquet").to_pydict()
    for k, row in enumerate(rows):
        own = labels == k + 1
        wanted = [k + 1, own.sum(), values[own].min()]
        assert [int(row[0]), int(row[1]), np.float32(row[2])] == wanted, (row, wanted)
        assert [table["label"][k], table["area"][k], np.float32(table["intensity_min"][k])] == wanted
    assert len(rows) == 8 == len(table["label"])
    return 2


with tempfile.TemporaryDirectory() as folder:
    counts = [check(pathlib.Path(folder)) for check in (arrays, pictures, tables)]
print(sum(counts), "files agree with NumPy, Pillow and pyarrow")
