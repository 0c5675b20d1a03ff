package import Layers
package import Tensors

/// The networks that have a name.
package enum ModelRegistry {
    private struct Entry: Sendable {
        let name: String
        /// The image [C, H, W] and the number of classes that the network was made for.
        let input: Shape
        let classes: Int
        let hasDropout: Bool
        let make: @Sendable (ModelRequest) -> ModelDescription

        init(
            _ name: String, _ input: Shape, classes: Int = 10, hasDropout: Bool = false,
            make: @escaping @Sendable (ModelRequest) -> ModelDescription
        ) {
            self.name = name
            self.input = input
            self.classes = classes
            self.hasDropout = hasDropout
            self.make = make
        }
    }

    private static let entries: [Entry] = {
        var entries = [
            Entry("fashion-classifier", [1, 28, 28], make: FashionClassifier.description),
            Entry("mnist-classifier", [1, 28, 28], make: MNISTClassifier.description),
            Entry("strided-cnn", [1, 28, 28], make: StridedCNN.description),
            Entry("lenet5", [1, 32, 32], make: LeNet5.description),
            Entry("alexnet", [3, 224, 224], classes: 1000, hasDropout: true, make: AlexNet.description),
        ]
        for variant in VGG.Variant.allCases {
            for batchNorm in [false, true] {
                entries.append(
                    Entry(
                        variant.rawValue + (batchNorm ? "-bn" : ""), [3, 224, 224], classes: 1000, hasDropout: true
                    ) { VGG.description($0, variant, batchNorm: batchNorm) })
            }
        }
        for variant in ResNet.Variant.allCases {
            entries.append(
                Entry(variant.rawValue, [3, 224, 224], classes: 1000) { ResNet.description($0, variant) })
        }
        for depth in CIFARResNet.depths {
            entries.append(
                Entry("cifar-resnet\(depth)", [3, 32, 32]) { CIFARResNet.description($0, depth: depth) })
        }
        return entries
    }()

    package static var names: [String] { entries.map(\.name) }

    /// The description of a network as asked for; nil for an unknown name.
    package static func description(_ request: ModelRequest) -> ModelDescription? {
        entries.first { $0.name == request.name }?.make(request)
    }

    /// The image [C, H, W] and the number of classes that the network's article trains on; nil for an unknown name.
    package static func usual(_ name: String) -> (input: Shape, classes: Int)? {
        entries.first { $0.name == name }.map { ($0.input, $0.classes) }
    }
}
