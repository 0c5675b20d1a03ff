internal import Diagnostics
internal import Foundation
internal import HDF5
internal import Layers
internal import Tensors

/// Weights in an HDF5 file under PyTorch's keys: datasets at its root, as h5py writes them from a state dictionary, or in
/// the group /model, as in checkpoints.
///
/// `num_batches_tracked` counts steps for PyTorch's batch norm and is left out. Everything else must fit the network.
package enum WeightsFile {
    /// Copies the weights into a model's state, buffers too; nothing is copied unless all keys and shapes fit.
    ///
    /// Throws: `Failure(.inputMissing)` without such a file, `.badData` naming the first keys that are missing, unexpected or
    /// of another shape.
    package static func load(_ path: String, into state: ModelState, model: String) throws {
        guard FileManager.default.fileExists(atPath: path) else {
            throw Failure(.inputMissing, "\(path): no such file; expected weights in an HDF5 file under PyTorch's keys")
        }
        if CheckpointFile.isSealed(path) {
            let tensors = try CheckpointFile.read(path).weights
            try check(tensors.map { ($0.key, "\($0.shape)") }, state.parameterList, path: "\(path):/model", model)
            let byKey = Dictionary(tensors.map { ($0.key, $0) }) { first, _ in first }
            for parameter in state.parameterList.parameters {
                guard let tensor = byKey[parameter.key] else { continue }
                _ = UnsafeMutableBufferPointer(rebasing: state.weights[parameter.range]).update(from: tensor.values)
            }
            return
        }
        do {
            try load(try HDF5File.open(path), into: state, path, model)
        } catch let error as HDF5Error {
            throw Failure(.badData, "\(error); expected weights in an HDF5 file under PyTorch's keys")
        }
    }

    private static func load(_ file: HDF5File, into state: ModelState, _ path: String, _ model: String) throws {
        let group = try file.exists("/model") && file.isGroup("/model") ? "/model" : ""
        var datasets: [String: HDF5Dataset] = [:]
        for key in try file.children(of: group.isEmpty ? "/" : group) where !isIgnored(key) {
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
            path: path + (group.isEmpty ? "" : ":/model"),
            model)
        for parameter in state.parameterList.parameters {
            guard let dataset = datasets[parameter.key] else { continue }
            guard dataset.elementType == .float32 else {
                throw Failure(
                    .badData, "\(path):\(group)/\(parameter.key): is \(dataset.elementType), expected float32")
            }
            try dataset.read(into: UnsafeMutableBufferPointer(rebasing: state.weights[parameter.range]))
        }
    }

    private static func isIgnored(_ key: String) -> Bool {
        key == "num_batches_tracked" || key.hasSuffix(".num_batches_tracked")
    }

    /// Compares what there is with what the network has.
    private static func check(
        _ found: [(key: String, shape: String)], _ list: ParameterList, path: String, _ model: String
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
            .map { "\($0.1.count) \($0.0) (\(words($0.1)))" }
        guard !problems.isEmpty else { return }
        throw Failure(
            .badData,
            "\(path): its keys do not fit \(model) with \(list.parameters.count) tensors: "
                + problems.joined(separator: ", ") + "; expected the state dictionary of this network")
    }

    /// The first few of a list.
    private static func words(_ items: [String]) -> String {
        items.prefix(3).joined(separator: ", ") + (items.count > 3 ? ", …" : "")
    }
}
