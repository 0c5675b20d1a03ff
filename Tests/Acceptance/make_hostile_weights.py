#!/usr/bin/env python3
"""Writes files of weights that are damaged or want something, made with Python's own pickle, zip and zlib.

Usage: make_hostile_weights.py FOLDER MARKER     what is executed would create MARKER
"""

import io
import json
import os
import pathlib
import pickle
import random
import struct
import sys
import zipfile

import torch

folder, marker = pathlib.Path(sys.argv[1]), sys.argv[2]
folder.mkdir()


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def archive(name, records, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(folder / name, "w", compression) as file:
        for record, content in records.items():
            file.writestr(record, content)


def pickled(name, value, protocol=2):
    archive(name, {"a/data.pkl": value if isinstance(value, bytes) else pickle.dumps(value, protocol), "a/version": "3\n"})


def good():
    buffer = io.BytesIO()
    torch.save(torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4)).state_dict(), buffer)
    return buffer.getvalue()


def header(name, text, data=b"", length=None):
    raw = text if isinstance(text, bytes) else text.encode()
    (folder / name).write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + data)


def tensor(dtype="F32", shape=(4,), offsets=(0, 16)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


# What wants to be executed.
touch = f"touch {marker}"
pickled("os-system.pth", {"w": Call(os.system, touch)})
pickled("os-system-4.pth", {"w": Call(os.system, touch)}, protocol=4)
pickled("os-system-5.pth", Call(os.system, touch), protocol=5)
pickled("os-system-0.pth", Call(os.system, touch), protocol=0)
pickled("eval.pth", Call(eval, f"open({marker!r}, 'w')"))
pickled("exec.pth", {"state_dict": [Call(exec, f"open({marker!r}, 'w')")]})
pickled("open.pth", Call(open, marker, "w"))
pickled("getattr.pth", Call(getattr, Call(__import__, "os"), "system"))
pickled("build.pth", b"\x80\x02cos\nsystem\n}X\x01\x00\x00\x00aK\x01sb.")
pickled("inst.pth", b"(S'" + touch.encode() + b"'\nios\nsystem\n.")
pickled("torch-load.pth", Call(torch.load, marker))
pickled("module.pth", torch.nn.Linear(2, 2))
(folder / "plain.pth").write_bytes(pickle.dumps(Call(os.system, touch)))
older = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}X\x0d\x00\x00\x00little_endian\x88s."
(folder / "older-os-system.pth").write_bytes(older + pickle.dumps(Call(os.system, touch), 2))
(folder / "older-endless.pth").write_bytes(older + b"(" * (4 << 20))
# What wants memory, time or stack.
pickled("marks.pth", b"\x80\x02" + b"(" * (4 << 20) + b".")
pickled("lists.pth", b"\x80\x02" + b"]" * (4 << 20) + b".")
pickled("tuples.pth", b"\x80\x02N" + b"\x85" * (4 << 20) + b".")
pickled("dictionaries.pth", b"\x80\x02" + b"}" * (4 << 20) + b".")
pickled("memo.pth", b"\x80\x04" + b"N\x94" * (2 << 20) + b".")
pickled("doubling.pth", b"\x80\x02Nq\x00" + b"h\x00h\x00\x86q\x00" * 200_000 + b".")
pickled("laughs.pth", b"\x80\x02]q\x00" + b"(h\x00h\x00h\x00h\x00eq\x00]q\x00" * 100_000 + b".")
pickled("itself.pth", b"\x80\x02]q\x00h\x00a.")
pickled("texts.pth", b"\x80\x02X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20) + b"q\x00" + b"h\x000" * 100_000 + b".")
pickled("long-storage-keys.pth", b"\x80\x02(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX" + struct.pack("<I", 1 << 20) + b"k" * (1 << 20)
        + b"X\x03\x00\x00\x00cpuK\x04tq\x00Q" + b"h\x00Q" * 100_000 + b".")
pickled("promised-text.pth", b"\x80\x02X\xff\xff\xff\xff.")
pickled("promised-frame.pth", b"\x80\x04\x95" + b"\xff" * 8 + b".")
archive("bomb.pth", {"a/data.pkl": b"\x80\x02" + b"(" * (64 << 20)}, zipfile.ZIP_DEFLATED)
archive("bomb-of-records.pth", {"a/data.pkl": b"\x80\x02}."} | {f"a/data/{i}": bytes(1 << 20) for i in range(64)}, zipfile.ZIP_DEFLATED)
archive("many-records.pth", {f"a/data/{i}": b"" for i in range(120_000)})
# What is damaged.
whole = good()
for index, place in enumerate(random.Random(5).sample(range(100, len(whole)), 6)):
    (folder / f"truncated-{index}.pth").write_bytes(whole[:place])
flipped = bytearray(whole)
flipped[whole.index(b"Conv" if b"Conv" in whole else b"weight")] ^= 0x10
(folder / "flipped.pth").write_bytes(flipped)
(folder / "zip-of-nothing.pth").write_bytes(b"PK\x05\x06" + bytes(18))
archive("text.pth", {"readme.txt": "no weights"})
with zipfile.ZipFile(folder / "twice.pth", "w") as file:
    for _ in range(2):
        file.writestr("a/data.pkl", b"\x80\x02}.")
# safetensors.
header("length.safetensors", "{}", length=1 << 62)
header("beyond.safetensors", "{}", length=1000)
header("huge-header.safetensors", "{" + " " * (16 << 20) + "}")
header("nesting.safetensors", '{"w":' + "[" * (4 << 20))
header("objects.safetensors", '{"a":' * (1 << 20))
header("numbers.safetensors", '{"w":{"dtype":"F32","shape":[' + "1," * (2 << 20) + "1]}}")
header("many-tensors.safetensors", json.dumps({f"{i}": tensor(shape=[0], offsets=[0, 0]) for i in range(120_000)}))
header("not-utf8.safetensors", b'{"\xff\xfe":1}')
header("shape-2-60.safetensors", json.dumps({"w": tensor(shape=[1 << 60])}), bytes(16))
header("shape-2-120.safetensors", json.dumps({"w": tensor(shape=[1 << 60, 1 << 60])}), bytes(16))
header("negative.safetensors", json.dumps({"w": tensor(shape=[-1, -4])}), bytes(16))
header("outside.safetensors", json.dumps({"w": tensor(offsets=[1 << 40, (1 << 40) + 16])}), bytes(16))
header("backwards.safetensors", json.dumps({"w": tensor(offsets=[16, 0])}), bytes(16))
header("overlap.safetensors", json.dumps({"v": tensor(), "w": tensor(offsets=[8, 24])}), bytes(24))
header("gap.safetensors", json.dumps({"v": tensor(), "w": tensor(offsets=[20, 36])}), bytes(36))
header("hidden.safetensors", json.dumps({"w": tensor()}), bytes(32))
header("twice.safetensors", '{"w":%s,"w":%s}' % ((json.dumps(tensor()),) * 2), bytes(16))
header("type.safetensors", json.dumps({"w": tensor(dtype="F8_E5M2", offsets=[0, 4])}), bytes(4))
header("truncated.safetensors", json.dumps({"w": tensor()}), bytes(15))
