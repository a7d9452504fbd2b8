#!/usr/bin/env python3
"""Writes tests/files/zarr: small stores made by zarr-python, in the variants that tests/io_zarr.rs reads.

Needs zarr >= 3.1 and numcodecs. Element i (in C order) of every array is (7 i + 3) mod 200, less 100 where the type has
a sign, halved for floats; true where i mod 3 is 0.
"""
import shutil
import warnings
from pathlib import Path

import numcodecs
import numcodecs.zarr3
import numpy as np
import zarr
from zarr.codecs import (BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec)

warnings.simplefilter("ignore")
ROOT = Path(__file__).parent.parent / "tests/files/zarr"
DTYPES = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float32 float64".split()


def values(shape, dtype):
    i = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return i % 3 == 0
    v = (7 * i + 3) % 200
    if dtype.kind in "if":
        v = v - 100
    return (v / 2 if dtype.kind == "f" else v).astype(dtype)


def v2(name, dtype="<u2", shape=(5, 7), chunks=(3, 4), data=None, **options):
    options = dict(compressors=None, fill_value=0) | options
    array = zarr.create_array(ROOT / name, zarr_format=2, shape=shape, chunks=chunks, dtype=dtype,
                              config={"write_empty_chunks": False, "order": options.pop("memory", "C")}, **options)
    array[...] = values(shape, dtype) if data is None else data
    return array


def v3(name, dtype="uint16", shape=(5, 7), chunks=(3, 4), data=None, **options):
    options = dict(compressors=None, fill_value=0) | options
    array = zarr.create_array(ROOT / name, zarr_format=3, shape=shape, chunks=chunks, dtype=dtype,
                              config={"write_empty_chunks": False}, **options)
    array[...] = values(shape, dtype) if data is None else data
    return array


def arrays():
    for dtype in DTYPES:
        v2(f"v2_{dtype}", np.dtype(dtype).newbyteorder("<"), compressors=numcodecs.Zstd())
        v3(f"v3_{dtype}", dtype, compressors=ZstdCodec())
    for dtype in "uint16 int32 float64".split():
        v2(f"v2_big_{dtype}", np.dtype(dtype).newbyteorder(">"))
        v3(f"v3_big_{dtype}", dtype, serializer=BytesCodec(endian="big"))
    v2("v2_fortran", order="F", shape=(3, 5, 6), chunks=(2, 3, 6))
    v2("v2_slash", chunk_key_encoding={"name": "v2", "separator": "/"})
    v2("v2_line", shape=(11,), chunks=(4,))
    v2("v2_scalar", shape=(), chunks=())
    v2("v2_wide", chunks=(10, 10))
    for name, codec in dict(zlib=numcodecs.Zlib(), gzip=numcodecs.GZip(), bz2=numcodecs.BZ2(), lz4=numcodecs.LZ4()).items():
        v2(f"v2_{name}", compressors=codec)
    for cname in "blosclz lz4 lz4hc zlib zstd".split():
        for shuffle in (0, 1, 2):
            v2(f"v2_blosc_{cname}_{shuffle}", compressors=numcodecs.Blosc(cname=cname, shuffle=shuffle), shape=(40, 70), chunks=(40, 40))
    v2("v2_shuffle", filters=[numcodecs.Shuffle(2)], compressors=numcodecs.Zlib())
    v2("v2_fletcher", filters=[numcodecs.Fletcher32()], compressors=numcodecs.Zlib())
    v2("v2_delta", filters=[numcodecs.Delta("<u2")])
    holes = values((5, 7), "u2")
    holes[:3, 4:] = 9
    v2("v2_missing", data=holes, fill_value=9)
    v2("v2_nofill", fill_value=None)
    nan = values((5, 7), "f4")
    nan[3:, :4] = np.nan
    v2("v2_nan", "<f4", data=nan, fill_value=np.nan)

    v3("v3_names", dimension_names=("y", "x"))
    v3("v3_times", dimension_names=("time", "x"))
    v3("v3_scalar", shape=(), chunks=())
    v3("v3_v2keys", chunk_key_encoding={"name": "v2", "separator": "."})
    v3("v3_dots", chunk_key_encoding={"name": "default", "separator": "."})
    v3("v3_gzip", compressors=GzipCodec())
    v3("v3_sums", compressors=[ZstdCodec(checksum=True), Crc32cCodec()])
    v3("v3_blosc", compressors=BloscCodec(cname="zstd", shuffle="bitshuffle", typesize=2))
    v3("v3_transpose", shape=(3, 5, 6), chunks=(2, 3, 6), filters=[TransposeCodec(order=(2, 0, 1))])
    v3("v3_shuffle", compressors=[numcodecs.zarr3.Shuffle(elementsize=2), numcodecs.zarr3.Zlib()])
    v3("v3_missing", data=holes, fill_value=9)
    v3("v3_nan", "float32", data=nan, fill_value=np.nan)
    v3("v3_float16", "float16")

    def shard(name, location="end", chunks=(2, 2), shards=(4, 6), codecs=None, **options):
        codec = ShardingCodec(chunk_shape=chunks, codecs=codecs or [BytesCodec(), ZstdCodec()], index_location=location)
        v3(name, chunks=shards, serializer=codec, **options)

    shard("v3_shard")
    shard("v3_shard_start", "start")
    shard("v3_shard_big", codecs=[BytesCodec(endian="big")])
    shard("v3_shard_sums", codecs=[TransposeCodec(order=(1, 0)), BytesCodec(), GzipCodec(), Crc32cCodec()])
    shard("v3_shard_missing", data=holes, fill_value=9, chunks=(3, 2), shards=(3, 4))


def datasets(scales):
    return [{"path": str(i), "coordinateTransformations": s} for i, s in enumerate(scales)]


def images():
    axes = [{"name": "c", "type": "channel"}, {"name": "z", "type": "space", "unit": "micrometer"},
            {"name": "y", "type": "space", "unit": "micrometer"}, {"name": "x", "type": "space", "unit": "micrometer"}]
    scales = [[{"type": "scale", "scale": [1, 2, 0.5 * 2**k, 0.5 * 2**k]},
               {"type": "translation", "translation": [0, 10, 0.25 * (2**k - 1), 0.25 * (2**k - 1)]}] for k in range(2)]
    omero = {"channels": [{"label": "DAPI", "color": "0000FF"}, {"label": "GFP", "color": "00FF00"}]}
    shapes = [(2, 3, 5, 7), (2, 3, 3, 4)]

    group = zarr.create_group(ROOT / "ome04.zarr", zarr_format=2)
    group.attrs.update({"multiscales": [{"version": "0.4", "name": "test", "axes": axes, "datasets": datasets(scales)}],
                        "omero": omero})
    for k, shape in enumerate(shapes):
        v2(f"ome04.zarr/{k}", shape=shape, chunks=(1, 3, 5, 7), chunk_key_encoding={"name": "v2", "separator": "/"})
    group = zarr.create_group(ROOT / "ome05.zarr", zarr_format=3)
    group.attrs.update({"ome": {"version": "0.5", "omero": omero, "multiscales": [
        {"name": "test", "axes": axes, "datasets": datasets(scales),
         "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1, 2]}]}]}})
    for k, shape in enumerate(shapes):
        v3(f"ome05.zarr/{k}", shape=shape, chunks=(1, 3, 5, 7), dimension_names="czyx")
    labels = zarr.create_group(ROOT / "ome05.zarr/labels", zarr_format=3)
    labels.attrs.update({"ome": {"version": "0.5", "labels": ["cells"]}})
    cells = zarr.create_group(ROOT / "ome05.zarr/labels/cells", zarr_format=3)
    cells.attrs.update({"ome": {"version": "0.5", "image-label": {}, "multiscales": [
        {"axes": axes[1:], "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [2, 0.5, 0.5]}]}]}]}})
    v3("ome05.zarr/labels/cells/0", "uint32", shape=(3, 5, 7), chunks=(3, 5, 7))

    raw = zarr.create_group(ROOT / "bf2raw.zarr", zarr_format=2)
    raw.attrs.update({"bioformats2raw.layout": 3})
    series = raw.create_group("0")
    series.attrs.update({"multiscales": [{"version": "0.4", "axes": axes[2:], "datasets": datasets(
        [[{"type": "scale", "scale": [1, 1]}]])}]})
    v2("bf2raw.zarr/0/0")
    old = zarr.create_group(ROOT / "ome01.zarr", zarr_format=2)
    old.attrs.update({"multiscales": [{"version": "0.1", "datasets": [{"path": "0"}]}]})
    v2("ome01.zarr/0", shape=(1, 1, 1, 5, 7), chunks=(1, 1, 1, 5, 7))


shutil.rmtree(ROOT, ignore_errors=True)
arrays()
images()
