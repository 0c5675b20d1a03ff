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
import warnings

import h5py
import numpy as np
import torch

from activations import write_activations
from batchnorm import write_batchnorm
from common import SEED, Errors
from convolution import write_dimensions, write_flipped
from initializers import write_initializers
from inner import write_inner
from linear import LINEAR_CASES, write_linear
from losses import CROSS_ENTROPY_CASES, write_cross_entropy, write_losses
from padding import write_padding
from pooling import write_pooling
from sizes import write_sizes
from step import TRACE_BATCH, TRACE_STEPS, write_step
from transposed import write_transposed
from unfold import write_unfold
from volume import write_volume

HERE = pathlib.Path(__file__).resolve().parent

# What a file is written by, and the number that seeds it: adding a case to one family leaves the bytes of the others alone.
FAMILIES = {
    "linear": (2, write_linear),
    "cross_entropy": (4, write_cross_entropy),
    "convolution1d": (6, write_dimensions(1)),
    "convolution2d": (7, write_dimensions(2)),
    "convolution3d": (8, write_dimensions(3)),
    "flipped": (9, write_flipped),
    "transposed": (10, write_transposed),
    "pooling": (11, write_pooling),
    "batchnorm": (12, write_batchnorm),
    "activations": (13, write_activations),
    "losses": (14, write_losses),
    "unfold": (15, write_unfold),
    "sizes": (16, write_sizes),
    "initializers": (17, write_initializers),
    "padding": (18, write_padding),
    "inner": (19, write_inner),
    "volume": (20, write_volume),
}


README = """# Golden files

Whole tensors computed by PyTorch on the CPU with one thread; LayersTests compares our operators with them.
This page is written by the generator together with the files.

| | |
|---|---|
| Generator | `Tests/LayersTests/Generator`, one module per family |
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

* `linear.h5` ({linear} cases): one group per case with `x`, `weight`, `bias`, `y`, the upstream gradient `dy`, and `dx`, `dweight`, `dbias`. Without bias the
  datasets `bias` and `dbias` are absent and the attribute `bias` is 0.
* `cross_entropy.h5` ({loss}): `logits`, `targets` (int64), `loss` and `dlogits` of the **sum** over the batch, and both in float64.
* `step.h5`: the Fashion classifier. `images` ({steps}, {batch}, 28, 28) uint8 and `labels` ({steps}, {batch}) int64 of {steps} batches, `weights/<key>`; for batch 0 the
  `logits`, the mean `loss` and `gradients/<key>`; for each of the traces `momentum` and `nesterov` (options as attributes) the `losses` of {steps} consecutive SGD
  steps, one per batch, and the final `weights/<key>`. Pixels enter as uint8 / 255.
* `step-float64.h5`: the same quantities computed in float64 from the same float32 weights: the reference against which both PyTorch's float32 and ours are off.

* `volume.h5`: a small network of volumes: `volumes` (NDHWC) and `labels` of six of them, `weights/<key>`, `evaluated` (logits with the running statistics); of one training pass `logits`, the summed `loss`
  and `gradients/<key>`. Expected values are float64 results rounded to float32.
* `inner.h5` ({inner} values): a small network in evaluation mode: `images` (NHWC) and `labels` of three images, `weights/<key>`, and for `input` and each layer the `value` of all images and the `gradient`
  of each image's own logit, that of its label, with respect to it; `map`: the class activation map (Grad-CAM) of `relu3`, and `larger`, the same at the image's size with 1 as its largest value. All are float64 results rounded to float32.

### Files of many small cases

In the files below a case is a group that has attributes only. An option is an integer, a row of integers (one per axis), a real or a string. A tensor is a row of
integers: its first element in `/values` (float32) or `/values64` (float64), then its extents. `x, y, dy, dx` and the gradients of weights are as above. With h5py:

    first, *extents = file["000_..."].attrs["x"]
    x = file["values"][first:first + math.prod(extents)].reshape(extents)

* `convolution1d.h5` ({convolution1d} cases), `convolution2d.h5` ({convolution2d}), `convolution3d.h5` ({convolution3d}): `stride`, `dilation`, `groups`, `mode` (zeros, reflect, replicate, circular) and `padding_kind`: `symmetric` (`padding`: one
  number an axis), `sides` (`padding`: before and after of the first axis, then of the next), `valid`, `same` (the odd element goes behind), `full` (dilation · (kernel − 1) on both sides).
  Some batches are empty, some extents 1.
* `flipped.h5` ({flipped}): the same for true convolution: PyTorch saw the weight flipped along every axis of the kernel; `dweight` belongs to the weight as stored.
* `transposed.h5` ({transposed}): `stride`, `padding`, `output_padding`, `dilation`, `groups`; the weight is [channels in, channels out ÷ groups, kernel …].
* `pooling.h5` ({pooling}): `operation` (max, min, average, adaptive_average, adaptive_max, global_average), `kernel`, `stride`, `padding`, `dilation`, `ceil_mode`, `count_include_pad`, for adaptive ones `output`, and `input`,
  which says how x was drawn: `normal`, `ties` (small integers), `relu` (many zeros), `negative` (padding must not win), `equal` (every window is one tie). In a tie
  the first element of the window, row by row, gets the gradient. min is −max(−x).
* `batchnorm.h5` ({batchnorm}): `mode` (training, evaluation), `eps`, `momentum`, `slice_samples`: PyTorch saw the batch in slices of so many samples, the last one shorter; `dweight` and `dbias` are sums over the slices.
  `running_mean_after` and `running_var_after` are those after PyTorch's step over the whole batch. A slice with one value per channel has variance 0. Expected values are float64 results rounded to float32.
* `activations.h5` ({activations}): `operation` (relu, leaky_relu with `slope`, tanh, sigmoid, gelu with `approximate`, softmax over axis 1); `input` is normal, large (some beyond 1000), tiny (down to 1e-36), zeros (of both signs), equal. Expected values are float64 results
  rounded to float32, because the gradient of a sure softmax is what is left of a difference.
* `losses.h5` ({losses}): `loss` (cross_entropy, mean_squared_error), `x`, `smoothing`, `labels` or the probabilities `targets`, class weights `weight`; `loss_sum`, `loss_mean`, `dx_sum`, `dx_mean` in float64; `divisor` makes the mean of the sum.
* `unfold.h5` ({unfold}): `operation` (unfold, fold), `kernel`, `dilation`, `padding`, `stride`, for fold `output`.
* `padding.h5` ({padding}): `mode` (zeros, reflect, replicate, circular), `value` (what zeros writes), `padding` (before and after of the first axis, then of the next).

Two more hold tables:

* `sizes.h5` ({sizes} rows): `convolution`, `max_pooling`, `average_pooling`, `transposed`, int32, one row per call of PyTorch with one channel in one dimension; the attribute `columns` names them. The last is the output's size, −1 where PyTorch raises.
* `initializers.h5` ({initializers} shapes): `gains` of five non-linearities; for each weight `shape` (of a layer in `groups`) PyTorch's `fan_in` and `fan_out`, and float64 bounds of the uniform and standard deviations of the normal draws: `kaiming_bound`, `kaiming_std`
  (rows: fan in, fan out; columns: the non-linearities), `xavier_bound`, `xavier_std` (by gain), `default_bounds` (weight and bias of the layer as PyTorch makes it).

## Tolerances

A value v is accepted for the golden value e if |v − e| ≤ max(absolute, relative · |e|). PyTorch's own float32 result differs from its float64 result by
at most the following share of the largest magnitude in the tensor:

| Family | Quantity | max \\|float32 − float64\\| / max \\|float64\\| |
|---|---|---|
{errors}

Two correct float32 implementations that add in different orders may each be off by that much. Recommended, about ten times it, with tensors of magnitude about 1:

| Family | absolute | relative |
|---|---|---|
| linear: y, dx, dweight, dbias | 1e-5 | 1e-5 |
| cross_entropy: loss | 1e-6 | 1e-6 |
| cross_entropy: dlogits | 1e-6 | 0 |
| every file of many small cases | forward 1e-5, gradients 1e-4 of the tensor's largest magnitude; the tests are tighter where they measure less | 0 |
| inner: values, gradients | 1e-5 of the tensor's largest magnitude | 0 |
| inner: map | 1e-4 | 0 |
| volume: logits, loss, every gradient | 1e-5 of the tensor's largest magnitude | 0 |
| sizes | 0 | 0 |
| step: logits, loss, every gradient | 1e-5 of the tensor's largest magnitude | 0 |
| traces: losses and final weights | 1e-5 of the tensor's largest magnitude | 0 |
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, default=HERE.parent / "Golden")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    # A remark about memory, not about values.
    warnings.filterwarnings("ignore", message="Using padding='same' with even kernel lengths")
    torch.use_deterministic_algorithms(True)

    errors = Errors()
    counts = {}
    for name, (place, write) in FAMILIES.items():
        count = write(folder / f"{name}.h5", torch.Generator().manual_seed(SEED + 1 + place), errors)
        if count is not None:
            counts[name] = f"{count:,}"
    losses = write_step(folder, torch.Generator().manual_seed(SEED), errors)
    print("losses of the momentum trace:", " ".join(f"{float(v):.4f}" for v in losses))

    rows = []
    for name in [f"{n}.h5" for n in FAMILIES] + ["step.h5", "step-float64.h5"]:
        data = (folder / name).read_bytes()
        rows.append(f"| `{name}` | {len(data):,} | `{hashlib.sha256(data).hexdigest()}` |")
    text = README.format(
        torch=torch.__version__, numpy=np.__version__, h5py=h5py.__version__, hdf5=h5py.version.hdf5_version,
        python=platform.python_version(), seed=SEED, capability=torch.backends.cpu.get_cpu_capability(),
        files="\n".join(rows), linear=len(LINEAR_CASES), loss=len(CROSS_ENTROPY_CASES),
        steps=TRACE_STEPS, batch=TRACE_BATCH, **counts,
        errors="\n".join(f"| {family} | {quantity} | {value:.1e} |" for (family, quantity), value in errors.rows.items()))
    (folder / "README.md").write_text(text)
    print(text[text.index("| File |"):text.index("## What")])
    print("\n".join(f"{family:24} {quantity:40} {value:.1e}" for (family, quantity), value in errors.rows.items()))
    print(", ".join(f"{name} {count}" for name, count in counts.items()))


if __name__ == "__main__":
    main()
