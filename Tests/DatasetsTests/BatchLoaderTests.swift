import Diagnostics
import Foundation
import HDF5
import Synchronization
import TestSupport
import Testing

@testable import Datasets

/// 26 images of 2×3 pixels; sample i has label i mod 5, and its pixel p the value 6·i + p.
private func makeSplit(_ scratch: Scratch) throws -> DatasetSplit {
    let path = scratch.file("d.h5")
    let file = try HDF5File.create(path)
    try file.setAttribute("format", on: "/", .string("swift-train.dataset"))
    try file.setAttribute("format_version", on: "/", .integer(1))
    try file.write("/classes", strings: ["a", "b", "c", "d", "e"])
    try file.write("/train/images", shape: [26, 2, 3, 1], (0..<26 * 6).map { UInt8($0) })
    try file.write("/train/labels", shape: [26], (0..<26).map { Int64($0 % 5) })
    try file.setAttribute("layout", on: "/train/images", .string("NHWC"))
    try file.setAttribute("mean", on: "/train/images", .reals([0]))
    try file.setAttribute("std", on: "/train/images", .reals([1]))
    try file.close()
    return try DatasetFile(path: path).split("train")
}

/// The samples of a batch in slot order, after a look at each one's label and pixels.
private func samples(_ batch: Batch) -> [Int] {
    (0..<batch.shards).flatMap { shard in
        (0..<Int(batch.counts[shard])).map { image in
            let slot = shard * batch.imagesPerShard + image
            let id = Int(batch.ids[slot])
            #expect(batch.labels[slot] == Int32(id % 5))
            for pixel in 0..<6 {
                #expect(batch.images.load(fromByteOffset: slot * 6 + pixel, as: UInt8.self) == UInt8(6 * id + pixel))
            }
            return id
        }
    }
}

@Suite("Batch loader")
struct BatchLoaderTests {
    private static let geometry = BatchGeometry(sampleCount: 26, batchSize: 8, shards: 4)

    private static func plan(_ seed: UInt64) -> EpochPlan { EpochPlan(geometry: geometry, seed: seed) }

    /// What the ranks together load, step by step.
    private func load(
        _ split: DatasetSplit, ranks: Int, steps: Range<Int>, readers: Int = 1
    ) throws -> [[Int]] {
        let shards = Self.geometry.shards / ranks
        let loaders = try (0..<ranks).map { rank in
            try BatchLoader(
                source: split, plan: Self.plan(9), localShards: rank * shards..<(rank + 1) * shards, steps: steps,
                readers: readers)
        }
        return try steps.map { _ in try loaders.flatMap { samples(try $0.next()) } }
    }

    @Test("steps hold the samples of the epoch's order with their labels and pixels, on any number of ranks")
    func contents() throws {
        let scratch = try Scratch()
        let split = try makeSplit(scratch)
        let expected = (0..<12).map { step in
            let order = SampleOrder(count: 26, seed: 9, epoch: step / 4)
            return (0..<Self.geometry.samples(inStep: step % 4)).map { order[step % 4 * 8 + $0] }
        }
        for ranks in [1, 2, 4] {
            for readers in [1, 2, 5] {
                let found = try load(split, ranks: ranks, steps: 0..<12, readers: readers)
                #expect(found == expected, "\(ranks) ranks, \(readers) readers")
            }
        }
        #expect(Set(expected[0..<4].joined()) == Set(0..<26) && Set(expected[4..<8].joined()) == Set(0..<26))
        #expect(expected[0..<4] != expected[4..<8])
    }

    @Test("a loader that starts inside an epoch goes on where one from the start would be")
    func middle() throws {
        let scratch = try Scratch()
        let split = try makeSplit(scratch)
        let all = try load(split, ranks: 2, steps: 0..<12)
        for start in [1, 3, 4, 5, 11] {
            #expect(try load(split, ranks: 2, steps: start..<12) == Array(all[start...]), "from step \(start)")
        }
    }

    @Test("slots behind the last sample of a short step are counted out")
    func shortStep() throws {
        let scratch = try Scratch()
        let split = try makeSplit(scratch)
        let loader = try BatchLoader(
            source: split, plan: Self.plan(1), localShards: 0..<4, steps: 3..<5)
        let last = try loader.next()
        let expected: [Int32] = [2, 0, 0, 0]
        #expect((0..<4).allSatisfy { last.counts[$0] == expected[$0] } && last.samples == 2)
        let full = try loader.next()
        #expect((0..<4).allSatisfy { full.counts[$0] == 2 } && full.samples == 8)
    }

    @Test("a loader that is dropped early lets go of the data")
    func dropped() throws {
        let scratch = try Scratch()
        weak var watched: DatasetSplit?
        for taken in 0...4 {
            do {
                let split = try makeSplit(scratch)
                watched = split
                let loader = try BatchLoader(
                    source: split, plan: Self.plan(1), localShards: 0..<4, steps: 0..<1_000_000)
                for _ in 0..<taken { _ = try loader.next() }
            }
            // The thread ends at its next step; give it ten seconds before calling it stuck.
            for _ in 0..<1000 where watched != nil { usleep(10_000) }
            #expect(watched == nil, "after \(taken) batches")
            try FileManager.default.removeItem(atPath: scratch.file("d.h5"))
        }
    }

    @Test("a source that fails ends the loader at the step that it could not fill, and the steps before it arrive")
    func failing() throws {
        let source = FailingSource(afterBatches: 2)
        let loader = try BatchLoader(source: source, plan: Self.plan(1), localShards: 0..<4, steps: 0..<5)
        #expect(try loader.next().samples == 8)
        #expect(try loader.next().samples == 8)
        for _ in 0..<2 {
            let failure = #expect(throws: Failure.self) { try loader.next() }
            #expect(failure == FailingSource.failure)
        }
    }

    @Test("many readers stop at the step with a sample that cannot be read; the steps before it arrive whole")
    func failingSample() throws {
        let geometry = BatchGeometry(sampleCount: 26, batchSize: 4, shards: 2)
        let order = SampleOrder(count: 26, seed: 3, epoch: 0)
        for step in 0..<6 {
            let source = FailingSource(atSample: order[step * 4 + 2])
            let loader = try BatchLoader(
                source: source, plan: EpochPlan(geometry: geometry, seed: 3), localShards: 0..<2, steps: 0..<7,
                readers: 4)
            for before in 0..<step {
                let batch = try loader.next()
                #expect((0..<4).map { Int(batch.ids[$0]) } == (0..<4).map { order[before * 4 + $0] })
            }
            #expect(throws: FailingSource.failure) { try loader.next() }
        }
    }

    @Test("a batch that stands in for one is full, black and of the first class")
    func placeholder() {
        let batch = Batch.placeholder(shards: 2, imagesPerShard: 3, imageBytes: 4)
        #expect(batch.samples == 6)
        for slot in 0..<6 { #expect(batch.labels[slot] == 0 && batch.ids[slot] == 0) }
    }
}

/// 26 images of 2×3 pixels whose batches count only so many times, or of which one cannot be read.
private final class FailingSource: SampleSource {
    static let failure = Failure(.inputOutput, "d.h5: is gone")
    let name = "train"
    let count = 26
    let height = 2
    let width = 3
    let channels = 1
    let pixelType = PixelType.uint8
    let labels = [Int32](repeating: 0, count: 26)
    private let batchesLeft: Mutex<Int>

    private let unreadable: Int?

    init(afterBatches count: Int = .max, atSample sample: Int? = nil) {
        batchesLeft = Mutex(count)
        unreadable = sample
    }

    func fill(_ slot: UnsafeMutableRawPointer, sample: Int) throws {
        if sample == unreadable { throw Self.failure }
    }

    func confirm() throws {
        try batchesLeft.withLock { left in
            guard left > 0 else { throw Self.failure }
            left -= 1
        }
    }
}
