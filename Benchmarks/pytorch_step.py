#!/usr/bin/env python3
"""PyTorch's training step, or inference, on one CPU thread: the peer that Benchmarks/compare measures against.

Usage: pytorch_step.py MODEL [--batch N] [--seconds S] [--layout both|nchw|channels_last] [--threads T] [--inference]
Prints one JSON object per layout and line.

The set-up favours PyTorch: the batches are float32 tensors already divided by 255 and lying in memory, there is
no DataLoader, gradients are set to None, and nothing is read back from the loss. swift-train's bench starts from
uint8 batches and converts them inside the measured step. Inference is the forward pass alone, in evaluation and inference
mode, where swift-train's computes losses and the ranks of the labels too.
"""

import argparse
import json
import resource
import statistics
import time

import torch
from torch import nn

from pytorch_models import MODELS

BATCHES = 8
# Fewer, but two at least, where steps are long.
WARM_UP_STEPS = 10
LEAST_STEPS = 3


def measure(name, batch, seconds, layout, inference=False):
    """Times whole steps (zero_grad, forward, loss, backward, SGD with momentum) or forward passes for about `seconds`."""
    torch.manual_seed(1)
    memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    model = MODELS[name]().to(memory_format=memory_format)
    model.train(not inference)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    loss_function = nn.CrossEntropyLoss()
    shape = (batch, *model.input_shape)
    inputs = [
        (torch.randint(0, 256, shape, dtype=torch.uint8).float() / 255).to(memory_format=memory_format)
        for _ in range(BATCHES)
    ]
    targets = [torch.randint(0, getattr(model, "classes", 10), (batch,)) for _ in range(BATCHES)]

    @torch.inference_mode()
    def forward(index):
        model(inputs[index % BATCHES])

    def train(index):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_function(model(inputs[index % BATCHES]), targets[index % BATCHES])
        loss.backward()
        optimizer.step()

    step = forward if inference else train
    begin = time.perf_counter()
    for index in range(WARM_UP_STEPS):
        step(index)
        if index > 0 and time.perf_counter() - begin > seconds / 2:
            break
    durations = []
    start = time.perf_counter()
    before = start
    while before - start < seconds or len(durations) < LEAST_STEPS:
        step(len(durations))
        now = time.perf_counter()
        durations.append(now - before)
        before = now
    return {
        "framework": "pytorch",
        "torch_version": torch.__version__,
        "model": name,
        "work": "inference" if inference else "training",
        "batch": batch,
        "threads": torch.get_num_threads(),
        "layout": layout,
        "steps": len(durations),
        "images_per_second": round(batch * len(durations) / (before - start), 1),
        "step_ms_median": round(1000 * statistics.median(durations), 4),
        "step_ms_min": round(1000 * min(durations), 4),
        # Of the process so far: with both layouts, the larger one's.
        "peak_rss_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=sorted(MODELS))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--layout", choices=["both", "nchw", "channels_last"], default="both")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--inference", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    layouts = ["nchw", "channels_last"] if arguments.layout == "both" else [arguments.layout]
    for layout in layouts:
        print(json.dumps(measure(arguments.model, arguments.batch, arguments.seconds, layout, arguments.inference)), flush=True)


if __name__ == "__main__":
    main()
