#!/usr/bin/env python3
"""Dataset files whose images h5py stores in chunks of many kinds.

Usage: make_chunked_golden.py FOLDER     needs h5py, NumPy
Pixel p of the whole array is 37 p mod 251, or p / 1024 as float32; what was never written is 7.
"""
import os
import sys

import h5py
import numpy as np

SHAPE = (10, 5, 6, 2)
COUNT = int(np.prod(SHAPE))
BYTES = (np.arange(COUNT) * 37 % 251).astype(np.uint8).reshape(SHAPE)
FLOATS = (np.arange(COUNT) / 1024).astype(np.float32).reshape(SHAPE)


def write(name, pixels, written=SHAPE[0], **storage):
    with h5py.File(os.path.join(sys.argv[1], name), "w", libver=("earliest", "v110")) as file:
        file.attrs["format"] = "swift-train.dataset"
        file.attrs["format_version"] = 1
        file["classes"] = ["a", "b"]
        images = file.create_dataset("train/images", SHAPE, pixels.dtype, **storage)
        images.attrs["layout"] = "NHWC"
        images[:written] = pixels[:written]
        file["train/labels"] = np.arange(SHAPE[0]) % 2


write("chunked-tiles.h5", BYTES, chunks=(3, 2, 4, 1), compression="gzip", shuffle=True, fletcher32=True)
write("chunked-rows.h5", BYTES, chunks=(4, 5, 6, 2), compression="gzip", compression_opts=9)
write("chunked-plain.h5", BYTES, chunks=(16, 5, 3, 2), fletcher32=True, maxshape=(None, 5, 6, 2))
write("chunked-floats.h5", FLOATS, chunks=(3, 5, 6, 2), compression="gzip", shuffle=True, fletcher32=True)
write("chunked-sparse.h5", BYTES, written=4, chunks=(2, 3, 6, 2), compression="gzip", fillvalue=7)
