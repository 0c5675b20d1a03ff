internal import Layers

/// VGG-11, 13, 16 and 19: Simonyan, Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015
/// (arXiv:1409.1556), configurations A, B, D and E, with and without batch normalisation.
///
/// torchvision's `vgg11` … `vgg19_bn`, with its parameter names, first values (Kaiming normal by fan out for convolutions,
/// deviation 0.01 for linear layers, biases 0) and its adaptive pooling to 7 × 7, so that images of 32 pixels and more work. The
/// survey that the tutorials take it from draws convolutions alike, normalises by default and names the classifier's layers.
enum VGG {
    enum Variant: String, CaseIterable {
        case vgg11, vgg13, vgg16, vgg19

        /// Convolutions of 3 × 3 in each of the five stages.
        fileprivate var depths: [Int] {
            switch self {
            case .vgg11: [1, 1, 2, 2, 2]
            case .vgg13: [2, 2, 2, 2, 2]
            case .vgg16: [2, 2, 3, 3, 3]
            case .vgg19: [2, 2, 4, 4, 4]
            }
        }
    }

    static func description(_ request: ModelRequest, _ variant: Variant, batchNorm: Bool) -> ModelDescription {
        var model = ModelDescription(request)
        var index = 0
        func nextPath() -> String {
            defer { index += 1 }
            return "features.\(index)"
        }
        for (channels, depth) in zip([64, 128, 256, 512, 512], variant.depths) {
            for _ in 0..<depth {
                model.append(
                    nextPath(),
                    Conv2d(
                        outChannels: channels, kernel: 3, padding: 1, weightInitialization: .kaimingNormal(.fanOut),
                        biasInitialization: .constant(0)))
                if batchNorm { model.append(nextPath(), BatchNorm2d()) }
                model.append(nextPath(), ActivationLayer(.relu))
            }
            model.append(nextPath(), MaxPool2d(kernel: 2))
        }
        model.append("avgpool", AdaptiveAvgPool2d(output: 7))
        model.append("flatten", Flatten())
        for (index, outputs) in [4096, 4096, request.classes].enumerated() {
            model.append(
                "classifier.\(3 * index)",
                Linear(
                    outputs: outputs, weightInitialization: .normal(deviation: 0.01), biasInitialization: .constant(0)))
            if index == 2 { break }
            model.append("classifier.\(3 * index + 1)", ActivationLayer(.relu))
            model.append("classifier.\(3 * index + 2)", Dropout(probability: request.dropout ?? 0.5))
        }
        return model
    }
}
