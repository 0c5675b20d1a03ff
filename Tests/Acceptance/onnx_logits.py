#!/usr/bin/env python3
"""ONNX's side of onnx.

Usage: onnx_logits.py data FILE CHANNELS SIDE     draws a dataset of square images in 10 classes
       onnx_logits.py check NETWORK MODEL LOGITS DATA
           checks MODEL with onnx.checker, computes the logits of DATA's test images with onnxruntime, in two batch sizes, and
           compares them with those in LOGITS; prints the largest difference relative to the largest logit; at most 1e-4
"""

import sys

import h5py
import numpy as np

import dataset_file

CLASSES = 10
TOLERANCE = 1e-4


def write_data(path, channels, side):
    generator = np.random.default_rng(5)

    def split(count):
        small = generator.integers(0, 256, (count, side // 4, side // 4, channels), dtype=np.uint8)
        images = small.repeat(4, 1).repeat(4, 2) // 4 * 3 + generator.integers(0, 64, (count, side, side, channels), dtype=np.uint8)
        return images.astype(np.uint8), np.arange(count) % CLASSES

    dataset_file.write(path, CLASSES, {"train": split(16), "test": split(7)})


def check(name, path, logits, data):
    import onnx
    import onnxruntime

    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    with h5py.File(data) as file, h5py.File(logits) as ours:
        images = (file["test/images"][:].astype(np.float32) / 255).transpose(0, 3, 1, 2)
        here = ours["logits"][:]
    parts = [session.run(["logits"], {"image": np.ascontiguousarray(images[range_])})[0] for range_ in [slice(0, 4), slice(4, None)]]
    there = np.concatenate(parts)
    difference = np.abs(there - here).max() / np.abs(here).max()
    spread = here.std(0).max() / np.abs(here).max()
    operators = len(onnx.load(path, load_external_data=False).graph.node)
    print(f"{name}: {operators} nodes, largest difference {difference:.1e} of the largest logit (spread over images {spread:.1e})")
    if not difference <= TOLERANCE:
        sys.exit(f"{name}: expected at most {TOLERANCE}")


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] == "data":
        write_data(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    elif len(sys.argv) == 6 and sys.argv[1] == "check":
        check(*sys.argv[2:])
    else:
        sys.exit(__doc__)
