internal import Diagnostics
internal import Foundation
package import Layers
internal import Report
package import Tensors

/// What a file of weights was trained as: the network, the images it takes and what they are divided by.
package struct WeightsOrigin {
    /// The network, its loss, its engine and the batch of evaluations; all else is a default.
    package let configuration: Configuration
    /// [C, H, W]
    package let input: Shape
    package let normalize: Configuration.Normalize
    /// How pictures came to that size, as a dataset file says it; empty where nothing says it.
    package let preprocessing: String
    /// Whether the file itself says what its images were.
    package let isSaid: Bool

    package var model: Configuration.Model { configuration.model }

    /// What torchvision's published weights expect: the mean and deviation of ImageNet's pixels.
    package static let imageNet = Configuration.Normalize.values(
        mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225])

    /// A network that has a name, with the image that it was made for.
    package typealias Known = (name: String, input: Shape, classes: Int)

    /// A checkpoint and an export of one say all themselves; of other files the keys and shapes tell the network, all but the
    /// head, and its images are taken to be those of the network's article.
    ///
    /// `model` is the user's choice among `known`; what the file says of its images holds for it too. Throws: `Failure`: what
    /// opening the file throws; 65 where no network fits, or several do, 78 for a choice that is not known.
    package init(
        _ path: String, model: String?, known: [Known], makeModel: ModelMaker
    ) throws {
        let file = try WeightsFile(path)
        let said = file.origin
        if let said, model == nil || model == said.model,
            let configuration = try Self.configuration(said, path: path, models: known.map(\.name))
        {
            self.init(configuration, said)
            return
        }
        let candidates = try known.filter { entry in
            guard model == nil || entry.name == model else { return false }
            let description = try Configuration.Model(name: entry.name).description(
                input: entry.input, classes: entry.classes, makeModel)
            let match = file.match(try Network(description).parameterList, head: .auto)
            return !match.taken.isEmpty && (try? match.check(path: path, model: entry.name)) != nil
        }
        guard let found = candidates.first, candidates.count == 1 else {
            let names = known.map(\.name).joined(separator: ", ")
            if let model, candidates.isEmpty {
                guard known.contains(where: { $0.name == model }) else {
                    throw Failure(.configuration, "--model \(model): no network of this name; expected one of \(names)")
                }
                throw Failure(
                    .badData,
                    "\(path): its keys do not fit \(model); swift-train summary \(model) --weights \(path) shows which")
            }
            throw Failure(
                .badData,
                candidates.isEmpty
                    ? "\(path): its keys fit none of the networks that have a name (\(names)); one of another name is trained with "
                        + "swift-train --config FILE --weights \(path)"
                    : "\(path): its keys fit \(candidates.map(\.name).joined(separator: " and ")); choose one with --model"
            )
        }
        var configuration = Configuration()
        configuration.model = Configuration.Model(name: found.name)
        if let said {
            self.init(configuration, said)
            return
        }
        self.init(
            configuration, input: found.input,
            normalize: found.input[0] == 3 && found.input[1] >= 224 ? Self.imageNet : .dataset, preprocessing: "",
            isSaid: false)
    }

    private init(_ configuration: Configuration, _ said: ExportedOrigin) {
        self.init(
            configuration, input: Shape(said.input), normalize: .values(mean: said.mean, std: said.std),
            preprocessing: said.preprocessing, isSaid: true)
    }

    private init(
        _ configuration: Configuration, input: Shape, normalize: Configuration.Normalize, preprocessing: String,
        isSaid: Bool
    ) {
        (self.configuration, self.input, self.normalize) = (configuration, input, normalize)
        (self.preprocessing, self.isSaid) = (preprocessing, isSaid)
    }

    /// nil where the file names a network and does not describe it, and there is none of that name.
    private static func configuration(
        _ said: ExportedOrigin, path: String, models: [String]
    ) throws -> Configuration? {
        var configuration = Configuration()
        guard !said.configuration.isEmpty else {
            configuration.model = Configuration.Model(name: said.model)
            return models.contains(said.model) ? configuration : nil
        }
        let stored = try Configuration(
            yaml: said.configuration, file: "\(path):config", assignments: [], models: models,
            defaults: Configuration(), needsData: false)
        (configuration.model, configuration.loss) = (stored.model, stored.loss)
        (configuration.engine, configuration.convolution) = (stored.engine, stored.convolution)
        configuration.evaluate.batchSize = stored.evaluate.batchSize
        // The new data's.
        (configuration.model.classes, configuration.model.channels) = (nil, nil)
        return configuration
    }

    /// What is taken for granted where the file does not say it; nil where it does.
    ///
    /// `dataNormalizes`: pixels are normalised by what the data says where nothing better is known.
    package func assumption(path: String, dataNormalizes: Bool) -> String? {
        guard !isSaid else { return nil }
        let pixels =
            switch normalize {
            case .values(let mean, let std): "normalised by mean \(mean) and std \(std)"
            case .dataset where dataNormalizes: "normalised by the mean and std of the data"
            case .dataset, .none: "with pixels in 0…1"
            }
        return "\(path) says nothing of its images: those of \(model.name)'s article are taken, \(input), \(pixels)"
    }
}

extension Configuration {
    /// A run that fine-tunes weights in two periods: the head alone first, which spares what the weights know while it is new, then
    /// everything, at a low rate that falls to nothing.
    ///
    /// The batch is as large as the memory of a rank allows, 32 at most. Throws: `Failure(.internalError)` where there is not
    /// enough for the smallest.
    package init(
        fineTuning origin: WeightsOrigin, from weights: String, data: String, split: String, localRanks: Int,
        makeModel: ModelMaker
    ) throws {
        self.init()
        model = origin.model
        self.weights = weights
        self.data.files = [data]
        self.data.normalize = origin.normalize
        evaluate.split = split
        batchSize = try Self.largestBatch(of: origin, localRanks: localRanks, makeModel)
        evaluate.batchSize = batchSize
        // In proportion, so that a smaller batch does not go farther.
        optimizer.learningRate = Self.fineTuningRate * Double(batchSize) / Double(Self.fineTuningBatches[0])
        schedule = Schedule(.cosine)
        freeze = .backbone
        unfreeze = [Unfreezing(match: "*", epochs: 2)]
        length = .epochs(10)
    }

    private static let fineTuningBatches = [32, 16, 8, 4]
    /// For a batch of 32, by SGD with momentum.
    private static let fineTuningRate = 0.008
    /// The part of a rank's memory that activations, weights and state may take.
    private static let memoryShare = 0.6

    private static func largestBatch(
        of origin: WeightsOrigin, localRanks: Int, _ makeModel: ModelMaker
    ) throws -> Int {
        let classes = 1_000
        let network = try Network(origin.model.description(input: origin.input, classes: classes, makeModel))
        let room = MemoryLimit.all(localRanks: localRanks).map(\.bytes).min() ?? .max
        for batch in fineTuningBatches {
            let memory = try NetworkSummary.memory(of: network, images: batch)
            // Weights, gradients, momentum, and a copy of the state on its way to a checkpoint.
            let fixed = 3 * memory.parameters + 2 * memory.gradients
            if Double(fixed + (memory.planned ?? memory.activations)) <= memoryShare * Double(room) { return batch }
        }
        throw Failure(
            .internalError,
            "\(origin.model.name) on \(origin.input) with a batch of \(fineTuningBatches.last ?? 1) needs more memory than the "
                + "\(NumberText.megabytes(room)) that there are for a rank")
    }
}
