#!/usr/bin/env python3
"""Times the operators beside scipy, scikit-image, dask-image, OpenCV and libvips, side by side in one run.

    cargo build --release
    python3 -m venv VENV && VENV/bin/pip install numpy scipy scikit-image dask-image opencv-python-headless
    python3 benches/operators.py target/release/tilewise DATA VENV/bin/python > table.md

DATA is a folder for inputs (made on the first run) and outputs (deleted after every run). Every time is that of reading a
.npy file (libvips: .v), computing, and writing a file that is fsynced; Python's start and imports are not counted, the start of
`vips` is. tilewise takes two threads, then one; scipy and scikit-image have one, dask-image, OpenCV and libvips two.
A cell is the median of the rounds in seconds and the peak memory of the process in MiB. Rounds take turns.
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

Case = namedtuple("Case", "data pipeline peers scalar")
CASES = []
PEERS = ("scipy", "dask", "opencv", "vips")


def case(data, pipeline, scalar=False, **peers):
    """`peers` are expressions of `x`; for vips a command with {in} and {out}. `scalar`: the result is a number."""
    CASES.append(Case(data, pipeline, peers, scalar))


REFLECT = "borderType=cv.BORDER_REFLECT"
for data in ("u16", "f32"):
    case(data, "gaussian_filter(sigma=2)", scipy="nd.gaussian_filter(x, 2, output='f4')", dask="df.gaussian_filter(x.astype('f4'), 2)",
         opencv=f"cv.GaussianBlur(x.astype('f4'), (17, 17), 2, {REFLECT})", vips="gaussblur {in} {out} 2 --precision float --min-ampl 0.001")
case("u16", "gaussian_filter(sigma=8)", scipy="nd.gaussian_filter(x, 8, output='f4')", dask="df.gaussian_filter(x.astype('f4'), 8)",
     opencv=f"cv.GaussianBlur(x.astype('f4'), (65, 65), 8, {REFLECT})", vips="gaussblur {in} {out} 8 --precision float --min-ampl 0.001")
case("u16", "gaussian_filter(sigma=2, order=1)", scipy="nd.gaussian_filter(x, 2, order=1, output='f4')", dask="df.gaussian_filter(x.astype('f4'), 2, order=1)")
for op in ("gaussian_laplace", "gaussian_gradient_magnitude"):
    case("u16", f"{op}(sigma=2)", scipy=f"nd.{op}(x, 2, output='f4')", dask=f"df.{op}(x.astype('f4'), 2)")
case("u16", "laplace(input)", scipy="nd.laplace(x, output='f4')", dask="df.laplace(x.astype('f4'))", opencv=f"cv.Laplacian(x, cv.CV_32F, {REFLECT})")
case("u16", "sobel(input)", scipy="nd.sobel(x, output='f4')", dask="df.sobel(x.astype('f4'))", opencv=f"cv.Sobel(x, cv.CV_32F, 1, 0, {REFLECT})", vips="sobel {in} {out}")
case("u16", "prewitt(input)", scipy="nd.prewitt(x, output='f4')", dask="df.prewitt(x.astype('f4'))")
case("f32", "scharr(input)", scipy="sk.scharr(x)")
case("f32", "roberts(input)", scipy="sk.roberts(x)")
case("f32", "unsharp_mask(radius=2)", scipy="sk.unsharp_mask(x, radius=2)")
case("f32", "difference_of_gaussians(1, 4)", scipy="sk.difference_of_gaussians(x, 1, 4)")
for n in (9, 31):
    case("u16", f"uniform_filter(size={n})", scipy=f"nd.uniform_filter(x, {n}, output='f4')", dask=f"df.uniform_filter(x.astype('f4'), {n})",
         opencv=f"cv.blur(x.astype('f4'), ({n}, {n}), {REFLECT})")
case("f32", "correlate1d([1, 4, 6, 4, 1])", scipy="nd.correlate1d(x, [1, 4, 6, 4, 1])")
case("f32", "convolve1d([1, 4, 6, 4, 1], axis=0)", scipy="nd.convolve1d(x, [1, 4, 6, 4, 1], axis=0)")
for n in (3, 7, 25):
    weights = [[(3 * i * i + 5 * j + i * j) % 7 - 3 for j in range(n)] for i in range(n)]
    array = f"np.array({weights}, 'f4')"
    case("f32", f"correlate({weights})", scipy=f"nd.correlate(x, {array})", dask=f"df.correlate(x, {array})", opencv=f"cv.filter2D(x, cv.CV_32F, {array}, {REFLECT})")
case("f64", f"correlate({weights[:7]})", scipy=f"nd.correlate(x, np.array({weights[:7]}, 'f8'))", opencv=f"cv.filter2D(x, cv.CV_64F, np.array({weights[:7]}, 'f8'), {REFLECT})")
for n in (3, 11):
    cube = [[[(3 * i * i + 5 * j + i * j + k) % 7 - 3 for k in range(n)] for j in range(n)] for i in range(n)]
    case("vol", f"correlate({cube})", scipy=f"nd.correlate(x, np.array({cube}, 'f4'), output='f4')")
case("f32", "convolve([[1, 2, 1], [0, 0, 1], [-1, -2, -1]])", scipy="nd.convolve(x, [[1, 2, 1], [0, 0, 1], [-1, -2, -1]])",
     dask="df.convolve(x, np.array([[1, 2, 1], [0, 0, 1], [-1, -2, -1]]))")

for data, sizes in (("u8", (3, 5, 11, 31)), ("u16", (3, 5, 11, 31)), ("f32", (3, 5, 11))):
    for n in sizes:
        blurs = {} if n > 5 and data != "u8" else dict(opencv=f"cv.medianBlur(x, {n})")
        case(data, f"median_filter(size={n})", scipy=f"nd.median_filter(x, {n})", dask=f"df.median_filter(x, {n})", vips=f"rank {{in}} {{out}} {n} {n} {n * n // 2}", **blurs)
case("u16", "median_filter(footprint=disk(3))", scipy="nd.median_filter(x, footprint=disk(3))", dask="df.median_filter(x, footprint=disk(3))")
case("u16", "percentile_filter(20, size=5)", scipy="nd.percentile_filter(x, 20, 5)", dask="df.percentile_filter(x, 20, 5)")
case("u16", "rank_filter(3, size=5)", scipy="nd.rank_filter(x, 3, 5)", dask="df.rank_filter(x, 3, 5)", vips="rank {in} {out} 5 5 3")
case("line_u16", "median_filter(size=101)", scipy="nd.median_filter(x, 101)")
for data in ("u8", "u16"):
    for op, morph, end in (("minimum_filter", "erode", 0), ("maximum_filter", "dilate", 80)):
        case(data, f"{op}(size=9)", scipy=f"nd.{op}(x, 9)", dask=f"df.{op}(x, 9)", opencv=f"cv.{morph}(x, np.ones((9, 9), 'u1'))", vips=f"rank {{in}} {{out}} 9 9 {end}")
case("u16", "maximum_filter(footprint=disk(5))", scipy="nd.maximum_filter(x, footprint=disk(5))", dask="df.maximum_filter(x, footprint=disk(5))",
     opencv="cv.dilate(x, disk(5))")

KINDS = {"grey_erosion": "cv.erode(x, {0})", "grey_dilation": "cv.dilate(x, {0})", "grey_opening": "cv.morphologyEx(x, cv.MORPH_OPEN, {0})",
         "grey_closing": "cv.morphologyEx(x, cv.MORPH_CLOSE, {0})", "white_tophat": "cv.morphologyEx(x, cv.MORPH_TOPHAT, {0})",
         "black_tophat": "cv.morphologyEx(x, cv.MORPH_BLACKHAT, {0})", "morphological_gradient": "cv.morphologyEx(x, cv.MORPH_GRADIENT, {0})"}
for op, kernel in KINDS.items():
    case("u16", f"{op}(size=9)", scipy=f"nd.{op}(x, 9)", opencv=kernel.format("np.ones((9, 9), 'u1')"))
    case("u16", f"{op}(footprint=disk(5))", scipy=f"nd.{op}(x, footprint=disk(5))", opencv=kernel.format("disk(5)"))
case("u16", "morphological_laplace(size=9)", scipy="nd.morphological_laplace(x, 9)")
for data in ("u16", "f32", "f64"):
    case(data, "grey_dilation(structure=[[1, 2, 1], [2, 3, 2], [1, 2, 1]])", scipy="nd.grey_dilation(x, structure=np.array([[1, 2, 1], [2, 3, 2], [1, 2, 1]]))")
for op, kernel in (("binary_erosion", "cv.erode(x, {0})"), ("binary_dilation", "cv.dilate(x, {0})"),
                   ("binary_opening", "cv.morphologyEx(x, cv.MORPH_OPEN, {0})"), ("binary_closing", "cv.morphologyEx(x, cv.MORPH_CLOSE, {0})")):
    for arguments, text, shape in (("", "", "cv.getStructuringElement(cv.MORPH_CROSS, (3, 3))"), ("disk(5)", "disk(5)", "disk(5)")):
        comma = ", " if text else ""
        case("mask", f"{op}(input{comma}{text})", scipy=f"nd.{op}(x{comma}{arguments})", dask=f"dm.{op}(x{comma}{arguments})",
             opencv=kernel.replace("(x,", "(x.view('u1'),").format(shape))
    case("mask", f"{op}(iterations=5)", scipy=f"nd.{op}(x, iterations=5)", dask=f"dm.{op}(x, iterations=5)")
case("mask", "binary_hit_or_miss(structure1=[[0, 1, 0], [1, 1, 1], [0, 1, 0]])", scipy="nd.binary_hit_or_miss(x, structure1=[[0, 1, 0], [1, 1, 1], [0, 1, 0]])")
case("u16", "binary_propagation(input > 40000, mask=input > 33000)", scipy="nd.binary_propagation(x > 40000, mask=x > 33000)")
case("mask", "binary_fill_holes(input)", scipy="nd.binary_fill_holes(x)")
case("mask", "label(input)", scipy="nd.label(x)[0]", dask="dl.label(x)[0]", opencv="cv.connectedComponents(x.view('u1'), connectivity=4)[1]")

for data in ("u16", "f32"):
    # scikit-image takes minutes for the minimum of 65536 values.
    for method in ("otsu", "li", "yen", "isodata", "triangle", "mean") + (("minimum",) if data == "f32" else ()):
        more = dict(opencv=f"cv.threshold(x, 0, 1, cv.THRESH_{method.upper()})[0]") if data == "u16" and method == "otsu" else {}
        case(data, f"threshold_{method}(input)", scalar=True, scipy=f"sk.threshold_{method}(x)", **more)
case("u8", "threshold_multiotsu(input, classes=4)", scipy="sk.threshold_multiotsu(x, 4)")
for method in ("gaussian", "mean", "median"):
    case("u8", f'threshold_local(block_size=21, method="{method}")', scipy=f"sk.threshold_local(x, 21, method='{method}')",
         **({"dask": f"df.threshold_local(x, 21, method='{method}')"} if method != "median" else {}))
case("u16", "threshold_niblack(window_size=15)", scipy="sk.threshold_niblack(x, 15)")
case("u16", "threshold_sauvola(window_size=15)", scipy="sk.threshold_sauvola(x, 15)")
case("u16", "apply_hysteresis_threshold(input, 33000, 40000)", scipy="sk.apply_hysteresis_threshold(x, 33000, 40000)")

case("u16", "rescale_intensity(input)", scipy="ex.rescale_intensity(x)")
case("f32", "adjust_gamma(0.7)", scipy="ex.adjust_gamma(x, 0.7)")
case("f32", "adjust_log(input)", scipy="ex.adjust_log(x)")
case("f32", "adjust_sigmoid(input)", scipy="ex.adjust_sigmoid(x)")
case("u8", "equalize_hist(input)", scipy="ex.equalize_hist(x)", opencv="cv.equalizeHist(x)", vips="hist_equal {in} {out}")
case("rgb", "rgb2gray(input)", scipy="co.rgb2gray(x)", opencv="cv.cvtColor(x, cv.COLOR_RGB2GRAY)", vips="colourspace {in} {out} b-w")
case("u16", "invert(input)", scipy="ut.invert(x)", opencv="cv.bitwise_not(x)", vips="invert {in} {out}")
for data in ("f32", "u8"):
    more = dict(opencv="cv.Canny(cv.GaussianBlur(x, (9, 9), 1), 25, 50)", vips="canny {in} {out} --sigma 1") if data == "u8" else {}
    case(data, "canny(sigma=1)", scipy="fe.canny(x, sigma=1)", **more)

case("vol", "gaussian_filter(sigma=2)", scipy="nd.gaussian_filter(x, 2, output='f4')", dask="df.gaussian_filter(x.astype('f4'), 2)")
case("vol", "uniform_filter(size=5)", scipy="nd.uniform_filter(x, 5, output='f4')", dask="df.uniform_filter(x.astype('f4'), 5)")
case("vol", "sobel(input)", scipy="nd.sobel(x, output='f4')", dask="df.sobel(x.astype('f4'))")
for n in (3, 5):
    case("vol", f"median_filter(size={n})", scipy=f"nd.median_filter(x, {n})", dask=f"df.median_filter(x, {n})")
case("vol", "maximum_filter(size=5)", scipy="nd.maximum_filter(x, 5)", dask="df.maximum_filter(x, 5)")
case("vol", "grey_opening(footprint=ball(3))", scipy="nd.grey_opening(x, footprint=ball(3))")
case("vol_mask", "binary_opening(structure=ball(2))", scipy="nd.binary_opening(x, ball(2))", dask="dm.binary_opening(x, ball(2))")
case("vol_mask", "binary_closing(iterations=3)", scipy="nd.binary_closing(x, iterations=3)", dask="dm.binary_closing(x, iterations=3)")
case("vol_mask", "label(input)", scipy="nd.label(x)[0]", dask="dl.label(x)[0]")
case("vol", "threshold_otsu(input)", scalar=True, scipy="sk.threshold_otsu(x)")


# ------------------------------------------------------------------------------------------------ in the peers' Python
def make(folder, size, depth):
    """Smooth blobs with some noise, the same on every machine."""
    import numpy as np
    from scipy import ndimage as nd
    r = np.random.default_rng(4)

    def blobs(shape):
        a = nd.gaussian_filter(r.normal(size=shape).astype("f4"), 3)
        a += r.normal(0, 0.1 * a.std(), shape).astype("f4")
        return (a - a.min()) / (a.max() - a.min())

    plane, volume = blobs((size, size)), blobs((depth,) * 3)
    arrays = dict(f32=plane, f64=plane.astype("f8"), u16=(plane * 65535).astype("u2"), u8=(plane * 255).astype("u1"), mask=plane > 0.52,
                  rgb=(np.stack([plane, plane[::-1], plane.T], 2) * 255).astype("u1"), line_u16=(plane.ravel()[:1 << 22] * 65535).astype("u2"),
                  vol=(volume * 65535).astype("u2"), vol_mask=volume > 0.52)
    for name, a in arrays.items():
        np.save(f"{folder}/{name}.npy", np.ascontiguousarray(a))
    for name, kind in (("u8", "uchar"), ("u16", "ushort"), ("f32", "float"), ("rgb", "uchar")):
        a = arrays[name]
        if shutil.which("vips"):
            a.tofile(f"{folder}/raw")
            bands = str(a.shape[2] if a.ndim == 3 else 1)
            more = ["--interpretation", "srgb"] if name == "rgb" else []
            subprocess.run(["vips", "rawload", f"{folder}/raw", f"{folder}/{name}.v", str(a.shape[1]), str(a.shape[0]), bands, "--format", kind, *more], check=True)
            os.remove(f"{folder}/raw")


def peer(library, expression, source, target):
    """Reads, computes, writes; prints seconds and the peak."""
    import numpy as np
    names = dict(np=np)
    from skimage.morphology import ball, disk
    names.update(disk=disk, ball=ball)
    if library == "scipy":
        from scipy import ndimage
        from skimage import color, exposure, feature, filters, util
        names.update(nd=ndimage, sk=filters, ex=exposure, co=color, ut=util, fe=feature)
    elif library == "dask":
        import dask
        import dask.array as da
        from dask_image import ndfilters, ndmeasure, ndmorph
        names.update(df=ndfilters, dm=ndmorph, dl=ndmeasure)
        dask.config.set(scheduler="threads", num_workers=2)
    else:
        import cv2
        cv2.setNumThreads(2)
        names.update(cv=cv2)
    expression = compile(expression, expression, "eval")
    start = time.perf_counter()
    x = np.load(source)
    if library == "dask":
        x = da.from_array(x, chunks=1024 if x.ndim == 2 else 128)
    result = eval(expression, dict(names, x=x))
    result = np.asarray(result.compute() if library == "dask" else result)
    with open(target, "wb") as f:
        np.save(f, result)
        f.flush()
        os.fsync(f.fileno())
    seconds = time.perf_counter() - start
    with open("/proc/self/status") as f:
        peak = next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))
    print(json.dumps(dict(seconds=seconds, peak_bytes=peak)))


# ------------------------------------------------------------------------------------------------------ in this process
class Bench:
    def __init__(self, a):
        self.a = a
        self.env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", VIPS_CONCURRENCY="2")

    def child(self, command):
        """Runs a command that prints seconds and peak as JSON; "late" or "failed" where it gives none."""
        try:
            # Starting Python and importing is not counted, so it gets time of its own.
            done = subprocess.run(command, capture_output=True, text=True, env=self.env, timeout=self.a.limit + 20)
        except subprocess.TimeoutExpired:
            return "late"
        if done.returncode:
            print(f"{' '.join(command)[:300]}\n{done.stderr[-600:]}", file=sys.stderr)
            return "failed"
        found = json.loads(done.stdout)
        return "late" if found["seconds"] > self.a.limit else (found["seconds"], found["peak_bytes"])

    def vips(self, command, source, target):
        if not shutil.which("vips"):
            return None
        words = [w.format(**{"in": source, "out": target}) for w in command.split()]
        start = time.perf_counter()
        child = subprocess.Popen(["vips", *words], env=self.env, stderr=subprocess.PIPE)
        while True:
            pid, status, used = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if time.perf_counter() - start > self.a.limit:
                child.kill()
                os.wait4(child.pid, 0)
                return "late"
            time.sleep(0.002)
        if status:
            print(f"vips {command}: {child.stderr.read().decode()[-300:]}", file=sys.stderr)
            return "failed"
        with open(target, "rb") as f:
            os.fsync(f.fileno())
        return time.perf_counter() - start, used.ru_maxrss * 1024

    def ours(self, one, threads, target):
        out = [] if one.scalar else [target]
        return self.child([self.a.binary, "run", f"{self.a.folder}/{one.data}.npy", *out, one.pipeline, "--threads", str(threads), "--quiet", "--json"])

    def run(self, who, one):
        target = f"{self.a.folder}/out.{'v' if who == 'vips' else 'npy'}"
        source = f"{self.a.folder}/{one.data}"
        try:
            if who in (1, 2):
                return self.ours(one, who, target)
            if who not in one.peers:
                return None
            if who == "vips":
                return self.vips(one.peers[who], f"{source}.v", target)
            return self.child([self.a.python, os.path.abspath(__file__), "--peer", who, one.peers[who], f"{source}.npy", target])
        finally:
            if os.path.exists(target):
                os.remove(target)

    def row(self, one):
        whos = (2, 1) + PEERS
        seen = {who: [] for who in whos}
        for _ in range(self.a.rounds):
            for who in whos:
                # What was late, failed or is not there stays so.
                if not any(isinstance(s, str) or s is None for s in seen[who]):
                    seen[who].append(self.run(who, one))
        mid = {who: self.middle(results) for who, results in seen.items()}
        pipeline = one.pipeline if len(one.pipeline) < 70 else one.pipeline[:60] + "…"
        cells = [f"`{pipeline}`", one.data] + [self.cell(mid[who]) for who in whos]
        cells += [self.ratio(mid["scipy"], mid[1]), self.ratio(self.best([mid[p] for p in PEERS[1:]]), mid[2])]
        return "| " + " | ".join(cells).replace("||", "|") + " |"

    def middle(self, results):
        odd = [s for s in results if not isinstance(s, tuple)]
        if odd:
            return odd[-1]
        return statistics.median(s[0] for s in results), max(s[1] for s in results)

    def cell(self, found):
        if isinstance(found, tuple):
            return f"{found[0]:.2f} ({found[1] / 2**20:.0f})"
        return {"late": f"> {self.a.limit:.0f} s", "failed": "failed"}.get(found, "")

    def best(self, found):
        return min((f for f in found if isinstance(f, tuple)), default=None)

    def ratio(self, other, mine):
        if not isinstance(mine, tuple) or not (isinstance(other, tuple) or other == "late"):
            return ""
        return f"{other[0] / mine[0]:.1f}" if isinstance(other, tuple) else f"> {self.a.limit / mine[0]:.0f}"


def main():
    if sys.argv[1:2] == ["--peer"]:
        return peer(*sys.argv[2:6])
    if sys.argv[1:2] == ["--make"]:
        return make(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("binary")
    ap.add_argument("folder", metavar="DATA", help="the folder for inputs and outputs")
    ap.add_argument("python", help="the Python with the peers")
    ap.add_argument("--size", type=int, default=4096, help="edge of the images")
    ap.add_argument("--depth", type=int, default=256, help="edge of the volumes")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--limit", type=float, default=60, help="seconds after which a run is given up")
    ap.add_argument("--only", default="", help="cases whose pipeline holds this text")
    ap.add_argument("--data", dest="kind", default="", help="cases of this input: u8, u16, f32, f64, mask, rgb, line_u16, vol, vol_mask")
    a = ap.parse_args()
    a.folder = os.path.join(a.folder, f"{a.size}-{a.depth}")
    if not os.path.exists(f"{a.folder}/done"):
        os.makedirs(a.folder, exist_ok=True)
        subprocess.run([a.python, os.path.abspath(__file__), "--make", a.folder, str(a.size), str(a.depth)], check=True)
        open(f"{a.folder}/done", "w").close()
    bench = Bench(a)
    print(f"{a.size} x {a.size} images, {a.depth} x {a.depth} x {a.depth} volumes; seconds (peak MiB), medians of {a.rounds}.\n")
    print("| operator | data | tilewise, 2 threads | 1 thread | scipy / scikit-image | dask-image | OpenCV | libvips | scipy ÷ 1 thread | best other ÷ 2 threads |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    for one in CASES:
        if a.only in one.pipeline and a.kind in ("", one.data):
            print(bench.row(one), flush=True)


if __name__ == "__main__":
    main()
