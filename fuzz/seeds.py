#!/usr/bin/env python3
"""Seeds for a fuzz target, made of the files of the tests: seeds.py TARGET FOLDER. Python's own library is enough."""
import base64
import glob
import hashlib
import os
import re
import struct
import sys
import zlib

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
LARGEST = 16384
JPEGS = [
    # grey
    '|JeWF01!$>Nk#wx0RR9200961|JwjV02>k%7Zed27Zw*D92+1gLMtdGB`8rkJupIGRb^yfRb5+Zc$tA}agcLcU4^xVke;Kft*d8%yve$z$C;?B'
    'r2oJG3kU!R00;pA5di<h02BZL00000000000000000003|HJ?r5C8%L00RI30000000000009C61Q7rsasS!?2mt{A06zdB1z@1VN>^>{J}A#d'
    '^Z(f',
    # colours
    '|JeWF01!$>Nk#wx0RR9200961|JwjV02>k%7Zed27Zw*D92+1gLMtdGB`8rkJupIGRb^yfRb5+Zc$tA}agcLcU4^xVke;Kft*d8%yve$z$C;?B'
    'r2pFhLjfEf9w;LyPAe-;q;6eqq@<*zq@<*zq@<*zq@<*zq@<*zq@<*zq@<*zq@<*zq@<*zq@<*zq@<*zq@<*zq@@4A01*fP5C9MZ0U`hb5di}c'
    '0sq7R761VO0RR910000000000000010{_GSA`k%p0s#X91poj500000000330}=ocAu&OL6CzP!asR{s6afJM00000000000000000030!~hf#'
    '0RR910000000000000000RP$m3<CiG0ucid06zebBU_CzfRf;%yxqTFYvW6H$@Ou{65ngAWP|Yor*4|m$sk#nSsjA=3gV~K;q9ec$O>|DiepV!'
    'hnaGC(0~8g',
    # progressive
    '|JeWF01!$>Nk#wx0RR9200961|JwjV02>k%7Zed27Zw*D92+1gLMtdGB`8rkJupIGRb^yfRb5+Zc$tA}agcLcU4^xVke;Kft*d8%yve$z$C;?B'
    'r2oPI3kU!Z00;pA5di<h02BZL00000000000000000002|Jncu0RaF2009gC!~hl$0RaI300000000000000001*QJ+5iXv0RRC70-0C;!~hx)'
    '00II700000000000000000IFK5+Q;A+5iXv0RRR+0@6u&w-5is02vSg00RL500000000000000101+WkVgK3y2mt{A0Y4$jW9~$^Y2}Ik+5iXv'
    '0RR915dQ%G!~hu(0RRI50RR9100000000000RRypaY6su00;pA00BP`3^wg5E2Yl~Y^>pg|Je',
]


def files(pattern, largest=LARGEST):
    for path in sorted(glob.glob(os.path.join(ROOT, pattern), recursive=True, include_hidden=True)):
        if os.path.isfile(path) and os.path.getsize(path) <= largest:
            with open(path, "rb") as f:
                yield path, f.read()


def npy():
    return [data for _, data in files("tests/**/*.npy")][:60]


def tiff():
    return [data for _, data in files("tests/files/tiff/*.tif")]


def described(pattern):
    found = [re.search(pattern, data, re.DOTALL) for _, data in files("tests/files/tiff/*.tif", 1 << 24)]
    return [match.group(1) for match in found if match]


def ome_xml():
    return described(rb"(<\?xml.*?</OME>)")


def imagej():
    return [b"\2" + text for text in described(rb"(ImageJ=[^\0]*)") + described(rb"(\{\"shape\"[^\0]*)")]


def zarr_metadata():
    seeds = []
    for path, data in files("tests/files/zarr/**/*"):
        name = os.path.basename(path)
        if name == "zarr.json":
            seeds.append((b"\2" if b"multiscales" in data or b'"group"' in data else b"\0") + data)
        elif name == ".zarray":
            seeds.append(b"\1" + data)
        elif name == ".zattrs":
            seeds.append(b"\3" + data)
    return seeds


def zarr_chunk():
    chunks = [data for path, data in files("tests/files/zarr/v[23]_*/**/*") if not os.path.basename(path).startswith((".", "zarr.json"))]
    return [bytes([kind]) + data for kind in range(12) for data in chunks[kind::12]]


def pipeline():
    seeds = []
    for _, data in files("src/ops/**/*.rs"):
        for block in re.findall(r"examples: &\[(.*?)\]," + "\n", data.decode(), re.DOTALL):
            seeds += re.findall(r'"((?:[^"\\]|\\.)*)"', block)
    seeds += ["a = input + 1; b = a * 2 - -a ** 2 // 3 % 5", "input[z=1:3, x=::2] |> mean(axis=\"z\")", "(input > 3) & ~(input <= 7) | (input != 2)"]
    return [seed.replace('\\"', '"').encode() for seed in seeds]


def words():
    """A dictionary for the pipeline language."""
    names = {name for _, data in files("src/ops/**/*.rs", 1 << 20) for name in re.findall(r'OpDef \{\s*name: "(\w+)"', data.decode())}
    more = ["input", "open(", "save(", "true", "none", "disk(", "axis=", "axes=", "size=", "mode=", '"nearest"', "footprint=", "|>", "//", "**",
            "[z=1:2, ::3]", "1e308", "9223372036854775808", "; "]
    return "".join('"%s"\n' % word.replace('"', '\\"') for word in sorted(names) + more)


def raw():
    return [b"shape=8,8&dtype=uint16", b"shape=3,4,5&dtype=float32&order=F&offset=17&endian=big&axes=zyx", b"dtype=bool&shape=4096"]


def picture():
    def png(width, height, depth, colour, pixels, interlaced=0):
        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
        palette = chunk(b"PLTE", bytes(range(12))) if colour == 3 else b""
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")

    pngs = [png(4, 3, 8, 0, bytes(15)), png(2, 3, 16, 0, bytes(range(15))), png(3, 2, 8, 2, bytes(20)), png(9, 2, 1, 0, bytes(6)),
            png(4, 2, 2, 3, b"\0\x1b\0\xe4"), png(3, 2, 8, 6, bytes(26)), png(3, 2, 8, 4, bytes(14)), png(5, 5, 8, 0, bytes(40), 1)]
    return pngs + [base64.b85decode(text) for text in JPEGS]


def main():
    target, folder = sys.argv[1:3]
    os.makedirs(folder, exist_ok=True)
    for seed in globals()[target]():
        with open(os.path.join(folder, hashlib.sha1(seed).hexdigest()[:16]), "wb") as f:
            f.write(seed)
    if target == "pipeline":
        with open(f"{folder}.dict", "w") as f:
            f.write(words())


if __name__ == "__main__":
    main()
