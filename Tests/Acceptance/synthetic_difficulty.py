"""Test accuracy of a linear softmax and of the Fashion classifier on a dataset file: the synthetic data must be hard for
the first and easy for the second.

Usage: synthetic_difficulty.py DATASET.h5 [EPOCHS]; needs torch and h5py. Exit 1 when a bound does not hold.
"""

import sys

import h5py
import torch
from torch import nn

LINEAR_BELOW = 0.90
CLASSIFIER_ABOVE = 0.97
BATCH = 32


def load(path):
    with h5py.File(path) as file:
        return [
            (torch.from_numpy(file[split]["images"][:]).permute(0, 3, 1, 2).float() / 255,
             torch.from_numpy(file[split]["labels"][:]))
            for split in ("train", "test")
        ]


def classifier():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


def train(name, model, rate, epochs, data):
    (images, labels), (test_images, test_labels) = data
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    accuracies = []
    for _ in range(epochs):
        for chosen in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(model(images[chosen]), labels[chosen]).backward()
            optimizer.step()
        with torch.no_grad():
            accuracies.append((model(test_images).argmax(1) == test_labels).float().mean().item())
    print(f"{name}, learning rate {rate}: {' '.join(f'{a:.4f}' for a in accuracies)}", flush=True)
    return max(accuracies), accuracies[-1]


def main():
    torch.set_num_threads(1)
    data = load(sys.argv[1])
    epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    good = True
    # The linear model gets every chance: three rates, twice the epochs, its best epoch counts.
    for rate in (0.001, 0.003, 0.01):
        torch.manual_seed(1)
        best, _ = train("linear softmax", nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), rate, 2 * epochs, data)
        good &= best < LINEAR_BELOW
    for rate in (0.01, 0.02):
        torch.manual_seed(1)
        _, last = train("fashion classifier", classifier(), rate, epochs, data)
        good &= last > CLASSIFIER_ABOVE
    print(f"linear softmax below {LINEAR_BELOW}, classifier above {CLASSIFIER_ABOVE}: {'yes' if good else 'NO'}")
    sys.exit(0 if good else 1)


main()
