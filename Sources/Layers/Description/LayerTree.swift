/// Layers as people write them down: in lists, with shortcuts and branches. A list of them is a network.
package indirect enum LayerTree: Sendable {
    case layer(any Layer)
    /// One whose input is said to have so many channels; `as` is the word for it.
    case expecting(channels: Int, as: String, any Layer)
    /// One after the other.
    case sequence([Named])
    /// The sum of a main path and a shortcut, which may be empty: the input itself.
    case residual(main: [Named], shortcut: [Named])
    /// Branches from one input, stacked along the channels.
    case concatenation([[Named]])

    package struct Named: Sendable {
        /// nil: the place in its list, as in torch.nn.Sequential.
        package let name: String?
        package let tree: LayerTree

        package init(name: String? = nil, _ tree: LayerTree) {
            self.name = name
            self.tree = tree
        }
    }
}

extension ModelDescription {
    /// Adds a list of layers; each one's path is its name, or its place in the list, behind those of the lists around it.
    package mutating func append(_ items: [LayerTree.Named], under prefix: String = "") {
        for (index, item) in items.enumerated() {
            append(item.tree, path: prefix + (item.name ?? "\(index)"))
        }
    }

    private mutating func append(_ tree: LayerTree, path: String) {
        let input = last
        switch tree {
        case .layer(let layer):
            append(path, layer)
        case .expecting(let channels, let word, let layer):
            append(path, layer)
            expect(channels, as: word)
        case .sequence(let items):
            append(items, under: path + ".")
        case .residual(let main, let shortcut):
            let sum = branch(main, path: path + ".main", from: input)
            let other = branch(shortcut, path: path + ".shortcut", from: input)
            append(path + ".add", ResidualAdd(), from: [sum, other])
        case .concatenation(let branches):
            let ends = branches.enumerated().map { branch($1, path: "\(path).\($0)", from: input) }
            append(path + ".concatenation", Concatenation(), from: ends)
        }
    }

    /// A list whose first layer takes `input`, wherever the last value is; returns what it makes.
    private mutating func branch(_ items: [LayerTree.Named], path: String, from input: Value) -> Value {
        rewind(to: input)
        append(items, under: path + ".")
        return last
    }
}
