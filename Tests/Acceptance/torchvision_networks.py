"""Networks under torchvision's names: all of torchvision's own where it is installed, otherwise ResNet-18 and VGG-11 with batch norm,
written out.

Sources: He et al. 2016, "Deep residual learning for image recognition" (arXiv:1512.03385); Simonyan, Zisserman 2015, "Very deep
convolutional networks for large-scale image recognition" (arXiv:1409.1556).
"""

from torch import nn


class BasicBlock(nn.Module):
    def __init__(self, channels_in, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride > 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.bn1(self.conv1(x)).relu()
        return (self.bn2(self.conv2(y)) + shortcut).relu()


class ResNet18(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        before = 64
        for number, channels in enumerate([64, 128, 256, 512], start=1):
            stride = 1 if number == 1 else 2
            setattr(self, f"layer{number}", nn.Sequential(
                BasicBlock(before, channels, stride), BasicBlock(channels, channels, 1)))
            before = channels
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        x = self.maxpool(self.bn1(self.conv1(x)).relu())
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


class VGG11BN(nn.Module):
    def __init__(self, classes):
        super().__init__()
        layers, before = [], 3
        for channels, depth in [(64, 1), (128, 1), (256, 2), (512, 2), (512, 2)]:
            for _ in range(depth):
                layers += [nn.Conv2d(before, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
                before = channels
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 49, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(),
            nn.Linear(4096, classes))

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def network(name, classes):
    """A network by swift-train's name, and where it comes from."""
    try:
        import torchvision
    except ImportError:
        # Others need torchvision.
        return {"resnet18": ResNet18, "vgg11-bn": VGG11BN}[name](classes), "torchvision's network, written out"
    make = getattr(torchvision.models, name.replace("-", "_"))
    return make(weights=None, num_classes=classes), f"torchvision {torchvision.__version__}"
