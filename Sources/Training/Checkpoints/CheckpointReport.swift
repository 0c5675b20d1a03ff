internal import Foundation

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
    package var values: [String: Any] {
        let header = checkpoint.header
        var values: [String: Any] = [
            "format": Checkpoint.format, "model": header.model, "input": header.input, "classes": header.classes,
            "epoch": header.epoch, "step": header.step, "samples_seen": header.samplesSeen, "seed": header.seed,
            "batch_size": header.batchSize, "shards": header.shards,
            "parameters": checkpoint.weights.reduce(0) { $0 + $1.values.count },
            "optimizer": checkpoint.optimizer.map(\.name), "config_digest": header.configurationDigest,
            "dataset_digest": header.datasetDigest, "build": header.build, "kernel_set": header.kernelSet,
            "weights_sha256": checkpoint.weightsDigest(),
        ]
        if !header.engine.isEmpty { values["engine"] = header.engine }
        if let digest = checkpoint.averageDigest() { values["ema_sha256"] = digest }
        if let best = header.best {
            values["best"] = [
                "epoch": best.epoch, "step": best.step, "loss": best.loss, "acc1": best.accuracy1,
                "acc5": best.accuracy5,
            ]
        }
        return values
    }

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
        lines.append("parameters  \(checkpoint.weights.reduce(0) { $0 + $1.values.count })")
        lines += checkpoint.weights.map { "  \($0.key)  \($0.shape)" }
        lines.append("dataset digest  \(header.datasetDigest)")
        lines.append("weights_sha256  \(checkpoint.weightsDigest())")
        if let digest = checkpoint.averageDigest() { lines.append("ema_sha256  \(digest)") }
        lines.append("configuration")
        lines += header.configuration.split(separator: "\n").map { "  " + $0 }
        return lines.joined(separator: "\n")
    }
}
