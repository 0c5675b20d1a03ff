package import DataParallel
internal import Datasets
internal import Diagnostics
internal import Files
package import HDF5

/// The logits of a split on their way from all ranks into one HDF5 file, which rank 0 writes whole or not at all.
///
/// /logits float32 [samples, classes] and /labels int64 [samples] in file order, /classes; attributes say what was scored.
/// Memory: the file's size on rank 0, because HDF5 1.10.8 does not notice a full disk by itself.
package final class LogitsFile {
    package static let format = "swift-train.logits"
    package static let formatVersion: Int64 = 1

    private let path: String
    private let batches: EvaluationBatches
    private let classes: Int
    private let communicator: any Communicator
    /// Of rank 0 alone.
    private let file: HDF5File?
    private let dataset: HDF5Dataset?
    /// Rank 0's own problem, told at the end: the others go on sending.
    private var problem: (any Error)?

    /// Throws: `Failure(.usage)` for a name that says that the file is something else.
    package static func requireName(_ path: String) throws {
        let name = FilePath.name(of: path).lowercased()
        guard !name.hasSuffix(".h5"), !name.hasSuffix(".hdf5") else { return }
        throw Failure(.usage, "--logits \(path): is written as HDF5, expected a name that ends in .h5 or .hdf5")
    }

    package init(
        path: String, labels: [Int32], classNames: [String], batches: EvaluationBatches,
        attributes: [(name: String, value: HDF5Value)], communicator: any Communicator
    ) throws {
        try Self.requireName(path)
        self.path = path
        self.batches = batches
        self.communicator = communicator
        classes = classNames.count
        guard communicator.rank == 0 else {
            (file, dataset) = (nil, nil)
            return
        }
        let file = try HDF5File.createInMemory(name: FilePath.name(of: path))
        dataset = try file.createDataset(
            "/logits", shape: [labels.count, classNames.count], type: .float32, storage: .contiguous)
        try file.write("/labels", shape: [labels.count], labels.map(Int64.init))
        try file.write("/classes", strings: classNames)
        let format: [(name: String, value: HDF5Value)] = [
            ("format", .string(Self.format)), ("format_version", .integer(Self.formatVersion)),
        ]
        for (name, value) in format + attributes { try file.setAttribute(name, on: "/", value) }
        self.file = file
    }

    /// Takes over what all ranks have computed in a round. Collective.
    package func add(
        round: Int, _ samples: Range<Int>, _ logits: (_ place: Int) -> UnsafeBufferPointer<Float>
    ) throws {
        var own: [Float] = []
        own.reserveCapacity(samples.count * classes)
        for place in 0..<samples.count { own += logits(place) }
        let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        guard communicator.rank == 0 else {
            guard !samples.isEmpty else { return }
            return try own.withUnsafeBytes { try communicator.exchange($0, nothing, with: 0) }
        }
        store(own, samples)
        for rank in 1..<max(1, communicator.size) {
            let samples = batches.samples(round: round, rank: rank)
            guard !samples.isEmpty else { continue }
            var received = [Float](repeating: 0, count: samples.count * classes)
            try received.withUnsafeMutableBytes {
                try communicator.exchange(UnsafeRawBufferPointer(nothing), $0, with: rank)
            }
            store(received, samples)
        }
    }

    private func store(_ values: [Float], _ samples: Range<Int>) {
        guard problem == nil, let dataset, !samples.isEmpty else { return }
        do {
            try values.withUnsafeBufferPointer { try dataset.write(rows: samples, $0) }
        } catch {
            problem = error
        }
    }

    /// Gives the file its name, durably. Of rank 0; nothing on the others. Throws: `Failure`; nothing is left behind then.
    package func commit() throws {
        guard let file else { return }
        if let problem { throw Failure(.internalError, "\(path): \(problem)") }
        try file.withImage { try DurableFile.write([$0], to: path) }
        try file.close()
    }
}
