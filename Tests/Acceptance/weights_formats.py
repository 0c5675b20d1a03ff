#!/usr/bin/env python3
"""PyTorch's side of weights-formats.

Usage: weights_formats.py save NETWORK FOLDER    writes one state dictionary with random weights in every format, and rounded ones
       weights_formats.py equal LOGITS OTHER     compares the logits of two files, bit for bit
       weights_formats.py check NETWORK WEIGHTS LOGITS DATA
           loads a safetensors file that swift-train has exported with strict=True and compares the logits of DATA's test images

The safetensors package reads and writes where the Python environment has it; otherwise the format is written out here.
"""

import collections
import json
import struct
import sys

import h5py
import numpy as np
import torch

import torchvision_weights as peer

TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64", torch.int64: "I64"}


def save_safetensors(state, path):
    try:
        from safetensors.torch import save_file

        return save_file({key: tensor.contiguous() for key, tensor in state.items()}, path, metadata={"format": "pt"})
    except ImportError:
        pass
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for key, tensor in state.items():
        raw = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        header[key] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def load_safetensors(path):
    try:
        from safetensors.torch import load_file

        return load_file(path), "safetensors"
    except ImportError:
        pass
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(length)), bytearray(file.read())
    types = {name: dtype for dtype, name in TYPES.items()}
    state = {}
    for key, entry in header.items():
        if key != "__metadata__":
            begin, end = entry["data_offsets"]
            state[key] = torch.frombuffer(data[begin:end], dtype=types[entry["dtype"]]).reshape(entry["shape"]).clone()
    return state, "the format written out"


def save_hdf5(state, path):
    with h5py.File(path, "w") as file:
        for key, tensor in state.items():
            file.create_dataset(key, data=tensor.numpy())


def save(name, folder):
    model, _ = peer.random_network(name)
    state = model.state_dict()
    save_hdf5(state, f"{folder}/float32.h5")
    torch.save(state, f"{folder}/float32.pth")
    torch.save(state, f"{folder}/older.pth", _use_new_zipfile_serialization=False)
    save_safetensors(state, f"{folder}/float32.safetensors")
    wrapped = collections.OrderedDict((f"module.{key}", tensor) for key, tensor in state.items())
    torch.save({"epoch": 3, "best_acc1": torch.tensor(1.0), "state_dict": wrapped}, f"{folder}/wrapped.pth")
    last = {f"model.{key}": tensor for key, tensor in state.items() if not key.endswith("num_batches_tracked")}
    save_safetensors(last, f"{folder}/wrapped.safetensors")
    for dtype in [torch.float16, torch.bfloat16, torch.float64]:
        short = str(dtype).removeprefix("torch.")
        rounded = {key: tensor.to(dtype) if tensor.is_floating_point() else tensor for key, tensor in state.items()}
        torch.save(rounded, f"{folder}/{short}.pth")
        save_safetensors(rounded, f"{folder}/{short}.safetensors")
        if dtype != torch.bfloat16:
            save_hdf5(rounded, f"{folder}/{short}.h5")
        save_hdf5({key: tensor.float() for key, tensor in rounded.items()}, f"{folder}/{short}-expected.h5")


def equal(one, other):
    with h5py.File(one) as first, h5py.File(other) as second:
        if first["logits"][:].tobytes() != second["logits"][:].tobytes():
            sys.exit(f"{one} and {other}: the logits differ")


def check(name, weights, logits, data):
    state, reader = load_safetensors(weights)
    model, _ = peer.network(name, peer.CLASSES)
    if set(state) != set(model.state_dict()):
        sys.exit(f"{weights}: keys {sorted(set(state) ^ set(model.state_dict()))} on one side only")
    print(f"read back with {reader}, ", end="")
    peer.compare(model, state, name, logits, data)


if __name__ == "__main__":
    commands = {("save", 2): save, ("equal", 2): equal, ("check", 4): check}
    command = commands.get((sys.argv[1] if len(sys.argv) > 1 else "", len(sys.argv) - 2))
    if command is None:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    command(*sys.argv[2:])
