#!/usr/bin/env python3
"""Labels and measures objects beside scipy and SimpleITK, in one run, and checks every result.

    cargo build --release
    python3 -m venv VENV && VENV/bin/pip install numpy scipy SimpleITK
    python3 benches/objects.py target/release/tilewise DATA VENV/bin/python

Three works, inputs as .npy, the labels as .npy and the table (area, mean intensity) as a file:

    W7     a mask and an image of 16384 x 16384        tilewise at 128MiB, scipy and SimpleITK in memory
    W7v    the same of 512 x 1024 x 1024
    many   10^8 objects of one pixel, 20000 x 20000     tilewise at 256MiB, no peers

DATA is a folder for inputs (made on the first run where they are not there: 5 GB; needs 2 GB of memory) and outputs (deleted after every
run). A time is that of reading, computing, writing and fsyncing; Python's start and imports are not counted. Peaks are VmHWM. Labels and
areas have to equal scipy's, means have to agree within 1e-12 of the largest; what does not ends the script. Rounds take turns.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

WORKS = {
    "W7": dict(mask="mask2d.npy", image="img2d.npy", limit="128MiB"),
    "W7v": dict(mask="mask3d.npy", image="vol.npy", limit="128MiB"),
}


# ------------------------------------------------------------------------------------------------ in the peers' Python
def make(folder, size, depth, many):
    """Blobs, by bands; the same on every machine."""
    import numpy as np
    from scipy import ndimage as nd

    def blobs(mask, image, shape, sigma):
        if os.path.exists(f"{folder}/{mask}") and os.path.exists(f"{folder}/{image}"):
            return
        band, halo = max(1, 2**26 // int(np.prod(shape[1:]))), int(4 * sigma) + 1
        open_ = lambda name, dtype: np.lib.format.open_memmap(f"{folder}/{name}", "w+", dtype, shape)
        masks, images = open_(mask, "u1"), open_(image, "u2")
        noise = lambda i: np.random.default_rng([7, i]).standard_normal(shape[1:], dtype="f4")
        for at in range(0, shape[0], band):
            rows = np.stack([noise(i) for i in range(at - halo + 1000, min(at + band, shape[0]) + halo + 1000)])
            smooth = nd.gaussian_filter(rows, sigma)[halo:-halo]
            smooth /= 0.25 / sigma ** (len(shape) / 2)
            masks[at : at + band] = smooth > 0.7
            images[at : at + band] = np.clip(2000 + 500 * smooth + 30 * rows[halo:-halo], 0, 65535)
            masks.flush(), images.flush()

    blobs("mask2d.npy", "img2d.npy", (size, size), 4.0)
    blobs("mask3d.npy", "vol.npy", (depth, 2 * depth, 2 * depth), 2.5)
    if not os.path.exists(f"{folder}/many.npy"):
        mask = np.zeros((many, many), "u1")
        mask[::2, ::2] = 1
        np.save(f"{folder}/many.npy", mask)


def peer(library, mask, image, labels, table):
    """Reads, computes, writes; prints seconds and the peak."""
    import numpy as np
    if library == "scipy":
        from scipy import ndimage as nd
    else:
        import SimpleITK as itk
        itk.ProcessObject.SetGlobalDefaultNumberOfThreads(2)
    start = time.perf_counter()
    if library == "scipy":
        found, count = nd.label(np.load(mask))
        area = np.bincount(found.ravel(), minlength=count + 1)[1:]
        mean = nd.mean(np.load(image), found, np.arange(1, count + 1))
    else:
        parts = itk.ConnectedComponent(itk.GetImageFromArray(np.load(mask)))
        of = itk.LabelStatisticsImageFilter()
        of.UseHistogramsOff()
        of.Execute(itk.GetImageFromArray(np.load(image)), parts)
        own = [label for label in of.GetLabels() if label]
        area, mean = np.array([of.GetCount(l) for l in own]), np.array([of.GetMean(l) for l in own])
        found = itk.GetArrayViewFromImage(parts)
    for path, array in ((labels, found), (table, np.column_stack([area, mean]))):
        with open(path, "wb") as f:
            np.save(f, array)
            f.flush()
            os.fsync(f.fileno())
    seconds = time.perf_counter() - start
    with open("/proc/self/status") as f:
        peak = next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))
    print(json.dumps(dict(seconds=seconds, peak_bytes=peak)))


def check(kind, ours, table, labels, wanted):
    """Ends with an error where a result is wrong."""
    import numpy as np
    if kind == "many":
        rows = int(wanted)
        with open(table, "rb") as f:
            f.seek(-200, os.SEEK_END)
            last = f.read().decode().splitlines()[-1].split(",")
        lines = sum(chunk.count(b"\n") for chunk in iter_chunks(table))
        assert last[:2] == [str(rows), "1"] and lines == rows + 1, (last, lines, rows)
        return
    a, b = np.load(ours, mmap_mode="r"), np.load(labels, mmap_mode="r")
    assert a.shape == b.shape
    for i in range(0, a.shape[0], 64):
        assert np.array_equal(a[i : i + 64], b[i : i + 64]), f"labels differ at {i}"
    mine, theirs = np.loadtxt(table, delimiter=",", skiprows=1, ndmin=2), np.load(wanted)
    assert np.array_equal(mine[:, 0], np.arange(1, len(theirs) + 1)) and np.array_equal(mine[:, 1], theirs[:, 0]), "areas differ"
    worst = np.abs(mine[:, 2] - theirs[:, 1]).max() / np.abs(theirs[:, 1]).max()
    assert worst <= 1e-12, f"means differ by {worst}"
    print(f"{len(mine)} objects equal, means within {worst:.1e}", file=sys.stderr)


def iter_chunks(path):
    with open(path, "rb") as f:
        while chunk := f.read(1 << 24):
            yield chunk


# ------------------------------------------------------------------------------------------------------ in this process
class Bench:
    def __init__(self, a):
        self.a = a
        self.env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

    def path(self, name):
        return f"{self.a.folder}/{name}"

    def child(self, command):
        done = subprocess.run(command, capture_output=True, text=True, env=self.env)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
        return json.loads(done.stdout)

    def ours(self, text, limit, threads):
        """Time, peak, scratch. The time is the whole process, start included."""
        command = [self.a.binary, "run", text, "--memory-limit", limit, "--threads", str(threads), "--quiet", "--json", "--overwrite"]
        start = time.perf_counter()
        report = self.child(command)
        seconds = time.perf_counter() - start
        allowed = int(limit[:-3]) * 2**20
        if report["peak_bytes"] > allowed:
            sys.exit(f"{text}: held {report['peak_bytes']} bytes, the limit is {allowed}")
        return seconds, report["peak_bytes"], report["scratch_bytes"]

    def peer(self, library, work):
        files = [self.path(n) for n in (work["mask"], work["image"], f"{library}.labels.npy", f"{library}.table.npy")]
        report = self.child([self.a.python, os.path.abspath(__file__), "--peer", library, *files])
        return report["seconds"], report["peak_bytes"], 0

    def objects(self, name):
        work = WORKS[name]
        text = (f'labels = label(open("{self.path(work["mask"])}")); save(labels, "{self.path("ours.npy")}"); '
                f'save(measure(labels, open("{self.path(work["image"])}"), ["area", "intensity_mean"]), "{self.path("ours.csv")}")')
        runs = {
            "tilewise, 2 threads": lambda: self.ours(text, work["limit"], 2),
            "tilewise, 1 thread": lambda: self.ours(text, work["limit"], 1),
            "scipy": lambda: self.peer("scipy", work),
            "SimpleITK": lambda: self.peer("itk", work),
        }
        seen = {who: [] for who in runs}
        for _ in range(self.a.rounds):
            for who, run in runs.items():
                self.clean("ours.npy", "ours.csv") if who.startswith("tilewise") else None
                seen[who].append(run())
        arguments = [name, self.path("ours.npy"), self.path("ours.csv"), self.path("scipy.labels.npy"), self.path("scipy.table.npy")]
        subprocess.run([self.a.python, os.path.abspath(__file__), "--check", *arguments], check=True)
        self.clean("ours.npy", "ours.csv", *(f"{p}.{kind}.npy" for p in ("scipy", "itk") for kind in ("labels", "table")))
        self.show(name, work["limit"], seen)

    def many(self):
        seen = {}
        for ending in ("csv", "parquet"):
            table = self.path(f"many.{ending}")
            text = f'save(measure(label(open("{self.path("many.npy")}")), ["area", "centroid"]), "{table}")'
            seen[f"tilewise, 2 threads, .{ending}"] = [self.ours(text, "256MiB", 2)]
            print(f"{table}: {os.path.getsize(table) / 2**20:.0f} MiB", file=sys.stderr)
            if ending == "csv":
                arguments = ["many", "", table, "", str(((self.a.many + 1) // 2) ** 2)]
                subprocess.run([self.a.python, os.path.abspath(__file__), "--check", *arguments], check=True)
            self.clean(f"many.{ending}")
        self.show("many", "256MiB", seen)

    def show(self, name, limit, seen):
        for who, runs in seen.items():
            middle, peak, scratch = statistics.median(r[0] for r in runs), max(r[1] for r in runs), max(r[2] for r in runs)
            held = f"{limit} limit, " if who.startswith("tilewise") else ""
            disk = f"{scratch / 2**20:.0f}" if scratch else ""
            times = f"{min(r[0] for r in runs):.1f} to {max(r[0] for r in runs):.1f}"
            print(f"| {name} | {who} | {middle:.2f} | {times} | {held}{peak / 2**20:.0f} | {disk} |", flush=True)

    def clean(self, *names):
        for name in names:
            if os.path.exists(self.path(name)):
                os.remove(self.path(name))


def main():
    if sys.argv[1:2] == ["--peer"]:
        return peer(*sys.argv[2:7])
    if sys.argv[1:2] == ["--check"]:
        return check(*sys.argv[2:7])
    if sys.argv[1:2] == ["--make"]:
        return make(sys.argv[2], *map(int, sys.argv[3:6]))
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("binary")
    ap.add_argument("folder", metavar="DATA", help="the folder for inputs and outputs")
    ap.add_argument("python", help="the Python with the peers")
    ap.add_argument("--size", type=int, default=16384, help="edge of the image")
    ap.add_argument("--depth", type=int, default=512, help="planes of the volume, half its edge")
    ap.add_argument("--many", type=int, default=20000, help="edge of the image with a quarter of its pixels objects")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--only", default="", help="W7, W7v or many")
    a = ap.parse_args()
    os.makedirs(a.folder, exist_ok=True)
    subprocess.run([a.python, os.path.abspath(__file__), "--make", a.folder, str(a.size), str(a.depth), str(a.many)], check=True)
    bench = Bench(a)
    print("| work | who | median s | range | peak MiB | scratch MiB |\n|---|---|--:|--:|--:|--:|", flush=True)
    for name in WORKS:
        if a.only in ("", name):
            bench.objects(name)
    if a.only in ("", "many"):
        bench.many()


if __name__ == "__main__":
    main()
