"""batchnorm.h5: batch normalisation over the whole batch, slice by slice, of partial batches, and in evaluation."""

import torch
import torch.nn.functional as F

from common import CaseWriter, case_name

SHAPES = [(12, 5), (8, 3, 7), (8, 3, 5, 4), (8, 2, 3, 4, 3)]
# shape, samples of a slice (None: the whole batch, "evaluation": running statistics), eps, momentum, how x is drawn
CASES = [
    case
    for shape in SHAPES
    for case in [
        (shape, None, 1e-5, 0.1, "normal"),
        (shape, None, 1e-3, 0.3, "normal"),
        (shape, shape[0] // 4, 1e-5, 0.1, "normal"),
        ((10, *shape[1:]), 3, 1e-5, 0.1, "normal"),
        (shape, "evaluation", 1e-5, 0.1, "normal"),
    ]
] + [
    ((8, 17, 2, 3), None, 1e-5, 1.0, "normal"),
    ((9, 4, 3, 3), 3, 1e-2, 0.05, "far"),
    ((9, 4, 3, 3), None, 1e-5, 0.1, "far"),
    ((6, 3, 4), None, 1e-5, 0.1, "constant channel"),
    ((6, 3, 4), 2, 1e-5, 0.1, "constant channel"),
    # Slices with one value a channel: their variance is 0.
    ((4, 3), 1, 1e-5, 0.1, "normal"),
    ((4, 3, 1, 1), 1, 1e-3, 0.2, "normal"),
    # Slices that run short or stay empty.
    ((4, 3, 2, 2), 3, 1e-5, 0.1, "normal"),
    ((7, 3), 4, 1e-5, 0.1, "normal"),
    ((5, 1, 1, 1), None, 1e-5, 0.1, "normal"),
    ((1, 3, 5, 3), None, 1e-5, 0.1, "normal"),
    ((3, 4, 3, 2), "evaluation", 1e-2, 0.1, "far"),
    ((0, 4, 3, 2), "evaluation", 1e-5, 0.1, "normal"),
]


def normalise(dtype, x, dy, weight, bias, running_mean, running_var, slice_samples, eps, momentum):
    """y, gradients and running statistics after one step, computed in `dtype`."""
    x, weight, bias = (t.to(dtype).clone().requires_grad_(True) for t in (x, weight, bias))
    running_mean, running_var = running_mean.to(dtype).clone(), running_var.to(dtype).clone()
    if slice_samples == "evaluation":
        y = F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    else:
        size = slice_samples or len(x)
        # torch.batch_norm, because F.batch_norm refuses one value a channel.
        slices = [torch.batch_norm(part, weight, bias, None, None, True, momentum, eps, False) for part in x.split(size)]
        y = torch.cat(slices)
        with torch.no_grad():
            F.batch_norm(x, running_mean, running_var, weight, bias, True, momentum, eps)
    dx, dweight, dbias = torch.autograd.grad(y, (x, weight, bias), dy.to(dtype))
    return dict(
        y=y, dx=dx, dweight=dweight, dbias=dbias, running_mean_after=running_mean, running_var_after=running_var)


def write_batchnorm(path, generator, errors):
    with CaseWriter(path) as writer:
        for shape, slice_samples, eps, momentum, how in CASES:
            channels = shape[1]
            x, dy = torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)
            x = x * (0.5 + torch.rand(channels, generator=generator)).view(-1, *[1] * (len(shape) - 2)) + 0.3
            if how == "far":
                x = x + 30
            elif how == "constant channel":
                x[:, 1] = 0.75
            inputs = dict(
                x=x, dy=dy, weight=0.5 + torch.rand(channels, generator=generator),
                bias=torch.randn(channels, generator=generator),
                running_mean=0.2 * torch.randn(channels, generator=generator),
                running_var=0.5 + torch.rand(channels, generator=generator))
            results = [
                normalise(dtype, **inputs, slice_samples=slice_samples, eps=eps, momentum=momentum)
                for dtype in (torch.float32, torch.float64)]
            mode = "evaluation" if slice_samples == "evaluation" else "training"
            for key in results[0]:
                family = f"batch norm{': far from 0' if how == 'far' else ''}"
                errors.note(family, key, results[0][key], results[1][key])
            options = dict(mode=mode, eps=eps, momentum=momentum, input=how)
            if mode == "training":
                options["slice_samples"] = slice_samples or len(x)
            name = case_name(**{mode: True}, x=shape, slice=None if mode == "evaluation" else slice_samples, eps=eps,
                             momentum=momentum, drawn=f"_{how.replace(' ', '_')}")
            # Float32 results of a sum of squares far from 0 are PyTorch's own rounding; the reference is its float64.
            writer.case(name, options, **inputs, **{key: value.float() for key, value in results[1].items()})
        return writer.cases
