internal import Digests
internal import Yams

extension Configuration {
    /// Every key with its value, in the order of the documentation: what the run is defined by and watched with.
    ///
    /// `--print-config`, the run folder, the checkpoint and the comparison of ranks all show this list.
    package var entries: [(key: String, value: String)] {
        ConfigurationKeys.all.compactMap { key in
            if let variants = key.variants, !variants.names.contains(variants.current(self)) { return nil }
            return key.text(self).map { (key.path, $0) }
        }
    }

    /// SHA-256 over all entries, a line each. Of the weights that a run starts from counts what they are, not where they lie.
    package func digest(initialWeights: String = "") -> String {
        var hash = SHA256()
        for (key, value) in entries {
            hash.update("\(key)=\(key == "weights" && !initialWeights.isEmpty ? initialWeights : value)\n")
        }
        return hash.hexadecimal()
    }

    /// The configuration as YAML; reading it gives an equal configuration.
    package func yaml() throws -> String { try yaml { _ in true } }

    /// Some of its keys alone.
    func yaml(where isWanted: (_ key: String) -> Bool) throws -> String {
        let entries = entries.filter { isWanted($0.key) }
        return try Yams.serialize(node: Self.tree(of: entries[...], prefix: ""), sortKeys: false)
    }

    private static func tree(of entries: ArraySlice<(key: String, value: String)>, prefix: String) throws -> Node {
        var pairs: [(Node, Node)] = []
        var rest = entries
        while let first = rest.first {
            let name = first.key.dropFirst(prefix.count).prefix { $0 != "." }
            let path = prefix + name
            if first.key == path {
                rest = rest.dropFirst()
                // Lists and mappings are written as such, everything else as the plain text it was read from.
                let row = ConfigurationKeys.row(at: path)
                let isList =
                    row?.isList == true && first.value.hasPrefix("[")
                    || row?.isMapping == true && first.value.hasPrefix("{")
                let value = isList ? try Yams.compose(yaml: first.value) : Node(first.value)
                pairs.append((Node(String(name)), value ?? Node(first.value)))
            } else {
                let children = rest.prefix { $0.key.hasPrefix(path + ".") }
                pairs.append((Node(String(name)), try tree(of: children, prefix: path + ".")))
                rest = rest.dropFirst(children.count)
            }
        }
        return Node(pairs)
    }
}
