internal import Diagnostics
internal import Files
internal import HDF5
internal import Layers
internal import Tensors

/// Weights in an HDF5 file under PyTorch's keys: datasets at its root, as h5py writes them from a state dictionary, or in
/// the group /model, as in checkpoints.
///
/// `num_batches_tracked` counts steps for PyTorch's batch norm and is left out. Everything else must fit the network.
package struct WeightsFile {
    private let path: String
    private let contents: Contents
    /// The names of the classes in the order of the network's outputs; nil for a file that does not say them.
    package let classNames: [String]?

    private enum Contents {
        case checkpoint(Checkpoint)
        /// `group` is empty for the root.
        case file(HDF5File, group: String)
    }

    private static let expected = "expected weights in an HDF5 file under PyTorch's keys"

    /// Throws: `Failure(.inputMissing)` without such a file, `.badData` for what is no HDF5 file.
    package init(_ path: String) throws {
        self.path = path
        if CheckpointFile.isSealed(path) {
            let checkpoint = try CheckpointFile.read(path)
            contents = .checkpoint(checkpoint)
            classNames = checkpoint.header.classes
            return
        }
        // What is no regular file is refused before libhdf5 waits for it.
        _ = try InputFile(path, expected: Self.expected)
        (contents, classNames) = try Self.translating {
            let file = try HDF5File.open(path)
            let hasGroup = try file.exists("/model") && file.isGroup("/model")
            // At the root, where the keys are, it would be one of them.
            let hasNames = hasGroup && file.exists("/classes")
            return (
                .file(file, group: hasGroup ? "/model" : ""),
                hasNames ? try file.dataset("/classes").readStrings() : nil
            )
        }
    }

    /// Copies the weights into a model's state, buffers too, if all keys and shapes fit.
    ///
    /// Throws: `Failure(.badData)` naming the first keys that are missing, unexpected or of another shape, or the first value
    /// that is not finite or is a negative variance.
    package func load(into state: ModelState, model: String) throws {
        switch contents {
        case .checkpoint(let checkpoint):
            try check(checkpoint.weights.map { ($0.key, "\($0.shape)") }, state.parameterList, place: ":/model", model)
            try checkpoint.restoreWeights(state, path: path)
        case .file(let file, let group):
            try Self.translating { try load(file, group, into: state, model) }
        }
    }

    private static func translating<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as HDF5Error {
            throw Failure(.badData, "\(error); \(expected)")
        }
    }

    private func load(_ file: HDF5File, _ group: String, into state: ModelState, _ model: String) throws {
        var datasets: [String: HDF5Dataset] = [:]
        for key in try file.children(of: group.isEmpty ? "/" : group) where !Self.isIgnored(key) {
            guard try !file.isGroup("\(group)/\(key)") else {
                throw Failure(
                    .badData,
                    "\(path):\(group)/\(key): is a group, expected one dataset for each key of the state dictionary, "
                        + "dots and all, at the root or in /model")
            }
            datasets[key] = try file.dataset("\(group)/\(key)")
        }
        try check(
            datasets.map { ($0.key, "\(Shape($0.value.shape))") }, state.parameterList,
            place: group.isEmpty ? "" : ":/model", model)
        for parameter in state.parameterList.parameters {
            guard let dataset = datasets[parameter.key] else { continue }
            guard dataset.elementType == .float32 else {
                throw Failure(
                    .badData, "\(path):\(group)/\(parameter.key): is \(dataset.elementType), expected float32")
            }
            let values = UnsafeMutableBufferPointer(rebasing: state.weights[parameter.range])
            try dataset.read(into: values)
            try WeightsCheck.check(parameter.key, UnsafeBufferPointer(values), path: "\(path):\(group)")
        }
    }

    private static func isIgnored(_ key: String) -> Bool {
        key == "num_batches_tracked" || key.hasSuffix(".num_batches_tracked")
    }

    /// Compares what there is with what the network has.
    private func check(
        _ found: [(key: String, shape: String)], _ list: ParameterList, place: String, _ model: String
    ) throws {
        let shapes = Dictionary(found.map { ($0.key, $0.shape) }) { first, _ in first }
        let known = Set(list.parameters.map(\.key))
        let missing = list.parameters.filter { shapes[$0.key] == nil }.map { "\($0.key) \($0.shape)" }
        let unexpected = shapes.keys.filter { !known.contains($0) }.sorted()
        let wrong = list.parameters.compactMap { parameter in
            shapes[parameter.key].flatMap {
                $0 == "\(parameter.shape)" ? nil : "\(parameter.key) \($0) instead of \(parameter.shape)"
            }
        }
        let problems = [("missing", missing), ("not of this network", unexpected), ("of another shape", wrong)]
            .filter { !$0.1.isEmpty }
            .map { "\($0.1.count) \($0.0) (\(Self.words($0.1)))" }
        guard !problems.isEmpty else { return }
        throw Failure(
            .badData,
            "\(path)\(place): its keys do not fit \(model) with \(list.parameters.count) tensors: "
                + problems.joined(separator: ", ") + "; expected the state dictionary of this network")
    }

    /// The first few of a list.
    private static func words(_ items: [String]) -> String {
        items.prefix(3).joined(separator: ", ") + (items.count > 3 ? ", …" : "")
    }
}
