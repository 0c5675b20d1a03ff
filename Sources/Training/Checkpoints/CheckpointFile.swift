internal import Diagnostics
internal import Files
internal import Glibc
internal import HDF5
internal import Tensors

/// Checkpoints on disk: an HDF5 image built in memory, followed by a seal, written durably.
package enum CheckpointFile {
    /// Writes a checkpoint. Throws: `Failure`; nothing is left behind then.
    package static func write(_ checkpoint: Checkpoint, to path: String) throws {
        let file = try HDF5File.createInMemory(name: FilePath.name(of: path))
        try fill(file, with: checkpoint)
        try file.withImage { image in
            let seal = CheckpointSeal.seal(for: image)
            try seal.withUnsafeBytes { try DurableFile.write([image, $0], to: path) }
        }
        try file.close()
    }

    /// Reads a whole checkpoint, after its seal has been verified.
    ///
    /// Throws: `Failure(.inputMissing)` when there is no such file, `.badData` for one that is damaged or not ours.
    package static func read(_ path: String) throws -> Checkpoint {
        try withBytes(of: path) { try parse(sealed: $0, path: path) }
    }

    /// Lends the bytes of a whole file that ends in a seal. Throws: as `read`; the contents have not been verified yet.
    package static func withBytes<T>(of path: String, _ body: (UnsafeRawBufferPointer) throws -> T) throws -> T {
        let file = try InputFile(path, expected: "expected a checkpoint, such as RUN/checkpoints/last")
        // Before the memory is taken: a file of any size may have any name.
        try CheckpointSeal.requireLength(
            file.byteCount, tail: file.bytes(max(0, file.byteCount - CheckpointSeal.byteCount)..<file.byteCount),
            path: path)
        guard let bytes = malloc(file.byteCount) else {
            throw Failure(.internalError, "\(path): there is no memory for its \(file.byteCount) bytes", isLocal: true)
        }
        defer { free(bytes) }
        let count = try file.read(into: UnsafeMutableRawBufferPointer(start: bytes, count: file.byteCount))
        return try body(UnsafeRawBufferPointer(start: bytes, count: count))
    }

    /// The checkpoint in the bytes of a whole file, verified first. `path` is for messages.
    package static func parse(sealed bytes: UnsafeRawBufferPointer, path: String) throws -> Checkpoint {
        let image = try CheckpointSeal.image(in: bytes, path: path)
        do {
            let file = try HDF5File.open(image: image, name: FilePath.name(of: path))
            return try parse(file, path: path, imageBytes: image.count)
        } catch let error as HDF5Error {
            throw Failure(.badData, "\(path): \(error)")
        }
    }

    /// Whether the file ends in something that looks like a checkpoint's seal.
    package static func isSealed(_ path: String) -> Bool {
        guard let file = try? InputFile(path, expected: ""), file.byteCount > CheckpointSeal.byteCount,
            let tail = try? file.bytes(file.byteCount - CheckpointSeal.byteCount..<file.byteCount)
        else { return false }
        return tail.withUnsafeBytes(CheckpointSeal.isMarked)
    }
}

// ---- Writing

extension CheckpointFile {
    private static func fill(_ file: HDF5File, with checkpoint: Checkpoint) throws {
        try file.write("/parameters", strings: checkpoint.weights.map(\.key))
        try file.createGroup("/model")
        try write(checkpoint.weights, to: "/model", in: file)
        try file.createGroup("/optimizer")
        for (name, tensors) in checkpoint.optimizer {
            try file.createGroup("/optimizer/\(name)")
            try write(tensors, to: "/optimizer/\(name)", in: file)
        }
        if !checkpoint.average.isEmpty {
            try file.createGroup("/ema")
            try write(checkpoint.average, to: "/ema", in: file)
        }
        let header = checkpoint.header
        try file.createGroup("/metrics")
        let evaluations = header.evaluations
        try file.write("/metrics/epoch", shape: [evaluations.count], evaluations.map { Int64($0.epoch) })
        try file.write("/metrics/step", shape: [evaluations.count], evaluations.map { Int64($0.step) })
        try file.write("/metrics/loss", shape: [evaluations.count], evaluations.map(\.loss))
        try file.write("/metrics/acc1", shape: [evaluations.count], evaluations.map(\.accuracy1))
        try file.write("/metrics/acc5", shape: [evaluations.count], evaluations.map(\.accuracy5))
        try file.write("/classes", strings: header.classes)
        for (name, value) in attributes(of: header) { try file.setAttribute(name, on: "/", value) }
    }

    private static func write(_ tensors: [Checkpoint.Tensor], to group: String, in file: HDF5File) throws {
        for tensor in tensors {
            try file.write("\(group)/\(tensor.key)", shape: tensor.shape.dimensions, tensor.values)
        }
    }

    private static func attributes(of header: Checkpoint.Header) -> [(String, HDF5Value)] {
        var attributes: [(String, HDF5Value)] = [
            ("format", .string(Checkpoint.format)), ("format_version", .integer(Checkpoint.formatVersion)),
            ("model", .string(header.model)), ("input", .integers(header.input.map(Int64.init))),
            ("input_mean", .reals(header.inputMean.map(Double.init))),
            ("input_std", .reals(header.inputStd.map(Double.init))), ("epoch", .integer(Int64(header.epoch))),
            ("step", .integer(Int64(header.step))), ("samples_seen", .integer(Int64(header.samplesSeen))),
            ("seed", .integer(Int64(bitPattern: header.seed))), ("batch_size", .integer(Int64(header.batchSize))),
            ("shards", .integer(Int64(header.shards))), ("config", .string(header.configuration)),
            ("config_digest", .string(header.configurationDigest)),
            ("dataset_digest", .string(header.datasetDigest)),
            ("epoch_score", .reals(header.epochScore.fields)), ("skipped_steps", .integer(Int64(header.skippedSteps))),
            ("pending_evaluation", .integer(header.hasPendingEvaluation ? 1 : 0)),
            ("metrics_bytes", .integer(Int64(header.metricsBytes))), ("kernel_set", .string(header.kernelSet)),
            ("engine", .string(header.engine)),
            ("build", .string(header.build)),
            ("libraries", .string(header.libraries)),
        ]
        if !header.preprocessing.isEmpty { attributes.append(("preprocessing", .string(header.preprocessing))) }
        if !header.initialWeights.isEmpty {
            attributes.append(("initial_weights_sha256", .string(header.initialWeights)))
        }
        if !header.updatesMissed.isEmpty {
            attributes.append(("updates_missed", .integers(header.updatesMissed.map(Int64.init))))
        }
        if let best = header.best {
            attributes += [
                ("best_epoch", .integer(Int64(best.epoch))), ("best_step", .integer(Int64(best.step))),
                ("best_loss", .real(best.loss)), ("best_acc1", .real(best.accuracy1)),
                ("best_acc5", .real(best.accuracy5)),
            ]
        }
        return attributes
    }
}

// ---- Reading

extension CheckpointFile {
    private static func parse(_ file: HDF5File, path: String, imageBytes: Int) throws -> Checkpoint {
        let attributes = AttributeReader(file: file, path: path)
        let format = try attributes.text("format")
        guard format == Checkpoint.format else {
            throw Failure(.badData, "\(path): format \"\(format)\", expected \"\(Checkpoint.format)\"")
        }
        let version = try attributes.integer("format_version")
        guard version == Checkpoint.formatVersion else {
            throw Failure(
                .badData,
                "\(path): format version \(version), expected \(Checkpoint.formatVersion); "
                    + "read it with the version of this program that wrote it")
        }
        var header = Checkpoint.Header()
        header.model = try attributes.text("model")
        header.input = try attributes.integers("input")
        header.inputMean = try attributes.reals("input_mean").map(Float.init)
        header.inputStd = try attributes.reals("input_std").map(Float.init)
        header.epoch = try attributes.integer("epoch")
        header.step = try attributes.integer("step")
        header.samplesSeen = try attributes.integer("samples_seen")
        header.seed = UInt64(bitPattern: Int64(try attributes.integer("seed")))
        header.batchSize = try attributes.integer("batch_size")
        header.shards = try attributes.integer("shards")
        header.configuration = try attributes.text("config")
        header.configurationDigest = try attributes.text("config_digest")
        header.datasetDigest = try attributes.text("dataset_digest")
        header.epochScore = try score(attributes, "epoch_score")
        header.skippedSteps = try attributes.integer("skipped_steps")
        header.hasPendingEvaluation = try attributes.flag("pending_evaluation")
        header.metricsBytes = try attributes.integer("metrics_bytes")
        header.kernelSet = try attributes.text("kernel_set")
        // Checkpoints of earlier versions do not have it.
        if try file.attribute("engine", on: "/") != nil { header.engine = try attributes.text("engine") }
        if try file.attribute("preprocessing", on: "/") != nil {
            header.preprocessing = try attributes.text("preprocessing")
        }
        if try file.attribute("initial_weights_sha256", on: "/") != nil {
            header.initialWeights = try attributes.text("initial_weights_sha256")
        }
        if try file.attribute("updates_missed", on: "/") != nil {
            header.updatesMissed = try attributes.integers("updates_missed")
        }
        header.build = try attributes.text("build")
        header.libraries = try attributes.text("libraries")
        header.classes = try dataset("/classes", in: file, imageBytes).readStrings()
        header.evaluations = try evaluations(in: file, imageBytes)
        if try file.attribute("best_step", on: "/") != nil {
            header.best = Evaluation(
                epoch: try attributes.integer("best_epoch"), step: try attributes.integer("best_step"),
                loss: try attributes.real("best_loss"), accuracy1: try attributes.real("best_acc1"),
                accuracy5: try attributes.real("best_acc5"))
        }
        try header.check(path: path)
        let keys = try dataset("/parameters", in: file, imageBytes).readStrings()
        let stored = try file.children(of: "/model")
        guard keys.sorted() == stored.sorted() else {
            throw Failure(.badData, "\(path): /parameters lists other keys than /model holds")
        }
        let names = try file.children(of: "/optimizer")
        func tensors(_ keys: [String], _ group: String) throws -> [Checkpoint.Tensor] {
            try Self.tensors(keys, in: group, of: file, imageBytes)
        }
        return Checkpoint(
            header: header, weights: try tensors(keys, "/model"),
            optimizer: try names.map { name in
                // Buffers have no optimizer state.
                let held = Set(try file.children(of: "/optimizer/\(name)"))
                return (name, try tensors(keys.filter(held.contains), "/optimizer/\(name)"))
            },
            average: try file.children(of: "/").contains("ema") ? tensors(keys, "/ema") : [])
    }

    /// A row of numbers or texts, stored as it is: its elements take 8 bytes of the image at least.
    private static func dataset(_ name: String, in file: HDF5File, _ imageBytes: Int) throws -> HDF5Dataset {
        let dataset = try file.dataset(name)
        guard dataset.shape.count == 1, dataset.count <= imageBytes / 8 else {
            throw Failure(
                .badData,
                "\(file.path):\(name): has shape \(Shape(dataset.shape)), expected a row that the file has room for")
        }
        return dataset
    }

    /// Tensors are stored as they are: a group of them is no larger than the image that holds it.
    private static func tensors(
        _ keys: [String], in group: String, of file: HDF5File, _ imageBytes: Int
    ) throws -> [Checkpoint.Tensor] {
        var room = imageBytes / MemoryLayout<Float>.stride
        return try keys.map { key in
            let dataset = try file.dataset("\(group)/\(key)")
            guard dataset.count <= room else {
                throw Failure(
                    .badData,
                    "\(file.path):\(group)/\(key): has shape \(Shape(dataset.shape)), more values than the file has room for"
                )
            }
            room -= dataset.count
            return Checkpoint.Tensor(key: key, shape: Shape(dataset.shape), values: try dataset.readAll(as: Float.self))
        }
    }

    private static func score(_ attributes: AttributeReader, _ name: String) throws -> Score {
        var fields = try attributes.reals(name)
        guard fields.count == Score.fieldCount else {
            throw Failure(
                .badData,
                "\(attributes.path): attribute \(name) has \(fields.count) values, expected \(Score.fieldCount)")
        }
        return fields.withUnsafeMutableBufferPointer { Score(reading: $0) }
    }

    private static func evaluations(in file: HDF5File, _ imageBytes: Int) throws -> [Evaluation] {
        func column<T: HDF5Scalar>(_ name: String, _ type: T.Type) throws -> [T] {
            try dataset("/metrics/\(name)", in: file, imageBytes).readAll(as: T.self)
        }
        let (epochs, steps) = (try column("epoch", Int64.self), try column("step", Int64.self))
        let losses = try column("loss", Double.self)
        let (accuracies1, accuracies5) = (try column("acc1", Double.self), try column("acc5", Double.self))
        let counts = [epochs.count, steps.count, losses.count, accuracies1.count, accuracies5.count]
        guard Set(counts).count == 1 else {
            throw Failure(
                .badData, "\(file.path):/metrics: its columns have \(counts) values, expected one number of them")
        }
        return epochs.indices.map {
            Evaluation(
                epoch: Int(epochs[$0]), step: Int(steps[$0]), loss: losses[$0], accuracy1: accuracies1[$0],
                accuracy5: accuracies5[$0])
        }
    }

    /// Reads attributes of the root group that must be there with the right type.
    private struct AttributeReader {
        let file: HDF5File
        let path: String

        func text(_ name: String) throws -> String {
            guard case .string(let value) = try file.attribute(name, on: "/") else { throw wrong(name, "a text") }
            return value
        }

        func integer(_ name: String) throws -> Int {
            guard case .integer(let value) = try file.attribute(name, on: "/") else {
                throw wrong(name, "a whole number")
            }
            return Int(value)
        }

        func flag(_ name: String) throws -> Bool {
            let value = try integer(name)
            guard value == 0 || value == 1 else {
                throw Failure(.badData, "\(path): attribute \(name) = \(value), expected 0 or 1")
            }
            return value == 1
        }

        func real(_ name: String) throws -> Double {
            guard case .real(let value) = try file.attribute(name, on: "/") else { throw wrong(name, "a number") }
            return value
        }

        func integers(_ name: String) throws -> [Int] {
            guard case .integers(let values) = try file.attribute(name, on: "/") else {
                throw wrong(name, "whole numbers")
            }
            return values.map(Int.init)
        }

        func reals(_ name: String) throws -> [Double] {
            guard case .reals(let values) = try file.attribute(name, on: "/") else { throw wrong(name, "numbers") }
            return values
        }

        private func wrong(_ name: String, _ expected: String) -> Failure {
            Failure(.badData, "\(path): attribute \(name) is missing or of another type, expected \(expected)")
        }
    }
}
