package import Datasets
internal import Diagnostics
package import Layers
package import Tensors

/// A network with its weights, and what it wants done to images before it looks at them.
package struct TrainedNetwork {
    package let network: Network
    /// In the order of the network's outputs.
    package let classNames: [String]
    /// What the data of the run says was done to its pictures; empty where nothing says it.
    package let preprocessing: String
    package let normalization: Normalization
    let configuration: Configuration
    let state: ModelState

    package var modelName: String { configuration.model.name }
    /// The image that the network takes, [C, H, W].
    package var input: Shape { network.description.input }

    /// Of a checkpoint; `size`, height and width of images, takes the place of its run's where the network has the same
    /// parameters for it. Throws: `Failure`.
    package init(
        checkpoint path: String, size: (height: Int, width: Int)? = nil, models: [String], makeModel: ModelMaker
    ) throws {
        let subject = try EvaluationSubject(.checkpoint(path: path, assignments: []), models: models)
        guard let header = subject.header else { preconditionFailure("a checkpoint has a header") }
        let input = Shape(size.map { [header.input[0], $0.height, $0.width] } ?? header.input)
        let description = try subject.configuration.model.description(
            input: input, classes: header.classes.count, makeModel)
        do {
            network = try Network(description)
        } catch let error as ShapeMismatch {
            throw Failure(size == nil ? .badData : .usage, "\(path): \(error)")
        }
        try subject.check(network)
        state = ModelState(parameterList: network.parameterList)
        _ = try subject.restore(state)
        (classNames, preprocessing) = (header.classes, header.preprocessing)
        normalization = Normalization(mean: header.inputMean, std: header.inputStd)
        configuration = subject.configuration
    }

    /// Of a file of weights, whose keys tell the network where `model` does not, and whose last layer tells the number of
    /// classes. Pixels are in 0…1 where the weights are not of ImageNet. Throws: `Failure`.
    package init(
        weights path: String, model: String?, known: [WeightsOrigin.Known], makeModel: ModelMaker
    ) throws {
        let origin = try WeightsOrigin(path, model: model, known: known, makeModel: makeModel)
        let file = try WeightsFile(path)
        let usual = known.first { $0.name == origin.model.name }?.classes ?? file.classNames?.count ?? 1
        func network(classes: Int) throws -> Network {
            try Network(origin.model.description(input: origin.input, classes: classes, makeModel))
        }
        do {
            var found = try network(classes: file.classNames?.count ?? usual)
            if let head = file.match(found.parameterList, head: .auto).new.compactMap(\.entry).first,
                head.shape.count > 0
            {
                found = try network(classes: head.shape[0])
            }
            self.network = found
        } catch let error as ShapeMismatch {
            throw Failure(.badData, "\(path): \(error)")
        }
        state = ModelState(parameterList: self.network.parameterList)
        try file.load(into: state, model: origin.model.name)
        classNames = file.classNames ?? (0..<self.network.description.classes).map { "\($0)" }
        preprocessing = origin.preprocessing
        let channels = origin.input[0]
        if case .values(let mean, let std) = origin.normalize {
            normalization = Normalization(mean: mean, std: std)
        } else {
            normalization = Normalization(
                mean: [Float](repeating: 0, count: channels), std: [Float](repeating: 1, count: channels))
        }
        var configuration = Configuration()
        configuration.model = origin.model
        self.configuration = configuration
    }

    /// Whether what the network says of a class is a probability; after training with squared errors it is an output.
    package var givesProbabilities: Bool {
        if case .crossEntropy = configuration.loss { true } else { false }
    }

    /// How the network reads pixels of a type.
    package func conversion(_ type: PixelType) -> PixelConversion {
        PixelConversion(
            pixelType: type == .uint8 ? .uint8 : .float32, image: input, mean: normalization.mean,
            std: normalization.std)
    }

    /// The values of a parameter; nil where the network has none of that key.
    package func values(of key: String) -> (shape: Shape, values: [Float])? {
        network.parameterList.parameters.first { $0.key == key }.map { ($0.shape, Array(state.weights[$0.range])) }
    }

    /// One image's value, numbered as in `ModelDescription.Value`, computed as in an evaluation.
    ///
    /// `image`: pixels [H, W, C] of the network's input. OpenBLAS is loaded. Throws: `Failure`.
    package func value(
        _ value: Int, of image: UnsafeRawBufferPointer, _ type: PixelType, pool: ThreadPool
    ) throws -> [Float] {
        var options = PlanOptions()
        options.part = .front(until: value)
        let plan = try plan(.evaluation, options, type, pool)
        try run(plan, image, label: 0)
        return Array(plan.logits(ofSlot: 0))
    }

    func plan(
        _ mode: ExecutionPlan.Mode, _ options: PlanOptions, _ type: PixelType, _ pool: ThreadPool
    ) throws -> ExecutionPlan {
        do {
            try MemoryLimit.check(
                [
                    ("parameters and buffers", network.parameterList.count * MemoryLayout<Float>.stride),
                    (
                        "activations and scratch",
                        try network.planBytes(
                            imagesPerShard: 1, shards: 1, mode: mode, options: options, threads: pool.threads)
                    ),
                ], localRanks: 1)
            return try network.plan(
                imagesPerShard: 1, shards: 1, mode: mode, options: options, input: conversion(type), pool: pool)
        } catch let error as Arena.OutOfMemory {
            throw Failure(.internalError, "\(error)")
        }
    }

    func run(_ plan: ExecutionPlan, _ image: UnsafeRawBufferPointer, label: Int32) throws {
        precondition(image.count == plan.imageBytes, "\(image.count) bytes for an image of \(input)")
        guard let base = image.baseAddress, let weights = state.weights.baseAddress else { return }
        _ = try plan.run(
            images: base, labels: [label], counts: [1], weights: UnsafePointer(weights), gradients: nil)
    }
}
