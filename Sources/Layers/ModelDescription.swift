package import Tensors

/// A network as a list of named layers, each fed by values that earlier ones made.
package struct ModelDescription: Sendable {
    /// What a layer takes or makes: the input image, or the output of one node.
    package struct Value: Equatable, Sendable {
        /// 0 is the image, i + 1 the output of node i.
        let index: Int

        package static let image = Value(index: 0)
    }

    package struct Node: Sendable {
        /// The module's path in PyTorch's state dictionary ("conv1"); unique for layers with parameters.
        package let path: String
        package let layer: any Layer
        package let inputs: [Value]
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

    /// The value that the last node has made; the image before there is one.
    package var last: Value { Value(index: nodes.count) }

    /// Adds a layer that takes `inputs`, by default the last value; returns the value it makes.
    @discardableResult
    package mutating func append(_ path: String, _ layer: any Layer, from inputs: Value...) -> Value {
        nodes.append(Node(path: path, layer: layer, inputs: inputs.isEmpty ? [last] : inputs))
        return last
    }
}
