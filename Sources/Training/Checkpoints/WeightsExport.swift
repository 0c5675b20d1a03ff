internal import Diagnostics
internal import Files
internal import Foundation
internal import Interchange
package import Layers
internal import Report
internal import Tensors

/// The weights of a checkpoint for other programs: as safetensors, for PyTorch and everything that reads its state
/// dictionaries, or with the network as ONNX.
package struct WeightsExport {
    private let path: String
    private let checkpoint: Checkpoint
    /// The average is exported.
    package let isAverage: Bool
    private let tensors: [Checkpoint.Tensor]

    /// Reads the checkpoint. `raw` takes its last weights even if the run kept their average, which evaluations score.
    ///
    /// Throws: `Failure`; for values that are not finite too.
    package init(checkpoint path: String, raw: Bool) throws {
        self.path = path
        checkpoint = try CheckpointFile.read(path)
        try checkpoint.checkValues(path: path)
        isAverage = !raw && !checkpoint.average.isEmpty
        tensors = raw ? checkpoint.weights : checkpoint.evaluated
    }

    package var model: String { checkpoint.header.model }
    /// Values that are trained, and running statistics.
    package var count: Int { tensors.reduce(0) { $0 + $1.values.count } }

    /// Writes the file, whole or not at all; equal checkpoints give equal bytes. Throws: `Failure`.
    ///
    /// Batch normalisation counts its batches in PyTorch: as many as the run took steps.
    package func write(to path: String, models: [String]) throws {
        let values = Dictionary(tensors.map { ($0.key, $0.values) }) { first, _ in first }
        let mean = ".running_mean"
        let counters = tensors.filter { $0.key.hasSuffix(mean) }.map { tensor in
            TensorEntry(key: tensor.key.dropLast(mean.count) + ".num_batches_tracked", shape: [], type: .int64)
        }
        let entries = tensors.map { TensorEntry(key: $0.key, shape: $0.shape.dimensions, type: .float32) }
        let texts = try metadata(checkpoint.configuration(path: self.path, models: models))
        let file = try TemporaryFile(for: path)
        try SafetensorsWriter.write(entries + counters, metadata: texts, to: file) { entry, write in
            if let values = values[entry.key] {
                try values.withUnsafeBytes(write)
            } else {
                try withUnsafeBytes(of: Int64(checkpoint.header.step).littleEndian, write)
            }
        }
        try file.commit()
    }

    /// Writes network, weights and normalisation as one ONNX model, whole or not at all; equal checkpoints give equal bytes.
    ///
    /// Throws: `Failure`: `.configuration` for a layer that ONNX has no operator for, and for more than its files hold.
    package func writeONNX(to output: String, models: [String], makeModel: ModelMaker) throws {
        let header = checkpoint.header
        let configuration = try checkpoint.configuration(path: path, models: models)
        let network: Network
        do {
            network = try Network(
                configuration.model.description(
                    input: Shape(header.input), classes: header.classes.count, makeModel))
        } catch let error as ShapeMismatch {
            throw Failure(.badData, "\(path): \(error)")
        }
        try checkpoint.restoreWeights(ModelState(parameterList: network.parameterList), path: path)
        let bytes = count * MemoryLayout<Float>.stride
        guard bytes < ONNXModel.largestBytes else {
            throw Failure(
                .configuration,
                "\(path): \(header.model) has \(NumberText.gigabytes(bytes)) of weights, expected less than the "
                    + "\(NumberText.gigabytes(ONNXModel.largestBytes)) of an ONNX file; export them as safetensors")
        }
        var model = ONNXModel(name: header.model, producer: "swift-train", version: Machine.version)
        model.add(
            metadata: try metadata(configuration).filter { $0.key != "format" }.sorted { $0.key < $1.key }.map {
                ($0.key, $0.value)
            })
        let translation = try ONNXTranslation(
            network, tensors: Dictionary(tensors.map { ($0.key, $0) }) { first, _ in first },
            normalization: Normalization(mean: header.inputMean, std: header.inputStd), into: model)
        let file = try translation.model.bytes()
        try file.withUnsafeBytes { try DurableFile.write([$0], to: output) }
    }

    private func metadata(_ configuration: Configuration) throws -> [String: String] {
        let header = checkpoint.header
        let origin = ExportedOrigin(header, configuration: try configuration.outputYAML())
        var digest = WeightsDigest()
        for tensor in tensors {
            tensor.values.withUnsafeBufferPointer { digest.add(key: tensor.key, shape: tensor.shape, values: $0) }
        }
        let facts = [
            "format": "pt", "build": header.build, "epoch": "\(header.epoch)", "step": "\(header.step)",
            "weights": isAverage ? "average" : "last", "weights_sha256": digest.hexadecimal(),
        ]
        return facts.merging(origin.texts) { fact, _ in fact }
    }
}
