#!/usr/bin/env python3
"""Makes tests/files/tiff: small TIFFs by tifffile, libvips and ImageMagick, and what they hold.

Needs numpy, tifffile, imagecodecs, and the commands vips and convert. `manifest.json` says of every file what
tests/io_tiff_files.rs has to find: shape, dtype, axes, sizes, and the pixels: `ramp` is the formula below, anything
else an .npy file beside it.
"""

import json
import pathlib
import shutil
import subprocess
import tempfile

import numpy as np
import tifffile

FOLDER = pathlib.Path(__file__).parent.parent / "tests" / "files" / "tiff"
STEPS = [3, 7, 11, 5, 13, 17]
MANIFEST = []


def ramp(shape, dtype):
    """A smooth pattern that no two pages or channels share."""
    index = np.indices(shape, dtype=np.int64)
    value = sum(STEPS[k] * index[len(shape) - 1 - k] for k in range(len(shape)))
    if len(shape) > 1:
        value = value + index[-1] * index[-2] // 8
    if dtype == "bool":
        return value & 4 != 0
    return (value / 4).astype(dtype) if dtype.startswith("float") else value.astype(dtype)


def expect(name, array, axes=None, data="ramp", **more):
    entry = {"file": name, "shape": list(array.shape), "dtype": str(array.dtype), "axes": axes, "data": data, **more}
    MANIFEST.append(entry)


def held(name, array):
    np.save(FOLDER / name, array)
    return name


def write(name, array, writer=None, **options):
    with tifffile.TiffWriter(FOLDER / name, **(writer or {})) as file:
        file.write(array, **{"photometric": "minisblack", "metadata": None, "software": "", **options})


def codecs():
    """Every method with every predictor, in strips and tiles, in both byte orders."""
    tile, rows = {"tile": (16, 32)}, {"rowsperstrip": 5}
    for method in ["none", "packbits", "lzw", "zlib", "zstd", "adobe_deflate"]:
        code = {"none": None, "zlib": 32946}.get(method, method)
        for order, cut in [("<", rows), (">", tile)]:
            array = ramp((37, 29), "uint16")
            name = f"{method}_{'tiles' if 'tile' in cut else 'strips'}.tif"
            write(name, array, {"byteorder": order}, compression=code, **cut)
            expect(name, array)
    for dtype in "uint8 uint16 uint32 uint64 int8 int16 int32 int64".split():
        order, cut = ("<", tile) if dtype.startswith("u") else (">", rows)
        for shape, more in [((37, 29), {}), ((20, 18, 3), {"photometric": "rgb"})]:
            array = ramp(shape, dtype)
            name = f"predictor2_{dtype}_{len(shape)}d.tif"
            method = "lzw" if dtype.endswith("8") else "zlib"
            write(name, array, {"byteorder": order}, compression=method, predictor=2, **cut, **more)
            expect(name, array, "yxc" if len(shape) == 3 else None)
    for dtype, order in [("float32", "<"), ("float64", ">"), ("float32", ">"), ("float64", "<")]:
        array = ramp((2, 37, 29), dtype)
        name = f"predictor3_{dtype}_{'little' if order == '<' else 'big'}.tif"
        write(name, array, {"byteorder": order, "bigtiff": order == ">"}, compression="zstd", predictor=3, **tile)
        expect(name, array)
    for order, method, predictor in [("<", "zlib", 3), (">", "lzw", None), (">", None, None)]:
        array = ramp((2, 37, 29), "float16")
        name = f"float16_{method or 'none'}.tif"
        write(name, array, {"byteorder": order}, compression=method, predictor=predictor, **(tile if method else {}))
        expect(name, array.astype("float32"))
    array = ramp((3, 20, 18), "uint8")
    write("planes.tif", array, photometric="rgb", planarconfig="separate", compression="zlib", rowsperstrip=7)
    expect("planes.tif", array, "cyx")
    array = ramp((5, 37, 29), "uint8")
    write("pages.tif", array, compression="lzw")
    expect("pages.tif", array)
    array = ramp((300, 1000), "uint8")
    write("narrow_strips.tif", array, compression="zlib", predictor=2, rowsperstrip=1)
    expect("narrow_strips.tif", array)
    array = ramp((37, 29), "bool")
    write("bits.tif", array, compression=None, rowsperstrip=9)
    expect("bits.tif", array)
    write("bits_packed.tif", array, compression="packbits", tile=(16, 16))
    expect("bits_packed.tif", array)


def sparse():
    """Tiles that were left out."""
    array = np.zeros((64, 64), "uint16")
    array[:16, :16] = array[16:32, 32:48] = ramp((16, 16), "uint16") + 1
    tiles = (array[y : y + 16, x : x + 16] for y in range(0, 64, 16) for x in range(0, 64, 16))
    tiles = [t if t.any() else None for t in tiles]
    for name, method in [("sparse.tif", None), ("sparse_zlib.tif", "zlib")]:
        write(name, iter(tiles), shape=array.shape, dtype="uint16", tile=(16, 16), compression=method)
        expect(name, array, data=held("sparse.npy", array))


def jpeg():
    colour = (ramp((40, 33, 3), "uint8") // 2 + 40).astype("uint8")
    for name, options in [("jpeg_ycbcr.tif", {}), ("jpeg_rgb.tif", {"compressionargs": {"outcolorspace": "rgb"}})]:
        write(name, colour, photometric="rgb", compression="jpeg", tile=(16, 16), **options)
        expect(name, colour, "yxc", held(f"{name}.npy", tifffile.imread(FOLDER / name)), tolerance=3)
    grey = colour[..., 0].copy()
    write("jpeg_grey.tif", grey, compression="jpeg", rowsperstrip=16)
    expect("jpeg_grey.tif", grey, data=held("jpeg_grey.tif.npy", tifffile.imread(FOLDER / "jpeg_grey.tif")), tolerance=1)


def vips(*command):
    subprocess.run(["vips", *map(str, command)], check=True)


def by_libtiff():
    """What libvips and ImageMagick write: pyramids of pages and of SubIFDs, shared JPEG tables, masks."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "a.tif"
        grey = ramp((150, 130), "uint8")
        tifffile.imwrite(source, grey, metadata=None)
        pyramid = ["--tile", "--tile-width", "32", "--tile-height", "32", "--pyramid", "--compression", "deflate"]
        for name, more in [("vips_pages.tif", []), ("vips_subifd.tif", ["--subifd"])]:
            vips("tiffsave", source, FOLDER / name, *pyramid, *more)
            with tifffile.TiffFile(FOLDER / name) as file:
                levels = [level.asarray() for level in file.series[0].levels]
            for k, level in enumerate(levels):
                data = held(f"vips_level{k}.npy", level) if k else "ramp"
                expect(name, level, data=data, level=k, levels=len(levels))
        colour = (ramp((60, 50, 3), "uint8") // 2 + 40).astype("uint8")
        tifffile.imwrite(source, colour, photometric="rgb", metadata=None)
        vips("tiffsave", source, FOLDER / "vips_jpeg.tif", "--tile", "--compression", "jpeg", "--Q", "90")
        data = held("vips_jpeg.tif.npy", tifffile.imread(FOLDER / "vips_jpeg.tif"))
        expect("vips_jpeg.tif", colour, "yxc", data, tolerance=3)
        mask = ramp((37, 29), "bool")
        tifffile.imwrite(source, mask.astype("uint8") * 255, metadata=None)
        flags = ["-type", "bilevel", "-depth", "1", "-define", "tiff:fill-order=lsb"]
        subprocess.run(["convert", source, *flags, "-compress", "LZW", FOLDER / "magick_bits.tif"], check=True)
        expect("magick_bits.tif", mask)
        stored = tifffile.imread(FOLDER / "magick_bits.tif")
        assert stored.dtype == bool and np.array_equal(stored, mask), (stored.dtype, (stored == mask).mean())
        array = ramp((37, 29), "uint16")
        tifffile.imwrite(source, array, metadata=None)
        subprocess.run(["convert", source, "-compress", "Zip", "-endian", "MSB", FOLDER / "magick_zip.tif"], check=True)
        expect("magick_zip.tif", array)


def imagej():
    array = ramp((2, 3, 4, 21, 19), "uint16")
    options = {"resolution": (4.0, 5.0), "metadata": {"axes": "TZCYX", "unit": "um", "spacing": 0.5, "finterval": 2.0}}
    write("imagej.tif", array, {"imagej": True}, photometric=None, **options)
    scales = {"t": [2.0, "second"], "z": [0.5, "micrometer"], "y": [0.2, "micrometer"], "x": [0.25, "micrometer"]}
    expect("imagej.tif", array, "tzcyx", scales=scales)
    array = ramp((6, 21, 19), "uint8")
    write("imagej_zip.tif", array, {"imagej": True}, photometric=None, compression="zlib", metadata={"axes": "ZYX"})
    expect("imagej_zip.tif", array, "zyx")
    with tifffile.TiffFile(FOLDER / "imagej.tif") as file:
        first = file.pages[0]
        at, field = first.offset, 4
        entries = len(first.tags)
    # A large stack: the directories of all images but the first are gone.
    data = bytearray((FOLDER / "imagej.tif").read_bytes())
    link = at + 2 + 12 * entries
    data[link : link + field] = bytes(field)
    (FOLDER / "imagej_large.tif").write_bytes(data)
    expect("imagej_large.tif", ramp((2, 3, 4, 21, 19), "uint16"), "tzcyx", scales=scales)


def ome():
    array = ramp((2, 3, 4, 21, 19), "uint16")
    metadata = {
        "axes": "TCZYX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 250, "PhysicalSizeYUnit": "nm",
        "PhysicalSizeZ": 2.0, "TimeIncrement": 0.5, "TimeIncrementUnit": "min", "Channel": {"Name": ["DAPI", "GFP", "a & b"]},
    }
    scales = {"t": [0.5, "minute"], "z": [2.0, "micrometer"], "y": [250, "nanometer"], "x": [0.25, "micrometer"]}
    names = ["DAPI", "GFP", "a & b"]
    write("hyperstack.ome.tif", array, {"ome": True}, metadata=metadata, compression="zlib")
    expect("hyperstack.ome.tif", array, "tczyx", scales=scales, channels=names)
    write("contiguous.ome.tif", array, {"ome": True, "bigtiff": True}, metadata=metadata)
    expect("contiguous.ome.tif", array, "tczyx", scales=scales, channels=names)
    colour = ramp((3, 20, 18, 3), "uint8")
    write("colour.ome.tif", colour, {"ome": True}, photometric="rgb", metadata={"axes": "ZYXS"})
    expect("colour.ome.tif", colour, "zyxc")
    levels = [ramp((3, 64, 48), "uint8"), ramp((3, 32, 24), "uint8"), ramp((3, 16, 12), "uint8")]
    with tifffile.TiffWriter(FOLDER / "pyramid.ome.tif", ome=True) as file:
        options = {"compression": "lzw", "tile": (16, 16), "photometric": "minisblack", "software": ""}
        sizes = {"PhysicalSizeX": 1.0, "PhysicalSizeY": 1.0}
        file.write(levels[0], subifds=2, metadata={"axes": "ZYX", **sizes}, **options)
        for level in levels[1:]:
            file.write(level, subfiletype=1, **options)
    for k, level in enumerate(levels):
        scales = {"y": [2.0**k, "micrometer"], "x": [2.0**k, "micrometer"]}
        expect("pyramid.ome.tif", level, "zyx", level=k, levels=3, scales=scales)
    multi_file()


def multi_file():
    """One file per channel; the planes lie backwards in the second."""
    array = ramp((2, 3, 21, 19), "uint8")
    uuids = [f"urn:uuid:00000000-0000-0000-0000-00000000000{i}" for i in range(2)]
    names = ["set_c0.ome.tif", "set_c1.ome.tif"]
    pieces = ""
    for c, z in np.ndindex(2, 3):
        page = z if c == 0 else 2 - z
        pieces += f'<TiffData FirstC="{c}" FirstT="0" FirstZ="{z}" IFD="{page}" PlaneCount="1">'
        pieces += f'<UUID FileName="{names[c]}">{uuids[c]}</UUID></TiffData>'
    for c, name in enumerate(names):
        xml = (
            f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{uuids[c]}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="19" SizeY="21" SizeZ="3" SizeC="2"'
            ' SizeT="1"><Channel ID="Channel:0:0"/><Channel ID="Channel:0:1"/>' + pieces + "</Pixels></Image></OME>"
        )
        pages = array[c] if c == 0 else array[c, ::-1]
        write(name, pages, description=xml, compression="zlib", rowsperstrip=8)
        expect(name, array, "czyx")


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    codecs()
    sparse()
    jpeg()
    by_libtiff()
    imagej()
    ome()
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in MANIFEST)
    (FOLDER / "manifest.json").write_text(f"[\n{lines}\n]\n")
    total = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(len(MANIFEST), "entries,", total, "bytes")
    assert total < 400_000


if __name__ == "__main__":
    main()
