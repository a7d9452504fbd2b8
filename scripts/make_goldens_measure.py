"""Tables that scikit-image's regionprops_table gives, for tests/measure.rs.

    VENV/bin/python scripts/make_goldens_measure.py            # writes tests/measure, replacing it
"""
import json, os, shutil, sys

import numpy as np
import scipy.ndimage as ndi
import skimage
from skimage.measure import regionprops_table

ROOT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "measure")
rng = np.random.default_rng(7)


def blobs(shape, level, size, dtype=np.int32):
    noise = ndi.gaussian_filter(rng.standard_normal(shape), size)
    return ndi.label(noise > level * noise.std())[0].astype(dtype)


flat = blobs((61, 83), 0.4, 2.0)
sparse = flat.astype(np.int64) * 1_000_003
scattered = rng.integers(-2, 6, (23, 31)).astype(np.int16)  # objects in pieces, negative labels
volume = blobs((17, 23, 29), 0.6, 1.3, np.uint16)
wide = np.zeros((5, 200), np.uint8)
wide[2, 3:190] = 9
wide[4, 199] = 4
# scikit-image has no hull for objects that lie in a plane.
bulky = lambda k: np.linalg.matrix_rank(np.argwhere(volume == k) - np.argwhere(volume == k)[0]) == 3
solids = np.where(np.isin(volume, [k for k in range(1, volume.max() + 1) if bulky(k)]), volume, 0)
LABELS = dict(flat=flat, sparse=sparse, scattered=scattered, volume=volume, wide=wide)
for name, labels in list(LABELS.items()):
    LABELS[name] = np.ascontiguousarray(labels)


def image(shape, dtype):
    if dtype in ("float32", "float64"):
        return (rng.standard_normal(shape) * 100 + 1000).astype(dtype)
    if dtype == "bool":
        return rng.random(shape) > 0.4
    lo, hi = (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if dtype in ("uint64", "int64"):
        lo, hi = lo // 2**14, hi // 2**14  # sums that float64 holds
    return rng.integers(lo, hi, shape, dtype=dtype, endpoint=True)


SHAPE = ["label", "area", "bbox", "area_bbox", "centroid", "equivalent_diameter_area", "extent"]
SECOND = ["inertia_tensor", "inertia_tensor_eigvals", "axis_major_length", "axis_minor_length"]
FLAT = ["eccentricity", "orientation"]
MOMENTS = ["moments", "moments_central"]
LOCAL = ["euler_number"]
LOCAL_FLAT = ["perimeter", "perimeter_crofton"]
HULL = ["area_convex", "solidity", "feret_diameter_max"]
INTENSITY = ["intensity_mean", "intensity_min", "intensity_max", "intensity_std", "intensity_median", "centroid_weighted"]
PERCENTILES = [0, 5, 33.3, 50, 97.5, 100]

inputs, cases = {}, []


def save(name, array):
    if name not in inputs:
        inputs[name] = True
        np.save(f"{ROOT}/{name}.npy", array)


def cell(v):
    v = v.item() if hasattr(v, "item") else v
    return None if isinstance(v, float) and not np.isfinite(v) else v


def add(labels, intensity, dtype, properties):
    l = LABELS[labels]
    save(labels, l)
    img = None
    if intensity:
        img = image(l.shape, dtype)
        save(intensity, img)
    table = regionprops_table(np.maximum(l, 0), img.astype("f8") if img is not None and img.dtype == "f4" else img, properties=properties)
    if img is not None:
        for p in PERCENTILES:
            own = [np.percentile(img[l == k].astype("f8"), p) for k in table["label"]]
            table[f"intensity_percentile-{p}"] = np.array(own)
    names = [k for k in table if k.startswith("intensity_percentile")]
    # Moments whose orders add up to more than three are not measured.
    keep = lambda k: not k.startswith("moments") or sum(int(p) for p in k.split("-")[1:]) <= 3
    columns = {k: [cell(v) for v in table[k]] for k in table if keep(k)}
    cases.append(dict(labels=labels, intensity=intensity, properties=properties + names, columns=columns))


def main():
    shutil.rmtree(ROOT, ignore_errors=True)
    os.makedirs(ROOT)
    for name in LABELS:
        flat_only = LABELS[name].ndim == 2
        add(name, None, None, SHAPE)
        add(name, None, None, ["label"] + SECOND + (FLAT if flat_only else []))
        add(name, None, None, ["label"] + LOCAL + (LOCAL_FLAT if flat_only else []))
        if flat_only:
            add(name, None, None, ["label"] + HULL)
    LABELS["solids"] = solids
    add("solids", None, None, ["label"] + HULL)
    for name in ["scattered", "wide"]:
        add(name, None, None, ["label"] + MOMENTS)
    for dtype in ["uint8", "uint16", "int16", "float32", "float64", "uint64", "int64"]:
        add("scattered", f"scattered_{dtype}", dtype, ["label"] + INTENSITY)
    add("volume", "volume_uint8", "uint8", ["label", "area"] + INTENSITY)
    text = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    with open(f"{ROOT}/tables.json", "w") as f:
        f.write(json.dumps(dict(made_by="scripts/make_goldens_measure.py", skimage=skimage.__version__, numpy=np.__version__))[:-1])
        f.write(', "cases": [\n' + text + "\n]}\n")
    print(len(cases), "cases")


main()
