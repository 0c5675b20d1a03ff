import DataParallel
import Datasets
import Diagnostics
import Foundation
import Ingest
import Layers
import Synchronization
import Tensors
import TestSupport
import Testing

@testable import Training

@Sendable private func makeModel(_ request: ModelRequest) -> ModelDescription? {
    TinyModel.description(input: request.input, classes: request.classes)
}

@Suite("Data that changes under a run")
struct ChangingDataTests {
    private func configuration(_ scratch: Scratch) -> Configuration {
        var configuration = Configuration()
        configuration.model = Configuration.Model(name: "tiny")
        configuration.data.file = scratch.file("d.h5")
        configuration.length = .steps(9)
        configuration.optimizer.learningRate = 0.05
        return configuration
    }

    /// Trains into `run`; `change` happens on rank 0 when all ranks have opened the data.
    private func train(
        _ scratch: Scratch, ranks: Int, resume: Bool = false, change: @escaping @Sendable () throws -> Void = {}
    ) -> [Result<ExitCode, any Error>] {
        let configuration = configuration(scratch)
        return InProcessWorld(size: ranks).results { communicator in
            var options = TrainingSession.Options()
            options.runDirectory = scratch.file("run\(ranks)")
            options.resume =
                resume
                ? try ResumePoint.find(.auto, runDirectory: options.runDirectory, over: communicator) : nil
            options.mayContinue = true
            options.threads = 1
            options.models = ["tiny"]
            let session = try TrainingSession(
                configuration: configuration, options: options, communicator: communicator, makeModel: makeModel)
            try communicator.barrier()
            if communicator.rank == 0 { try change() }
            try communicator.barrier()
            return try session.run(environment: [:])
        }
    }

    private func digest(_ scratch: Scratch, _ run: String) throws -> String {
        try CheckpointFile.read(scratch.file("\(run)/checkpoints/last")).weightsDigest()
    }

    @Test(
        "a file cut short ends all ranks with 74 and its name, saves the state, and the run goes on to the same weights"
    )
    func truncated() throws {
        let scratch = try Scratch()
        try SyntheticDataset.write(to: scratch.file("d.h5"), train: 400, test: 50)
        let whole = try scratch.bytes("d.h5")
        #expect(try train(scratch, ranks: 1).map { try $0.get() } == [.done])
        let expected = try digest(scratch, "run1")
        let path = scratch.file("d.h5")
        for ranks in [2, 4] {
            for outcome in train(scratch, ranks: ranks, change: { truncate(path, 50_000) }) {
                let failure = #expect(throws: Failure.self) { try outcome.get() }
                #expect(failure?.code == .inputOutput && failure?.isLocal == false)
                #expect(failure?.message.contains("d.h5: was changed while it was in use: it has 50000 bytes") == true)
            }
            #expect(try CheckpointFile.read(scratch.file("run\(ranks)/checkpoints/last")).header.step == 0)
            try scratch.write(whole, "d.h5")
            #expect(train(scratch, ranks: ranks, resume: true).allSatisfy { (try? $0.get()) == .done })
            #expect(try digest(scratch, "run\(ranks)") == expected, "\(ranks) ranks")
        }
    }

    @Test("pixels that changed between a run and its continuation end it as damage")
    func changedBetween() throws {
        let scratch = try Scratch()
        try SyntheticDataset.write(to: scratch.file("d.h5"), train: 400, test: 50)
        #expect(train(scratch, ranks: 1).allSatisfy { (try? $0.get()) == .done })
        var bytes = try scratch.bytes("d.h5")
        for place in bytes.count / 2..<bytes.count / 2 + 2000 { bytes[place] ^= 0x55 }
        try scratch.write(bytes, "d.h5")
        for outcome in train(scratch, ranks: 1, resume: true) {
            let failure = #expect(throws: Failure.self) { try outcome.get() }
            #expect(failure?.code == .badData && failure?.message.contains("is damaged") == true)
        }
    }

    @Test("a rank with an alarm takes part in a step, and no rank updates its weights", arguments: [1, 2, 4])
    func alarm(ranks: Int) throws {
        let unchanged = try InProcessWorld(size: ranks).run { communicator in
            let step = try TinyModel.step(communicator)
            let before = step.state.weights.map(\.bitPattern)
            let outcome = try step.run(
                TinyModel.batch(step: 0, layout: step.layout), epoch: 0, learningRate: 0.05, stopRequested: false,
                hasAlarm: communicator.rank == ranks - 1)
            return outcome.alarms == 1 && step.state.weights.map(\.bitPattern) == before && step.state.updates == 0
        }
        #expect(unchanged.allSatisfy { $0 })
    }

    @Test("an evaluation of which one rank cannot read its samples fails on all", arguments: [1, 2, 3])
    func evaluation(ranks: Int) throws {
        for failing in 0..<ranks {
            let outcomes = InProcessWorld(size: ranks).results { communicator in
                let source = UnsteadySource(failsAtOnce: communicator.rank == failing)
                let network = try Network(TinyModel.description())
                let state = ModelState(parameterList: network.parameterList)
                state.initialize(seed: 1)
                let evaluator = try Evaluator(
                    network: network, split: source, batchSize: 4,
                    input: PixelConversion(pixelType: .uint8, image: TinyModel.input, mean: [0], std: [1]),
                    communicator: communicator, pool: ThreadPool(threads: 1))
                return try evaluator.score(weights: state.weights).samples
            }
            for outcome in outcomes {
                let failure = #expect(throws: Failure.self) { try outcome.get() }
                #expect(failure?.code == .inputOutput && failure?.message.hasSuffix("d.h5: is gone") == true)
            }
        }
    }
}

/// 26 black images of 6×6 pixels that may not count.
private final class UnsteadySource: SampleSource {
    let name = "test"
    let count = 26
    let height = 6
    let width = 6
    let channels = 1
    let pixelType = PixelType.uint8
    let labels = [Int32](repeating: 0, count: 26)
    private let fails: Bool

    init(failsAtOnce: Bool) { fails = failsAtOnce }

    func fill(_ slot: UnsafeMutableRawPointer, sample: Int) throws {
        slot.initializeMemory(as: UInt8.self, repeating: 0, count: imageBytes)
    }

    func confirm() throws {
        if fails { throw Failure(.inputOutput, "d.h5: is gone") }
    }
}
