import Foundation
import HDF5
import Tensors
import Testing

@testable import Datasets

@Suite("Mixing")
struct MixingTests {
    /// Batches of torchvision (Generator/make_mixing_golden.py).
    @Test("MixUp and CutMix give torchvision's images, rounded, boxes and targets", arguments: 0..<5)
    func golden(number: Int) throws {
        let file = try HDF5File.open(
            #require(Bundle.module.url(forResource: "Golden/mixing", withExtension: "h5")).path)
        for name in ["mixup\(number)", "cutmix\(number)"] {
            let input = try file.dataset("/\(name)/input")
            let shape = ImageShape(height: input.shape[1], width: input.shape[2], channels: input.shape[3])
            let count = input.shape[0]
            var pixels = try input.readAll(as: UInt8.self)
            let drawn = try file.dataset("/\(name)/drawn").readAll(as: Double.self)
            var last = [UInt8](repeating: 0, count: shape.count)
            if name.hasPrefix("mixup") {
                Mixing.mixUp(&pixels, count: count, imageBytes: shape.count, share: Float(drawn[0]), last: &last)
            } else {
                let box = Mixing.box(share: drawn[0], row: Int(drawn[1]), column: Int(drawn[2]), of: shape)
                let expected = try file.dataset("/\(name)/box").readAll(as: Int64.self).map { Int($0) }
                #expect(
                    [box.columns.lowerBound, box.rows.lowerBound, box.columns.upperBound, box.rows.upperBound]
                        == expected)
                Mixing.cutMix(&pixels, count: count, shape: shape, box: box, last: &last)
            }
            let output = try file.dataset("/\(name)/output").readAll(as: Float.self)
            // Rounded to whole pixels; halves may go either way, since torchvision adds in another order.
            #expect(zip(pixels, output).allSatisfy { abs(Float($0) - $1) <= 0.501 }, "\(name)")
        }
    }

    /// A batch of 2×3 images: pixel p of slot s is 10 s + p, label s mod 3.
    private func batch(counts: [Int32]) -> Batch {
        let batch = Batch(shards: counts.count, imagesPerShard: 4, imageBytes: 6, targetClasses: 3)
        for (shard, count) in counts.enumerated() { batch.counts[shard] = count }
        for slot in 0..<counts.count * 4 {
            batch.labels[slot] = Int32(slot % 3)
            for pixel in 0..<6 {
                batch.images.storeBytes(of: UInt8(10 * slot + pixel), toByteOffset: 6 * slot + pixel, as: UInt8.self)
            }
        }
        return batch
    }

    @Test(
        "the mixture of a shard depends on seed, epoch, step and the shard's own number and images; targets add up to 1"
    )
    func keys() throws {
        // A rectangle may be empty in so small an image.
        let mixing = Mixing([.init(.mixUp, alpha: 1)])
        let shape = ImageShape(height: 2, width: 3, channels: 1)
        func mixed(_ seed: UInt64, _ epoch: Int, _ step: Int, shard: Int, place: Int, of shards: Int) throws -> [Float]
        {
            let batch = batch(counts: [Int32](repeating: 4, count: shards))
            if place > 0 {
                // The images of the first shard, wherever it lies.
                (batch.images + place * 24).copyMemory(from: batch.images, byteCount: 24)
                for slot in 0..<4 { batch.labels[place * 4 + slot] = batch.labels[slot] }
            }
            mixing.apply(
                to: batch, shard: place, shape: shape,
                key: .init(seed: seed, epoch: epoch, stepInEpoch: step, shard: shard), scratch: TransformScratch())
            let targets = try #require(batch.targets)
            for slot in place * 4..<place * 4 + 4 {
                #expect(abs((0..<3).reduce(Float(0)) { $0 + targets[slot * 3 + $1] } - 1) < 1e-6)
            }
            let pixels = (0..<24).map { Float(batch.images.load(fromByteOffset: place * 24 + $0, as: UInt8.self)) }
            return pixels + (0..<12).map { targets[place * 12 + $0] }
        }
        let first = try mixed(1, 0, 0, shard: 2, place: 0, of: 1)
        #expect(try mixed(1, 0, 0, shard: 2, place: 1, of: 2) == first)
        let others = try [
            mixed(2, 0, 0, shard: 2, place: 0, of: 1), mixed(1, 1, 0, shard: 2, place: 0, of: 1),
            mixed(1, 0, 1, shard: 2, place: 0, of: 1), mixed(1, 0, 0, shard: 3, place: 0, of: 1),
        ]
        #expect(Set(others + [first]).count == 5)
    }

    @Test("short and empty shards mix what they have; one image alone stays what it is")
    func short() throws {
        let mixing = Mixing([.init(.mixUp, alpha: 0.2)])
        let batch = batch(counts: [1, 0])
        for shard in 0..<2 {
            mixing.apply(
                to: batch, shard: shard, shape: ImageShape(height: 2, width: 3, channels: 1),
                key: .init(seed: 1, epoch: 0, stepInEpoch: 0, shard: shard), scratch: TransformScratch())
        }
        #expect((0..<6).allSatisfy { batch.images.load(fromByteOffset: $0, as: UInt8.self) == UInt8($0) })
        let targets = try #require(batch.targets)
        #expect(abs(targets[0] - 1) < 1e-6 && targets[1] == 0 && targets[2] == 0)
    }

    @Test("Beta deviates have the mean and variance of their distribution", arguments: [0.1, 0.2, 1, 8])
    func beta(alpha: Double) {
        var stream = RandomStream(seed: 5, purpose: .mixing, id: 1)
        let draws = (0..<20_000).map { _ in stream.nextBeta(alpha) }
        #expect(draws.allSatisfy { (0...1).contains($0) })
        let mean = draws.reduce(0, +) / Double(draws.count)
        let variance = draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(draws.count)
        let expected = 1 / (4 * (2 * alpha + 1))
        // Five standard errors of the mean; the variance within 5 %.
        #expect(abs(mean - 0.5) < 5 * (expected / Double(draws.count)).squareRoot())
        #expect(abs(variance / expected - 1) < 0.05)
    }
}
