internal import DataParallel
internal import Datasets
internal import Diagnostics
internal import Foundation

/// samples.bin: the int64 numbers of all samples in the order in which they enter the forward pass, over all ranks.
///
/// Rank 0 writes; the others send it what they really used.
final class SampleLog {
    private let file: Int32
    private let path: String
    private let communicator: any Communicator
    private var own: [Int64]
    private var all: [Int64]

    /// `path` is rank 0's; the other ranks pass nil. Throws: `Failure(.cannotCreate)`.
    init(path: String?, keepingSamples: Int, slotsPerRank: Int, communicator: any Communicator) throws {
        self.path = path ?? ""
        self.communicator = communicator
        file = path.map { open($0, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644) } ?? -1
        if let path, file < 0 {
            throw Failure(.cannotCreate, "\(path): \(String(cString: strerror(errno)))", isLocal: true)
        }
        if file >= 0, Int(lseek(file, 0, SEEK_END)) > keepingSamples * 8 { ftruncate(file, off_t(keepingSamples * 8)) }
        own = [Int64](repeating: -1, count: slotsPerRank)
        all = [Int64](repeating: -1, count: slotsPerRank * communicator.size)
    }

    deinit {
        if file >= 0 { close(file) }
    }

    /// Appends the samples of a step in slot order. Collective.
    func append(_ batch: Batch) throws {
        for shard in 0..<batch.shards {
            for image in 0..<batch.imagesPerShard {
                let slot = shard * batch.imagesPerShard + image
                own[slot] = image < Int(batch.counts[shard]) ? batch.ids[slot] : -1
            }
        }
        try own.withUnsafeBytes { block in
            try all.withUnsafeMutableBytes { try communicator.allGather(block, into: $0) }
        }
        guard file >= 0 else { return }
        let present = all.filter { $0 >= 0 }.map(\.littleEndian)
        let written = present.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        guard written == present.count * 8 else {
            throw Failure(.inputOutput, "\(path): write: \(String(cString: strerror(errno)))", isLocal: true)
        }
    }
}
