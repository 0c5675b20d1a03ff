internal import Tensors

/// Mixes each image of a logical shard with its neighbour there, and their labels likewise: torchvision's v2.MixUp and v2.CutMix.
///
/// The partner is the image in the slot before, of the first one the last, as in torchvision's batches. What is drawn depends on
/// (seed, epoch, step of the epoch, shard) alone: the same mixture on any number of ranks and readers, and after any restart.
/// Source: Zhang et al. 2018 (mixup), Yun et al. 2019 (CutMix).
package struct Mixing: Equatable, Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        /// λ of the image and 1 − λ of its partner, pixel by pixel, rounded to whole values.
        case mixUp = "MixUp"
        /// A rectangle of the partner in place of the image's own.
        case cutMix = "CutMix"
    }

    package struct Choice: Equatable, Sendable {
        package let kind: Kind
        /// λ is drawn from Beta(alpha, alpha).
        package let alpha: Double

        package init(_ kind: Kind, alpha: Double) {
            (self.kind, self.alpha) = (kind, alpha)
        }
    }

    /// One of them is drawn for each shard of a step.
    package let choices: [Choice]

    /// Traps: no choices, or an alpha that is not above 0.
    package init(_ choices: [Choice]) {
        precondition(!choices.isEmpty && choices.allSatisfy { $0.alpha > 0 }, "mixing of \(choices)")
        self.choices = choices
    }

    /// Whether rectangles are cut, which volumes have none of.
    package var cutsBoxes: Bool { choices.contains { $0.kind == .cutMix } }

    /// What a shard of a step is to be mixed by.
    struct Key {
        let seed: UInt64
        let epoch: Int
        let stepInEpoch: Int
        let shard: Int
    }

    /// Rows and columns that come from the partner.
    struct Box: Equatable {
        var rows: Range<Int>
        var columns: Range<Int>
    }

    /// Mixes the images of a local shard, of `shape`, and writes their targets.
    func apply(to batch: Batch, shard: Int, shape: ImageShape, key: Key, scratch: TransformScratch) {
        let count = Int(batch.counts[shard])
        guard count > 0, let targets = batch.targets else { return }
        let first = shard * batch.imagesPerShard
        let images = (batch.images + first * batch.imageBytes).assumingMemoryBound(to: UInt8.self)
        var random = RandomStream(
            seed: key.seed, purpose: .mixing, epoch: UInt32(key.epoch),
            id: UInt64(key.stepInEpoch) << 20 | UInt64(key.shard))
        let choice = choices[choices.count == 1 ? 0 : random.next(upTo: choices.count - 1)]
        var share = random.nextBeta(choice.alpha)
        let last = scratch.bytes(batch.imageBytes, TransformScratch.partner).assumingMemoryBound(to: UInt8.self)
        switch choice.kind {
        case .mixUp:
            Self.mixUp(images, count: count, imageBytes: batch.imageBytes, share: Float(share), last: last)
        case .cutMix:
            let (column, row) = (random.next(upTo: shape.width - 1), random.next(upTo: shape.height - 1))
            let box = Self.box(share: share, row: row, column: column, of: shape)
            share = 1 - Double(box.rows.count * box.columns.count) / Double(shape.width * shape.height)
            Self.cutMix(images, count: count, shape: shape, box: box, last: last)
        }
        for image in 0..<count {
            let row = targets + (first + image) * batch.classes
            row.update(repeating: 0, count: batch.classes)
            row[Int(batch.labels[first + image])] += Float(share)
            row[Int(batch.labels[first + (image + count - 1) % count])] += Float(1 - share)
        }
    }

    /// The rectangle around a pixel that takes 1 − share of an image, cut at its edges.
    static func box(share: Double, row: Int, column: Int, of shape: ImageShape) -> Box {
        let half = 0.5 * (1 - share).squareRoot()
        func span(_ centre: Int, _ extent: Int) -> Range<Int> {
            let reach = Int(half * Double(extent))
            return max(0, centre - reach)..<min(extent, centre + reach)
        }
        return Box(rows: span(row, shape.height), columns: span(column, shape.width))
    }

    /// `last` takes an image.
    static func mixUp(
        _ images: UnsafeMutablePointer<UInt8>, count: Int, imageBytes: Int, share: Float,
        last: UnsafeMutablePointer<UInt8>
    ) {
        last.update(from: images + (count - 1) * imageBytes, count: imageBytes)
        // From the end: the partner of each is still what it was.
        for image in (0..<count).reversed() {
            let target = images + image * imageBytes
            let partner = UnsafePointer(image == 0 ? last : target - imageBytes)
            for byte in 0..<imageBytes {
                let mixed = Float(partner[byte]) * (1 - share) + Float(target[byte]) * share
                target[byte] = UInt8(min(255, mixed + 0.5))
            }
        }
    }

    /// `last` takes an image.
    static func cutMix(
        _ images: UnsafeMutablePointer<UInt8>, count: Int, shape: ImageShape, box: Box,
        last: UnsafeMutablePointer<UInt8>
    ) {
        last.update(from: images + (count - 1) * shape.count, count: shape.count)
        for image in (0..<count).reversed() {
            let target = images + image * shape.count
            let partner = UnsafePointer(image == 0 ? last : target - shape.count)
            for row in box.rows {
                let start = (row * shape.width + box.columns.lowerBound) * shape.channels
                (target + start).update(from: partner + start, count: box.columns.count * shape.channels)
            }
        }
    }
}
