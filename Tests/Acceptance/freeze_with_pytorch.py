#!/usr/bin/env python3
"""PyTorch's side of training the head of a frozen network.

Usage: freeze_with_pytorch.py loop|cached WEIGHTS DATA EPOCHS BATCH RATE THREADS     prints the accuracy on DATA's test images
       freeze_with_pytorch.py equal WEIGHTS CHECKPOINT                  fails unless all but the head is equal, byte for byte
loop computes the frozen layers in every epoch, as tutorials do; cached computes them once and trains the head on what they give.
"""

import sys

import h5py
import numpy as np
import torch
import torch.nn.functional as F

from predict_with_pytorch import MEAN, STD, network, read_safetensors

CHUNK = 32


def load(path):
    with h5py.File(path) as file:
        for split in "train", "test":
            yield torch.from_numpy(file[split]["images"][...]), torch.from_numpy(file[split]["labels"][...])


def prepared(images):
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return ((images.permute(0, 3, 1, 2).float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def train(kind, weights, data, epochs, batch, rate, threads):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    (images, labels), (test_images, test_labels) = load(data)
    model = network("resnet18", 1000)
    model.load_state_dict(read_safetensors(weights)[0], strict=False)
    head = torch.nn.Linear(model.fc.in_features, int(labels.max()) + 1)
    model.fc = torch.nn.Identity()
    model = model.to(memory_format=torch.channels_last).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)

    def features(pixels):
        with torch.no_grad():
            return torch.cat([model(prepared(part)) for part in pixels.split(CHUNK)])

    kept = features(images) if kind == "cached" else None
    optimizer = torch.optim.SGD(head.parameters(), lr=rate, momentum=0.9)
    for _ in range(epochs):
        for part in torch.randperm(len(labels)).split(batch):
            inputs = features(images[part]) if kept is None else kept[part]
            optimizer.zero_grad()
            F.cross_entropy(head(inputs), labels[part]).backward()
            optimizer.step()
    with torch.no_grad():
        right = (head(features(test_images)).argmax(1) == test_labels).sum().item()
    print(f"{right / len(test_labels):.4f}")


def equal(weights, checkpoint):
    tensors = read_safetensors(weights)[0]
    with h5py.File(checkpoint) as file:
        keys = [key for key in file["model"] if not key.startswith("fc.")]
        other = [key for key in keys if np.asarray(file["model"][key]).tobytes() != tensors[key].numpy().tobytes()]
    if other or not keys:
        sys.exit(f"{len(other)} of {len(keys)} frozen tensors changed: {other[:5]}")
    print(f"{len(keys)} frozen tensors are equal, byte for byte, before and after")


def main():
    command, *words = sys.argv[1:]
    if command == "equal":
        equal(*words)
    else:
        weights, data, epochs, batch, rate, threads = words
        train(command, weights, data, int(epochs), int(batch), float(rate), int(threads))


if __name__ == "__main__":
    main()
