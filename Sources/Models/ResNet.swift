internal import Layers

/// ResNet-18, 34, 50, 101 and 152: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016
/// (arXiv:1512.03385).
///
/// torchvision's `resnet18` … `resnet152`, with its parameter names and first values: projection shortcuts where shapes change
/// (option B), and in bottlenecks the stride in the 3 × 3 convolution ("version 1.5", which the survey of the tutorials has
/// too); the paper's has it in the first 1 × 1 (`Stride.inFirstConvolution`). The survey adds biases to convolutions and a
/// projection to every stage. Global pooling takes images of any size.
enum ResNet {
    enum Variant: String, CaseIterable {
        case resnet18, resnet34, resnet50, resnet101, resnet152

        /// Blocks in each of the four stages.
        fileprivate var depths: [Int] {
            switch self {
            case .resnet18: [2, 2, 2, 2]
            case .resnet34, .resnet50: [3, 4, 6, 3]
            case .resnet101: [3, 4, 23, 3]
            case .resnet152: [3, 8, 36, 3]
            }
        }

        fileprivate var hasBottlenecks: Bool { self != .resnet18 && self != .resnet34 }
    }

    /// Which convolution of a bottleneck moves by two places.
    enum Stride {
        case inMiddleConvolution
        case inFirstConvolution
    }

    static func description(
        _ request: ModelRequest, _ variant: Variant, stride: Stride = .inMiddleConvolution
    ) -> ModelDescription {
        var model = ModelDescription(request)
        model.append("conv1", conv(64, kernel: 7, stride: 2))
        model.append("bn1", BatchNorm2d())
        model.append("relu", ActivationLayer(.relu))
        model.append("maxpool", MaxPool2d(kernel: 3, stride: 2, padding: 1))
        var inChannels = 64
        for (stage, depth) in variant.depths.enumerated() {
            let width = 64 << stage
            for block in 0..<depth {
                let blockStride = stage > 0 && block == 0 ? 2 : 1
                let path = "layer\(stage + 1).\(block)"
                let outChannels = variant.hasBottlenecks ? 4 * width : width
                let input = model.last
                if variant.hasBottlenecks {
                    bottleneck(&model, path, width: width, stride: blockStride, stride)
                } else {
                    basicBlock(&model, path, width: width, stride: blockStride)
                }
                let main = model.last
                var shortcut = input
                if blockStride != 1 || inChannels != outChannels {
                    model.append("\(path).downsample.0", conv(outChannels, kernel: 1, stride: blockStride), from: input)
                    shortcut = model.append("\(path).downsample.1", BatchNorm2d())
                }
                model.append("\(path).add", ResidualAdd(), from: main, shortcut)
                model.append("\(path).relu", ActivationLayer(.relu))
                inChannels = outChannels
            }
        }
        model.append("avgpool", AdaptiveAvgPool2d(output: 1))
        model.append("flatten", Flatten())
        model.append("fc", Linear(outputs: request.classes))
        return model
    }

    private static func basicBlock(_ model: inout ModelDescription, _ path: String, width: Int, stride: Int) {
        model.append("\(path).conv1", conv(width, kernel: 3, stride: stride))
        model.append("\(path).bn1", BatchNorm2d())
        model.append("\(path).relu1", ActivationLayer(.relu))
        model.append("\(path).conv2", conv(width, kernel: 3))
        model.append("\(path).bn2", BatchNorm2d())
    }

    private static func bottleneck(
        _ model: inout ModelDescription, _ path: String, width: Int, stride: Int, _ place: Stride
    ) {
        model.append("\(path).conv1", conv(width, kernel: 1, stride: place == .inFirstConvolution ? stride : 1))
        model.append("\(path).bn1", BatchNorm2d())
        model.append("\(path).relu1", ActivationLayer(.relu))
        model.append("\(path).conv2", conv(width, kernel: 3, stride: place == .inMiddleConvolution ? stride : 1))
        model.append("\(path).bn2", BatchNorm2d())
        model.append("\(path).relu2", ActivationLayer(.relu))
        model.append("\(path).conv3", conv(4 * width, kernel: 1))
        model.append("\(path).bn3", BatchNorm2d())
    }

    private static func conv(_ outChannels: Int, kernel: Int, stride: Int = 1) -> Conv2d {
        Conv2d(
            outChannels: outChannels, kernel: .init(kernel), stride: .init(stride),
            padding: .symmetric(.init(kernel / 2)),
            bias: false, weightInitialization: .kaimingNormal(.fanOut))
    }
}
