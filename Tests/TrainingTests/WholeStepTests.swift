import DataParallel
import Datasets
import Foundation
import HDF5
import Layers
import Models
import Tensors
import Testing

@testable import Training

/// The training step on the batches and weights of the golden files of the layers, against PyTorch's float64.
///
/// PyTorch's float32 is off its float64 by rounding; two implementations that add in other orders are off by different
/// amounts. Accepted is four times PyTorch's own error, or half a unit of float32 of the tensor's largest magnitude where
/// that is more.
@Suite("Whole step against PyTorch")
struct WholeStepTests {
    struct Arrangement: CustomTestStringConvertible, Sendable {
        let shards, threads: Int
        var testDescription: String { "\(shards) shards, \(threads) threads" }

        static let all = [(1, 1), (1, 2), (4, 1), (4, 2)].map { Arrangement(shards: $0.0, threads: $0.1) }
    }

    private static let batchSize = 32
    private static let batches = 10
    private let single: HDF5File
    private let double: HDF5File

    init() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("LayersTests/Golden")
        single = try HDF5File.open(folder.appendingPathComponent("step.h5").path)
        double = try HDF5File.open(folder.appendingPathComponent("step-float64.h5").path)
    }

    @Test("logits, loss and every gradient of one batch", arguments: Arrangement.all)
    func oneBatch(_ arrangement: Arrangement) throws {
        let step = try makeStep(arrangement, Configuration.Optimizer())
        let batch = try batch(0, shards: arrangement.shards)
        let count = step.state.parameterList.count
        var gradients = [Float](repeating: .nan, count: count)
        let scores = try gradients.withUnsafeMutableBufferPointer {
            try step.plan.run(
                images: batch.images, labels: batch.labels, counts: batch.counts,
                weights: UnsafePointer(step.state.weights.baseAddress!), gradients: $0.baseAddress!)
        }
        let score = BinaryTree.sum(scores, +)
        #expect(score.samples == 32 && score.divisor == 32)
        try expectAsGood([score.meanLoss], "loss")
        try expectAsGood((0..<Self.batchSize).flatMap { step.plan.logits(ofSlot: $0).map { Double($0) } }, "logits")
        for parameter in step.state.parameterList.parameters {
            let means = gradients[parameter.range].map { Double($0) / score.divisor }
            try expectAsGood(means, "gradients/\(parameter.key)")
        }
    }

    @Test(
        "ten losses and the weights after ten updates", arguments: ["momentum", "nesterov"], Arrangement.all)
    func trace(_ name: String, _ arrangement: Arrangement) throws {
        var optimizer = Configuration.Optimizer()
        optimizer.learningRate = try real("learning_rate", of: name)
        optimizer.momentum = try real("momentum", of: name)
        optimizer.weightDecay = try real("weight_decay", of: name)
        optimizer.nesterov = name == "nesterov"
        #expect(try single.attribute("nesterov", on: name) == .integer(optimizer.nesterov ? 1 : 0))
        let step = try makeStep(arrangement, optimizer)
        var losses: [Double] = []
        for number in 0..<Self.batches {
            let outcome = try step.run(
                try batch(number, shards: arrangement.shards), epoch: 0, learningRate: optimizer.learningRate,
                stopRequested: false)
            #expect(outcome.isFinite)
            losses.append(outcome.score.meanLoss)
        }
        try expectAsGood(losses, "\(name)/losses")
        for parameter in step.state.parameterList.parameters {
            try expectAsGood(
                step.state.weights[parameter.range].map { Double($0) }, "\(name)/weights/\(parameter.key)")
        }
    }

    private func makeStep(_ arrangement: Arrangement, _ optimizer: Configuration.Optimizer) throws -> TrainingStep {
        let network = try Network(FashionClassifier.description(input: [1, 28, 28], classes: 10))
        var settings = TrainingStep.Settings()
        settings.optimizer = optimizer
        let step = try TrainingStep(
            settings, network: network,
            geometry: BatchGeometry(
                sampleCount: Self.batchSize * Self.batches, batchSize: Self.batchSize, shards: arrangement.shards),
            layout: try ShardLayout(shards: arrangement.shards, ranks: 1, rank: 0),
            input: PixelConversion(pixelType: .uint8, image: [1, 28, 28], mean: [0], std: [1]),
            communicator: SingleCommunicator(), pool: try ThreadPool(threads: arrangement.threads))
        for parameter in network.parameterList.parameters {
            try single.dataset("weights/\(parameter.key)")
                .read(into: UnsafeMutableBufferPointer(rebasing: step.state.weights[parameter.range]))
        }
        return step
    }

    private func batch(_ number: Int, shards: Int) throws -> Batch {
        let batch = Batch(shards: shards, imagesPerShard: Self.batchSize / shards, imageBytes: 784)
        let bytes = Self.batchSize * 784
        let images = try single.dataset("images").readAll(as: UInt8.self)[number * bytes..<(number + 1) * bytes]
        let labels = try single.dataset("labels").readAll(as: Int64.self)
        images.withUnsafeBytes { batch.images.copyMemory(from: $0.baseAddress!, byteCount: bytes) }
        for slot in 0..<Self.batchSize { batch.labels[slot] = Int32(labels[number * Self.batchSize + slot]) }
        for shard in 0..<shards { batch.counts[shard] = Int32(Self.batchSize / shards) }
        return batch
    }

    private func real(_ attribute: String, of group: String) throws -> Double {
        guard case .real(let value)? = try single.attribute(attribute, on: group) else {
            Issue.record("\(group) has no real attribute \(attribute)")
            return .nan
        }
        return value
    }

    private func expectAsGood(
        _ values: [Double], _ path: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let exact = try double.dataset(path).readAll(as: Double.self)
        let theirs = try single.dataset(path).readAll(as: Float.self).map { Double($0) }
        try #require(values.count == exact.count && theirs.count == exact.count, sourceLocation: sourceLocation)
        let largest = exact.reduce(0) { max($0, abs($1)) }
        #expect(values.allSatisfy { $0.isFinite }, "\(path)", sourceLocation: sourceLocation)
        let ourError = zip(values, exact).reduce(0) { max($0, abs($1.0 - $1.1)) }
        let theirError = zip(theirs, exact).reduce(0) { max($0, abs($1.0 - $1.1)) }
        #expect(
            ourError <= max(4 * theirError, 0x1p-24 * largest), "\(path): PyTorch is off by \(theirError)",
            sourceLocation: sourceLocation)
    }
}
