internal import Diagnostics
internal import Files
internal import HDF5
internal import Interchange
package import Layers
package import Tensors

/// Weights under PyTorch's keys in a file of any format that is known here, told by its content: a checkpoint of ours,
/// safetensors, what `torch.save` writes, or HDF5.
package struct WeightsFile {
    /// The names of the classes in the order of the network's outputs; nil for a file that does not say them.
    package let classNames: [String]?
    /// What they were trained as; nil for a file that does not say it.
    let origin: ExportedOrigin?
    private let file: any TensorFile

    package static let expected =
        "expected weights under PyTorch's keys: safetensors, .pth (torch.save), HDF5 or a checkpoint"

    /// Judges what the file says of itself; reads no tensor unless it is a checkpoint.
    ///
    /// Throws: `Failure(.inputMissing)` without such a file, `.badData` for a damaged one and for another format.
    package init(_ path: String) throws {
        if CheckpointFile.isSealed(path) {
            let checkpoint = try CheckpointFile.read(path)
            file = CheckpointTensors(checkpoint, path: path)
            classNames = checkpoint.header.classes
            origin = ExportedOrigin(checkpoint.header, configuration: checkpoint.header.configuration)
            return
        }
        // What is no regular file is refused before libhdf5 waits for it.
        let input = try InputFile(path, expected: Self.expected)
        if let format = try TensorFileFormat(of: input) {
            file = try format.open(input)
            origin = try (file as? Safetensors).flatMap { try ExportedOrigin(texts: $0.metadata, path: path) }
            classNames = origin?.classes
            return
        }
        let tensors = try HDF5Tensors(path)
        (file, origin) = (tensors, nil)
        classNames = tensors.classNames
    }

    /// The network that it says it holds; nil where it does not say.
    package var modelName: String? { origin?.model }
    /// The image [C, H, W] that it says its network takes, and into how many classes it tells them apart.
    package var trainedOn: (input: Shape, classes: Int)? { origin.map { (Shape($0.input), $0.classes.count) } }
    /// What it says was done to pixels.
    package var normalize: Configuration.Normalize? { origin.map { .values(mean: $0.mean, std: $0.std) } }

    /// Compares the file with what a network has.
    package func match(_ list: ParameterList, head: WeightsMatch.Head = .keep) -> WeightsMatch {
        WeightsMatch(list, file.entries, head: head, source: "\(file.path) (\(file.formatName))")
    }

    /// Copies the weights into a model's state, buffers too, if all keys, shapes and types fit. What is new keeps its value.
    ///
    /// Throws: `Failure(.badData)` naming the first keys that are missing, left over or of a wrong shape, or the first value
    /// that is not finite or is a negative variance.
    @discardableResult
    package func load(
        into state: ModelState, model: String, head: WeightsMatch.Head = .keep
    ) throws -> WeightsMatch {
        let match = match(state.parameterList, head: head)
        try match.check(path: file.path, model: model)
        try load(match, into: state)
        return match
    }

    /// Copies what was found to fit into a model's state. Throws: `Failure(.badData)` naming the first value that is not finite
    /// or is a negative variance.
    func load(_ match: WeightsMatch, into state: ModelState) throws {
        func place(of parameter: Parameter) -> UnsafeMutableBufferPointer<Float> {
            UnsafeMutableBufferPointer(rebasing: state.weights[parameter.range])
        }
        try file.read(match.taken.map { WantedTensor($0.entry, into: place(of: $0.parameter)) })
        for (parameter, entry) in match.taken {
            try WeightsCheck.check(entry.key, UnsafeBufferPointer(place(of: parameter)), path: "\(file.path):")
        }
    }
}

/// The tensors of a checkpoint that evaluations score: the average if the run kept one.
private final class CheckpointTensors: TensorFile {
    let path: String
    let formatName = "checkpoint"
    let entries: [TensorEntry]
    private let values: [String: [Float]]

    init(_ checkpoint: Checkpoint, path: String) {
        self.path = path
        let tensors = checkpoint.evaluated
        entries = tensors.map { TensorEntry(key: $0.key, shape: $0.shape.dimensions, type: .float32) }
        values = Dictionary(tensors.map { ($0.key, $0.values) }) { first, _ in first }
    }

    func read(_ wanted: [WantedTensor]) throws {
        for tensor in wanted { _ = tensor.values.update(from: values[tensor.entry.key] ?? []) }
    }
}

/// Datasets at the root of an HDF5 file, as h5py writes them from a state dictionary, or in the group /model, as in
/// checkpoints.
private final class HDF5Tensors: TensorFile {
    let path: String
    let formatName = "HDF5"
    let entries: [TensorEntry]
    let classNames: [String]?
    private let datasets: [String: HDF5Dataset]

    init(_ path: String) throws {
        self.path = path
        (entries, datasets, classNames) = try Self.translating {
            let file = try HDF5File.open(path)
            let group = try file.exists("/model") && file.isGroup("/model") ? "/model" : ""
            var datasets: [String: HDF5Dataset] = [:]
            var entries: [TensorEntry] = []
            for key in try file.children(of: group.isEmpty ? "/" : group) {
                let place = "\(path):\(group)/\(key.printable)"
                guard try !file.isGroup("\(group)/\(key)") else {
                    throw Failure(
                        .badData,
                        "\(place): is a group, expected one dataset for each key of the state dictionary, dots and all, at "
                            + "the root or in /model")
                }
                let dataset = try file.dataset("\(group)/\(key)")
                guard let type = Self.type(of: dataset) else {
                    throw Failure(
                        .badData, "\(place): is \(dataset.elementType), expected numbers of float32 or the like")
                }
                datasets[key] = dataset
                entries.append(TensorEntry(key: key, shape: dataset.shape, type: type))
            }
            // At the root, where the keys are, it would be one of them.
            let hasNames = !group.isEmpty && file.exists("/classes")
            return (entries, datasets, hasNames ? try file.dataset("/classes").readStrings() : nil)
        }
    }

    func read(_ wanted: [WantedTensor]) throws {
        try Self.translating {
            for tensor in wanted { try datasets[tensor.entry.key]?.readReals(into: tensor.values) }
        }
    }

    private static func type(of dataset: HDF5Dataset) -> ElementType? {
        switch dataset.elementType {
        case .float32: .float32
        case .float64: .float64
        case .other("float16"): .float16
        case .uint8: .uint8
        case .int32: .int32
        case .int64: .int64
        case .other("int8"): .int8
        case .other("int16"): .int16
        default: nil
        }
    }

    private static func translating<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as HDF5Error {
            throw Failure(.badData, "\(error); \(WeightsFile.expected)")
        }
    }
}
