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
        /// The channels that its input is said to have, and the word for that; nil where nobody says it.
        package fileprivate(set) var expected: (channels: Int, word: String)?
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

    /// A network without layers, named and shaped as asked for.
    package init(_ request: ModelRequest) {
        self.init(name: request.name, input: request.input, classes: request.classes)
    }

    /// What the next layer takes by default: what the last one has made, or the image before there is one.
    package private(set) var last = Value.image

    /// Adds a layer that takes `inputs`, by default the last value; returns the value it makes.
    @discardableResult
    package mutating func append(_ path: String, _ layer: any Layer, from inputs: Value...) -> Value {
        append(path, layer, from: inputs)
    }

    @discardableResult
    package mutating func append(_ path: String, _ layer: any Layer, from inputs: [Value]) -> Value {
        nodes.append(Node(path: path, layer: layer, inputs: inputs.isEmpty ? [last] : inputs))
        last = Value(index: nodes.count)
        return last
    }

    /// Says how many channels the input of the last layer has; the network is refused where it has others.
    package mutating func expect(_ channels: Int, as word: String) {
        nodes[nodes.count - 1].expected = (channels, word)
    }

    /// Makes the next layer take an earlier value by default: the start of another branch.
    package mutating func rewind(to value: Value) {
        last = value
    }
}

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
