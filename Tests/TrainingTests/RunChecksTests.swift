import Datasets
import Diagnostics
import Layers
import Tensors
import Testing

@testable import Training

/// What is refused before a run begins, and what is said of it.
@Suite("Checks before a run")
struct RunChecksTests {
    /// Normalises 5 values a channel over vectors of one value each, or over maps of 2 × 2 places.
    private static func model(vectors: Bool) -> ModelDescription {
        var model = ModelDescription(name: "bn", input: [1, 2, 2], classes: 3)
        if !vectors { model.append("bn", BatchNorm2d()) }
        model.append("flatten", Flatten())
        model.append("fc1", Linear(outputs: 8))
        if vectors { model.append("bn", BatchNorm1d()) }
        model.append("fc2", Linear(outputs: 3))
        return model
    }

    private static func checks(
        _ samples: Int, batch: Int, shards: Int, vectors: Bool = true,
        _ change: (inout Configuration) -> Void = { _ in }
    ) throws -> RunChecks {
        var configuration = Configuration()
        (configuration.batchSize, configuration.shards) = (batch, shards)
        change(&configuration)
        return RunChecks(
            configuration, geometry: BatchGeometry(sampleCount: samples, batchSize: batch, shards: shards),
            network: try Network(model(vectors: vectors)))
    }

    private func refusal(_ checks: RunChecks) -> String? {
        do {
            try checks.check()
            return nil
        } catch let failure as Failure {
            #expect(failure.code == .configuration)
            return failure.message
        } catch {
            return "\(error)"
        }
    }

    @Test("batch normalisation over one value a channel is refused, over shards, over the batch and in the last batch")
    func oneValue() throws {
        let full = try refusal(Self.checks(64, batch: 4, shards: 4))
        #expect(full?.contains("layer bn (BatchNorm1d) normalises over 1 value a channel") == true, "\(full ?? "")")
        #expect(full?.contains("batch_norm: global") == true)
        let last = try refusal(Self.checks(65, batch: 32, shards: 4))
        #expect(last?.contains("the last batch of an epoch has 1 of batch_size = 32 samples") == true, "\(last ?? "")")
        // 9 of 16 samples fill shards with 8 and 1.
        #expect(try refusal(Self.checks(73, batch: 32, shards: 4)) != nil)
        #expect(try refusal(Self.checks(74, batch: 32, shards: 4)) == nil)
        #expect(try refusal(Self.checks(64, batch: 4, shards: 4) { $0.batchNorm = .global }) == nil)
        #expect(try refusal(Self.checks(64, batch: 1, shards: 1) { $0.batchNorm = .global }) != nil)
        #expect(try refusal(Self.checks(65, batch: 4, shards: 1) { $0.batchNorm = .global }) != nil)
        // The short batch never comes.
        #expect(try refusal(Self.checks(65, batch: 32, shards: 4) { $0.length = .steps(2) }) == nil)
        #expect(try refusal(Self.checks(64, batch: 4, shards: 4, vectors: false)) == nil)
    }

    @Test("a run of more epochs than random choices are keyed by is refused")
    func epochs() throws {
        #expect(try refusal(Self.checks(4, batch: 4, shards: 1) { $0.length = .steps(1 << 33) }) != nil)
    }

    private func expect(_ checks: RunChecks, says words: String..., sourceLocation: SourceLocation = #_sourceLocation) {
        let warnings = checks.warnings
        #expect(warnings.count == words.count, "\(warnings)", sourceLocation: sourceLocation)
        for (warning, words) in zip(warnings, words) {
            #expect(warning.contains(words), "\(warning)", sourceLocation: sourceLocation)
        }
    }

    @Test("a sound run is not warned about")
    func sound() throws {
        expect(try Self.checks(64, batch: 16, shards: 2))
        expect(try Self.checks(64, batch: 16, shards: 2) { $0.length = .steps(0) })
    }

    @Test("what wastes a run is said")
    func wasted() throws {
        expect(try Self.checks(64, batch: 16, shards: 4), says: "normalises over 4 values a channel")
        expect(try Self.checks(64, batch: 16, shards: 4) { $0.batchNorm = .global })
        expect(try Self.checks(64, batch: 128, shards: 4), says: "more than the 64 training samples")
        expect(try Self.checks(64, batch: 1024, shards: 4), says: "3 of 4 shards stay empty")
        func says(_ words: String..., change: @escaping (inout Configuration) -> Void) throws {
            let checks = try Self.checks(64, batch: 16, shards: 2, change)
            #expect(checks.warnings.count == words.count, "\(checks.warnings)")
            for (warning, words) in zip(checks.warnings, words) { #expect(warning.contains(words), "\(warning)") }
        }
        // 40 steps, 4 an epoch.
        try says("learning_rate = 0") { $0.optimizer.learningRate = 0 }
        try says("freeze without weights", "unfreeze: conv after 10 epochs is not reached in 40 steps") {
            $0.freeze = .backbone
            $0.unfreeze = [9, 10].map { Configuration.Unfreezing(match: "conv", epochs: $0) }
        }
        try says("warmup lasts 40 steps, the run 40") { $0.warmup = .init(length: Interval(10, .epoch)) }
        try says { $0.warmup = .init(length: Interval(9, .epoch)) }
        try says("every = 30 epochs is not reached in 40 steps") {
            $0.schedule = Configuration.Schedule(.step) { $0.every = Interval(30, .epoch) }
        }
        try says("milestones: 10 epochs and later ones are not reached") {
            $0.schedule = Configuration.Schedule(.multiStep) {
                $0.milestones = [5, 10, 20].map { Interval($0, .epoch) }
            }
        }
        try says("length = 60 steps is longer than the 40") {
            $0.schedule = Configuration.Schedule(.cosine) { $0.length = Interval(60, .step) }
        }
        try says("minimum = 1.0 is above optimizer.learning_rate") {
            $0.schedule = Configuration.Schedule(.cosine) { $0.minimum = 1 }
        }
        try says("patience 10 and 9 evaluations") { $0.schedule = Configuration.Schedule(.plateau) }
        try says("every = 11 epochs is more than the 40 steps") { $0.evaluate.every = Interval(11, .epoch) }
        try says("patience = 9 cannot run out in 9 evaluations") {
            $0.earlyStopping = .init(metric: .loss, patience: 9)
        }
        try says("averages over about 1000 steps, the run has 40") { $0.averaging = .init(decay: 0.999) }
        try says("the weights themselves") { $0.averaging = .init(decay: 0) }
        try says("label_smoothing = 1") { $0.loss = .crossEntropy(labelSmoothing: 1) }
    }

    @Test("memory beyond the machine's is refused with the numbers, before it is asked for")
    func memory() throws {
        try MemoryLimit.check([("weights", 1 << 20)], localRanks: 1)
        #expect(!MemoryLimit.all(localRanks: 1).isEmpty)
        let failure = #expect(throws: Failure.self) {
            try MemoryLimit.check([("weights", 1 << 48), ("images", .max), ("nothing", 0)], localRanks: 2)
        }
        #expect(failure?.code == .internalError)
        for words in ["images more than 1,000,000 GB", "weights 281,475.0 GB", "of the 2 ranks"] {
            #expect(failure?.message.contains(words) == true, "\(failure?.message ?? "")")
        }
        #expect(failure?.message.contains("nothing") == false)
    }
}
