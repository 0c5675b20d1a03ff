internal import ArgumentParser
internal import DataParallel
internal import Datasets
internal import Diagnostics
internal import Files
internal import Ingest
internal import Models
internal import Training

/// The trained network that `predict`, `features` and `explain` work with: a run or checkpoint in front of the images, or a file of
/// weights.
struct NetworkSubject: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "A run folder, whose best checkpoint is taken, or a checkpoint (not with --weights), and behind it the images.",
            valueName: "run|image"),
        completion: .file(), transform: HomePath.expanded)
    var paths: [String] = []

    @Option(
        help: ArgumentHelp(
            "Instead of a checkpoint: weights under PyTorch's keys, as safetensors, .pth or HDF5.", valueName: "file"),
        completion: .file(), transform: HomePath.expanded)
    var weights: String?

    @Option(
        help: ArgumentHelp("With --weights: the network, where the keys do not tell it.", valueName: "name"),
        completion: .list(ModelRegistry.names))
    var model: String?

    func validate() throws {
        guard weights != nil || !paths.isEmpty else {
            throw ValidationError("expected a run folder or a checkpoint, or --weights FILE")
        }
        if let model {
            guard weights != nil else {
                throw ValidationError("--model belongs to --weights; a checkpoint knows its own")
            }
            guard ModelRegistry.names.contains(model) else {
                throw ValidationError(
                    "--model \(model): no network of this name\(Suggestion.nearest(to: model, in: ModelRegistry.names).map { ", did you mean \($0)?" } ?? "")"
                )
            }
        }
    }

    /// What stands behind the checkpoint.
    var images: [String] { weights == nil ? Array(paths.dropFirst()) : paths }

    /// The words that ranks must have been told alike.
    var facts: [RankAgreement.Fact] {
        [
            .init("paths", paths.joined(separator: "\n")), .init("--weights", weights ?? "(none)"),
            .init("--model", model ?? "(none)"),
        ]
    }

    /// The file of weights: a run's best checkpoint where a run was named. Throws: `Failure`.
    func choice() throws -> GivenFile.CheckpointChoice {
        if let weights { return try GivenFile.weights(weights) }
        let choice = try GivenFile.checkpoint(paths[0], choices: ["best.h5", "last"])
        try GivenFile.requireCheckpoint(choice.path)
        return choice
    }

    /// Throws: `Failure(.cannotCreate)` for an output that cannot be written, or that would replace what is read.
    func requireWritable(_ outputs: [String], beside choice: GivenFile.CheckpointChoice) throws {
        let inputs = [choice.path] + images.map(GivenImage.file)
        for path in outputs { try DurableFile.requireWritable(path, unlike: inputs) }
    }

    /// The network of the chosen file, for images of another `size` where it takes them. Throws: `Failure`.
    func open(
        _ choice: GivenFile.CheckpointChoice, size: (height: Int, width: Int)? = nil
    ) throws -> TrainedNetwork {
        weights == nil
            ? try TrainedNetwork(
                checkpoint: choice.path, size: size, models: ModelRegistry.names, makeModel: ModelRegistry.description)
            : try TrainedNetwork(
                weights: choice.path, model: model, size: size, known: ModelRegistry.known,
                makeModel: ModelRegistry.description)
    }
}

extension ModelRegistry {
    /// The networks that have a name, with the image that each was made for.
    static var known: [WeightsOrigin.Known] {
        names.compactMap { name in usual(name).map { (name, $0.input, $0.classes) } }
    }
}

extension TrainedNetwork {
    /// An image as the network takes it: prepared as `predict` does. Throws: `Failure`.
    func image(_ text: String) throws -> GivenImage {
        try GivenImage(
            text, fitting: (channels: input[0], height: input[1], width: input[2]),
            preparation: ImagePreparation(recorded: preprocessing) ?? ImagePreparation())
    }

    /// The value that a layer makes, by its path. Throws: `Failure(.usage)`.
    func value(ofLayer path: String) throws -> Int {
        guard let stage = network.stages.lastIndex(where: { $0.path == path }) else {
            let paths = network.stages.map(\.path)
            throw Failure(
                .usage,
                "--layer \(path): \(modelName) has no such layer\(Suggestion.nearest(to: path, in: paths).map { ", did you mean \($0)?" } ?? "; --list shows all")"
            )
        }
        return stage + 1
    }
}
