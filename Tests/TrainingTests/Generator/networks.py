"""The networks of the registry in PyTorch, under the same parameter names."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class FashionClassifier(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(256, 120), nn.Linear(120, 84), nn.Linear(84, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class MNISTClassifier(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 5, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 5, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(200, 64), nn.ReLU(), nn.Linear(64, classes))

    def forward(self, x):
        return self.layers(x)


def strided_cnn(classes=10):
    def conv(channels, filters):
        return nn.Conv2d(channels, filters, 3, stride=2, padding=1)

    widths = [1, 4, 8, 16, 16]
    blocks = [nn.Sequential(conv(a, b), nn.ReLU()) for a, b in zip(widths, widths[1:])]
    return nn.Sequential(*blocks, conv(16, classes), nn.Flatten())


class LeNet5(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv, self.fc = nn.Module(), nn.Module()
        self.conv.conv1, self.conv.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc.fc1, self.fc.fc2, self.fc.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, classes)

    def forward(self, x):
        x = F.max_pool2d(torch.tanh(self.conv.conv1(x)), 2)
        x = F.max_pool2d(torch.tanh(self.conv.conv2(x)), 2).flatten(1)
        return self.fc.fc3(torch.tanh(self.fc.fc2(torch.tanh(self.fc.fc1(x)))))


class Features(nn.Module):
    """Convolutions, adaptive pooling, linear layers: AlexNet and VGG."""

    def __init__(self, features, side, classifier):
        super().__init__()
        self.features, self.avgpool, self.classifier = features, nn.AdaptiveAvgPool2d(side), classifier

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def alexnet(classes=1000):
    features = nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2))
    classifier = nn.Sequential(
        nn.Dropout(0), nn.Linear(9216, 4096), nn.ReLU(), nn.Dropout(0), nn.Linear(4096, 4096), nn.ReLU(),
        nn.Linear(4096, classes))
    return Features(features, 6, classifier)


VGG_DEPTHS = {11: [1, 1, 2, 2, 2], 13: [2, 2, 2, 2, 2], 16: [2, 2, 3, 3, 3], 19: [2, 2, 4, 4, 4]}


def vgg(depth, batch_norm, classes=1000):
    layers, channels = [], 3
    for width, count in zip([64, 128, 256, 512, 512], VGG_DEPTHS[depth]):
        for _ in range(count):
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU())
            channels = width
        layers.append(nn.MaxPool2d(2))
    classifier = nn.Sequential(
        nn.Linear(512 * 49, 4096), nn.ReLU(), nn.Dropout(0), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0),
        nn.Linear(4096, classes))
    return Features(nn.Sequential(*layers), 7, classifier)


class Block(nn.Module):
    def __init__(self, channels, width, stride, bottleneck):
        super().__init__()
        out = 4 * width if bottleneck else width
        if bottleneck:
            shapes = [(channels, width, 1, 1), (width, width, 3, stride), (width, out, 1, 1)]
        else:
            shapes = [(channels, width, 3, stride), (width, width, 3, 1)]
        self.count = len(shapes)
        for index, (a, b, kernel, step) in enumerate(shapes, 1):
            setattr(self, f"conv{index}", nn.Conv2d(a, b, kernel, step, kernel // 2, bias=False))
            setattr(self, f"bn{index}", nn.BatchNorm2d(b))
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = x
        for index in range(1, self.count + 1):
            y = getattr(self, f"bn{index}")(getattr(self, f"conv{index}")(y))
            if index < self.count:
                y = F.relu(y)
        return F.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


RESNET_DEPTHS = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3]}


class ResNet(nn.Module):
    def __init__(self, depth, classes=1000):
        super().__init__()
        bottleneck = depth >= 50
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        channels = 64
        for stage, count in enumerate(RESNET_DEPTHS[depth]):
            blocks = []
            for block in range(count):
                width = 64 << stage
                blocks.append(Block(channels, width, 2 if stage > 0 and block == 0 else 1, bottleneck))
                channels = 4 * width if bottleneck else width
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class CIFARBlock(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.stride = stride

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.stride == 2:
            pad = x.shape[1] // 2
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, pad, pad))
        return F.relu(y + x)


class CIFARResNet(nn.Module):
    def __init__(self, depth, classes=10):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        channels = 16
        for stage in range(3):
            blocks = []
            for block in range((depth - 2) // 6):
                blocks.append(CIFARBlock(channels, 16 << stage, 2 if stage > 0 and block == 0 else 1))
                channels = 16 << stage
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(64, classes)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))


# Name, maker, classes, image, batch, learning rate: low enough that ten steps do not blow rounding errors up.
NETWORKS = [
    ("fashion-classifier", FashionClassifier, 10, (1, 28, 28), 32, 1e-2),
    ("mnist-classifier", MNISTClassifier, 10, (1, 28, 28), 32, 1e-2),
    ("strided-cnn", strided_cnn, 10, (1, 28, 28), 32, 1e-2),
    ("lenet5", LeNet5, 10, (1, 32, 32), 32, 1e-2),
    ("cifar-resnet20", lambda: CIFARResNet(20), 10, (3, 32, 32), 8, 1e-4),
    ("alexnet", alexnet, 1000, (3, 64, 64), 2, 1e-4),
] + [
    (f"vgg{depth}" + ("-bn" if batch_norm else ""), lambda d=depth, b=batch_norm: vgg(d, b), 1000, (3, 64, 64), 2, 1e-6 if batch_norm else 1e-5)
    for depth in VGG_DEPTHS for batch_norm in (False, True)
] + [
    (f"resnet{depth}", lambda d=depth: ResNet(d), 1000, (3, 64, 64), 2, 1e-5) for depth in RESNET_DEPTHS
]
