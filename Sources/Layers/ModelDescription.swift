package import Tensors

/// A network as a list of named layers, each fed by the one before it.
package struct ModelDescription: Sendable {
    package struct Node: Sendable {
        /// The module's path in PyTorch's state dictionary ("conv1"); unique for layers with parameters.
        package let path: String
        package let layer: any Layer
    }

    package let name: String
    /// One sample, [C, H, W].
    package let input: Shape
    package let classes: Int
    package private(set) var nodes: [Node] = []

    package init(name: String, input: Shape, classes: Int) {
        self.name = name
        self.input = input
        self.classes = classes
    }

    package mutating func append(_ path: String, _ layer: any Layer) {
        nodes.append(Node(path: path, layer: layer))
    }
}
