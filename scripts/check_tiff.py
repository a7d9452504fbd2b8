#!/usr/bin/env python3
"""Holds our TIFFs against tifffile, both ways: `scripts/check_tiff.py`, from the repository, with numpy and tifffile.

It makes files in a temporary folder, has the ignored test `convert_jobs` of tests/io_tiff.rs convert them, and
compares what came out.
"""

import itertools
import os
import pathlib
import subprocess
import tempfile

import numpy as np
import tifffile

DTYPES = "uint8 uint16 uint32 uint64 int8 int16 int32 int64 float32 float64".split()


class Jobs:
    def __init__(self, folder):
        self.folder, self.lines, self.checks = folder, [], []

    def add(self, ending_in, ending_out, axes, check, options=""):
        stem = self.folder / f"{len(self.lines):05}"
        source, target = f"{stem}_in{ending_in}", f"{stem}_out{ending_out}"
        self.lines.append(f"{source}\t{target}\t{axes}\t{options}\n")
        self.checks.append((check, target))
        return source

    def run(self):
        jobs = self.folder / "jobs"
        jobs.write_text("".join(self.lines))
        test = ["cargo", "test", "-q", "--test", "io_tiff", "--", "--ignored", "convert_jobs"]
        subprocess.run(test, check=True, env={**os.environ, "TILEWISE_JOBS": str(jobs)}, stdout=subprocess.DEVNULL)
        for check, target in self.checks:
            check(target)
        print(len(self.checks), "files agree with tifffile", tifffile.__version__)


def written_by_us(jobs, rng):
    """npy -> our TIFF -> tifffile."""
    cases = [((37, 29), ""), ((5, 37, 29), ""), ((37, 29, 3), "yxc"), ((4, 37, 29, 4), "zyxc")]
    cases += [((2, 3, 37, 29), "tzyx"), ((2, 3, 4, 37, 29), "tczyx"), ((900, 700), ""), ((3, 2, 1, 37, 29), "")]
    for dtype, (shape, axes) in itertools.product(["bool", *DTYPES], cases):
        array = (rng.random(shape) * 100).astype(dtype) if dtype != "bool" else rng.random(shape) > 0.5
        expected = array.astype("uint8") * 255 if dtype == "bool" else array

        def check(target, expected=expected, axes=axes):
            with tifffile.TiffFile(target) as file:
                back = file.asarray()
                assert back.dtype == expected.dtype, (back.dtype, expected.dtype)
                assert np.array_equal(back, np.squeeze(expected)) or np.array_equal(back, expected), back.shape
                assert len(file.series) == 1
                if axes == "yxc":
                    assert file.pages[0].photometric == tifffile.PHOTOMETRIC.RGB
                if axes == "tczyx":
                    assert file.series[0].axes == "TCZYX", file.series[0].axes

        np.save(jobs.add(".npy", ".tif", axes, check), array)


def tiles_by_us(jobs, rng):
    """npy -> our tiles of every kind -> tifffile."""
    methods = ["none", "lzw", "deflate", "deflate:1", "zstd", "zstd:9"]
    shapes = [((300, 270), "yx"), ((3, 40, 30), "zyx"), ((300, 270, 3), "yxc"), ((2, 20, 30, 2), "zyxc")]
    for (i, dtype), method, (shape, axes) in itertools.product(enumerate(["bool", *DTYPES]), methods, shapes):
        if (i + len(axes)) % 2 and method in ("deflate:1", "zstd:9"):
            continue
        array = np.cumsum(rng.random(shape), -1) * 3
        array = array.astype(dtype) if dtype != "bool" else array % 2 > 1
        expected = array.astype("uint8") * 255 if dtype == "bool" else array

        def check(target, expected=expected, method=method, dtype=dtype):
            with tifffile.TiffFile(target) as file:
                assert np.array_equal(file.asarray(), expected), target
                page = file.pages[0]
                names = {"none": 1, "lzw": 5, "deflate": 8, "zstd": 50000}
                assert page.compression == names[method.split(":")[0]] and page.is_tiled
                assert (page.tilelength, page.tilewidth) == (32, 48)
                assert len(file.pages) == (expected.shape[0] if expected.ndim > 3 or expected.shape[0] < 5 else 1)
                predicted = method != "none" and dtype not in ("bool", "uint64", "int64")
                assert page.predictor == (1 if not predicted else 3 if dtype.startswith("float") else 2)

        options = f"compression={method};chunks=32,48"
        np.save(jobs.add(".npy", ".tif", axes, check, options), array)


def ome_by_us(jobs, rng):
    """npy -> our OME-TIFF -> tifffile, tag by tag."""
    cases = [((37, 29), "yx", 1), ((2, 3, 4, 37, 29), "tczyx", 1), ((3, 2, 37, 29), "zcyx", 1), ((3, 37, 29, 3), "zyxc", 1)]
    cases += [((2, 600, 500), "cyx", 3), ((600, 500, 3), "yxc", 3), ((2, 3, 1100, 30), "czyx", 4)]
    for (shape, axes, levels), dtype in itertools.product(cases, ["uint8", "uint16", "int32", "float32", "float64", "bool"]):
        array = (rng.random(shape) * 200).astype(dtype) if dtype != "bool" else rng.random(shape) > 0.5
        expected = array.astype("uint8") * 255 if dtype == "bool" else array
        names = ["DAPI", "a & <b>"] if axes.count("c") and shape[axes.index("c")] == 2 else []

        def check(target, expected=expected, axes=axes, levels=levels, names=names, dtype=dtype):
            with tifffile.TiffFile(target) as file:
                assert file.is_ome
                series = file.series[0]
                assert np.array_equal(series.asarray(), expected), (target, series.shape)
                assert series.axes == axes.upper() if axes[-1] != "c" else axes[:-1].upper() + "S", series.axes
                pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
                assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"]) == (0.25, "µm")
                assert (pixels["PhysicalSizeY"], pixels["PhysicalSizeYUnit"]) == (500.0, "nm")
                if names:
                    assert [c["Name"] for c in pixels["Channel"]] == names
                assert len(series.levels) == levels, (len(series.levels), levels)
                for above, level in zip(series.levels, series.levels[1:]):
                    row = axes.index("y")
                    assert level.keyframe.subfiletype == 1
                    compare_level(above.asarray(), level.asarray(), row, dtype)

        options = f"x=0.25 micrometer;y=500 nanometer;chunks=128,128;pyramid={'true' if levels > 1 else 'false'}"
        if names:
            options += ";labels=" + ",".join(names)
        np.save(jobs.add(".npy", ".ome.tif", axes, check, options), array)


def compare_level(above, below, row, dtype):
    """Halves along y and x: means, rounded half to even; masks take the first."""
    index = [slice(None)] * above.ndim
    index[row] = index[row + 1] = slice(None, None, 2)
    first = above[tuple(index)]
    if dtype == "bool":
        assert np.array_equal(below, first)
        return
    pad = [(0, n % 2 if a in (row, row + 1) else 0) for a, n in enumerate(above.shape)]
    wide = np.pad(above.astype("float64"), pad, constant_values=np.nan)
    parts = [wide[tuple(slice(i, None, 2) if a == row else slice(j, None, 2) if a == row + 1 else s
                        for a, s in enumerate([slice(None)] * above.ndim))] for i in (0, 1) for j in (0, 1)]
    mean = np.nanmean(parts, 0)
    assert np.array_equal(below, (mean if dtype.startswith("float") else np.round(mean)).astype(below.dtype))


def written_by_tifffile(jobs, rng):
    """tifffile -> our npy."""

    def add(array, expected=None, writer=None, **options):
        expected = array if expected is None else expected

        def check(target):
            back = np.load(target)
            assert back.dtype == expected.dtype and np.array_equal(back, expected), (options, writer, back.shape)

        source = jobs.add(".tif", ".npy", "", check)
        with tifffile.TiffWriter(source, **(writer or {})) as file:
            file.write(array, **{"photometric": "minisblack", **options})

    grid = itertools.product([False, True], "<>", [None, (16, 16), (32, 16)], [None, 7], [True, False])
    rgb, planes = {"photometric": "rgb"}, {"photometric": "rgb", "planarconfig": "separate"}
    shapes = [((37, 29), {}), ((5, 37, 29), {}), ((37, 29, 3), rgb), ((4, 37, 29, 3), rgb), ((3, 37, 29), planes)]
    for (big, order, tile, rows, contiguous), (shape, more) in itertools.product(grid, shapes):
        array = (rng.random(shape) * 60000).astype("uint16")
        writer = {"bigtiff": big, "byteorder": order}
        add(array, writer=writer, tile=tile, rowsperstrip=rows, contiguous=contiguous, **more)
    for dtype in DTYPES:
        add((rng.random((3, 20, 30)) * 100).astype(dtype))
    array = np.arange(2 * 3 * 4 * 20 * 30, dtype="uint16").reshape(2, 3, 4, 20, 30)
    add(array, metadata={"axes": "TZCYX"})
    add(array, writer={"imagej": True})


def main():
    with tempfile.TemporaryDirectory() as name:
        jobs = Jobs(pathlib.Path(name))
        written_by_us(jobs, np.random.default_rng(0))
        written_by_tifffile(jobs, np.random.default_rng(1))
        tiles_by_us(jobs, np.random.default_rng(2))
        ome_by_us(jobs, np.random.default_rng(3))
        jobs.run()


if __name__ == "__main__":
    main()
