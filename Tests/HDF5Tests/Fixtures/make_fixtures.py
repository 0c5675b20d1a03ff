"""Writes the small HDF5 files that HDF5HostileFileTests must refuse, or must read though others wrote them.

Usage: make_fixtures.py FOLDER (with h5py; made with h5py 3 on HDF5 1.14, format "earliest").
"""

import os
import struct
import sys

import h5py
import numpy as np

folder = sys.argv[1]
os.chdir(folder)


def create(name):
    return h5py.File(name, "w", libver="earliest")


with create("links.h5") as file:
    file.create_group("group")
    file["group/data"] = np.arange(4, dtype=np.float32)
    file["soft"] = h5py.SoftLink("/group/data")
    file["softgroup"] = h5py.SoftLink("/group")
    file["external"] = h5py.ExternalLink("foreign.h5", "/secret")
    file["hard"] = file["group/data"]

with create("storage.h5") as file:
    file.create_dataset("external", (4,), dtype="<f4", external=[("foreign.bin", 0, 16)])
    file["rank6"] = np.zeros((1, 1, 1, 1, 1, 1), dtype=np.float32)
    file.create_dataset("lzf", data=np.arange(100, dtype=np.float32), compression="lzf", chunks=(100,))
    file.create_dataset("sparse", (1 << 40,), dtype="<f4", chunks=(16,))
    file.create_dataset("hugechunk", (1 << 30,), dtype="<f4", chunks=(1 << 29,))
    file.create_dataset("unallocated", (1 << 40,), dtype="<f4")
    file["null"] = h5py.Empty("f")

with h5py.File("virtual.h5", "w", libver=("earliest", "v110")) as file:
    layout = h5py.VirtualLayout(shape=(4,), dtype="<f4")
    layout[:] = h5py.VirtualSource("foreign.h5", "secret", shape=(4,))
    file.create_virtual_dataset("virtual", layout)

with create("peer.h5") as file:
    file["big"] = np.arange(4, dtype=">f4")
    file["half"] = np.arange(4, dtype="<f2")
    file["short"] = np.arange(4, dtype="<u2")
    file["fixed"] = np.array([b"ab", b"c", b""], dtype="S2")
    file.create_dataset("variable", data=["Größe", ""], dtype=h5py.string_dtype())
    file.attrs["text"] = "Größe"
    file.attrs["fixed"] = np.bytes_(b"plain")
    file.attrs["small"] = np.int8(-3)
    file.attrs["unsigned"] = np.uint64(2**63 - 1)
    file.attrs["toolarge"] = np.uint64(2**63)
    file.attrs["single"] = np.float32(0.5)
    file.attrs["row"] = np.array([1, 2], dtype=">i4")
    file.attrs["matrix"] = np.zeros((2, 2))
    file.attrs["flag"] = np.bool_(True)

with create("odd.h5") as file:
    file.attrs["null"] = h5py.Empty("i4")
    file.attrs["nullText"] = h5py.Empty(h5py.string_dtype())
    file.attrs["nullReal"] = h5py.Empty("f8")
    file.attrs["noNumbers"] = np.zeros(0, dtype="<i4")
    file.attrs["noReals"] = np.zeros(0, dtype="<f4")
    file.attrs["noTexts"] = np.zeros(0, dtype="S3")
    file.attrs["noText"] = np.bytes_(b"")
    for name, dtype in [
        ("i1", "i1"), ("u1", "u1"), ("i2be", ">i2"), ("u2", "<u2"), ("i4", "<i4"), ("u4be", ">u4"), ("i8be", ">i8"), ("u8", "<u8")
    ]:
        file[f"integers/{name}"] = np.array([0, 1, 127], dtype=dtype)
    file["integers/negative"] = np.array([-1, 1], dtype="<i2")
    file["integers/toolarge"] = np.array([2**63, 1], dtype="<u8")
    file.create_group("a\x1b[31m\n\u202e")

# A compact dataset of 113 elements whose extents are then said to be 120.
with create("compact.h5") as file:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.COMPACT)
    values = np.zeros(113, dtype="<f4")
    space = h5py.h5s.create_simple(values.shape)
    h5py.h5d.create(file.id, b"data", h5py.h5t.IEEE_F32LE, space, dcpl=properties).write(h5py.h5s.ALL, h5py.h5s.ALL, values)
with open("compact.h5", "rb") as file:
    image = file.read()
with open("compact.h5", "wb") as file:
    file.write(image.replace(struct.pack("<Q", 113), struct.pack("<Q", 120)))
