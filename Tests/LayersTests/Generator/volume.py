"""volume.h5: one training pass of a small network of volumes, batch normalisation included, and its evaluation."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from common import Writer

VOLUMES, CLASSES = 6, 3
CHANNELS, DEPTH, HEIGHT, WIDTH = 2, 6, 9, 8


class Small(nn.Sequential):
    """Convolutions, batch normalisation, both poolings and a linear layer."""

    def __init__(self):
        super().__init__(
            nn.Conv3d(CHANNELS, 16, 3, padding=1, bias=False), nn.BatchNorm3d(16), nn.ReLU(), nn.MaxPool3d(2),
            nn.Conv3d(16, 16, (1, 3, 2), stride=(1, 2, 1)), nn.ReLU(), nn.AvgPool3d((3, 1, 1)),
            nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(16, CLASSES))


def write_volume(path, generator, errors):
    model = Small()
    with torch.no_grad():
        for key, value in model.named_parameters():
            value.copy_(torch.randn(value.shape, generator=generator) * 0.3 + (1 if key == "1.weight" else 0))
    # A training pass changes the running statistics.
    state = {key: value.clone() for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")}
    volumes = torch.rand((VOLUMES, DEPTH, HEIGHT, WIDTH, CHANNELS), generator=generator)
    labels = torch.tensor([2, 0, 1, 1, 0, 2])
    with Writer(path) as writer:
        writer.arrays(writer.file, volumes=volumes, labels=labels)
        writer.arrays(writer.group("weights"), **state)
        results = {}
        for dtype in (torch.float32, torch.float64):
            model.load_state_dict(state, strict=False)
            model.to(dtype)
            x = volumes.permute(0, 4, 1, 2, 3).to(dtype)
            model.eval()
            evaluated = model(x).detach()
            model.train()
            logits = model(x)
            loss = F.cross_entropy(logits, labels, reduction="sum")
            names, parameters = zip(*model.named_parameters())
            gradients = dict(zip(names, torch.autograd.grad(loss, parameters)))
            results[dtype] = dict(evaluated=evaluated, logits=logits.detach(), loss=loss.detach().reshape(1), **gradients)
        single, double = results[torch.float32], results[torch.float64]
        for name in double:
            errors.note("volume", name if name in ("evaluated", "logits", "loss") else "gradients (worst tensor)",
                        single[name], double[name])
        outputs = ("evaluated", "logits", "loss")
        writer.arrays(writer.file, **{name: double[name].float() for name in outputs})
        writer.arrays(writer.group("gradients"), **{k: v.float() for k, v in double.items() if k not in outputs})
