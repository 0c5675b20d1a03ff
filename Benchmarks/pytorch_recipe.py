#!/usr/bin/env python3
"""The Fashion-MNIST recipe of the tutorial in PyTorch, whole process: the peer of Benchmarks/compare-recipe.

Usage: pytorch_recipe.py IDX_FOLDER [--epochs 10] [--threads 2]
Prints one JSON object: seconds of every epoch, test accuracy after the last one.

The tutorial's loop (DataLoader with shuffle, batch 32, loss.item() a step) on the CPU. Kinder to PyTorch than the tutorial:
the images are float tensors in memory from the start, not decoded and scaled one by one, and the test set is
scored in blocks of 256 once an epoch, not image by image. No checkpoints.
"""

import argparse
import gzip
import json
import pathlib
import time

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from pytorch_models import FashionClassifier


def idx(folder, images, labels):
    pixels = np.frombuffer(gzip.open(folder / f"{images}.gz").read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    classes = np.frombuffer(gzip.open(folder / f"{labels}.gz").read(), np.uint8, offset=8).astype(np.int64)
    return TensorDataset(torch.from_numpy(pixels.astype(np.float32) / 255), torch.from_numpy(classes))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    train = idx(arguments.folder, "train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    test = idx(arguments.folder, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    classifier = FashionClassifier()
    loss_function = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(classifier.parameters(), lr=0.001, momentum=0.9)
    seconds = []
    for _ in range(arguments.epochs):
        start = time.perf_counter()
        classifier.train()
        total = 0.0
        for images, labels in DataLoader(train, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            loss = loss_function(classifier(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
        classifier.eval()
        with torch.inference_mode():
            images, labels = test.tensors
            correct = sum(int((classifier(images[i:i + 256]).argmax(1) == labels[i:i + 256]).sum()) for i in range(0, len(labels), 256))
        seconds.append(time.perf_counter() - start)
    print(json.dumps({
        "framework": "pytorch", "torch_version": torch.__version__, "threads": arguments.threads, "epoch_seconds": seconds,
        "acc1": correct / len(test)}))


if __name__ == "__main__":
    main()
