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

CLASSES = 10
TOLERANCE = 1e-4


def write_data(path, channels, side):
    generator = np.random.default_rng(5)
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "swift-train.dataset"
        file.attrs["format_version"] = np.int64(1)
        file["classes"] = [f"class {index}" for index in range(CLASSES)]
        for split, count in [("train", 16), ("test", 7)]:
            small = generator.integers(0, 256, (count, side // 4, side // 4, channels), dtype=np.uint8)
            images = small.repeat(4, 1).repeat(4, 2) // 4 * 3 + generator.integers(0, 64, (count, side, side, channels), dtype=np.uint8)
            labels = (np.arange(count) % CLASSES).astype(np.int64)
            group = file.create_group(split)
            group["images"], group["labels"] = images.astype(np.uint8), labels
            attributes = group["images"].attrs
            attributes["layout"], attributes["color"] = "NHWC", "RGB" if channels == 3 else "GRAY"
            attributes["mean"] = (images / 255).mean((0, 1, 2))
            attributes["std"] = (images / 255).std((0, 1, 2))
            attributes["counts"] = np.bincount(labels, minlength=CLASSES).astype(np.int64)


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
