internal import Layers

/// The residual networks for CIFAR-10 of He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016
/// (arXiv:1512.03385), section 4.2, with 20, 32, 44 and 56 layers; 269,722 parameters with 20 layers and ten classes.
///
/// Three stages of 16, 32 and 64 channels, and shortcuts without parameters (option A): every second place, and channels of
/// zeros on both sides. torchvision has none of them; names follow its ResNet (`layer1.0.conv1.weight`, `fc.bias`). First
/// values are Kaiming normal by fan in, the linear layer's too, as in the paper's own recipe.
enum CIFARResNet {
    static let depths = [20, 32, 44, 56]

    /// Traps: a depth that is not 6n + 2.
    static func description(_ request: ModelRequest, depth: Int) -> ModelDescription {
        precondition((depth - 2) % 6 == 0, "a CIFAR ResNet of \(depth) layers")
        var model = ModelDescription(request)
        model.append("conv1", conv(16))
        model.append("bn1", BatchNorm2d())
        model.append("relu", ActivationLayer(.relu))
        for stage in 0..<3 {
            for block in 0..<(depth - 2) / 6 {
                appendBlock(&model, "layer\(stage + 1).\(block)", width: 16 << stage, halves: stage > 0 && block == 0)
            }
        }
        model.append("avgpool", AdaptiveAvgPool2d(output: 1))
        model.append("flatten", Flatten())
        model.append("fc", Linear(outputs: request.classes, weightInitialization: .kaimingNormal()))
        return model
    }

    private static func appendBlock(_ model: inout ModelDescription, _ path: String, width: Int, halves: Bool) {
        let input = model.last
        model.append("\(path).conv1", conv(width, stride: halves ? 2 : 1))
        model.append("\(path).bn1", BatchNorm2d())
        model.append("\(path).relu1", ActivationLayer(.relu))
        model.append("\(path).conv2", conv(width))
        let main = model.append("\(path).bn2", BatchNorm2d())
        var shortcut = input
        if halves {
            // A window of one place takes every second place of the image.
            model.append("\(path).shortcut.0", AvgPool2d(kernel: 1, stride: 2), from: input)
            shortcut = model.append("\(path).shortcut.1", ChannelPad(before: width / 4, after: width / 4))
        }
        model.append("\(path).add", ResidualAdd(), from: main, shortcut)
        model.append("\(path).relu2", ActivationLayer(.relu))
    }

    private static func conv(_ outChannels: Int, stride: Int = 1) -> Conv2d {
        Conv2d(
            outChannels: outChannels, kernel: 3, stride: .init(stride), padding: 1, bias: false,
            weightInitialization: .kaimingNormal())
    }
}
