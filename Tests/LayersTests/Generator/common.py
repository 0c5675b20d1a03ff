"""What every family of golden files needs: the writer, the error table, differentiation, and how inputs are drawn."""

import math

import h5py
import numpy as np
import torch
import torch.nn.functional as F

SEED = 20240114


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


class CaseWriter(Writer):
    """An HDF5 file of many small cases.

    A case is a group that has attributes only: its options, and for each tensor its place, that is the first element in
    `/values` (float32) or `/values64` (float64) followed by its extents. A dataset per tensor would cost 350 bytes each.
    """

    def __init__(self, path):
        super().__init__(path)
        self.values = {"values": [], "values64": []}
        self.counts = {"values": 0, "values64": 0}
        self.cases = 0

    def __exit__(self, *arguments):
        for key, pieces in self.values.items():
            if pieces:
                self.arrays(self.file, **{key: np.concatenate(pieces)})
        super().__exit__(*arguments)

    def case(self, name, options, **tensors):
        creation = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
        creation.set_obj_track_times(False)
        # All attributes inside the object header: the index of the other layout takes 2 kB a group.
        creation.set_attr_phase_change(64, 48)
        name = f"{self.cases:03d}_{name}"
        group = h5py.Group(h5py.h5g.create(self.file.id, name.encode(), gcpl=creation))
        self.attributes(group, **options)
        for key, value in tensors.items():
            if value is not None:
                array = value.detach().numpy()
                target = {np.dtype("float32"): "values", np.dtype("float64"): "values64"}[array.dtype]
                group.attrs.create(key, np.array([self.counts[target], *array.shape], dtype=np.int32))
                self.values[target].append(np.ascontiguousarray(array).reshape(-1))
                self.counts[target] += array.size
        self.cases += 1


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


def case_name(**parts):
    """`k3x2_stride1x1` from k=(3, 2), stride=(1, 1); without what is None or empty, a bare key for True."""
    words = []
    for key, value in parts.items():
        if value is True:
            words.append(key)
        elif isinstance(value, (tuple, list)):
            words.append(key + "x".join(map(str, value)))
        elif value is not None and value is not False:
            words.append(f"{key}{value}")
    return "_".join(words)


def write_case(writer, errors, family, name, options, function, generator, expects_double=False, **inputs):
    """Runs `function` on the inputs (some may be None), draws dy, and stores the inputs, y, dy and all gradients.

    What is expected is PyTorch's float32 result, or its float64 result rounded to float32.
    """
    with torch.no_grad():
        dy = torch.randn(function(*inputs.values()).shape, generator=generator)
    (y, gradients), (y64, gradients64) = differentiate(function, inputs.values(), dy)
    tensors = dict(inputs, y=y64.float() if expects_double else y, dy=dy)
    errors.note(family, "y", y, y64)
    for key, single, double in zip(inputs, gradients, gradients64):
        if single is not None:
            errors.note(family, f"d{key}", single, double)
            tensors[f"d{key}"] = double.float() if expects_double else single
    writer.case(name, options, **tensors)


def scaled_weight(generator, *shape):
    """Scaled like an initialised layer, so that one tolerance suits every case."""
    return torch.randn(shape, generator=generator) / max(1, math.prod(shape[1:])) ** 0.5
