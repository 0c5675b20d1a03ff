#!/usr/bin/env python3
"""Writes the files of tensors in ../Fixtures with PyTorch and the safetensors package, and what is in them.

Usage: make_fixtures.py             needs torch and safetensors; writes the versions used to ../Fixtures/README.md
expected.json: for each file, for each key, dtype, shape and values in row-major order (null where not finite).
"""

import collections
import hashlib
import json
import math
import pathlib
import platform

import safetensors.torch
import torch

folder = pathlib.Path(__file__).parent.parent / "Fixtures"
expected = {}


def describe(tensors):
    described = {}
    for key, tensor in tensors.items():
        values = tensor.detach().float().contiguous().flatten().tolist()
        described[key] = {
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "shape": list(tensor.shape),
            "values": [value if math.isfinite(value) else None for value in values],
        }
    return described


def torch_file(name, content, tensors=None, **options):
    torch.save(content, folder / name, **options)
    expected[name] = describe(content if tensors is None else tensors)


torch.manual_seed(14)
network = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Linear(4, 2))
state = network.state_dict()
torch_file("float32.pth", state)
torch_file("protocol4.pth", state, pickle_protocol=4)
torch_file("protocol5.pth", state, pickle_protocol=5)
torch_file("older.pth", state, _use_new_zipfile_serialization=False)
# The name of the file is that of a folder in its archive.
torch.save(state, folder / "gewichte-ä.pth")
(folder / "gewichte-ä.pth").rename(folder / "umlaut.pth")
expected["umlaut.pth"] = describe(state)
torch_file("parameters.pth", dict(network.named_parameters()))

# Rounding, subnormal numbers, signs of zero, the largest numbers of each type and what lies beyond.
numbers = [0.0, -0.0, 1.0, -1.5, 1 / 3, 6.1e-5, 5.9e-8, -2.3e-41, 65504.0, -3.0e38, 1e300, 5e-324, math.inf, -math.inf, math.nan]
doubles = torch.tensor(numbers + [1 + 2.0**-24, 1 + 3 * 2.0**-24, 1 + 2.0**-24 + 2.0**-50], dtype=torch.float64)
for name in ["float16", "bfloat16", "float64"]:
    torch_file(f"{name}.pth", {"numbers": doubles.to(getattr(torch, name))})
torch_file("integers.pth", {
    name: torch.tensor([0, 1, 100], dtype=getattr(torch, name)) for name in ["bool", "uint8", "int8", "int16", "int32", "int64"]
} | {"weight": torch.ones(1)})

base = torch.arange(120, dtype=torch.float32)
views = collections.OrderedDict(
    whole=base,
    again=base,
    transposed=base[:12].view(3, 4).t(),
    every_third=base[5:50:3],
    window=base.view(4, 5, 6)[1:3, ::2, 1:4],
    channels_last=torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    one=base.view(1, 120)[:, 7:8],
    scalar=torch.tensor(2.5),
    empty=torch.empty(0, 3),
    halves=torch.arange(24, dtype=torch.float16).view(2, 3, 4).permute(2, 0, 1),
)
torch_file("views.pth", views)
torch_file("older-views.pth", views, _use_new_zipfile_serialization=False)

wrapped = collections.OrderedDict((f"module.{key}", tensor) for key, tensor in state.items())
optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
network(torch.randn(2, 2, 5, 6)).sum().backward()
optimizer.step()
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 30)
torch_file(
    "nested.pth",
    {
        "epoch": 3, "arch": "tiny", "best_acc1": torch.tensor(71.25), "loss": 0.75, "step": -70_000, "seed": 1 << 40,
        "size": torch.Size([2, 3]), "nothing": None, "flags": [True, False], "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(), "state_dict": wrapped,
    }, wrapped)

mixed = {
    "layer.weight": torch.randn(3, 2, 2), "half": doubles.half(), "brain": doubles.bfloat16(), "double": doubles,
    "num_batches_tracked": torch.tensor(17), "bytes": torch.arange(3, dtype=torch.uint8), "flags": torch.tensor([True, False]),
    "scalar": torch.tensor(-0.5), "empty": torch.empty(0, 4), 'odd "key"\\\n\u00e4\U0001f600': torch.ones(2),
}
safetensors.torch.save_file(mixed, folder / "mixed.safetensors", metadata={"format": "pt", "note": 'a "b"\n\u00fc'})
expected["mixed.safetensors"] = describe(mixed)
(folder / "mixed.safetensors").chmod(0o644)
(folder / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=True) + "\n")

rows = [
    f"| `{path.name}` | {path.stat().st_size:,} | `{hashlib.sha256(path.read_bytes()).hexdigest()}` |"
    for path in sorted(folder.iterdir()) if path.name != "README.md"
]
(folder / "README.md").write_text(f"""# Files of tensors written by others

Small state dictionaries as PyTorch and the safetensors package save them, and in `expected.json` what is in them.
InterchangeTests reads them, cuts them off and changes them. This page is written by the generator together with the files.

| | |
|---|---|
| Generator | `Tests/InterchangeTests/Generator/make_fixtures.py` |
| Versions | torch {torch.__version__}, safetensors {safetensors.__version__}, Python {platform.python_version()} |
| Seed | 14 |

The `older` files hold addresses of memory as names, so they differ from run to run; the others repeat.

| File | Bytes | SHA-256 |
|---|---|---|
""" + "\n".join(rows) + "\n")
