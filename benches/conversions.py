#!/usr/bin/env python3
"""Times conversions beside libvips, zarrs_reencode, and tifffile with zarr-python, side by side in one run.

    cargo build --release
    python3 -m venv VENV && VENV/bin/pip install numpy tifffile imagecodecs zarr
    cargo install zarrs_tools --root ZARRS            # for zarrs_reencode; left out where it is not there
    python3 benches/conversions.py target/release/tilewise DATA VENV/bin/python --zarrs ZARRS/bin/zarrs_reencode > table.md

DATA is a folder for inputs (made on the first run, 2 GiB of pixels each) and outputs (deleted after every run). A cell is the median of
the rounds in seconds, from the start of the process until everything it wrote is fsynced, and the peak memory of the process in MiB.
Python's start and imports are not counted. Everyone takes two threads; rounds take turns. The first output of tilewise is read back by
tifffile or zarr-python and compared with the input, pixel by pixel.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import namedtuple

Case = namedtuple("Case", "name what source target options peers")
# What a peer writes where it does not know the format is the nearest that it knows.
CASES = [
    Case("a", "tiled deflate BigTIFF → OME-Zarr 0.5 with pyramid", "a.tif", "out.ome.zarr", [], {
        "vips tiffsave": ("out.tif", "vips tiffsave {source} {target} --tile --pyramid --compression zstd --level 3 --bigtiff --tile-width 512 --tile-height 512"),
        "vips dzsave": ("out.zip", "vips dzsave {source} {target} --tile-size 512 --overlap 0 --suffix .tif[compression=zstd,level=3]"),
        "python": ("out.ome.zarr", "tiff_to_ome_zarr"),
    }),
    Case("b", "sharded Zarr → pyramidal OME-TIFF (deflate)", "b.zarr", "out.ome.tif", [], {
        "python": ("out.ome.tif", "zarr_to_ome_tiff"),
    }),
    Case("c", "1000-page deflate TIFF → Zarr with chunks of 64³", "c.tif", "out.zarr", ["--chunks", "64,64,64", "--axes", "zyx"], {
        "python": ("out.zarr", "pages_to_cubes"),
    }),
    Case("d", "sharded Zarr → Zarr with chunks of 256² (zstd)", "b.zarr", "out.zarr", ["--chunks", "256,256"], {
        "zarrs_reencode": ("out.zarr", "zarrs_reencode {source} {target} --chunk-shape 256,256 --shard-shape 256,256"),
        "python": ("out.zarr", "zarr_to_zarr"),
    }),
]


# ------------------------------------------------------------------------------------------------ in the peers' Python
def stripes(height, width, rows, seed=0):
    """An image in stripes of rows: a smooth pattern and some noise, the same on every machine."""
    import numpy as np
    random = np.random.default_rng(seed)
    noise = random.integers(0, 64, (rows, width), dtype="u2")
    x = np.arange(width)
    for y in range(0, height, rows):
        n = min(rows, height - y)
        wave = np.sin(x / 97)[None] * np.cos(np.arange(y, y + n) / 61)[:, None] * 4000 + 5000
        yield wave.astype("u2") + np.roll(noise, y, 1)[:n]


def make(folder, small):
    import numpy as np
    import tifffile
    import zarr
    height, width = (16384, 8192) if small else (32768, 32768)

    def tiles():
        for stripe in stripes(height, width, 256):
            for x in range(0, width, 256):
                yield np.ascontiguousarray(stripe[:, x:x + 256])

    tifffile.imwrite(f"{folder}/a.tif", tiles(), shape=(height, width), dtype="u2", tile=(256, 256), compression="zlib", bigtiff=True, maxworkers=2)
    chunk, shard = 512, 4096
    z = zarr.create_array(f"{folder}/b.zarr", shape=(height, width), dtype="u2", chunks=(chunk, chunk), shards=(shard, shard), dimension_names=("y", "x"))
    for i, stripe in enumerate(stripes(height, width, shard)):
        z[i * shard:(i + 1) * shard] = stripe
    side = 368 if small else 1024
    tifffile.imwrite(f"{folder}/c.tif", (next(stripes(side, side, side, seed)) for seed in range(1000)), shape=(1000, side, side), dtype="u2",
                     compression="zlib", bigtiff=True)


def halves(a):
    import numpy as np
    a = a[:a.shape[0] // 2 * 2, :a.shape[1] // 2 * 2].astype("u4")
    return ((a[::2, ::2] + a[1::2, ::2] + a[::2, 1::2] + a[1::2, 1::2] + 2) // 4).astype(np.uint16)


def tiff_to_ome_zarr(source, target):
    import tifffile
    import zarr
    image = zarr.open(tifffile.imread(source, aszarr=True), mode="r")
    group = zarr.create_group(target, zarr_format=3)
    shape, level, datasets = image.shape, 0, []
    while True:
        z = group.create_array(str(level), shape=shape, dtype="u2", chunks=(512, 1024), shards=(4096, 8192) if level == 0 else None, dimension_names=("y", "x"))
        step = 4096 if level == 0 else 1024
        for y in range(0, shape[0], step):
            for x in range(0, shape[1], 8192):
                part = (slice(y, y + step), slice(x, x + 8192))
                z[part] = image[part] if level == 0 else halves(before[2 * y:2 * (y + step), 2 * x:2 * (x + 8192)])
        scale = {"type": "scale", "scale": [2.0**level] * 2}
        datasets.append({"path": str(level), "coordinateTransformations": [scale]})
        if max(shape) <= 256:
            break
        before, shape, level = z, tuple(n // 2 for n in shape), level + 1
    axes = [{"name": n, "type": "space"} for n in "yx"]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}


def zarr_to_ome_tiff(source, target):
    import tempfile
    import numpy as np
    import tifffile
    import zarr
    image = zarr.open_array(source, mode="r")
    shapes = [image.shape]
    while max(shapes[-1]) > 256:
        shapes.append(tuple(n // 2 for n in shapes[-1]))

    def tiles(level):
        for y in range(0, level.shape[0], 256):
            stripe = np.asarray(level[y:y + 256])
            for x in range(0, level.shape[1], 256):
                yield np.ascontiguousarray(stripe[:, x:x + 256])

    how = dict(tile=(256, 256), compression="zlib", dtype="u2", maxworkers=2)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(target)) as scratch, tifffile.TiffWriter(target, bigtiff=True, ome=True) as tiff:
        tiff.write(tiles(image), shape=image.shape, subifds=len(shapes) - 1, metadata={"axes": "YX"}, **how)
        before = image
        for i, shape in enumerate(shapes[1:]):
            level = np.lib.format.open_memmap(f"{scratch}/{i}", "w+", "u2", shape)
            for y in range(0, shape[0], 256):
                level[y:y + 256] = halves(np.asarray(before[2 * y:2 * y + 512]))
            tiff.write(tiles(level), shape=shape, subfiletype=1, **how)
            before = level


def pages_to_cubes(source, target):
    import tifffile
    import zarr
    with tifffile.TiffFile(source) as tiff:
        pages = len(tiff.pages)
        shape = (pages, *tiff.pages[0].shape)
        z = zarr.create_array(target, shape=shape, dtype="u2", chunks=(64, 64, 64))
        for first in range(0, pages, 64):
            z[first:first + 64] = tiff.asarray(key=slice(first, min(first + 64, pages)), maxworkers=2)


def zarr_to_zarr(source, target):
    import zarr
    image = zarr.open_array(source, mode="r")
    z = zarr.create_array(target, shape=image.shape, dtype="u2", chunks=(256, 256))
    for y in range(0, image.shape[0], 4096):
        for x in range(0, image.shape[1], 4096):
            z[y:y + 4096, x:x + 4096] = image[y:y + 4096, x:x + 4096]


def peer(function, source, target):
    """Converts; prints seconds and the peak."""
    import numpy, tifffile, zarr  # noqa: F401
    zarr.config.set({"threading.max_workers": 2, "async.concurrency": 2})
    start = time.perf_counter()
    globals()[function](source, target)
    sync(target)
    seconds = time.perf_counter() - start
    with open("/proc/self/status") as f:
        peak = next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))
    print(json.dumps(dict(seconds=seconds, peak_bytes=peak)))


def check(source, target):
    """Compares the pixels of input and output, in stripes."""
    import numpy as np
    import tifffile
    import zarr

    def opened(path):
        if path.endswith(".tif"):
            z = zarr.open(tifffile.imread(path, aszarr=True), mode="r")
            return z["0"] if isinstance(z, zarr.Group) else z
        return zarr.open_array(f"{path}/0" if path.endswith(".ome.zarr") else path, mode="r")

    one, other = opened(source), opened(target)
    assert one.shape == other.shape, (one.shape, other.shape)
    step = 64 if one.ndim == 3 else 4096
    for i in range(0, one.shape[0], step):
        assert np.array_equal(one[i:i + step], other[i:i + step]), f"{source} and {target} differ in {i}"


# ------------------------------------------------------------------------------------------------------ in this process
def sync(path):
    for folder, _, files in os.walk(path) if os.path.isdir(path) else [(os.path.dirname(path), [], [os.path.basename(path)])]:
        for name in files:
            with open(os.path.join(folder, name), "rb") as f:
                os.fsync(f.fileno())


def remove(path):
    shutil.rmtree(path, ignore_errors=True)
    if os.path.exists(path):
        os.remove(path)


class Bench:
    def __init__(self, a):
        self.a = a
        self.env = dict(os.environ, OMP_NUM_THREADS="1", VIPS_CONCURRENCY="2", RAYON_NUM_THREADS="2")

    def child(self, command):
        done = subprocess.run(command, capture_output=True, text=True, env=self.env)
        if done.returncode:
            print(f"{' '.join(command)[:300]}\n{done.stderr[-900:]}", file=sys.stderr)
            return None
        return json.loads(done.stdout)

    def ours(self, one):
        target = f"{self.a.folder}/{one.target}"
        command = [self.a.binary, "convert", f"{self.a.folder}/{one.source}", target, *one.options, "--memory-limit", self.a.limit]
        start = time.perf_counter()
        found = self.child(command + ["--threads", "2", "--quiet", "--json"])
        if found is None:
            return None, ""
        seconds = time.perf_counter() - start
        decoded = "; ".join(f"{d['decodes'] / d['chunks']:.2f} times" for p in found["passes"] for d in p["decoded"])
        return (seconds, found["peak_bytes"], found["predicted_bytes"]), decoded

    def program(self, command, source, target):
        words = [w.format(source=source, target=target) for w in command.split()]
        words[0] = self.a.zarrs if words[0] == "zarrs_reencode" else shutil.which(words[0])
        if not words[0]:
            return "absent"
        start = time.perf_counter()
        child = subprocess.Popen(words, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        message = child.stderr.read().decode()
        _, status, used = os.wait4(child.pid, 0)
        if status:
            print(f"{' '.join(words)}: {message[-300:]}", file=sys.stderr)
            return None
        sync(target)
        return time.perf_counter() - start, used.ru_maxrss * 1024

    def peer(self, one, who):
        name, command = one.peers[who]
        source, target = f"{self.a.folder}/{one.source}", f"{self.a.folder}/{name}"
        remove(target)
        try:
            if who != "python":
                return self.program(command, source, target)
            found = self.child([self.a.python, os.path.abspath(__file__), "--peer", command, source, target])
            return found and (found["seconds"], found["peak_bytes"])
        finally:
            remove(target)

    def rows(self, one):
        seen, decoded = {who: [] for who in ("tilewise", *one.peers)}, ""
        target = f"{self.a.folder}/{one.target}"
        for i in range(self.a.rounds):
            remove(target)
            result, decoded = self.ours(one)
            seen["tilewise"].append(result)
            if i == 0 and result:
                subprocess.run([self.a.python, os.path.abspath(__file__), "--check", f"{self.a.folder}/{one.source}", target], check=True)
            remove(target)
            for who in one.peers:
                seen[who].append(self.peer(one, who))
        mine = self.middle(seen["tilewise"])
        for who, results in seen.items():
            found = self.middle(results)
            if found == "absent":
                continue
            cells = [one.what, who] + ([f"{found[0]:.1f} s", f"{found[1] / 2**20:.0f} MiB"] if found else ["failed", ""])
            cells.append(f"{found[2] / 2**20:.0f} MiB" if who == "tilewise" and found else "")
            cells.append(decoded if who == "tilewise" else f"{found[0] / mine[0]:.2f} x" if found and mine else "")
            print("| " + " | ".join(cells) + " |", flush=True)

    def middle(self, results):
        if "absent" in results:
            return "absent"
        if None in results or not results:
            return None
        return statistics.median(r[0] for r in results), max(r[1] for r in results), max(r[-1] for r in results)


def main():
    if sys.argv[1:2] == ["--peer"]:
        return peer(*sys.argv[2:5])
    if sys.argv[1:2] == ["--check"]:
        return check(*sys.argv[2:4])
    if sys.argv[1:2] == ["--make"]:
        return make(sys.argv[2], sys.argv[3] == "small")
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("binary")
    ap.add_argument("folder", metavar="DATA", help="the folder for inputs and outputs")
    ap.add_argument("python", help="the Python with tifffile and zarr")
    ap.add_argument("--zarrs", help="the program zarrs_reencode")
    ap.add_argument("--limit", default="64MiB", help="the memory limit of tilewise")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--small", action="store_true", help="an eighth of the size")
    ap.add_argument("--only", default="", help="letters of the cases: a b c d")
    a = ap.parse_args()
    size = "small" if a.small else "large"
    a.folder = os.path.join(os.path.abspath(a.folder), size)
    if not os.path.exists(f"{a.folder}/done"):
        remove(a.folder)
        os.makedirs(a.folder)
        subprocess.run([a.python, os.path.abspath(__file__), "--make", a.folder, size], check=True)
        open(f"{a.folder}/done", "w").close()
    bench = Bench(a)
    print(f"tilewise with a limit of {a.limit}; two threads each; medians of {a.rounds}.\n")
    print("| conversion | program | time | peak memory | predicted | chunks decoded, or time ÷ tilewise's |")
    print("|---|---|--:|--:|--:|--:|", flush=True)
    for one in CASES:
        if one.name in (a.only or "abcd"):
            bench.rows(one)


if __name__ == "__main__":
    main()
