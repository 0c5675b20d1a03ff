#!/usr/bin/env python3
"""Writes NetworkGolden/*.h5: one training step and a trace of ten for every network, computed by PyTorch.

Weights and images are not stored: both sides compute them from a hash of their place (see `uniform`); only the few weights
that were moved to keep batch 0 away from kinks are (see `kinks.py`), and the numbers of the batches where some were passed over
(see `steady_batches`). Stored are, for batch 0, logits, loss and of every gradient its norm, its largest magnitude and 64 entries, in float64; for ten steps of
stochastic gradient descent with momentum, one batch each, the losses; and how far PyTorch's own float32 is off each.

usage: generate_networks.py [NETWORK... | readme]     (readme: only the page about the files that are there)
"""

import hashlib
import pathlib
import platform
import sys

import h5py
import numpy as np
import torch
import torch.nn.functional as F

import kinks
from networks import NETWORKS

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "NetworkGolden"
STEPS = 10
SAMPLES = 64
MOMENTUM = 0.9
IMAGES, LABELS = 1_000_001, 1_000_002


def hashed(stream, indices):
    """32 mixed bits of each index: Murmur3's finaliser over index · odd + stream · odd."""
    with np.errstate(over="ignore"):
        h = indices.astype(np.uint32) * np.uint32(0x9E3779B1) + np.uint32(stream) * np.uint32(0x85EBCA77)
        h ^= h >> np.uint32(16)
        h *= np.uint32(0x85EBCA6B)
        h ^= h >> np.uint32(13)
        h *= np.uint32(0xC2B2AE35)
        h ^= h >> np.uint32(16)
    return h


def uniform(stream, count):
    """Numbers in −1 ..< 1, multiples of 2⁻²³: exact in float32."""
    return (hashed(stream, np.arange(count)) >> np.uint32(8)).astype(np.float64) * 2.0 ** -23 - 1


def initial(number, key, shape):
    """Parameter `number` of the trained ones: weights uniform with the variance 2 / fan in, scales near 1, biases near 0."""
    u = uniform(number, int(np.prod(shape)))
    if len(shape) > 1:
        values = u * np.float64(np.sqrt(6.0 / np.prod(shape[1:])))
    elif key.endswith("bn3.weight"):
        # The last scale of a bottleneck: with 1, rounding errors of a network of 50 layers grow to the size of its gradients.
        values = 0.1 * (1 + 0.25 * u)
    elif key.endswith("weight"):
        values = 1 + 0.25 * u
    else:
        values = 0.1 * u
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def batch(step, image, size, classes):
    count = int(np.prod(image))
    place = np.arange(size * count) + step * size * count
    # Pixels of an image lie channel by channel last, as in a dataset file.
    pixels = (hashed(IMAGES, place) >> np.uint32(24)).astype(np.uint8).reshape(size, image[1], image[2], image[0])
    labels = hashed(LABELS, np.arange(size) + step * size) % np.uint32(classes)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2), torch.from_numpy(labels.astype(np.int64))


def settled(name, make, image, size, classes):
    """Float32 parameters by key, and which elements of which were moved away from kinks."""
    models = make(), make().double()
    named = list(models[0].named_parameters())
    parameters = {key: initial(number, key, tuple(p.shape)) for number, (key, p) in enumerate(named)}
    pixels, _ = batch(0, image, size, classes)
    numbers = {key: number for number, (key, _) in enumerate(named)}
    moved = [
        (numbers[key], element, parameters[key].view(-1)[element].item())
        for key, element in kinks.settle(*models, parameters, pixels)
    ]
    kinks.check(name, *(kinks.forward(model, parameters, pixels) for model in models))
    return parameters, sorted(moved)


def nudged(parameters, seed):
    """Every weight moved to one of its neighbours in float32."""
    generator = torch.Generator().manual_seed(seed)
    return {
        key: torch.nextafter(p, p + torch.where(torch.rand(p.shape, generator=generator) < 0.5, -1.0, 1.0))
        for key, p in parameters.items()
    }


def steady_batches(make, parameters, *arguments):
    """Numbers of the batches of a trace in which no rounding error turns a ReLU or a maximum, and PyTorch's losses in float32.

    Float32 is run from the weights and from two sets of their neighbours. Where a loss of any of them is off float64 by more than
    sixteen times what is usual, the batch before lies at a kink: what float32 makes of it is chance, and another takes its place.
    """
    batches, unused = list(range(STEPS)), STEPS
    while True:
        single = run(make, parameters, *arguments, batches, torch.float32)
        double = run(make, parameters, *arguments, batches, torch.float64)
        neighbours = [run(make, nudged(parameters, seed), *arguments, batches, torch.float32) for seed in range(2)]
        errors = np.abs(np.array([own["losses"] - double["losses"] for own in [single, *neighbours]]))
        away = (errors > 16 * np.median(errors)).any(axis=0)
        if not away.any():
            return batches, single, double
        batches[max(0, int(np.argmax(away)) - 1)] = unused
        unused += 1


def run(make, parameters, classes, image, size, rate, batches, dtype):
    model = make().to(dtype)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            parameter.copy_(parameters[key])
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=MOMENTUM)
    losses, first = [], {}
    for step, number in enumerate(batches):
        pixels, labels = batch(number, image, size, classes)
        optimizer.zero_grad(set_to_none=True)
        logits = model(pixels.to(dtype) / 255)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            gradients = {key: p.grad.double().numpy().ravel().copy() for key, p in model.named_parameters()}
            first = {"logits": logits.detach().double().numpy(), "gradients": gradients}
        optimizer.step()
    return first | {"losses": np.array(losses)}


def write(name, rate, moved, batches, single, double):
    with h5py.File(FOLDER / f"{name}.h5", "w", libver=("v108", "v110")) as file:
        def put(path, array):
            file.create_dataset(path, data=np.ascontiguousarray(array), track_times=False)

        put("learning_rate", np.array([rate]))
        if moved:
            put("moved_parameters", np.array([number for number, _, _ in moved], np.int64))
            put("moved_elements", np.array([element for _, element, _ in moved], np.int64))
            put("moved_values", np.array([value for *_, value in moved], np.float32))
        if batches != list(range(STEPS)):
            put("batches", np.array(batches, np.int64))
        put("logits", double["logits"])
        put("losses", double["losses"])
        keys = list(double["gradients"])
        norms, largest, errors, entries = [], [], [], []
        for number, key in enumerate(keys):
            exact, theirs = double["gradients"][key], single["gradients"][key]
            norms.append((np.linalg.norm(exact), np.linalg.norm(theirs - exact)))
            largest.append(np.abs(exact).max())
            errors.append(np.abs(theirs - exact).max())
            entries.append(exact[hashed(number, np.arange(SAMPLES)) % np.uint32(len(exact))])
        put("gradient_keys", np.array([key.encode() for key in keys], dtype=f"S{max(map(len, keys))}"))
        put("gradient_norms", np.array([n for n, _ in norms]))
        # Of the difference, which bounds how far norms differ.
        put("gradient_norm_errors", np.array([e for _, e in norms]))
        put("gradient_largest", np.array(largest))
        put("gradient_errors", np.array(errors))
        put("gradient_entries", np.array(entries))
        put("logits_error", np.array([np.abs(single["logits"] - double["logits"]).max()]))
        put("losses_errors", np.abs(single["losses"] - double["losses"]))


def write_readme():
    rows = []
    for name, *_, image, size, rate in NETWORKS:
        path = FOLDER / f"{name}.h5"
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        shape = " × ".join(map(str, image))
        rows.append(f"| `{path.name}` | {shape} | {size} | {rate:g} | {path.stat().st_size:,} | `{digest}` |")
    (FOLDER / "README.md").write_text(f"""# Golden steps of every network

Computed by PyTorch on the CPU with one thread, in float64 and float32; `NetworkStepTests` compares the training step with them. This page
is written by the generator.

| | |
|---|---|
| Generator | `Tests/TrainingTests/Generator/generate_networks.py` (networks in `networks.py`) |
| Command | `~/.cache/swift-train/venv/bin/python Tests/TrainingTests/Generator/generate_networks.py` (environment: `Benchmarks/environment`) |
| Versions | torch {torch.__version__}, numpy {np.__version__}, h5py {h5py.__version__}, Python {platform.python_version()} |
| Seed | none: weights, images and labels are hashes of their places, computed by both sides |

Every file holds `logits`, {STEPS} `losses` (one batch each, SGD with momentum {MOMENTUM}, the rate below), and for every gradient of batch 0 its norm, its
largest magnitude and {SAMPLES} entries, all in float64; and beside them how far PyTorch's own float32 is off (`…_error`, `…_errors`).
`moved_…` are the weights that `kinks.py` moved so that no input of a ReLU, and no lead of a maximum, is within rounding of 0: with hashed weights
alone three of ResNet-152's had other signs in our float32 than in float64, and gradients 8,300 times off what is accepted (0.29 with the same signs).
`batches`, where it is there, are the numbers of the batches of the trace: those at a kink are passed over. With VGG-13's first ones PyTorch's own float32
loses its way by 3.2e-4 when some weights move to a neighbour in float32, sixty times what it is off without.

| File | Image | Batch | Rate | Bytes | SHA-256 |
|---|---|---|---|---|---|
""" + "\n".join(rows) + "\n")


def main():
    FOLDER.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    wanted = sys.argv[1:]
    for name, make, classes, image, size, rate in NETWORKS:
        if wanted and name not in wanted:
            continue
        parameters, moved = settled(name, make, image, size, classes)
        batches, single, double = steady_batches(make, parameters, classes, image, size, rate)
        write(name, rate, moved, batches, single, double)
        print(name, f"{len(moved)} moved, batches {batches}, losses {double['losses'][0]:.6f} … {double['losses'][-1]:.6f},",
              f"float32 off by {np.abs(single['losses'] - double['losses']).max():.1e}", flush=True)
    write_readme()


if __name__ == "__main__":
    main()
