#!/usr/bin/env python3
"""Writes the golden files of TrainingTests, which ../Golden/README.md describes: traces of optimizers and rates of schedules from PyTorch.

Usage: generate_golden.py [--output FOLDER]      (default: ../Golden beside this file)
Run with the environment of Benchmarks/environment. Nothing is random: the images are a formula that the tests know too
(TinyModel.pixel). Another CPU may differ in the last bits, because PyTorch picks its kernels by instruction set.
"""

import argparse
import pathlib
import platform
import re

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch.optim import lr_scheduler as schedulers

HERE = pathlib.Path(__file__).resolve().parent
STEPS = 100
PIXELS, HIDDEN, CLASSES = 36, 128, 3
# What the golden file keeps of a tensor: every so many elements.
STRIDE = 37

# name, options of the configuration, what makes the update, options of the update
TRACES = [
    ("sgd", "optimizer.learning_rate=0.02 optimizer.momentum=0", torch.optim.SGD, dict(lr=0.02)),
    ("sgd-dampening", "optimizer.learning_rate=0.02 optimizer.dampening=0.5 optimizer.weight_decay=0.01",
     torch.optim.SGD, dict(lr=0.02, momentum=0.9, dampening=0.5, weight_decay=0.01)),
    ("sgd-nesterov", "optimizer.learning_rate=0.02 optimizer.nesterov=true optimizer.weight_decay=0.01",
     torch.optim.SGD, dict(lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.01)),
    ("adam", "optimizer.name=adam optimizer.learning_rate=0.002", torch.optim.Adam, dict(lr=0.002)),
    ("adam-betas",
     "optimizer.name=adam optimizer.learning_rate=0.002 optimizer.betas=[0.3,0.9] optimizer.eps=1e-4 "
     "optimizer.weight_decay=0.01",
     torch.optim.Adam, dict(lr=0.002, betas=(0.3, 0.9), eps=1e-4, weight_decay=0.01)),
    ("adamw", "optimizer.name=adamw optimizer.learning_rate=0.002 optimizer.weight_decay=0.1",
     torch.optim.AdamW, dict(lr=0.002, weight_decay=0.1)),
    ("adamw-groups",
     "optimizer.name=adamw optimizer.learning_rate=0.002 optimizer.weight_decay=0.5 optimizer.no_decay=[bias]",
     torch.optim.AdamW, dict(lr=0.002, weight_decay=0.5)),
    ("rmsprop", "optimizer.name=rmsprop optimizer.learning_rate=0.001", torch.optim.RMSprop, dict(lr=0.001)),
    ("rmsprop-centered",
     "optimizer.name=rmsprop optimizer.learning_rate=0.0005 optimizer.alpha=0.9 optimizer.eps=1e-3 "
     "optimizer.momentum=0.8 optimizer.centered=true optimizer.weight_decay=0.01",
     torch.optim.RMSprop,
     dict(lr=0.0005, alpha=0.9, eps=1e-3, momentum=0.8, centered=True, weight_decay=0.01)),
    ("lars", "optimizer.name=lars optimizer.learning_rate=0.05 optimizer.trust=0.2 optimizer.weight_decay=0.001",
     "lars", dict(lr=0.05, momentum=0.9, trust=0.2, weight_decay=0.001)),
    ("clip-norm", "optimizer.learning_rate=0.05 clip.norm=0.3", torch.optim.SGD, dict(lr=0.05, momentum=0.9)),
    ("clip-value", "optimizer.name=adam optimizer.learning_rate=0.002 clip.value=0.01", torch.optim.Adam,
     dict(lr=0.002)),
    ("ema", "optimizer.learning_rate=0.02 ema.decay=0.95", torch.optim.SGD, dict(lr=0.02, momentum=0.9)),
]


def lines(assignments):
    """One assignment a line; an underscore behind a number, a colon or `until` becomes the blank that it stands for above."""
    return np.bytes_(re.sub(r"(\d(?=_step|_epoch)|:|until)_", r"\1 ", assignments.replace(" ", "\n")))


def pixels(step, samples):
    """The normalised images of a step, float32 [samples, PIXELS]."""
    slot = np.arange(samples, dtype=np.uint64)[:, None]
    pixel = np.arange(PIXELS, dtype=np.uint64)[None, :]
    mixed = (np.uint64(step * 100_003) + slot * np.uint64(1009) + pixel) * np.uint64(0x9E3779B97F4A7C15)
    values = (mixed >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)
    return (values - np.float32(0.4)) / np.float32(0.3)


def labels(step, samples):
    return (step * 7 + np.arange(samples) * 5) % CLASSES


def samples_in(step):
    """113 samples in batches of 24: the fifth of every epoch is short."""
    return 17 if step % 5 == 4 else 24


def first_weights():
    """The weights before the first step: a formula again, of the right size for a start."""
    shapes = {"fc1.weight": (HIDDEN, PIXELS), "fc1.bias": (HIDDEN,), "fc2.weight": (CLASSES, HIDDEN), "fc2.bias": (CLASSES,)}
    weights = {}
    for number, (key, shape) in enumerate(shapes.items()):
        index = np.arange(np.prod(shape), dtype=np.uint64) + np.uint64(1_000_000 * (number + 1))
        values = (index * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)
        weights[key] = ((values - np.float32(0.5)) * np.float32(0.25)).reshape(shape)
    return weights


class LARS:
    """You, Gitman and Ginsburg 2017, algorithm 1, in numpy; biases at the global rate, without decay."""

    def __init__(self, parameters, lr, momentum, trust, weight_decay):
        self.parameters, self.lr, self.momentum, self.trust, self.decay = parameters, lr, momentum, trust, weight_decay
        self.velocities = {key: np.zeros_like(p.detach().numpy()) for key, p in parameters.items()}

    def zero_grad(self):
        for parameter in self.parameters.values():
            parameter.grad = None

    def step(self):
        for key, parameter in self.parameters.items():
            weights, gradient = parameter.detach().numpy(), parameter.grad.numpy()
            rate, decay = self.lr, 0.0
            if not key.endswith("bias"):
                decay = self.decay
                size = np.sqrt(np.sum(np.square(weights, dtype=np.float64)))
                slope = np.sqrt(np.sum(np.square(gradient, dtype=np.float64)))
                if size > 0 and slope > 0:
                    rate *= self.trust * size / (slope + decay * size)
            kind = weights.dtype.type
            velocity = kind(self.momentum) * self.velocities[key] + kind(rate) * (gradient + kind(decay) * weights)
            self.velocities[key] = velocity
            weights -= velocity


def trace(name, kind, options, dtype):
    """Losses of all steps and the last weights (for `ema`, their average) of one optimizer."""
    parameters = {k: torch.from_numpy(w.copy()).to(dtype).requires_grad_() for k, w in first_weights().items()}
    if kind == "lars":
        optimizer = LARS(parameters, **options)
    else:
        if name == "adamw-groups":
            groups = [{"params": [p for k, p in parameters.items() if not k.endswith("bias")]},
                      {"params": [p for k, p in parameters.items() if k.endswith("bias")], "weight_decay": 0}]
        else:
            groups = list(parameters.values())
        optimizer = kind(groups, **options, foreach=False)
    average, share = None, 1 - 0.95
    losses = []
    for step in range(STEPS):
        samples = samples_in(step)
        x = torch.from_numpy(pixels(step, samples)).to(dtype)
        hidden = F.linear(x, parameters["fc1.weight"], parameters["fc1.bias"])
        logits = F.linear(hidden, parameters["fc2.weight"], parameters["fc2.bias"])
        loss = F.cross_entropy(logits, torch.from_numpy(labels(step, samples)))
        optimizer.zero_grad()
        loss.backward()
        if name == "clip-norm":
            torch.nn.utils.clip_grad_norm_(parameters.values(), 0.3)
        if name == "clip-value":
            torch.nn.utils.clip_grad_value_(parameters.values(), 0.01)
        optimizer.step()
        losses.append(loss.item())
        if name == "ema":
            # torch.optim.swa_utils.AveragedModel: the first update copies.
            with torch.no_grad():
                if average is None:
                    average = {k: p.clone() for k, p in parameters.items()}
                else:
                    for key, value in average.items():
                        value.lerp_(parameters[key], share)
    return losses, {k: p.detach().numpy() for k, p in (average or parameters).items()}


def write_traces(path):
    with h5py.File(path, "w") as file:
        file.attrs["steps"] = STEPS
        file.attrs["stride"] = STRIDE
        for name, assignments, kind, options in TRACES:
            group = file.create_group(name)
            group.attrs["assignments"] = lines(assignments)
            for label, dtype in (("single", torch.float32), ("double", torch.float64)):
                losses, weights = trace(name, kind, options, dtype)
                part = group.create_group(label)
                part["losses"] = np.array(losses, dtype=np.float64)
                for key, value in weights.items():
                    part[f"weights/{key}"] = value.reshape(-1)[::STRIDE].astype(np.float64)


# ---- Frozen layers and groups of parameters

# name, options of the configuration, optimizer and its options, frozen layers from each of some epochs on,
# whether frozen batch normalisation renews its statistics, groups of parameters: beginning of their keys, options
BACKBONE = ("conv1", "bn1", "conv2", "bn2")
SGD = (torch.optim.SGD, dict(lr=0.05, momentum=0.9, weight_decay=0.01))
SGD_OPTIONS = "optimizer.learning_rate=0.05 optimizer.momentum=0.9 optimizer.weight_decay=0.01"
FREEZINGS = [
    ("backbone", f"{SGD_OPTIONS} freeze=backbone", *SGD, {0: BACKBONE}, False, []),
    ("backbone-renewed", f"{SGD_OPTIONS} freeze=backbone frozen_batch_norm=renewed", *SGD, {0: BACKBONE}, True, []),
    ("until", f"{SGD_OPTIONS} freeze=until_conv2", *SGD, {0: ("conv1", "bn1")}, False, []),
    ("middle", f'{SGD_OPTIONS} freeze=[conv2,"bn2.*"]', *SGD, {0: ("conv2", "bn2")}, False, []),
    ("middle-renewed", f"{SGD_OPTIONS} freeze=[bn1,bn2] frozen_batch_norm=renewed", *SGD, {0: ("bn1", "bn2")}, True, []),
    ("head", f"{SGD_OPTIONS} freeze=[fc]", *SGD, {0: ("fc",)}, False, []),
    ("groups",
     f'{SGD_OPTIONS} optimizer.groups=[{{match:_"fc.*",learning_rate:_x2,weight_decay:_0}},'
     '{match:_conv?,learning_rate:_0.01}]',
     *SGD, {}, False, [("fc.", dict(lr=0.1, weight_decay=0)), ("conv", dict(lr=0.01))]),
    ("clip", f"{SGD_OPTIONS} freeze=[conv1] clip.norm=0.3", *SGD, {0: ("conv1",)}, False, []),
    ("unfreeze",
     'optimizer.name=adam optimizer.learning_rate=0.01 freeze=backbone unfreeze={conv2:_1_epoch,"*":_2_epochs}',
     torch.optim.Adam, dict(lr=0.01), {0: BACKBONE, 1: ("conv1", "bn1", "bn2"), 2: ()}, False, []),
]
FREEZING_STEPS = 20


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.bn1 = torch.nn.BatchNorm2d(4)
        self.conv2 = torch.nn.Conv2d(4, 6, 3)
        self.bn2 = torch.nn.BatchNorm2d(6)
        self.fc = torch.nn.Linear(24, CLASSES)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x.reshape(-1, 1, 6, 6))))
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        return self.fc(x.flatten(1))


def formula(number, shape):
    index = np.arange(np.prod(shape), dtype=np.uint64) + np.uint64(1_000_000 * (number + 1))
    values = (index * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)
    return ((values - np.float32(0.5)) * np.float32(0.25)).reshape(shape)


def freezing_trace(kind, options, frozen, renews, groups, clip, dtype):
    """Losses of all steps and the last weights and statistics of a network of which parts are frozen."""
    model = Small().to(dtype)
    tensors = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    for number, (key, tensor) in enumerate(tensors.items()):
        values = torch.from_numpy(formula(number + 1, tuple(tensor.shape))).to(dtype)
        # Scales and variances are around 1.
        tensor.copy_(values + 1 if key.startswith("bn") and not key.endswith(("bias", "mean")) else values)
    named, sets = dict(model.named_parameters()), []
    for prefix, own in groups:
        sets.append({"params": [p for k, p in named.items() if k.startswith(prefix)], **own})
    sets.append({"params": [p for k, p in named.items() if not any(k.startswith(prefix) for prefix, _ in groups)]})
    optimizer = kind(sets, **options, foreach=False)
    losses = []
    for step in range(FREEZING_STEPS):
        if step % 5 == 0 and step // 5 in frozen:
            for name, module in model.named_children():
                is_frozen = name in frozen[step // 5]
                module.requires_grad_(not is_frozen)
                module.train(renews or not is_frozen)
        samples = samples_in(step)
        loss = F.cross_entropy(model(torch.from_numpy(pixels(step, samples)).to(dtype)),
                               torch.from_numpy(labels(step, samples)))
        optimizer.zero_grad()
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        losses.append(loss.item())
    return losses, {k: v.detach().numpy() for k, v in tensors.items()}


def write_freezings(path):
    with h5py.File(path, "w") as file:
        file.attrs["steps"] = FREEZING_STEPS
        for name, assignments, kind, options, frozen, renews, groups in FREEZINGS:
            group = file.create_group(name)
            group.attrs["assignments"] = lines(assignments)
            for label, dtype in (("single", torch.float32), ("double", torch.float64)):
                clip = 0.3 if name == "clip" else None
                losses, weights = freezing_trace(kind, options, frozen, renews, groups, clip, dtype)
                part = group.create_group(label)
                part["losses"] = np.array(losses, dtype=np.float64)
                for key, value in weights.items():
                    part[f"weights/{key}"] = value.reshape(-1).astype(np.float64)


def rates(make, base, steps):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=base)
    scheduler = make(optimizer)
    result = []
    for _ in range(steps):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(result, dtype=np.float64)


def warmed(make, length, share):
    def both(optimizer):
        ramp = schedulers.LinearLR(optimizer, start_factor=share, end_factor=1.0, total_iters=length)
        return schedulers.SequentialLR(optimizer, [ramp, make(optimizer)], milestones=[length])
    return both


# name, options of the configuration (an epoch has 10 steps, the run 300), base rate, PyTorch's scheduler
SCHEDULES = [
    ("constant", "schedule.name=constant", 0.1, lambda o: schedulers.ConstantLR(o, factor=1.0)),
    ("step", "schedule.name=step schedule.every=30_steps schedule.factor=0.3", 0.1,
     lambda o: schedulers.StepLR(o, 30, 0.3)),
    ("multi-step", "schedule.name=multi_step schedule.milestones=[3_epochs,8_epochs,21_epochs] schedule.factor=0.2", 0.1,
     lambda o: schedulers.MultiStepLR(o, [30, 80, 210], 0.2)),
    ("exponential", "schedule.name=exponential schedule.factor=0.98 schedule.every=1_step", 0.1,
     lambda o: schedulers.ExponentialLR(o, 0.98)),
    ("cosine", "schedule.name=cosine", 0.1, lambda o: schedulers.CosineAnnealingLR(o, 300)),
    ("cosine-minimum", "schedule.name=cosine schedule.length=30_epochs schedule.minimum=0.003", 0.2,
     lambda o: schedulers.CosineAnnealingLR(o, 300, 0.003)),
    ("polynomial", "schedule.name=polynomial schedule.power=2", 2.0,
     lambda o: schedulers.PolynomialLR(o, 300, 2)),
    ("polynomial-root", "schedule.name=polynomial schedule.power=0.9 schedule.length=200_steps", 0.1,
     lambda o: schedulers.PolynomialLR(o, 200, 0.9)),
    ("one-cycle", "schedule.name=one_cycle", 0.4, lambda o: schedulers.OneCycleLR(o, 0.4, total_steps=301)),
    ("one-cycle-short",
     "schedule.name=one_cycle schedule.pct_start=0.45 schedule.div_factor=10 schedule.final_div_factor=100", 0.4,
     lambda o: schedulers.OneCycleLR(o, 0.4, total_steps=301, pct_start=0.45, div_factor=10, final_div_factor=100)),
    ("warmup-cosine", "schedule.name=cosine schedule.warmup.epochs=5 schedule.warmup.from=0.2", 0.1,
     warmed(lambda o: schedulers.CosineAnnealingLR(o, 250), 50, 0.2)),
    ("warmup-multi-step",
     "schedule.name=multi_step schedule.milestones=[100_steps,200_steps] schedule.factor=0.1 schedule.warmup.steps=37", 0.1,
     warmed(lambda o: schedulers.MultiStepLR(o, [100, 200], 0.1), 37, 0.1)),
]

PLATEAUS = [
    ("plateau", "schedule.name=plateau schedule.patience=2 schedule.factor=0.5", dict(mode="min", patience=2, factor=0.5)),
    ("plateau-cooldown",
     "schedule.name=plateau schedule.metric=acc1 schedule.patience=1 schedule.factor=0.3 schedule.threshold=0.01 "
     "schedule.cooldown=3 schedule.minimum=0.001",
     dict(mode="max", patience=1, factor=0.3, threshold=0.01, cooldown=3, min_lr=0.001)),
]


def write_schedules(path):
    with h5py.File(path, "w") as file:
        for name, assignments, base, make in SCHEDULES:
            group = file.create_group(name)
            group.attrs["assignments"] = lines(f"optimizer.learning_rate={base} {assignments}")
            # One cycle ends with its last step; PyTorch refuses the step behind it.
            group.attrs["total_steps"] = 301 if name.startswith("one-cycle") else 300
            group["rates"] = rates(make, base, 300)
        for name, assignments, options in PLATEAUS:
            # A metric that falls (or rises) in stairs with a ripple.
            numbers = np.arange(120, dtype=np.float64)
            metric = 1 / (1 + np.floor(numbers / 11)) + 0.02 * np.abs(np.sin(numbers))
            if options["mode"] == "max":
                metric = 1 - metric / 2
            optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
            scheduler = schedulers.ReduceLROnPlateau(optimizer, **options)
            result = []
            for value in metric:
                scheduler.step(value)
                result.append(optimizer.param_groups[0]["lr"])
            group = file.create_group(name)
            group.attrs["assignments"] = lines(f"optimizer.learning_rate=0.1 {assignments}")
            group["metric"] = metric
            group["rates"] = np.array(result)


def record_versions(path):
    """What computed a file: attributes of its root."""
    with h5py.File(path, "a") as file:
        for name, version in (("torch", torch.__version__), ("numpy", np.__version__), ("h5py", h5py.__version__),
                              ("python", platform.python_version()),
                              ("instruction_set", torch.backends.cpu.get_cpu_capability())):
            file.attrs[name] = np.bytes_(version)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=pathlib.Path, default=HERE.parent / "Golden")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name, write in (("optimizers.h5", write_traces), ("freezing.h5", write_freezings),
                        ("schedules.h5", write_schedules)):
        write(folder / name)
        record_versions(folder / name)


if __name__ == "__main__":
    main()
