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
    /// What is taken for granted of the images, where the file of weights does not say it.
    package let assumption: String?
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
        network = try Self.network(
            subject.configuration.model, input: Shape(header.input), size: size, classes: header.classes.count,
            path: path, makeModel)
        state = ModelState(parameterList: network.parameterList)
        _ = try subject.restore(state)
        (classNames, preprocessing, assumption) = (header.classes, header.preprocessing, nil)
        normalization = Normalization(mean: header.inputMean, std: header.inputStd)
        configuration = subject.configuration
    }

    /// Of a file of weights: what it says of its network and images, or what its keys and last layer tell of them where it says
    /// nothing; then pixels are in 0…1 unless the weights are of ImageNet. `size` as above. Throws: `Failure`.
    package init(
        weights path: String, model: String?, size: (height: Int, width: Int)? = nil, known: [WeightsOrigin.Known],
        makeModel: ModelMaker
    ) throws {
        let origin = try WeightsOrigin(path, model: model, known: known, makeModel: makeModel)
        let file = try WeightsFile(path)
        func network(classes: Int) throws -> Network {
            try Self.network(origin.model, input: origin.input, size: size, classes: classes, path: path, makeModel)
        }
        let usual = known.first { $0.name == origin.model.name }?.classes ?? 1
        let classes = try file.classNames?.count ?? Self.classes(in: file, beside: network(classes: usual), path: path)
        self.network = try network(classes: classes)
        // Before there is memory for anything.
        let match = file.match(self.network.parameterList)
        try match.check(path: path, model: origin.model.name)
        state = ModelState(parameterList: self.network.parameterList)
        try file.load(match, into: state)
        classNames = file.classNames ?? (0..<classes).map { "\($0)" }
        preprocessing = origin.preprocessing
        let channels = origin.input[0]
        if case .values(let mean, let std) = origin.normalize {
            normalization = Normalization(mean: mean, std: std)
        } else {
            normalization = Normalization(
                mean: [Float](repeating: 0, count: channels), std: [Float](repeating: 1, count: channels))
        }
        assumption = origin.assumption(path: path, dataNormalizes: false)
        configuration = origin.configuration
    }

    /// As many as the rows of the head in a file. Throws: `Failure(.badData)` for a head without rows.
    private static func classes(in file: WeightsFile, beside network: Network, path: String) throws -> Int {
        guard let head = file.match(network.parameterList, head: .auto).new.compactMap(\.entry).first else {
            return network.description.classes
        }
        guard let classes = head.shape.first, classes > 0 else {
            throw Failure(
                .badData, "\(path): \(head.key.printable) has the shape \(head.shape), expected a row for each class")
        }
        return classes
    }

    /// For images of another size only where it has the same parameters for them.
    private static func network(
        _ model: Configuration.Model, input: Shape, size: (height: Int, width: Int)?, classes: Int, path: String,
        _ makeModel: ModelMaker
    ) throws -> Network {
        guard input.rank == 3 else {
            throw Failure(
                .usage,
                "\(path): was trained on volumes \(input), expected a network of images; evaluate scores it on a dataset of "
                    + "volumes, with --predictions and --logits for each of them")
        }
        func network(_ input: Shape) throws -> Network {
            do {
                return try Network(model.description(input: input, classes: classes, makeModel))
            } catch let error as ShapeMismatch {
                throw Failure(size == nil ? .badData : .usage, "\(path): \(error)")
            }
        }
        guard let size, [size.height, size.width] != Array(input.dimensions.dropFirst()) else {
            return try network(input)
        }
        let (own, other) = (try network(input), try network([input[0], size.height, size.width]))
        guard own.parameterList.parameters.map(\.shape) == other.parameterList.parameters.map(\.shape) else {
            throw Failure(
                .usage,
                "\(path): was trained on images \(input), and for \(other.description.input) the network would need other "
                    + "weights; a network that pools to one place (AdaptiveAvgPool2d) takes images of any size")
        }
        return other
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
