"""What scipy and scikit-image make of examples/nuclei.tw, for tests/nuclei.rs.

    VENV/bin/python scripts/make_golden_nuclei.py            # writes tests/files/nuclei.json
"""
import glob, json, os

import numpy as np
import scipy
import scipy.ndimage as ndi
import skimage
import tifffile
from skimage.filters import threshold_local
from skimage.measure import regionprops_table

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def hashed(labels):
    """FNV-1a over the labels as little-endian uint32."""
    h = 0xCBF29CE484222325
    for byte in labels.astype("<u4").tobytes():
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def main():
    frames, rows, last = [], [], 0
    for path in sorted(glob.glob(f"{ROOT}/examples/nuclei/*.tif")):
        frame = tifffile.imread(path)
        smooth = ndi.gaussian_filter(frame.astype("f4"), 1)
        mask = smooth > threshold_local(smooth, 51, offset=-5)
        labels, count = ndi.label(ndi.binary_opening(mask, ndi.generate_binary_structure(2, 1)))
        table = regionprops_table(labels, frame, properties=["label", "area", "intensity_mean", "centroid"])
        for label, *rest in zip(*(table[k] for k in ["label", "area", "intensity_mean", "centroid-0", "centroid-1"])):
            rows.append([int(label) + last] + [float(v) for v in rest])
        frames.append(np.where(labels > 0, labels + last, 0))
        last += count
    made_by = dict(script="scripts/make_golden_nuclei.py", scipy=scipy.__version__, skimage=skimage.__version__)
    with open(f"{ROOT}/tests/files/nuclei.json", "w") as f:
        f.write(json.dumps(dict(made_by=made_by, labels=hashed(np.stack(frames))))[:-1])
        f.write(', "rows": [\n' + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "\n]}\n")
    print(last, "nuclei")


main()
