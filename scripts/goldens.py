"""What the golden scripts share: a family of goldens is a folder below tests/golden, made by one script.

    python3 -m venv VENV && VENV/bin/pip install numpy scipy scikit-image      # versions used: manifest.json
    VENV/bin/python scripts/make_goldens_NAME.py            # writes tests/golden/NAME, replacing it
    VENV/bin/python scripts/make_goldens_NAME.py --check    # writes nothing; exit 1 when the folder differs

The format is explained in scripts/make_goldens.py (the family `core`); besides, a case may have
      axes      letters given to the input's axes, as `open(path, axes=…)` does
"""
import argparse, filecmp, json, os, shutil, sys, tempfile

import numpy as np

CUT = 180_000  # bytes in one expected.N.bin


class Raw(str):
    """Text of the pipeline language, not to be quoted."""


def lit(v):
    """A value in the pipeline language."""
    if isinstance(v, Raw):
        return str(v)
    if isinstance(v, np.ndarray):
        v = v.tolist()
    if isinstance(v, (list, tuple)):
        return "[" + ", ".join(map(lit, v)) + "]"
    if isinstance(v, (bool, np.bool_)):
        return "true" if v else "false"
    if v is None:
        return "none"
    return json.dumps(v) if isinstance(v, str) else repr(v)


def call(op, *pos, **kw):
    return f"{op}(" + ", ".join([lit(p) for p in pos] + [f"{k}={lit(v)}" for k, v in kw.items()]) + ")"


def ints(r, dtype, shape, lo, hi):
    """Random integers of a range, both ends among them."""
    a = r.integers(lo, hi, shape, dtype=np.int64, endpoint=True).astype(dtype)
    a.flat[1], a.flat[a.size // 2] = hi, lo
    return a


class Goldens:
    """The inputs and cases of one family."""

    def __init__(self, family):
        self.family, self.inputs, self.cases, self.blob, self.count = family, {}, [], bytearray(), {}

    def input(self, name, array):
        self.inputs[name] = np.ascontiguousarray(array)
        return self.inputs[name]

    def add(self, group, inp, pipeline, expected, check, value_only=False, axes=None):
        """`check` is "exact" or the tolerance relative to the largest expected value."""
        expected = np.asarray(expected)
        if expected.ndim:
            expected = np.ascontiguousarray(expected)
        k = self.count[group] = self.count.get(group, -1) + 1
        case = dict(name=f"{group}-{k:03}", pipeline=pipeline, input=f"in/{inp}.npy", dtype=expected.dtype.name,
                    shape=list(expected.shape), offset=len(self.blob), check=check if check == "exact" else {"rel": check})
        if value_only:
            case["value_only"] = True
        if axes:
            case["axes"] = axes
        self.cases.append(case)
        self.blob += expected.tobytes()

    def write(self, out):
        os.makedirs(f"{out}/in")
        used = {c["input"] for c in self.cases}
        for n, a in self.inputs.items():
            if f"in/{n}.npy" in used:
                np.save(f"{out}/in/{n}.npy", a)
        files = []
        for k in range(0, len(self.blob), CUT):
            files.append(f"expected.{len(files)}.bin")
            with open(f"{out}/{files[-1]}", "wb") as f:
                f.write(self.blob[k:k + CUT])
        import scipy, skimage
        versions = dict(python=sys.version.split()[0], numpy=np.__version__, scipy=scipy.__version__, skimage=skimage.__version__)
        head = dict(made_by=f"scripts/{os.path.basename(sys.argv[0])}", versions=versions, expected=files)
        cases = ",\n".join(json.dumps(c, separators=(",", ":")) for c in self.cases)
        with open(f"{out}/manifest.json", "w") as f:
            f.write(json.dumps(head)[:-1] + ', "cases": [\n' + cases + "\n]}\n")

    def main(self, doc):
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        ap = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
        ap.add_argument("--out", default=os.path.join(root, "tests", "golden", self.family))
        ap.add_argument("--check", action="store_true")
        a = ap.parse_args()
        with tempfile.TemporaryDirectory(prefix="goldens-") as tmp:
            new = f"{tmp}/golden"
            self.write(new)
            if a.check:
                files = lambda d: {os.path.relpath(os.path.join(p, n), d) for p, _, ns in os.walk(d) for n in ns}
                same = lambda n: filecmp.cmp(f"{new}/{n}", f"{a.out}/{n}", shallow=False)
                bad = sorted(files(new) ^ files(a.out)) + [n for n in files(new) & files(a.out) if not same(n)]
                print("same" if not bad else f"differs: {bad}")
                sys.exit(bool(bad))
            shutil.rmtree(a.out, ignore_errors=True)
            shutil.copytree(new, a.out)
        print(len(self.cases), "cases,", len(self.blob), "bytes:", self.count)
