#!/usr/bin/env python3
"""PyTorch's DistributedDataParallel over gloo on one machine: the peer of several ranks.

Usage: pytorch_ddp.py MODEL [--batch GLOBAL] [--ranks 2] [--seconds S]
One thread a rank, each rank on a core of its own; prints one JSON object. As in pytorch_step.py the batches are scaled
float tensors in memory, in the memory layout that is given.
"""

import argparse
import json
import os
import statistics
import tempfile
import time

import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from pytorch_models import MODELS

BATCHES = 8
WARM_UP_STEPS = 10


def work(rank, arguments, address, results):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[rank % len(cores)]})
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=arguments.ranks)
    torch.manual_seed(1)
    memory_format = torch.channels_last if arguments.layout == "channels_last" else torch.contiguous_format
    model = DistributedDataParallel(MODELS[arguments.model]().to(memory_format=memory_format))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    loss_function = nn.CrossEntropyLoss()
    own = arguments.batch // arguments.ranks
    shape = (own, *MODELS[arguments.model].input_shape)
    inputs = [(torch.rand(shape)).to(memory_format=memory_format) for _ in range(BATCHES)]
    targets = [torch.randint(0, 10, (own,)) for _ in range(BATCHES)]

    def step(index):
        optimizer.zero_grad(set_to_none=True)
        loss_function(model(inputs[index % BATCHES]), targets[index % BATCHES]).backward()
        optimizer.step()

    for index in range(WARM_UP_STEPS):
        step(index)
    # All ranks run the same number of steps, from rank 0's guess of how many fill the time.
    start = time.perf_counter()
    for index in range(20):
        step(index)
    count = torch.tensor([max(20, int(20 * arguments.seconds / (time.perf_counter() - start)))])
    distributed.broadcast(count, 0)
    distributed.barrier()
    durations = []
    start = before = time.perf_counter()
    for index in range(int(count)):
        step(index)
        now = time.perf_counter()
        durations.append(now - before)
        before = now
    if rank == 0:
        results.put({
            "framework": "pytorch", "torch_version": torch.__version__, "model": arguments.model, "ranks": arguments.ranks,
            "batch": arguments.batch, "layout": arguments.layout, "steps": len(durations),
            "images_per_second": round(arguments.batch * len(durations) / (before - start), 1),
            "step_ms_median": round(1000 * statistics.median(durations), 4),
            "step_ms_min": round(1000 * min(durations), 4)})
    distributed.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=sorted(MODELS))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--layout", choices=["nchw", "channels_last"], default="nchw")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    # Port 0 would not tell the others; a file in a folder of our own meets them without a port to guess.
    with tempfile.TemporaryDirectory() as folder:
        address = f"file://{folder}/meeting"
        multiprocessing.spawn(work, args=(arguments, address, results), nprocs=arguments.ranks)
        print(json.dumps(results.get()), flush=True)


if __name__ == "__main__":
    main()
