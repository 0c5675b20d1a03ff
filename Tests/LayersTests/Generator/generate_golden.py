#!/usr/bin/env python3
"""Writes the golden files of LayersTests and their README from PyTorch on the CPU.

Usage: generate_golden.py [--output FOLDER]      (default: ../Golden beside this file)
Run with the environment of Benchmarks/environment. Everything derives from SEED; running twice on one machine
gives equal bytes. Another CPU may differ in the last bits, because PyTorch picks its kernels by instruction set.
"""

import argparse
import hashlib
import pathlib
import platform
import sys

import h5py
import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "Benchmarks"))
from pytorch_models import FashionClassifier  # noqa: E402

SEED = 20240114

# batch, C, H, W, K, R, S, stride, padding, bias
CONV2D_CASES = [
    (1, 1, 1, 1, 1, 1, 1, 1, 0, True),
    (2, 3, 5, 4, 2, 1, 1, 1, 0, True),
    (1, 5, 6, 7, 3, 1, 1, 2, 0, False),
    (2, 4, 7, 5, 4, 1, 1, 3, 0, True),
    (1, 2, 3, 3, 3, 1, 1, 1, 1, True),
    (3, 16, 3, 3, 8, 1, 1, 1, 0, True),
    (1, 1, 2, 2, 1, 2, 2, 1, 0, True),
    (2, 2, 5, 5, 3, 2, 2, 1, 0, False),
    (2, 3, 7, 6, 2, 2, 2, 2, 0, True),
    (1, 2, 6, 5, 4, 2, 2, 2, 1, True),
    (3, 1, 8, 7, 2, 2, 2, 3, 1, False),
    (1, 1, 3, 3, 1, 3, 3, 1, 0, True),
    (1, 1, 1, 1, 2, 3, 3, 1, 1, True),
    (2, 1, 7, 7, 4, 3, 3, 1, 1, True),
    (5, 2, 5, 5, 2, 3, 3, 1, 0, True),
    (1, 3, 9, 7, 5, 3, 3, 1, 1, False),
    (2, 4, 6, 6, 3, 3, 3, 2, 1, True),
    (3, 3, 7, 9, 2, 3, 3, 2, 0, True),
    (1, 8, 7, 7, 4, 3, 3, 2, 1, True),
    (2, 2, 10, 11, 3, 3, 3, 3, 0, False),
    (1, 5, 8, 8, 3, 3, 3, 3, 2, True),
    (1, 16, 5, 5, 10, 3, 3, 1, 1, True),
    (2, 16, 2, 2, 10, 3, 3, 2, 1, True),
    (1, 3, 4, 4, 16, 3, 3, 1, 2, True),
    (4, 7, 3, 3, 1, 3, 3, 1, 0, True),
    (1, 1, 4, 4, 3, 4, 4, 1, 0, True),
    (2, 2, 7, 6, 3, 4, 4, 1, 1, True),
    (1, 3, 9, 9, 2, 4, 4, 2, 2, False),
    (3, 2, 8, 5, 2, 4, 4, 3, 1, True),
    (1, 1, 5, 5, 6, 5, 5, 1, 0, True),
    (2, 1, 12, 12, 6, 5, 5, 1, 0, True),
    (1, 6, 12, 12, 4, 5, 5, 1, 0, True),
    (5, 1, 6, 7, 3, 5, 5, 1, 1, False),
    (2, 8, 5, 5, 3, 5, 5, 1, 1, True),
    (1, 2, 9, 8, 3, 5, 5, 2, 2, True),
    (2, 3, 11, 9, 2, 5, 5, 3, 2, True),
    (1, 2, 5, 9, 3, 1, 5, 1, 0, True),
    (2, 2, 9, 5, 3, 5, 1, 1, 0, True),
    (1, 3, 6, 8, 4, 2, 3, 1, 1, True),
    (2, 2, 7, 7, 3, 3, 2, 2, 0, True),
    (1, 4, 8, 6, 2, 4, 3, 2, 1, False),
    (3, 1, 7, 9, 5, 3, 5, 3, 2, True),
]

# batch, C, H, W, K, R, S, (stride down, across), (padding above and below, left and right), bias
CONV2D_UNEQUAL_CASES = [
    (2, 2, 7, 8, 3, 3, 3, (1, 2), (1, 1), True),
    (1, 3, 8, 7, 2, 3, 3, (2, 1), (0, 1), True),
    (2, 1, 6, 9, 4, 1, 5, (1, 3), (0, 2), False),
    (1, 4, 9, 5, 3, 5, 1, (3, 1), (2, 0), True),
    (3, 2, 5, 6, 2, 2, 4, (2, 3), (1, 2), True),
    (1, 16, 4, 3, 5, 4, 3, (1, 2), (0, 1), True),
]

# batch, C, H, W, kernel, stride, padding, how the input is drawn
MAX_POOL2D_CASES = [
    (1, 1, 2, 2, 2, 2, 0, "normal"),
    (2, 3, 4, 4, 2, 2, 0, "normal"),
    (1, 2, 5, 5, 2, 2, 0, "normal"),
    (3, 1, 7, 4, 2, 2, 0, "ties"),
    (1, 4, 6, 8, 2, 2, 0, "ties"),
    (5, 6, 8, 8, 2, 2, 0, "relu"),
    (2, 2, 5, 6, 2, 1, 0, "normal"),
    (2, 2, 5, 6, 2, 1, 0, "ties"),
    (1, 3, 7, 7, 2, 3, 0, "normal"),
    (2, 1, 5, 5, 2, 2, 1, "normal"),
    (2, 1, 6, 7, 2, 2, 1, "negative"),
    (1, 2, 4, 5, 2, 1, 1, "ties"),
    (1, 1, 3, 3, 3, 3, 0, "normal"),
    (2, 2, 7, 7, 3, 2, 0, "normal"),
    (2, 2, 7, 7, 3, 2, 1, "ties"),
    (1, 3, 8, 9, 3, 2, 1, "normal"),
    (3, 1, 6, 6, 3, 1, 1, "ties"),
    (1, 2, 9, 8, 3, 3, 1, "negative"),
    (1, 1, 1, 1, 3, 2, 1, "normal"),
    (2, 2, 4, 4, 2, 2, 0, "equal"),
]

# batch, features in, features out, bias
LINEAR_CASES = [
    (1, 1, 1, True),
    (1, 7, 3, True),
    (5, 1, 4, True),
    (3, 5, 1, False),
    (2, 16, 10, True),
    (4, 17, 13, False),
    (8, 33, 9, True),
    (17, 12, 10, True),
    (3, 84, 10, True),
    (2, 64, 31, True),
]

RELU_CASES = [(2, 3, 4, 5), (1, 1, 1, 1), (7, 19)]

# batch, classes, how the logits are drawn
CROSS_ENTROPY_CASES = [
    (1, 2, "normal"),
    (4, 10, "normal"),
    (17, 10, "normal"),
    (3, 37, "normal"),
    (5, 1, "normal"),
    (6, 10, "large"),
    (8, 10, "right and sure"),
    (4, 10, "equal"),
]

TRACE_STEPS = 10
TRACE_BATCH = 32
TRACES = {
    "momentum": dict(lr=0.01, momentum=0.9),
    "nesterov": dict(lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4),
}


class Writer:
    """An HDF5 file of plain contiguous datasets and scalar attributes, without time stamps."""

    def __init__(self, path):
        self.path = path
        # libhdf5 1.10 must be able to read what a newer library writes.
        self.file = h5py.File(path, "w", libver=("v108", "v110"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def group(self, name, **attributes):
        group = self.file.create_group(name)
        self.attributes(group, **attributes)
        return group

    @staticmethod
    def attributes(group, **attributes):
        for key, value in attributes.items():
            if isinstance(value, str):
                group.attrs.create(key, value, dtype=h5py.string_dtype("utf-8", len(value.encode())))
            elif isinstance(value, float):
                group.attrs.create(key, np.float64(value))
            else:
                group.attrs.create(key, np.int64(value))

    @staticmethod
    def arrays(group, **tensors):
        for key, value in tensors.items():
            if value is not None:
                array = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
                group.create_dataset(key, data=np.ascontiguousarray(array), track_times=False)


class Errors:
    """The largest |float32 - float64| over max |float64| of each quantity, seen over the cases of a family."""

    def __init__(self):
        self.rows = {}

    def note(self, family, quantity, single, double):
        single = single.detach().double()
        double = double.detach()
        scale = float(double.abs().max()) if double.numel() else 0.0
        difference = float((single - double).abs().max()) if double.numel() else 0.0
        relative = difference / scale if scale > 0 else difference
        key = (family, quantity)
        self.rows[key] = max(self.rows.get(key, 0.0), relative)


def differentiate(function, inputs, dy):
    """Runs `function` in float32 and float64; returns (y, gradients) of each."""
    results = []
    for dtype in (torch.float32, torch.float64):
        leaves = [None if t is None else t.to(dtype).clone().requires_grad_(True) for t in inputs]
        y = function(*leaves)
        present = [t for t in leaves if t is not None]
        gradients = iter(torch.autograd.grad(y, present, dy.to(dtype)))
        results.append((y, [None if t is None else next(gradients) for t in leaves]))
    return results


def draw(generator, shape, how):
    x = torch.randn(shape, generator=generator)
    if how == "ties":
        return torch.randint(-2, 3, shape, generator=generator).float()
    if how == "relu":
        return F.relu(x)
    if how == "negative":
        return -x.abs() - 0.5
    if how == "equal":
        return torch.full(shape, 0.25)
    return x


def write_conv2d_case(writer, name, case, generator, errors, **attributes):
    n, c, h, w, k, r, s, stride, padding, bias = case
    x = torch.randn((n, c, h, w), generator=generator)
    # Scaled like an initialised layer, so that one absolute tolerance suits every case.
    weight = torch.randn((k, c, r, s), generator=generator) / (c * r * s) ** 0.5
    b = torch.randn((k,), generator=generator) if bias else None

    def function(x, weight, b):
        return F.conv2d(x, weight, b, stride=stride, padding=padding)

    dy = torch.randn(function(x, weight, b).shape, generator=generator)
    (y, (dx, dw, db)), (y64, (dx64, dw64, db64)) = differentiate(function, (x, weight, b), dy)
    for quantity, single, double in [("y", y, y64), ("dx", dx, dx64), ("dweight", dw, dw64), ("dbias", db, db64)]:
        if single is not None:
            errors.note("conv2d", quantity, single, double)
    group = writer.group(name, bias=int(bias), **attributes)
    writer.arrays(group, x=x, weight=weight, bias=b, y=y, dy=dy, dx=dx, dweight=dw, dbias=db)


def write_conv2d(path, generator, errors):
    with Writer(path) as writer:
        for index, case in enumerate(CONV2D_CASES):
            n, c, h, w, k, r, s, stride, padding, bias = case
            name = f"{index:02d}_n{n}_c{c}_h{h}_w{w}_k{k}_r{r}_s{s}_stride{stride}_pad{padding}" + ("_bias" if bias else "")
            write_conv2d_case(writer, name, case, generator, errors, stride=stride, padding=padding)


def write_conv2d_unequal(path, generator, errors):
    with Writer(path) as writer:
        for index, case in enumerate(CONV2D_UNEQUAL_CASES):
            n, c, h, w, k, r, s, (down, across), (above, left), bias = case
            name = (f"{index:02d}_n{n}_c{c}_h{h}_w{w}_k{k}_r{r}_s{s}_stride{down}x{across}_pad{above}x{left}"
                    + ("_bias" if bias else ""))
            write_conv2d_case(
                writer, name, case, generator, errors, stride_height=down, stride_width=across,
                padding_height=above, padding_width=left)


def write_max_pool2d(path, generator, errors):
    with Writer(path) as writer:
        for index, (n, c, h, w, kernel, stride, padding, how) in enumerate(MAX_POOL2D_CASES):
            name = f"{index:02d}_n{n}_c{c}_h{h}_w{w}_kernel{kernel}_stride{stride}_pad{padding}_{how}"
            x = draw(generator, (n, c, h, w), how)

            def function(x, kernel=kernel, stride=stride, padding=padding):
                return F.max_pool2d(x, kernel, stride, padding)

            dy = torch.randn(function(x).shape, generator=generator)
            (y, (dx,)), (y64, (dx64,)) = differentiate(function, (x,), dy)
            errors.note("maxpool2d", "y", y, y64)
            errors.note("maxpool2d", "dx", dx, dx64)
            group = writer.group(name, kernel=kernel, stride=stride, padding=padding, input=how)
            writer.arrays(group, x=x, y=y, dy=dy, dx=dx)


def write_linear(path, generator, errors):
    with Writer(path) as writer:
        for index, (n, features_in, features_out, bias) in enumerate(LINEAR_CASES):
            name = f"{index:02d}_n{n}_in{features_in}_out{features_out}" + ("_bias" if bias else "")
            x = torch.randn((n, features_in), generator=generator)
            weight = torch.randn((features_out, features_in), generator=generator) / features_in ** 0.5
            b = torch.randn((features_out,), generator=generator) if bias else None
            dy = torch.randn((n, features_out), generator=generator)
            (y, (dx, dw, db)), (y64, (dx64, dw64, db64)) = differentiate(F.linear, (x, weight, b), dy)
            for quantity, single, double in [("y", y, y64), ("dx", dx, dx64), ("dweight", dw, dw64), ("dbias", db, db64)]:
                if single is not None:
                    errors.note("linear", quantity, single, double)
            group = writer.group(name, bias=int(bias))
            writer.arrays(group, x=x, weight=weight, bias=b, y=y, dy=dy, dx=dx, dweight=dw, dbias=db)


def write_relu(path, generator, errors):
    with Writer(path) as writer:
        for index, shape in enumerate(RELU_CASES):
            x = torch.randn(shape, generator=generator)
            flat = x.view(-1)
            flat[0::5] = 0.0
            flat[1::7] = -0.0
            dy = torch.randn(shape, generator=generator)
            (y, (dx,)), (y64, (dx64,)) = differentiate(F.relu, (x,), dy)
            errors.note("relu", "y", y, y64)
            errors.note("relu", "dx", dx, dx64)
            group = writer.group(f"{index:02d}_" + "x".join(map(str, shape)))
            writer.arrays(group, x=x, y=y, dy=dy, dx=dx)


def write_cross_entropy(path, generator, errors):
    with Writer(path) as writer:
        for index, (n, classes, how) in enumerate(CROSS_ENTROPY_CASES):
            targets = torch.randint(0, classes, (n,), generator=generator)
            logits = torch.randn((n, classes), generator=generator)
            if how == "large":
                logits = torch.where(torch.rand((n, classes), generator=generator) < 0.5, -80.0, 80.0) + logits
            elif how == "right and sure":
                logits[torch.arange(n), targets] = 40.0
            elif how == "equal":
                logits = torch.full((n, classes), 3.0)

            def function(logits, targets=targets):
                return F.cross_entropy(logits, targets, reduction="sum")

            (loss, (dlogits,)), (loss64, (dlogits64,)) = differentiate(function, (logits,), torch.tensor(1.0))
            errors.note("cross_entropy", "loss", loss, loss64)
            errors.note("cross_entropy", "dlogits", dlogits, dlogits64)
            group = writer.group(f"{index:02d}_n{n}_k{classes}_{how.replace(' ', '_')}", reduction="sum")
            writer.arrays(
                group, logits=logits, targets=targets, loss=loss.reshape(1), dlogits=dlogits,
                loss_float64=loss64.reshape(1), dlogits_float64=dlogits64)


def draw_images(generator):
    """Ten batches of images that can be learnt: a blob at a place of its class, on black, with noise."""
    labels = torch.randint(0, 10, (TRACE_STEPS, TRACE_BATCH), generator=generator)
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    angle = labels.double() * (2 * np.pi / 10)
    jitter = torch.rand((2, TRACE_STEPS, TRACE_BATCH), generator=generator, dtype=torch.float64) * 4 - 2
    row = (13.5 + 8 * torch.sin(angle) + jitter[0])[..., None, None]
    column = (13.5 + 8 * torch.cos(angle) + jitter[1])[..., None, None]
    blob = torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 18)
    noise = 0.25 * torch.rand(blob.shape, generator=generator, dtype=torch.float64)
    pixels = torch.where(blob > 0.05, blob + noise, 0.0).clamp(0, 1)
    return (pixels * 255).round().to(torch.uint8), labels


def whole_step(dtype, state, images, labels):
    """Logits, mean loss and gradients of batch 0, then the traces; everything computed in `dtype`."""
    def model_with_initial_weights():
        model = FashionClassifier().to(dtype)
        model.load_state_dict({key: value.to(dtype) for key, value in state.items()})
        return model

    def batch(index):
        return images[index].to(dtype).unsqueeze(1) / 255, labels[index]

    model = model_with_initial_weights()
    x, target = batch(0)
    logits = model(x)
    loss = F.cross_entropy(logits, target)
    loss.backward()
    result = {
        "logits": logits.detach(),
        "loss": loss.detach().reshape(1),
        "gradients": {key: p.grad.clone() for key, p in model.named_parameters()},
        "traces": {},
    }
    for name, options in TRACES.items():
        model = model_with_initial_weights()
        optimizer = torch.optim.SGD(model.parameters(), **options)
        losses = []
        for index in range(TRACE_STEPS):
            optimizer.zero_grad(set_to_none=True)
            x, target = batch(index)
            loss = F.cross_entropy(model(x), target)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        result["traces"][name] = {
            "losses": torch.stack(losses),
            "weights": {key: value.detach().clone() for key, value in model.state_dict().items()},
        }
    return result


def write_step(folder, generator, errors):
    torch.manual_seed(SEED)
    state = {key: value.detach().clone() for key, value in FashionClassifier().state_dict().items()}
    images, labels = draw_images(generator)
    single = whole_step(torch.float32, state, images, labels)
    double = whole_step(torch.float64, state, images, labels)

    errors.note("step", "logits", single["logits"], double["logits"])
    errors.note("step", "loss", single["loss"], double["loss"])
    for key, gradient in single["gradients"].items():
        errors.note("step", "gradients (worst tensor)", gradient, double["gradients"][key])
    for name in TRACES:
        ours, theirs = single["traces"][name], double["traces"][name]
        errors.note("step", f"{name}: losses", ours["losses"], theirs["losses"])
        for key, value in ours["weights"].items():
            errors.note("step", f"{name}: final weights (worst tensor)", value, theirs["weights"][key])

    def write(path, result, with_inputs):
        with Writer(path) as writer:
            if with_inputs:
                writer.arrays(writer.file, images=images, labels=labels)
                writer.arrays(writer.group("weights"), **state)
            writer.attributes(writer.file, model="fashion-classifier", pixels="uint8 / 255", reduction="mean")
            writer.arrays(writer.file, logits=result["logits"], loss=result["loss"])
            writer.arrays(writer.group("gradients"), **result["gradients"])
            for name, options in TRACES.items():
                trace = writer.group(
                    name, learning_rate=float(options["lr"]), momentum=float(options["momentum"]),
                    nesterov=int(options.get("nesterov", False)), weight_decay=float(options.get("weight_decay", 0.0)))
                writer.arrays(trace, losses=result["traces"][name]["losses"])
                writer.arrays(writer.group(f"{name}/weights"), **result["traces"][name]["weights"])

    write(folder / "step.h5", single, with_inputs=True)
    write(folder / "step-float64.h5", double, with_inputs=False)
    return single["traces"]["momentum"]["losses"]


README = """# Golden files

Whole tensors computed by PyTorch on the CPU with one thread; LayersTests compares our operators with them.
This page is written by the generator together with the files.

| | |
|---|---|
| Generator | `Tests/LayersTests/Generator/generate_golden.py` |
| Command | `~/.cache/swift-train/venv/bin/python Tests/LayersTests/Generator/generate_golden.py` (environment: `Benchmarks/environment`) |
| Versions | torch {torch}, numpy {numpy}, h5py {h5py}, HDF5 {hdf5}, Python {python} |
| Seed | {seed} |
| Instruction set PyTorch chose | {capability} |

Running the generator twice on one machine gives equal bytes; on another CPU the last bits may differ.

| File | Bytes | SHA-256 |
|---|---|---|
{files}

## What is in them

All datasets are contiguous and little-endian, float32 unless said otherwise; images are NCHW. Options are scalar
attributes of the group: 64-bit integers, 64-bit floats or UTF-8 strings of fixed length.

* `conv2d.h5` ({conv} cases), `maxpool2d.h5` ({pool}), `linear.h5` ({linear}), `relu.h5` ({relu}): one group per case with `x`, `weight`, `bias`, `y`,
  the upstream gradient `dy`, and `dx`, `dweight`, `dbias`. Without bias the datasets `bias` and `dbias` are absent and the attribute `bias` is 0.
  Attributes `stride`, `padding`, for pooling `kernel` and `input`, which says how x was drawn: `normal`, `ties` (small integers), `relu` (many zeros),
  `negative` (padding must not win), `equal` (every window is one tie). In a tie the first element of the window, row by row, gets the gradient.
* `conv2d_unequal.h5` ({unequal}): the same for stride and padding that differ in height and width: attributes `stride_height`, `stride_width`,
  `padding_height`, `padding_width`.
* `cross_entropy.h5` ({loss}): `logits`, `targets` (int64), `loss` and `dlogits` of the **sum** over the batch, and both in float64.
* `step.h5`: the Fashion classifier. `images` ({steps}, {batch}, 28, 28) uint8 and `labels` ({steps}, {batch}) int64 of {steps} batches, `weights/<key>`; for batch 0 the
  `logits`, the mean `loss` and `gradients/<key>`; for each of the traces `momentum` and `nesterov` (options as attributes) the `losses` of {steps} consecutive SGD
  steps, one per batch, and the final `weights/<key>`. Pixels enter as uint8 / 255.
* `step-float64.h5`: the same quantities computed in float64 from the same float32 weights: the reference against which both PyTorch's float32 and ours are off.

## Tolerances

A value v is accepted for the golden value e if |v − e| ≤ max(absolute, relative · |e|). PyTorch's own float32 result differs from its float64 result by
at most the following share of the largest magnitude in the tensor:

| Family | Quantity | max \\|float32 − float64\\| / max \\|float64\\| |
|---|---|---|
{errors}

Two correct float32 implementations that add in different orders may each be off by that much. Recommended, about ten times it, with tensors of magnitude about 1:

| Family | absolute | relative |
|---|---|---|
| conv2d, linear: y, dx, dweight, dbias | 1e-5 | 1e-5 |
| maxpool2d, relu | 0 | 0: elements are copied; only a dx where windows overlap is a sum (absolute 1e-6) |
| cross_entropy: loss | 1e-6 | 1e-6 |
| cross_entropy: dlogits | 1e-6 | 0 |
| step: logits, loss, every gradient | 1e-5 of the tensor's largest magnitude | 0 |
| traces: losses and final weights | 1e-5 of the tensor's largest magnitude | 0 |
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, default=HERE.parent / "Golden")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    errors = Errors()
    # A generator per file: adding a case to one family leaves the bytes of the others alone.
    families = {
        "conv2d": write_conv2d,
        "maxpool2d": write_max_pool2d,
        "linear": write_linear,
        "relu": write_relu,
        "cross_entropy": write_cross_entropy,
        "conv2d_unequal": write_conv2d_unequal,
    }
    for index, (name, write) in enumerate(families.items()):
        write(folder / f"{name}.h5", torch.Generator().manual_seed(SEED + 1 + index), errors)
    losses = write_step(folder, torch.Generator().manual_seed(SEED), errors)
    print("losses of the momentum trace:", " ".join(f"{float(v):.4f}" for v in losses))

    rows = []
    for name in [f"{n}.h5" for n in families] + ["step.h5", "step-float64.h5"]:
        data = (folder / name).read_bytes()
        rows.append(f"| `{name}` | {len(data):,} | `{hashlib.sha256(data).hexdigest()}` |")
    text = README.format(
        torch=torch.__version__, numpy=np.__version__, h5py=h5py.__version__, hdf5=h5py.version.hdf5_version,
        python=platform.python_version(), seed=SEED, capability=torch.backends.cpu.get_cpu_capability(),
        files="\n".join(rows), conv=len(CONV2D_CASES), unequal=len(CONV2D_UNEQUAL_CASES),
        pool=len(MAX_POOL2D_CASES), linear=len(LINEAR_CASES),
        relu=len(RELU_CASES), loss=len(CROSS_ENTROPY_CASES), steps=TRACE_STEPS, batch=TRACE_BATCH,
        errors="\n".join(f"| {family} | {quantity} | {value:.1e} |" for (family, quantity), value in errors.rows.items()))
    (folder / "README.md").write_text(text)
    print(text[text.index("| File |"):text.index("## What")])
    print("\n".join(f"{family:14} {quantity:40} {value:.1e}" for (family, quantity), value in errors.rows.items()))


if __name__ == "__main__":
    main()
