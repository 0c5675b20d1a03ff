"""The numbers of Tests/Acceptance/reading. Usage: check_reading.py PART ARGUMENT…"""
import collections
import json
import os
import sys
import time

import h5py
import numpy as np


def labels(files):
    return np.concatenate([h5py.File(name.strip())["train/labels"][:] for name in files.split(",")])


def ledger(name, path, count, kind, files):
    count = int(count)
    ids = np.fromfile(path, "<i8")
    if ids.size != 2 * count:
        sys.exit(f"{name}: {ids.size} samples in two epochs, expected 2 x {count}")
    epochs = ids.reshape(2, count)
    if np.array_equal(epochs[0], epochs[1]):
        sys.exit(f"{name}: both epochs have the same order")
    if kind == "once":
        if any(np.unique(epoch).size != count for epoch in epochs):
            sys.exit(f"{name}: a sample comes twice in an epoch")
        if not np.array_equal(np.sort(epochs[0]), np.sort(epochs[1])):
            sys.exit(f"{name}: the epochs hold different samples")
        print(f"{name}: {count} samples, each once in each of two epochs; equal on 1, 2, 4 ranks and after a stop")
        return
    classes = labels(files)
    for epoch in epochs:
        times = collections.Counter(epoch.tolist())
        for label in np.unique(classes[epoch]):
            found = [times[int(sample)] for sample in np.flatnonzero(classes == label)]
            if max(found) - min(found) > 1:
                sys.exit(f"{name}: samples of class {label} come {min(found)} to {max(found)} times")
    counts = np.bincount(classes[epochs[0]], minlength=classes.max() + 1)
    print(f"{name}: draws of the classes {counts.tolist()}; equal on 1, 2, 4 ranks and after a stop")


def steps(path):
    return [line for line in map(json.loads, open(path)) if "data_wait_seconds" in line]


def wait_share(path):
    lines = steps(path)
    # From the first line on: what comes before it starts the run.
    seconds = lines[-1]["seconds"] - lines[0]["seconds"]
    return 100 * sum(line["data_wait_seconds"] for line in lines[1:]) / seconds


def fastest(paths):
    return min(steps(path)[-1]["seconds"] for path in paths)


def pss(pattern, job):
    """The largest sum of Pss over the matching processes while the job lives."""
    most = 0
    while os.path.exists(f"/proc/{job}") and open(f"/proc/{job}/stat").read().split(") ")[1][0] != "Z":
        total = 0
        for process in filter(str.isdigit, os.listdir("/proc")):
            try:
                if pattern.encode() not in open(f"/proc/{process}/cmdline", "rb").read():
                    continue
                if os.path.basename(os.readlink(f"/proc/{process}/exe")) != "swift-train":
                    continue
                for line in open(f"/proc/{process}/smaps_rollup"):
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
            except OSError:
                continue
        most = max(most, total)
        time.sleep(0.1)
    return most


def sparse_file(path):
    shape = (20_000_000_000 // (64 * 64 * 3), 64, 64, 3)
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "swift-train.dataset"
        file.attrs["format_version"] = 1
        file["classes"] = ["a", "b"]
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        group = file.create_group("train")
        images = h5py.h5d.create(group.id, b"images", h5py.h5t.STD_U8LE, h5py.h5s.create_simple(shape), creation)
        h5py.Dataset(images).attrs["layout"] = "NHWC"
        file["train/labels"] = np.arange(shape[0]) % 2
        file["test/images"] = np.zeros((16, 64, 64, 3), np.uint8)
        file["test/labels"] = np.arange(16) % 2
    size, used = os.path.getsize(path), os.stat(path).st_blocks * 512
    print(f"sparse file: {size / 1e9:.1f} GB, {used / 1e6:.0f} MB of them on the disk")


def main(part, *arguments):
    if part == "ledger":
        ledger(*arguments)
    elif part == "wait":
        print(f"{wait_share(arguments[0]):.2f}")
    elif part == "below":
        most, found, what = arguments
        print(f"{what}: {found}, at most {most}")
        if float(found) > float(most):
            sys.exit(1)
    elif part == "ratio":
        border = arguments.index("--")
        contiguous, chunks = fastest(arguments[1:border]), fastest(arguments[border + 1 :])
        print(f"thirty epochs: contiguous {contiguous:.2f} s, gzip chunks in blocks {chunks:.2f} s, {chunks / contiguous:.2f} times")
        if chunks > float(arguments[0]) * contiguous:
            sys.exit(f"expected at most {arguments[0]} times")
    elif part == "pss":
        print(pss(*arguments))
    elif part == "memory":
        networks, found = int(arguments[0]), int(arguments[1])
        data = sum(h5py.File(arguments[2])[f"{split}/images"].nbytes for split in ("train", "test"))
        most = 1.3 * (data + networks)
        print(
            f"four ranks: {found / 1e6:.0f} MB of Pss, networks and programs {networks / 1e6:.0f} MB, data {data / 1e6:.0f} MB; at most "
            f"{most / 1e6:.0f} MB"
        )
        if found > most:
            sys.exit(1)
    elif part == "sparse-file":
        sparse_file(*arguments)
    else:
        sys.exit(f"unknown part {part}")


main(*sys.argv[1:])
