"""The peers in PyTorch of the models swift-train knows by name.

Attribute names are those of the tutorials' classes, so state_dict() keys equal our parameter names.
Used by pytorch_step.py, by the golden-file generator and by Tests/Acceptance.
"""

import pathlib
import sys

import torch
import torch.nn.functional as F
from torch import nn

# The large networks, which the golden files come from too.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Tests/TrainingTests/Generator"))
import networks  # noqa: E402


class FashionClassifier(nn.Module):
    """Two 5x5 convolutions with max pooling and three linear layers; 44,426 parameters."""

    input_shape = (1, 28, 28)

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(256, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        # reshape, not view: flattening in C, H, W order must also work from channels_last.
        x = x.reshape(x.shape[0], -1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class MNISTClassifier(nn.Module):
    """Four convolutions in two pooled pairs and two linear layers."""

    input_shape = (1, 28, 28)

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(),
            nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2),
            nn.Conv2d(8, 8, 5, padding=1), nn.ReLU(),
            nn.Conv2d(8, 8, 5, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2),
            nn.Flatten(), nn.Linear(200, 64), nn.ReLU(), nn.Linear(64, 10),
        )

    def forward(self, x):
        return self.layers(x)


class StridedCNN(nn.Module):
    """Five 3x3 convolutions of stride 2 down to one pixel per class; 5,274 parameters."""

    input_shape = (1, 28, 28)

    def __init__(self):
        super().__init__()
        channels = [1, 4, 8, 16, 16, 10]
        layers = []
        for index in range(5):
            layers.append(nn.Conv2d(channels[index], channels[index + 1], 3, stride=2, padding=1))
            if index < 4:
                layers.append(nn.ReLU())
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x).flatten(1)


class LeNet5(nn.Module):
    """LeCun et al. 1998 with tanh and max pooling; 32x32 input, 61,706 parameters."""

    input_shape = (1, 32, 32)

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.max_pool2d(torch.tanh(self.conv2(x)), 2)
        x = torch.tanh(self.fc1(x.reshape(x.shape[0], -1)))
        x = torch.tanh(self.fc2(x))
        return self.fc3(x)


MODELS = {
    "fashion-classifier": FashionClassifier,
    "mnist-classifier": MNISTClassifier,
    "strided-cnn": StridedCNN,
    "lenet5": LeNet5,
}


def large(name, make, classes, image):
    """A network as torchvision makes it: activations in place, dropout where the article has it."""

    def build():
        model = make()
        for module in model.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = True
            if isinstance(module, nn.Dropout):
                module.p = 0.5
        model.input_shape = image if image[1] == 32 else (3, 224, 224)
        model.classes = classes
        return model

    return name, build


MODELS |= dict(large(name, make, classes, image) for name, make, classes, image, *_ in networks.NETWORKS if name not in MODELS)
