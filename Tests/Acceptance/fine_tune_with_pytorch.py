#!/usr/bin/env python3
"""PyTorch's side of fine-tuning.

Usage: fine_tune_with_pytorch.py WEIGHTS DATA TABLE
Trains a CIFAR ResNet-20 on DATA's two classes from nothing and from WEIGHTS (all but the head) with three seeds, by the same recipe, and
prints the accuracies beside those in TABLE (a line a seed: seed, from nothing, from weights). Fails unless weights help here with every seed
and our mean from weights is at most PyTorch's spread below PyTorch's.
"""

import pathlib
import statistics
import sys

import h5py
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "TrainingTests" / "Generator")]
from networks import CIFARResNet  # noqa: E402
from predict_with_pytorch import read_safetensors  # noqa: E402

EPOCHS, BATCH, RATE, MOMENTUM = 30, 20, 0.01, 0.9


def load(path):
    with h5py.File(path) as file:
        mean, std = (torch.tensor(file["train/images"].attrs[name]).float().view(1, 3, 1, 1) for name in ("mean", "std"))
        for split in "train", "test":
            images = torch.from_numpy(file[split]["images"][...]).permute(0, 3, 1, 2).float() / 255
            yield (images - mean) / std, torch.from_numpy(file[split]["labels"][...])


def accuracy_after(weights, seed, train, test):
    torch.manual_seed(seed)
    model = CIFARResNet(20, 2)
    if weights:
        own = model.state_dict()
        model.load_state_dict({key: own[key] if key.startswith("fc.") else weights[key] for key in own})
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)
    images, labels = train
    for _ in range(EPOCHS):
        model.train()
        for part in torch.randperm(len(labels)).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(model(images[part]), labels[part]).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in zip(test[0].split(500), test[1].split(500)))
    return right / len(test[1])


def main():
    weights = read_safetensors(sys.argv[1])[0]
    train, test = load(sys.argv[2])
    ours = [[float(word) for word in line.split()] for line in pathlib.Path(sys.argv[3]).read_text().splitlines()]
    theirs = {name: [accuracy_after(start, int(seed), train, test) for seed, *_ in ours]
              for name, start in [("nothing", None), ("weights", weights)]}
    print("seed  here: nothing  weights   PyTorch: nothing  weights")
    for row, (seed, nothing, started) in enumerate(ours):
        print(f"{int(seed):4}         {nothing:.4f}   {started:.4f}            {theirs['nothing'][row]:.4f}   {theirs['weights'][row]:.4f}")
    spread = max(theirs["weights"]) - min(theirs["weights"])
    mean, other = statistics.mean(row[2] for row in ours), statistics.mean(theirs["weights"])
    print(f"from weights: {mean:.4f} here, {other:.4f} there, whose seeds lie {spread:.4f} apart")
    if any(row[2] <= row[1] for row in ours) or mean < other - spread:
        sys.exit("weights do not help, or help less than in PyTorch")


if __name__ == "__main__":
    main()
