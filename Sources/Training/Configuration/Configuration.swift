package import DataParallel
package import Layers
package import Tensors

/// What defines a run, and how it is watched; the values given here are the defaults.
package struct Configuration: Equatable, Sendable {
    package var model = Model(name: "fashion-classifier")
    /// A file of weights to start from; nil: random ones.
    package var weights: String?
    /// With `weights`: what becomes of the last layer's.
    package var head = WeightsMatch.Head.auto
    package var freeze = Freeze.none
    package var frozenBatchNorm = FrozenBatchNorm.fixed
    package var unfreeze: [Unfreezing] = []
    package var frozenFeatures = FrozenFeatures.once
    package var data = Data()
    /// Samples of an update, over all ranks.
    package var batchSize = 32
    package var shards = 4
    /// How many shards of a rank are in memory at once; nil: all.
    package var shardsInFlight: Int?
    package var checkpointActivations = ActivationCheckpointing.off
    package var length = Length.epochs(10)
    package var seed: UInt64 = 1
    package var optimizer = Optimizer()
    package var schedule = Schedule()
    package var warmup: Warmup?
    package var clip = Clip.none
    /// nil: no average is kept.
    package var averaging: Averaging?
    /// nil: the run has its full length.
    package var earlyStopping: EarlyStopping?
    package var loss = Loss.crossEntropy()
    package var batchNorm = BatchStatistics.shard
    package var engine = EngineChoice.auto
    package var convolution = ConvolutionChoice.direct
    package var evaluate = Evaluate()
    package var bestMetric = BestMetric.accuracy1
    package var checkpoint = Checkpoint()
    package var log = Log()
    package var onNotFinite = OnNotFinite.stop
    package var watchdog = Watchdog.Limits()
    /// How often the ranks compare weights and optimizer state, besides at every save.
    package var compareRanksEvery = Interval(100, .step)
    package var runsDirectory = "runs"

    package init() {}

    /// What `swift-train` does without a configuration: the Fashion classifier on the built-in synthetic data.
    package static var builtIn: Configuration {
        var configuration = Configuration()
        configuration.data.files = ["data/synthetic.h5"]
        configuration.length = .epochs(5)
        configuration.optimizer.learningRate = 0.02
        return configuration
    }

    /// Whose plans keep all that the passes backward read; `checkpointActivations` is for whoever knows the memory.
    package var planOptions: PlanOptions {
        var options = PlanOptions()
        options.loss = loss
        options.batchStatistics = batchNorm
        options.engine = engine
        options.convolution = convolution
        options.takesTargets = data.mix != nil
        return options
    }

    package struct Model: Equatable, Sendable {
        package var name: String
        /// nil: as many as the dataset has.
        package var classes: Int?
        package var channels: Int?
        /// nil: the network's own; of the networks that have one.
        package var dropout: Double?
        /// The network itself, in place of one that has a name.
        package var layers: ConfiguredLayers?

        /// What networks are called that the configuration describes.
        package static let customName = "custom"

        package init(name: String) {
            self.name = name
        }
    }

    package enum Normalize: Equatable, Sendable {
        /// Pixels 0…1.
        case none
        /// The mean and deviation that the dataset file records for its training images.
        case dataset
        /// One value a channel, in units of 0…1.
        case values(mean: [Float], std: [Float])
    }

    package enum Length: Equatable, Sendable {
        case epochs(Int)
        case steps(Int)

        package func steps(perEpoch: Int) -> Int {
            switch self {
            case .epochs(let epochs): Int.product(epochs, perEpoch)
            case .steps(let steps): steps
            }
        }
    }

    package struct Evaluate: Equatable, Sendable {
        package var every = Interval(1, .epoch)
        package var split = "test"
        package var batchSize = 256
    }

    package enum BestMetric: String, CaseIterable, Equatable, Sendable {
        case accuracy1 = "acc1"
        case accuracy5 = "acc5"
        case loss

        package var isBetterWhenLower: Bool { self == .loss }

        package func value(of evaluation: Evaluation) -> Double {
            switch self {
            case .accuracy1: evaluation.accuracy1
            case .accuracy5: evaluation.accuracy5
            case .loss: evaluation.loss
            }
        }
    }

    /// What happens when loss or gradient is NaN or infinite; the weights are never touched by such a step.
    package enum OnNotFinite: String, CaseIterable, Equatable, Sendable {
        /// End with code 80.
        case stop
        /// Leave the step out and go on.
        case skip
    }

    package struct Checkpoint: Equatable, Sendable {
        package var every = Interval(1, .epoch)
        package var keep = 3
    }

    package struct Log: Equatable, Sendable {
        package var every = Interval(1, .second)
        package var samples = false
        /// Scalars and pictures for TensorBoard in the run folder.
        package var tensorBoard = false
        /// report.html in the run folder.
        package var report = true

        /// Whether something wants to know what the network makes of each evaluated sample.
        package var looksAtSamples: Bool { report || tensorBoard }
    }
}
