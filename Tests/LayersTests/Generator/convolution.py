"""convolution{1,2,3}d.h5: every padding, mode and grouping; flipped.h5: true convolution, whose kernel is flipped."""

import random

import torch
import torch.nn.functional as F

from common import SEED, CaseWriter, case_name, scaled_weight, write_case

CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
# Every padding in every mode that it has.
PADDINGS = [("valid", "zeros")] + [
    (kind, mode) for kind in ("symmetric", "sides", "same", "full")
    for mode in ("zeros", "reflect", "replicate", "circular")]
GROUPINGS = ["plain", "groups", "depthwise", "multiplied", "pointwise", "wide"]
ROUNDS = {1: 6, 2: 6, 3: 4}


def sides_of(kind, padding, kernel, dilation):
    """(before, after) of each axis."""
    spans = [d * (k - 1) for k, d in zip(kernel, dilation)]
    if kind == "valid":
        return [(0, 0)] * len(kernel)
    if kind == "symmetric":
        return [(p, p) for p in padding]
    if kind == "sides":
        return list(zip(padding[0::2], padding[1::2]))
    if kind == "same":
        return [(span // 2, span - span // 2) for span in spans]
    return [(span, span) for span in spans]


def convolution(options, dimensions, flips=False):
    """x, weight, bias → y with PyTorch's own padding where it has one, else F.pad in front."""
    kind, mode, kernel = options["padding_kind"], options["mode"], options["kernel"]
    settings = dict(stride=options["stride"], dilation=options["dilation"], groups=options["groups"])
    sides = sides_of(kind, options["padding"], kernel, options["dilation"])

    def function(x, weight, bias):
        if flips:
            weight = torch.flip(weight, list(range(2, 2 + dimensions)))
        if mode == "zeros" and kind != "sides":
            padding = kind if kind in ("same", "valid") else tuple(before for before, _ in sides)
            return CONVOLUTIONS[dimensions](x, weight, bias, padding=padding, **settings)
        # F.pad takes the last axis first.
        flat = [side for pair in reversed(sides) for side in pair]
        return CONVOLUTIONS[dimensions](F.pad(x, flat, mode="constant" if mode == "zeros" else mode), weight, bias, **settings)

    return function


def channels(grouping, chooser, dimensions):
    """(in, out, groups)"""
    if grouping == "groups":
        groups = chooser.choice([2, 2, 3])
        return groups * chooser.choice([1, 2]), groups * chooser.choice([1, 2, 3]), groups
    if grouping == "depthwise":
        count = chooser.choice([2, 3, 5])
        return count, count, count
    if grouping == "multiplied":
        count = chooser.choice([2, 3])
        return count, count * chooser.choice([2, 3]), count
    if grouping == "wide":
        return chooser.choice([1, 7]), chooser.choice([9, 17]) if dimensions == 1 else 6, 1
    return chooser.choice([1, 2, 3]), chooser.choice([1, 2, 3, 4]), 1


def draw_options(dimensions, kind, mode, grouping, chooser):
    """The options of one case, and its input's extents."""
    axes = range(dimensions)
    kernel = [1 if grouping == "pointwise" else chooser.choice([1, 2, 3, 3, 4, 5] if dimensions == 1 else [1, 2, 2, 3, 3]) for _ in axes]
    dilation = [chooser.choice([1, 1, 2, 3]) for _ in axes]
    stride = [1 if kind == "same" else chooser.choice([1, 1, 2, 3]) for _ in axes]
    padding = []
    if kind == "symmetric":
        padding = [chooser.choice([0, 1, 1, 2]) for _ in axes]
    elif kind == "sides":
        padding = [chooser.choice([0, 1, 2, 3] if dimensions == 1 else [0, 1, 2]) for _ in range(2 * dimensions)]
    extents = []
    for k, d, (before, after) in zip(kernel, dilation, sides_of(kind, padding, kernel, dilation)):
        least = max(1, d * (k - 1) + 1 - max(before, after))
        if mode == "reflect":
            least = max(least, before + 1, after + 1)
        elif mode == "circular":
            least = max(least, before, after)
        extents.append(least + chooser.choice([0, 1, 2, 3, 5] if dimensions == 1 else [0, 1, 2] if dimensions == 2 else [0, 1]))
    channels_in, channels_out, groups = channels(grouping, chooser, dimensions)
    options = dict(
        kernel=kernel, stride=stride, dilation=dilation, groups=groups, padding_kind=kind, padding=padding, mode=mode,
        out_channels=channels_out)
    return options, (chooser.choice([1, 2, 3]) if dimensions < 3 else chooser.choice([1, 2]), channels_in, *extents)


def edges(dimensions):
    """Empty batches, extents of 1, strides beyond the kernel, more channels than a vector has lanes."""
    def case(shape, out=2, kernel=3, stride=1, dilation=1, groups=1, kind="symmetric", padding=0, mode="zeros"):
        sides = [padding] * ({"symmetric": 1, "sides": 2}.get(kind, 0) * dimensions)
        return dict(
            kernel=[kernel] * dimensions, stride=[stride] * dimensions, dilation=[dilation] * dimensions, groups=groups,
            padding_kind=kind, padding=sides, mode=mode, out_channels=out), shape

    one, three = [1] * dimensions, [3] * dimensions
    return [
        case((0, 2, *three)),
        case((0, 4, *three), out=4, groups=4, padding=1, mode="reflect"),
        case((0, 1, *three), kind="same", mode="circular"),
        case((1, 1, *one), out=1, kernel=1),
        case((1, 3, *one), kernel=3, padding=1),
        case((2, 2, *one), kernel=2, kind="full"),
        case((1, 2, *one), kernel=3, kind="same", mode="replicate"),
        case((2, 1, *one), kernel=3, padding=1, mode="circular"),
        case((2, 2, *three), kernel=1, stride=2),
        case((1, 18 if dimensions < 3 else 5, *three), out=17 if dimensions < 3 else 3, kernel=2),
        case((1, 2, *three), kernel=2, stride=3, dilation=2),
        case((1, 1, *three), kernel=3, stride=5),
    ]


def write_one(writer, errors, family, options, shape, generator, has_bias, flips=False):
    dimensions = len(shape) - 2
    out = options.pop("out_channels")
    x = torch.randn(shape, generator=generator)
    weight = scaled_weight(generator, out, shape[1] // options["groups"], *options["kernel"])
    bias = torch.randn((out,), generator=generator) if has_bias else None
    name = case_name(
        x=shape, k=options["kernel"], stride=options["stride"], dilation=options["dilation"], groups=options["groups"],
        **{options["padding_kind"]: options["padding"] or True}, mode=options["mode"], bias=has_bias)
    stored = {key: value for key, value in options.items() if key != "kernel" and value != []}
    write_case(
        writer, errors, family, name, stored, convolution(options, dimensions, flips), generator, x=x, weight=weight, bias=bias)


def write_dimensions(dimensions):
    def write(path, generator, errors):
        chooser = random.Random(SEED + dimensions)
        with CaseWriter(path) as writer:
            for turn in range(ROUNDS[dimensions]):
                for index, (kind, mode) in enumerate(PADDINGS):
                    grouping = GROUPINGS[(index + turn) % len(GROUPINGS)]
                    options, shape = draw_options(dimensions, kind, mode, grouping, chooser)
                    write_one(writer, errors, "convolution", options, shape, generator, chooser.random() < 0.7)
            for index, (options, shape) in enumerate(edges(dimensions)):
                write_one(writer, errors, "convolution", options, shape, generator, index % 3 != 2)
            return writer.cases

    return write


def write_flipped(path, generator, errors):
    chooser = random.Random(SEED + 10)
    with CaseWriter(path) as writer:
        for dimensions in (1, 2, 3):
            for kind, mode, grouping in [
                ("valid", "zeros", "plain"), ("full", "zeros", "plain"), ("same", "zeros", "depthwise"),
                ("symmetric", "reflect", "groups"), ("sides", "zeros", "multiplied"), ("full", "circular", "plain"),
            ]:
                options, shape = draw_options(dimensions, kind, mode, grouping, chooser)
                write_one(writer, errors, "true convolution", options, shape, generator, chooser.random() < 0.5, flips=True)
        return writer.cases
