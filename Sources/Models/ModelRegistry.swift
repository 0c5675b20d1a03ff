package import Layers
package import Tensors

/// The networks that have a name.
package enum ModelRegistry {
    private typealias Make = @Sendable (_ input: Shape, _ classes: Int) -> ModelDescription

    private static let models: [(name: String, input: Shape, make: Make)] = [
        ("fashion-classifier", [1, 28, 28], FashionClassifier.description)
    ]

    package static var names: [String] { models.map(\.name) }

    /// The description of a network for images of this shape; nil for an unknown name.
    package static func description(named name: String, input: Shape, classes: Int) -> ModelDescription? {
        models.first { $0.name == name }?.make(input, classes)
    }

    /// The image [C, H, W] that the network's article trains on; nil for an unknown name.
    package static func usualInput(named name: String) -> Shape? {
        models.first { $0.name == name }?.input
    }
}
