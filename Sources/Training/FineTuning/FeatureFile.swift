internal import Datasets
internal import Diagnostics
internal import Digests
internal import Files
internal import Layers
internal import Report
internal import Tensors

/// A file beside the run folders that keeps the values behind frozen layers for the next run.
///
/// Its name is a digest of all that the values come from: program, processor's kernels, frozen layers and weights, images and
/// their normalisation. Whatever differs has a file of its own. Layout: the values as float32 [samples, elements], then the
/// seal that checkpoints have.
struct FeatureFile {
    let path: String

    /// `data` is the digest of the images.
    init(
        besides folder: String, of source: any SampleSource, data: String, normalization: Normalization,
        network: Network, value: Int, options: PlanOptions, weights: UnsafePointer<Float>
    ) {
        var hash = SHA256()
        let facts = [
            Machine.programDigest(), Machine.kernelSet, options.engine.rawValue, options.convolution.rawValue, data,
            source.name, "\(source.count)",
            "\(network.description.input)", "\(normalization.mean) \(normalization.std)",
        ]
        for fact in facts { hash.update(fact + "\n") }
        for stage in network.stages[..<value] {
            hash.update("\(stage.path) \(stage.inputValues) \(stage.layer.typeName) \(stage.output)\n")
            for parameter in network.parameterList.parameters[stage.parameters] {
                hash.update("\(parameter.key) \(parameter.shape)\n")
                hash.update(
                    UnsafeRawBufferPointer(
                        start: weights + parameter.offset, count: parameter.count * MemoryLayout<Float>.stride))
            }
        }
        let name = "features-\(hash.hexadecimal().prefix(32)).f32"
        path = folder == "." ? name : "\(folder)/\(name)"
    }

    /// Reads the values, if the file is there. Throws: `Failure(.badData)` for another length and for a damaged file, and what
    /// opening it throws.
    func read(into values: UnsafeMutableRawBufferPointer) throws -> Bool {
        guard FileKind(of: path) != nil else { return false }
        let file = try InputFile(path, expected: "the values behind frozen layers")
        let length = values.count + CheckpointSeal.byteCount
        guard file.byteCount == length else {
            throw Failure(.badData, "\(path): has \(file.byteCount) bytes, expected \(length); it is damaged")
        }
        let seal = try file.bytes(values.count..<length)
        guard try file.read(into: values) == values.count,
            seal == CheckpointSeal.seal(for: UnsafeRawBufferPointer(values))
        else { throw Failure(.badData, "\(path): does not match its SHA-256 seal; it is damaged") }
        return true
    }

    /// Throws: `Failure(.cannotCreate)`, `.inputOutput`; there is no file then.
    func write(_ values: UnsafeRawBufferPointer) throws {
        try Folder.make(FilePath.folder(of: path))
        try CheckpointSeal.seal(for: values).withUnsafeBytes { try DurableFile.write([values, $0], to: path) }
    }
}
