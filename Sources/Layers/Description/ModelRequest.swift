package import Tensors

/// What a named network is asked to be.
package struct ModelRequest: Sendable {
    package let name: String
    /// One sample, [C, H, W].
    package let input: Shape
    package let classes: Int
    /// nil: the network's own.
    package let dropout: Double?

    package init(name: String, input: Shape, classes: Int, dropout: Double? = nil) {
        self.name = name
        self.input = input
        self.classes = classes
        self.dropout = dropout
    }
}

/// Describes a named network; nil for a name that does not exist.
package typealias ModelMaker = (ModelRequest) -> ModelDescription?
