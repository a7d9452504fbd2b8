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

    def add(self, ending_in, ending_out, axes, check):
        stem = self.folder / f"{len(self.lines):05}"
        source, target = f"{stem}_in{ending_in}", f"{stem}_out{ending_out}"
        self.lines.append(f"{source}\t{target}\t{axes}\n")
        self.checks.append((check, target))
        return source

    def run(self):
        jobs = self.folder / "jobs"
        jobs.write_text("".join(self.lines))
        test = ["cargo", "test", "-q", "--release", "--test", "io_tiff", "--", "--ignored", "convert_jobs"]
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
    add(array, expected=array.reshape(-1, 20, 30), writer={"imagej": True})


def main():
    with tempfile.TemporaryDirectory() as name:
        jobs = Jobs(pathlib.Path(name))
        written_by_us(jobs, np.random.default_rng(0))
        written_by_tifffile(jobs, np.random.default_rng(1))
        jobs.run()


if __name__ == "__main__":
    main()
