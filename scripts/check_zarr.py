#!/usr/bin/env python3
"""Holds our Zarr and OME-Zarr outputs against other programs: `scripts/check_zarr.py`, from the repository.

Needs numpy and zarr >= 3.1; ome-zarr (the reader) and ome-zarr-models (the validator) are used where they are
installed. It makes arrays in a temporary folder, has the ignored test `write_jobs` of tests/io_zarr_write.rs write
them, and compares pixels and metadata.
"""

import itertools
import os
import pathlib
import subprocess
import tempfile

import numpy as np
import zarr

try:
    from ome_zarr_models.v04 import Image as Image04
    from ome_zarr_models.v05 import Image as Image05
except ImportError:
    Image04 = Image05 = None
try:
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader
except ImportError:
    Reader = None

DTYPES = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float32 float64".split()


class Jobs:
    def __init__(self, folder):
        self.folder, self.lines, self.checks = folder, [], []

    def add(self, array, check, ending=".zarr", axes="", version="", compression="", chunks="", shards="", target=None):
        stem = f"{len(self.lines):05}"
        source = self.folder / f"{stem}.npy"
        target = target or self.folder / f"{stem}{ending}"
        np.save(source, array)
        self.lines.append("\t".join(map(str, [source, target, axes, version, compression, chunks, shards])) + "\n")
        self.checks.append((check, target, array))
        return target

    def run(self):
        jobs = self.folder / "jobs"
        jobs.write_text("".join(self.lines))
        test = ["cargo", "test", "-q", "--test", "io_zarr_write", "--", "--ignored", "write_jobs"]
        subprocess.run(test, check=True, env={**os.environ, "TILEWISE_JOBS": str(jobs)}, stdout=subprocess.DEVNULL)
        for check, target, array in self.checks:
            check(target, array)
        print(len(self.checks), "stores agree with zarr-python", zarr.__version__)


def sample(rng, shape, dtype):
    if dtype == "bool":
        return rng.random(shape) > 0.5
    array = (rng.random(shape) * 100).astype(dtype)
    array.flat[: array.size // 2] = 0
    return array


def plain(jobs, rng):
    def check(target, array):
        back = zarr.open_array(target, mode="r")
        assert back.dtype == array.dtype and back.shape == array.shape
        assert np.array_equal(back[...], array), target

    shapes = [(), (17,), (37, 29), (5, 37, 29), (2, 3, 4, 7, 9)]
    for dtype, shape, version in itertools.product(DTYPES, shapes, "23"):
        jobs.add(sample(rng, shape, dtype), check, version=version)
    for compression, version in itertools.product(["none", "zstd:9", "gzip", "blosc"], "23"):
        jobs.add(sample(rng, (37, 29), "uint16"), check, version=version, compression=compression, chunks="8,16")
    for compression in ["none", "zstd", "gzip", "blosc"]:
        jobs.add(sample(rng, (5, 37, 29), "uint16"), check, compression=compression, chunks="2,8,8", shards="4,16,32")


def reduced(array, axes):
    """The level below: means of what exists of every window, rounded half to even."""
    padded = array.astype("float64")
    counts = np.ones_like(padded)
    for axis in axes:
        if padded.shape[axis] % 2:
            edge = [(0, 0)] * padded.ndim
            edge[axis] = (0, 1)
            padded, counts = np.pad(padded, edge), np.pad(counts, edge)
        pairs = [slice(None)] * padded.ndim
        even, odd = list(pairs), list(pairs)
        even[axis], odd[axis] = slice(0, None, 2), slice(1, None, 2)
        padded, counts = (a[tuple(even)] + a[tuple(odd)] for a in (padded, counts))
    mean = padded / counts
    return mean.astype(array.dtype) if array.dtype.kind == "f" else np.rint(mean).astype(array.dtype)


def images(jobs, rng):
    def attributes(target, version):
        group = zarr.open_group(target, mode="r")
        return dict(group.attrs) if version == "0.4" else group.attrs["ome"]

    def checker(version, axes, order):
        def check(target, array):
            stored = array.transpose([axes.index(a) for a in order])
            image = attributes(target, version)["multiscales"][0]
            assert "".join(a["name"] for a in image["axes"]) == order
            group = zarr.open_group(target, mode="r")
            for k, dataset in enumerate(image["datasets"]):
                level = group[dataset["path"]]
                same = np.allclose if stored.dtype.kind == "f" else np.array_equal  # floats are added up in another order
                assert same(level[...], stored), (target, k)
                scale = dataset["coordinateTransformations"][0]["scale"]
                assert np.isclose(scale[order.index("x")], 0.5 * 2**k)
                shift = dataset["coordinateTransformations"][1]["translation"][order.index("x")]
                assert np.isclose(shift, 10 + 0.5 * (2**k - 1) / 2), shift
                # Pixels of z lie four times as far apart as those of x: z is not halved.
                stored = reduced(stored, [order.index("y"), order.index("x")])
            assert k == (2 if max(array.shape) > 512 else 0), k
            if "c" in axes:
                labels = [c["label"] for c in attributes(target, version)["omero"]["channels"]]
                assert labels == [f"channel {i}" for i in range(array.shape[axes.index("c")])]
            if Image04:
                (Image04 if version == "0.4" else Image05).from_zarr(zarr.open_group(target, mode="r"))
            if Reader:
                nodes = list(Reader(parse_url(str(target)))())
                assert len(nodes[0].data) == k + 1
                assert np.array_equal(np.asarray(nodes[0].data[0]), array.transpose([axes.index(a) for a in order]))

        return check

    cases = [((601, 530), "yx", "yx"), ((40, 50, 3), "yxc", "cyx"), ((3, 2, 5, 40, 50), "tczyx", "tczyx")]
    cases += [((2, 3, 601, 530), "zcyx", "czyx"), ((5, 601, 530), "zyx", "zyx")]
    for (shape, axes, order), version, dtype in itertools.product(cases, ["0.4", "0.5"], ["uint8", "int16", "float64"]):
        array = sample(rng, shape, dtype)
        jobs.add(array, checker(version, axes, order), ".ome.zarr", axes, version)

    def check_label(target, array):
        assert np.array_equal(zarr.open_array(target / "0", mode="r")[...], array)
        listed = zarr.open_group(target.parent, mode="r").attrs
        assert target.name in listed.get("ome", listed)["labels"]
        assert "image-label" in zarr.open_group(target, mode="r").attrs.asdict().get("ome", zarr.open_group(target, mode="r").attrs)

    for version in ["0.4", "0.5"]:
        array = sample(rng, (40, 50), "uint16")
        image = jobs.add(array, checker(version, "yx", "yx"), ".ome.zarr", "yx", version)
        jobs.add(sample(rng, (40, 50), "uint32"), check_label, axes="yx", target=image / "labels" / "cells")


with tempfile.TemporaryDirectory() as folder:
    jobs = Jobs(pathlib.Path(folder))
    plain(jobs, np.random.default_rng(0))
    images(jobs, np.random.default_rng(1))
    jobs.run()
