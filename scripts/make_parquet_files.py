#!/usr/bin/env python3
"""Writes tests/files/parquet: small tables made by pyarrow, in the variants that tests/cli_plot.rs plots.

Needs pyarrow. In row i, `a` is i (nothing in every fifth row), `b` is 4e9 + i as uint32, `c` is i / 4 as float32, `text` is words.
"""
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parent.parent / "tests/files/parquet"
N = 300

ROOT.mkdir(exist_ok=True)
table = pa.table({
    "a": pa.array([None if i % 5 == 4 else i for i in range(N)], pa.int64()),
    "b": pa.array([4_000_000_000 + i for i in range(N)], pa.uint32()),
    "c": pa.array([i / 4 for i in range(N)], pa.float32()),
    "text": pa.array([f"cell {i}" for i in range(N)]),
    "list": pa.array([[i] for i in range(N)]),
})
for codec in ("snappy", "zstd", "gzip"):
    pq.write_table(table, ROOT / f"{codec}.parquet", compression=codec, row_group_size=120, data_page_version="2.0" if codec == "zstd" else "1.0")
