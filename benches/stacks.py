#!/usr/bin/env python3
"""Times work on collections: 844 small photographs beside NumPy and Dask, and a stack of 20 GiB under a small limit.

    cargo build --release
    python3 -m venv VENV && VENV/bin/pip install numpy pillow dask
    python3 benches/stacks.py cells target/release/tilewise DATA VENV/bin/python > cells.md
    python3 benches/stacks.py stack target/release/tilewise DATA VENV/bin/python > stack.md

`cells`: 844 JPEG files of 256 x 256 x 3 become one array, and from it the mean image, the mean colours and extremes of every image,
all images with their contrast rescaled, and ten principal components: every result a .npy file that is fsynced. Python's start and imports are
not counted, the start of tilewise is. Rounds take turns; a cell is the median in seconds and the peak memory of the process in MiB. NumPy has two
BLAS threads, Dask two workers; principal components come from the products of the images (NumPy), or from svd_compressed (Dask).

`stack`: a .npy file of --items images of --size x --size uint16 (20 GiB by default, made in blocks, deleted at the end unless --keep), and
statistics over the items, each in a run of its own under --limit. Passes, bytes and memory come from `explain` before the run, seconds and
peak from the run; crops are compared with NumPy's.
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import time

N, EDGE, K = 844, 256, 10

CELLS = """
img = open("{folder}/cells/*.jpg", axes="nyxc")
save(mean(img, axis="n"), "{out}/mean.npy")
save(mean(img, axis="yx"), "{out}/colours.npy")
save(min(img, axis="yxc"), "{out}/least.npy")
save(max(img, axis="yxc"), "{out}/most.npy")
save(rescale_intensity(img, axis="yxc"), "{out}/rescaled.npy")
p = pca(img, n_components=10)
save(p, "{out}/components.npy")
save(p.singular_values, "{out}/singular.npy")
save(p.projections, "{out}/projections.npy")
"""

STACK = {
    "mean": 'mean(input, axis="n")',
    "std": 'std(input, axis="n")',
    "mean and std": 'save(mean(input, axis="n"), "{out}/mean.npy"); save(std(input, axis="n"), "{out}/std.npy")',
    "z-score of a crop": 'part = input[y=0:64, x=0:64]; (part - mean(part, axis="n")) / std(part, axis="n")',
    "median": 'median(input, axis="n")',
    "99th percentile of an image": 'percentile(input, 99, axis="yx")',
    "PCA, 10 components": "pca(input, n_components=10)",
    "PCA, 3 power iterations": "pca(input, n_components=10, iterated_power=3)",
}


# ------------------------------------------------------------------------------------------------ in the peers' Python
def make_cells(folder):
    """Round cells of many sizes and colours on a textured ground, as JPEG files of quality 90."""
    import numpy as np
    from PIL import Image
    r = np.random.default_rng(12)
    os.makedirs(f"{folder}/cells", exist_ok=True)
    y, x = np.mgrid[:EDGE, :EDGE]
    for i in range(N):
        image = np.full((EDGE, EDGE, 3), r.uniform(150, 230, 3)) + r.normal(0, 6, (EDGE, EDGE, 1))
        for _ in range(r.integers(3, 12)):
            cy, cx, radius = r.uniform(0, EDGE), r.uniform(0, EDGE), r.uniform(8, 40)
            edge = 1 / (1 + np.exp((np.hypot(y - cy, x - cx) - radius) / 2))
            image -= edge[..., None] * r.uniform(10, 90, 3)
        Image.fromarray(np.clip(image, 0, 255).astype("u1")).save(f"{folder}/cells/cell_{i:04}.jpg", quality=90)


def make_stack(path, items, size):
    """Eight patterns that come and go, a ground, and noise."""
    import numpy as np
    r = np.random.Generator(np.random.SFC64(3))
    y, x = np.mgrid[:size, :size] / size
    patterns = np.stack([np.sin(2 * np.pi * ((i + 1) * x + (i % 3) * y)) for i in range(8)]).reshape(8, -1).astype("f4")
    weights = (r.normal(size=(items, 8)) * 400 * 0.6 ** np.arange(8)).astype("f4")
    out = np.lib.format.open_memmap(path, "w+", "u2", (items, size, size))
    offset = out.offset
    del out
    with open(path, "r+b") as f:
        f.seek(offset)
        for first in range(0, items, 32):
            part = weights[first:first + 32]
            block = part @ patterns
            block += r.integers(0, 256, block.shape, "u1")
            block += 3000
            f.write(block.astype("u2").data)
        f.flush()
        os.fsync(f.fileno())


def save(folder, **arrays):
    import numpy as np
    for name, a in arrays.items():
        with open(f"{folder}/{name}.npy", "wb") as f:
            np.save(f, a)
            f.flush()
            os.fsync(f.fileno())


def peer(library, folder, out):
    """All of the work; prints seconds and the peak."""
    import numpy as np
    from PIL import Image
    files = sorted(glob.glob(f"{folder}/cells/*.jpg"))
    if library == "dask":
        import dask
        import dask.array as da
        dask.config.set(scheduler="threads", num_workers=2)
    start = time.perf_counter()
    (with_numpy if library == "numpy" else with_dask)(files, out)
    seconds = time.perf_counter() - start
    with open("/proc/self/status") as f:
        peak = next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))
    print(json.dumps(dict(seconds=seconds, peak_bytes=peak)))


def with_numpy(files, out):
    import numpy as np
    from PIL import Image
    img = np.stack([np.asarray(Image.open(f)) for f in files])
    mean = img.mean(0)
    least, most = img.min((1, 2, 3)), img.max((1, 2, 3))
    lo, hi = least[:, None, None, None].astype("f4"), most[:, None, None, None].astype("f4")
    rescaled = np.empty_like(img)
    for i in range(len(img)):
        rescaled[i] = (img[i] - lo[i]) / (hi[i] - lo[i]) * np.float32(255)
    centred = (img.reshape(len(img), -1) - mean.ravel()).astype("f4")
    values, vectors = np.linalg.eigh((centred @ centred.T).astype("f8"))
    values, vectors = values[::-1][:K], vectors[:, ::-1][:, :K]
    singular = np.sqrt(values)
    components = (vectors / singular).T.astype("f4") @ centred
    save(out, mean=mean, colours=img.mean((1, 2)), least=least, most=most, rescaled=rescaled,
         components=components.reshape((K,) + img.shape[1:]), singular=singular, projections=vectors * singular)


def with_dask(files, out):
    import dask
    import dask.array as da
    import numpy as np
    from PIL import Image

    def read(names):
        return np.stack([np.asarray(Image.open(f)) for f in names])

    parts = [files[i:i + 32] for i in range(0, len(files), 32)]
    img = da.concatenate([da.from_delayed(dask.delayed(read)(p), (len(p), EDGE, EDGE, 3), "u1") for p in parts])
    least, most = img.min((1, 2, 3)), img.max((1, 2, 3))

    def rescale(block):
        lo, hi = (m.astype("f4") for m in (block.min((1, 2, 3), keepdims=True), block.max((1, 2, 3), keepdims=True)))
        return ((block - lo) / (hi - lo) * np.float32(255)).astype("u1")

    flat = img.reshape(len(files), -1).astype("f4")
    u, s, v = da.linalg.svd_compressed(flat - flat.mean(0), K, iterator="QR", n_power_iter=4, seed=0)
    target = np.lib.format.open_memmap(f"{out}/rescaled.npy", "w+", "u1", img.shape)
    stored = da.store(img.map_blocks(rescale, dtype="u1"), target, lock=False, compute=False)
    found = dask.compute(stored, img.mean(0), img.mean((1, 2)), least, most, u, s, v)
    target.flush()
    _, mean, colours, least, most, u, s, v = found
    save(out, mean=mean, colours=colours, least=least, most=most, components=v.reshape((K,) + img.shape[1:]), singular=s, projections=u * s)


def check_cells(mine, theirs):
    """The largest differences, relative to the largest value."""
    import numpy as np
    for name in ("mean", "colours", "least", "most", "rescaled", "components", "singular", "projections"):
        a, b = (np.load(f"{d}/{name}.npy", mmap_mode="r").astype("f8") for d in (mine, theirs))
        if name in ("components", "projections"):
            a, b = np.abs(a), np.abs(b)
        print(f"{name}: {np.abs(a - b).max() / np.abs(b).max():.1e}", end="; ")
    print()


def check_stack(path, out, name, crop=8):
    """A crop of a result beside NumPy's."""
    import numpy as np
    x = np.load(path, mmap_mode="r")
    own = np.load(out, mmap_mode="r")
    if name not in ("mean", "std", "median"):
        return
    part = np.array(x[:, :crop, -crop:])
    want = getattr(np, name)(part, axis=0)
    print(f"crop: {np.abs(own[:crop, -crop:] - want).max() / np.abs(want).max():.1e}")


# ------------------------------------------------------------------------------------------------------ in this process
def in_python(a, *words):
    env = dict(os.environ, OMP_NUM_THREADS="2", OPENBLAS_NUM_THREADS="2")
    command = [a.python, os.path.abspath(__file__), *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout


def tilewise(a, command, *words):
    """Runs it and gives its report, or what it said."""
    done = subprocess.run([a.binary, command, *words, "--json", "--memory-limit", a.limit, "--threads", "2"], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip()


def cells(a):
    folder = os.path.abspath(a.folder)
    if not os.path.exists(f"{folder}/cells/cell_{N - 1:04}.jpg"):
        in_python(a, "--make-cells", folder)
    whos = ("tilewise", "numpy", "dask")
    for who in whos:
        os.makedirs(f"{folder}/{who}", exist_ok=True)
    with open(f"{folder}/cells.tw", "w") as f:
        f.write(CELLS.format(folder=folder, out=f"{folder}/tilewise"))
    plan = tilewise(a, "explain", f"{folder}/cells.tw", "--overwrite")
    seen = {who: [] for who in whos}
    for _ in range(a.rounds):
        start = time.perf_counter()
        report = tilewise(a, "run", f"{folder}/cells.tw", "--overwrite", "--quiet")
        if isinstance(report, str):
            sys.exit(report)
        seen["tilewise"].append((time.perf_counter() - start, report["peak_bytes"]))
        for who in whos[1:]:
            found = json.loads(in_python(a, "--peer", who, folder, f"{folder}/{who}"))
            seen[who].append((found["seconds"], found["peak_bytes"]))
    print(f"{N} JPEG files of {EDGE} x {EDGE} x 3; tilewise under {a.limit} in {len(plan['passes'])} passes, predicted {plan['predicted_bytes'] / 2**20:.0f} MiB.\n")
    print("| | seconds | peak MiB |\n|---|--:|--:|")
    for who in whos:
        print(f"| {who} | {statistics.median(s for s, _ in seen[who]):.2f} | {max(p for _, p in seen[who]) / 2**20:.0f} |")
    for who in whos[1:]:
        print(f"\nbeside {who}: " + in_python(a, "--check-cells", f"{folder}/tilewise", f"{folder}/{who}").strip())


def stack(a):
    folder = os.path.abspath(a.folder)
    os.makedirs(f"{folder}/out", exist_ok=True)
    path = f"{folder}/stack-{a.items}-{a.size}.npy"
    size = a.items * a.size * a.size * 2
    if not os.path.exists(path):
        free = os.statvfs(folder)
        if free.f_bavail * free.f_frsize < size + (4 << 30):
            sys.exit(f"{folder} has no room for {size >> 30} GiB")
        in_python(a, "--make-stack", path, a.items, a.size)
    print(f"{a.items} x {a.size} x {a.size} uint16 ({size / 2**30:.1f} GiB), under {a.limit}, 2 threads.\n")
    print("| | passes | read | predicted MiB | peak MiB | seconds | GiB/s | crop beside NumPy |\n|---|--:|--:|--:|--:|--:|--:|---|", flush=True)
    for name, pipeline in STACK.items():
        if a.only not in name:
            continue
        target = [] if "save(" in pipeline else [f"{folder}/out/result.npy"]
        words = [path, *target, pipeline.format(out=f"{folder}/out"), "--overwrite", "--axes", "nyx"]
        plan = tilewise(a, "explain", *words)
        if isinstance(plan, str):
            print(f"| {name} | {plan} |", flush=True)
            continue
        start = time.perf_counter()
        report = tilewise(a, "run", *words, "--quiet")
        seconds = time.perf_counter() - start
        if isinstance(report, str):
            print(f"| {name} | {report} |", flush=True)
            continue
        crop = in_python(a, "--check-stack", path, target[0], name).strip() if target else ""
        read = plan["read_bytes"] / 2**30
        print(f"| {name} | {len(plan['passes'])} | {read:.1f} GiB | {plan['predicted_bytes'] / 2**20:.0f} | {report['peak_bytes'] / 2**20:.0f} "
              f"| {seconds:.1f} | {read / seconds:.2f} | {crop} |", flush=True)
    if not a.keep:
        os.remove(path)


def main():
    inner = {"--make-cells": make_cells, "--peer": peer, "--check-cells": check_cells, "--check-stack": check_stack,
             "--make-stack": lambda path, items, size: make_stack(path, int(items), int(size))}
    if sys.argv[1:2] and sys.argv[1] in inner:
        return inner[sys.argv[1]](*sys.argv[2:])
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=("cells", "stack"))
    ap.add_argument("binary")
    ap.add_argument("folder", metavar="DATA", help="the folder for inputs and outputs")
    ap.add_argument("python", help="the Python with the peers")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--limit", help="memory limit: 64MiB for cells, 256MiB for the stack")
    ap.add_argument("--items", type=int, default=10240)
    ap.add_argument("--size", type=int, default=1024)
    ap.add_argument("--only", default="", help="statistics of the stack whose name holds this text")
    ap.add_argument("--keep", action="store_true", help="keep the stack")
    a = ap.parse_args()
    a.limit = a.limit or ("64MiB" if a.what == "cells" else "256MiB")
    os.makedirs(a.folder, exist_ok=True)
    (cells if a.what == "cells" else stack)(a)


if __name__ == "__main__":
    main()
