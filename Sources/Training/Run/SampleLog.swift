internal import DataParallel
internal import Datasets
internal import Diagnostics
internal import Files

/// samples.bin: the int64 numbers of all samples in the order in which they enter the forward pass, over all ranks.
///
/// Rank 0 writes; the others send it what they really used.
final class SampleLog {
    private let file: AppendFile?
    private let communicator: any Communicator
    private var own: [Int64]

    /// `path` is rank 0's; the other ranks pass nil. `slotsPerRank` are those of the rank that has most. Throws: `Failure(.cannotCreate)`.
    init(path: String?, keepingSamples: Int, slotsPerRank: Int, communicator: any Communicator) throws {
        self.communicator = communicator
        do {
            file = try path.map { try AppendFile(path: $0, keeping: keepingSamples * 8) }
        } catch let failure as Failure {
            throw Failure(failure.code, failure.message, isLocal: true)
        }
        own = [Int64](repeating: -1, count: slotsPerRank)
    }

    /// Appends the samples of a step in slot order. Collective.
    func append(_ batch: Batch) throws {
        own.replaceSubrange(own.indices, with: repeatElement(-1, count: own.count))
        for shard in 0..<batch.shards {
            for image in 0..<batch.imagesPerShard {
                let slot = shard * batch.imagesPerShard + image
                if image < Int(batch.counts[shard]) { own[slot] = batch.ids[slot] }
            }
        }
        let all = try communicator.allGather(values: own)
        guard let file else { return }
        let present = all.filter { $0 >= 0 }.map(\.littleEndian)
        do {
            try present.withUnsafeBytes { try file.append($0) }
        } catch let error as SystemError {
            throw error.failure(.inputOutput, isLocal: true)
        }
    }
}
