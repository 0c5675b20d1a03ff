internal import Diagnostics
package import Report

/// What `inspect` tells of a checkpoint.
package struct CheckpointReport {
    private let path: String
    private let checkpoint: Checkpoint

    /// Reads and verifies the checkpoint. Throws: `Failure`.
    package init(path: String) throws {
        self.path = path
        checkpoint = try CheckpointFile.read(path)
    }

    /// At least model, epoch, step, parameters, weights_sha256.
    package var json: JSON {
        let header = checkpoint.header
        var members = [
            JSON.Member("format", .string(Checkpoint.format)), JSON.Member("model", .string(header.model)),
            JSON.Member("input", .integers(header.input)), JSON.Member("classes", .strings(header.classes)),
            JSON.Member("epoch", .integer(header.epoch)), JSON.Member("step", .integer(header.step)),
            JSON.Member("samples_seen", .integer(header.samplesSeen)),
            JSON.Member("seed", .unsigned(header.seed)), JSON.Member("batch_size", .integer(header.batchSize)),
            JSON.Member("shards", .integer(header.shards)), JSON.Member("parameters", .integer(parameters)),
            JSON.Member("optimizer", .strings(checkpoint.optimizer.map(\.name))),
            JSON.Member("config_digest", .string(header.configurationDigest)),
            JSON.Member("dataset_digest", .string(header.datasetDigest)),
            JSON.Member("build", .string(header.build)), JSON.Member("kernel_set", .string(header.kernelSet)),
            JSON.Member("weights_sha256", .string(checkpoint.weightsDigest())),
        ]
        if !header.engine.isEmpty { members.append(JSON.Member("engine", .string(header.engine))) }
        if !header.preprocessing.isEmpty { members.append(JSON.Member("preprocessing", .string(header.preprocessing))) }
        if !header.initialWeights.isEmpty {
            members.append(JSON.Member("initial_weights_sha256", .string(header.initialWeights)))
        }
        if let digest = checkpoint.averageDigest() { members.append(JSON.Member("ema_sha256", .string(digest))) }
        if let best = header.best { members.append(JSON.Member("best", best.json)) }
        return .object(members)
    }

    private var parameters: Int { checkpoint.weights.reduce(0) { $0 + $1.values.count } }

    package var text: String {
        let header = checkpoint.header
        var lines = [
            "\(path): checkpoint of \(header.model), written by \(header.build)",
            "epoch \(header.epoch)  step \(header.step)  samples seen \(header.samplesSeen)",
            "batch \(header.batchSize)  shards \(header.shards)  seed \(header.seed)",
        ]
        if let best = header.best {
            lines.append("best  epoch \(best.epoch)  loss \(best.loss)  acc1 \(best.accuracy1)")
        }
        lines.append(header.engine.isEmpty ? "kernels  \(header.kernelSet)" : "engine  \(header.engine)")
        lines.append("parameters  \(NumberText.grouped(parameters))")
        lines += TextTable(checkpoint.weights.map { [$0.key, "\($0.shape)"] }, [.left], indent: 2).lines
        lines.append("dataset digest  \(header.datasetDigest)")
        if !header.preprocessing.isEmpty { lines.append("preprocessing  \(header.preprocessing.printable)") }
        if !header.initialWeights.isEmpty { lines.append("initial weights  \(header.initialWeights)") }
        lines.append("weights_sha256  \(checkpoint.weightsDigest())")
        if let digest = checkpoint.averageDigest() { lines.append("ema_sha256  \(digest)") }
        lines.append("configuration")
        lines += header.configuration.split(separator: "\n").map { "  " + $0 }
        return lines.joined(separator: "\n")
    }
}
