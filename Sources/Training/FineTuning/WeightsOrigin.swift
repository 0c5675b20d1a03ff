internal import Diagnostics
internal import Foundation
package import Layers
internal import Report
package import Tensors

/// What a file of weights was trained as: the network, the images it takes and what they are divided by.
package struct WeightsOrigin {
    package let model: Configuration.Model
    /// [C, H, W]
    package let input: Shape
    package let normalize: Configuration.Normalize
    /// How pictures came to that size, as a dataset file says it; empty where nothing says it.
    package let preprocessing: String

    /// What torchvision's published weights expect: the mean and deviation of ImageNet's pixels.
    package static let imageNet = Configuration.Normalize.values(
        mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225])

    /// A network that has a name, with the image that it was made for.
    package typealias Known = (name: String, input: Shape, classes: Int)

    /// A checkpoint says all itself; of other files the keys and shapes tell the network, all but the head.
    ///
    /// `model` is the user's choice among `known`. Throws: `Failure`: what opening the file throws; 65 where no network fits, or
    /// several do, 78 for a choice that is not known.
    package init(
        _ path: String, model: String?, known: [Known], makeModel: ModelMaker
    ) throws {
        if model == nil, CheckpointFile.isSealed(path) {
            let header = try CheckpointFile.read(path).header
            let stored = try Configuration(
                yaml: header.configuration, file: "\(path):config", assignments: [], models: known.map(\.name),
                defaults: Configuration())
            var model = stored.model
            // The new data's.
            (model.classes, model.channels) = (nil, nil)
            self.model = model
            input = Shape(header.input)
            normalize = .values(mean: header.inputMean, std: header.inputStd)
            preprocessing = header.preprocessing
            return
        }
        let file = try WeightsFile(path)
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
        self.model = Configuration.Model(name: found.name)
        input = found.input
        normalize = found.input[0] == 3 && found.input[1] >= 224 ? Self.imageNet : .dataset
        preprocessing = ""
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
