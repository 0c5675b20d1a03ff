#!/usr/bin/env python3
"""Accuracy and loss that PyTorch computes with the weights of a swift-train checkpoint on an IDX test set.

Usage: evaluate_with_pytorch.py CHECKPOINT IDX_FOLDER
Prints JSON: samples, loss (mean cross-entropy), acc1 (fraction).
"""

import gzip
import json
import pathlib
import sys

import h5py
import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Benchmarks"))
from pytorch_models import FashionClassifier  # noqa: E402


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    checkpoint, folder = map(pathlib.Path, sys.argv[1:])
    torch.set_num_threads(1)
    model = FashionClassifier()
    with h5py.File(checkpoint) as file:
        state = {key: torch.from_numpy(np.array(file["model"][key])) for key in file["model"]}
    model.load_state_dict(state, strict=True)
    model.eval()
    images = np.frombuffer(gzip.open(folder / "t10k-images-idx3-ubyte.gz").read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    labels = np.frombuffer(gzip.open(folder / "t10k-labels-idx1-ubyte.gz").read(), np.uint8, offset=8).astype(np.int64)
    loss, correct = 0.0, 0
    with torch.no_grad():
        for first in range(0, len(images), 256):
            logits = model(torch.tensor(images[first:first + 256]).float() / 255)
            targets = torch.from_numpy(labels[first:first + 256])
            loss += float(F.cross_entropy(logits.double(), targets, reduction="sum"))
            correct += int((logits.argmax(1) == targets).sum())
    print(json.dumps({"samples": len(images), "loss": loss / len(images), "acc1": correct / len(images)}))


if __name__ == "__main__":
    main()
