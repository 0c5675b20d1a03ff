internal import Datasets
internal import Diagnostics
internal import Layers
internal import Tensors

/// What is evaluated: a configuration and where its weights lie, either a checkpoint of ours or a file of weights.
struct EvaluationSubject {
    let configuration: Configuration
    let path: String
    private let weights: Weights

    private enum Weights {
        case checkpoint(Checkpoint)
        /// A file of weights does not know its images, and its classes only if it was a checkpoint.
        case file(WeightsFile)
    }

    /// What a checkpoint says of its run; nil for a file of weights.
    var header: Checkpoint.Header? { checkpoint?.header }

    private var checkpoint: Checkpoint? { if case .checkpoint(let checkpoint) = weights { checkpoint } else { nil } }

    init(_ source: EvaluationSession.Source, models: [String]) throws {
        switch source {
        case .checkpoint(let path, let assignments):
            let checkpoint = try CheckpointFile.read(path)
            configuration = try checkpoint.configuration(path: path, assignments: assignments, models: models)
            self.path = path
            weights = .checkpoint(checkpoint)
        case .weights(let path, let configuration):
            self.configuration = configuration
            self.path = path
            weights = .file(try WeightsFile(path))
        }
    }

    /// Throws: `Failure(.configuration)` for channels or classes other than those of the checkpoint's run.
    func check(input: [Int], classes: Int, dataFile: String) throws {
        if let expected = configuration.model.classes, expected != classes {
            throw Failure(.configuration, "model.classes = \(expected), but \(dataFile) has \(classes) classes")
        }
        if let expected = configuration.model.channels, expected != input[0] {
            throw Failure(
                .configuration, "model.channels = \(expected), but the images of \(dataFile) have \(input[0])")
        }
        guard let header = checkpoint?.header, input[0] != header.input[0] || classes != header.classes.count else {
            return
        }
        throw mismatch(header, input: input, classes: classes, dataFile: dataFile)
    }

    /// Throws: `Failure(.configuration)` for images of another size, unless the network has the same parameters for them.
    func check(_ network: Network, dataFile: String) throws {
        let input = network.description.input.dimensions
        guard let checkpoint, input != checkpoint.header.input else { return }
        let shapes = network.parameterList.parameters.map(\.shape)
        guard shapes != checkpoint.weights.map(\.shape) else { return }
        throw mismatch(
            checkpoint.header, input: input, classes: network.description.classes, dataFile: dataFile)
    }

    /// How the classes of the data are numbered here. Throws: `Failure(.configuration)` for other classes.
    func match(classes: [String], dataFile: String) throws -> ClassMatch {
        let own =
            switch weights {
            case .checkpoint(let checkpoint): checkpoint.header.classes
            case .file(let file): file.classNames
            }
        return try ClassMatch(dataset: classes, dataFile: dataFile, own: own, path: path)
    }

    private func mismatch(_ header: Checkpoint.Header, input: [Int], classes: Int, dataFile: String) -> Failure {
        Failure(
            .configuration,
            "\(dataFile): images \(input) in \(classes) classes, but \(path) was trained on \(header.input) in "
                + "\(header.classes.count)")
    }

    /// Copies the weights that are evaluated into a model's state. Throws: `Failure`.
    ///
    /// Returns how a file of weights and the network went together.
    func restore(_ state: ModelState) throws -> WeightsMatch? {
        switch weights {
        case .checkpoint(let checkpoint):
            try checkpoint.restoreEvaluated(state, path: path)
            return nil
        case .file(let file):
            return try file.load(into: state, model: configuration.model.name)
        }
    }

    /// What a checkpoint's run did to its pixels, whatever data is evaluated; otherwise what is configured.
    func normalization(for split: any SampleSource, file: String) throws -> Normalization {
        guard let header = checkpoint?.header else {
            return try Normalization(configuration.data.normalize, split: split, file: file)
        }
        return Normalization(mean: header.inputMean, std: header.inputStd)
    }
}

extension Checkpoint {
    /// The configuration of the run, with some keys set to other values. Throws: `Failure`.
    func configuration(path: String, assignments: [String] = [], models: [String]) throws -> Configuration {
        let configuration = try Configuration(
            yaml: header.configuration, file: "\(path):config", assignments: assignments, models: models,
            defaults: Configuration())
        guard header.model == configuration.model.name else {
            throw Failure(
                .badData,
                "\(path): the attribute model is \(header.model), but the configuration in it names "
                    + "\(configuration.model.name); use another checkpoint")
        }
        return configuration
    }
}
