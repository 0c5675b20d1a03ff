package import Tensors

/// A random change of an image of 8-bit pixels, [H, W, C], with torchvision's name and meaning.
///
/// What is drawn depends on the stream alone, and the stream on (seed, epoch, sample, place in the list): the same change on any
/// number of ranks and threads, and after any restart.
package protocol Transform: Sendable {
    /// The shape of what comes out. Throws: `TransformError` for images that it cannot change.
    func outputShape(for input: ImageShape) throws(TransformError) -> ImageShape
    /// Draws what to do and does it. `target` takes the output shape; the two do not overlap.
    func apply(
        _ source: UnsafePointer<UInt8>, _ shape: ImageShape, to target: UnsafeMutablePointer<UInt8>,
        scratch: TransformScratch, _ random: inout RandomStream)
}

/// Images that a transform cannot take.
package struct TransformError: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// Memory that a thread's transforms may overwrite, and that grows to what the largest of them needs.
package final class TransformScratch {
    private var buffers: [UnsafeMutableRawBufferPointer] = []
    /// The numbers of the buffers: two between transforms, what a crop cuts out, a filter's tables, the image as it is
    /// stored, the partner in a mixture.
    static let cutOut = 2
    static let filter = 3
    static let storedImage = 4
    static let partner = 5

    package init() {}

    deinit {
        for buffer in buffers { buffer.deallocate() }
    }

    /// At least so many bytes, 64-byte aligned, under a number; what is in them is lost with the next call of that number.
    package func bytes(_ count: Int, _ number: Int = 0) -> UnsafeMutableRawPointer {
        while buffers.count <= number { buffers.append(UnsafeMutableRawBufferPointer(start: nil, count: 0)) }
        if buffers[number].count < count {
            buffers[number].deallocate()
            buffers[number] = .allocate(byteCount: count, alignment: 64)
        }
        return buffers[number].baseAddress ?? UnsafeMutableRawPointer(bitPattern: 64)!
    }
}

/// Transforms one after the other.
package struct Augmentation: Sendable {
    package let transforms: [any Transform]
    package let input: ImageShape
    package let output: ImageShape
    /// Behind each transform.
    private let shapes: [ImageShape]
    /// Bytes of the largest image on the way.
    private let largest: Int

    /// Throws: `TransformError` for images of this shape.
    package init(_ transforms: [any Transform], input: ImageShape) throws(TransformError) {
        var shapes: [ImageShape] = []
        for transform in transforms { shapes.append(try transform.outputShape(for: shapes.last ?? input)) }
        self.transforms = transforms
        self.input = input
        self.shapes = shapes
        output = shapes.last ?? input
        largest = shapes.reduce(input.count) { max($0, $1.count) }
    }

    /// The image of a sample in an epoch, as the network sees it.
    package func apply(
        _ source: UnsafePointer<UInt8>, to target: UnsafeMutablePointer<UInt8>, seed: UInt64, epoch: Int, sample: Int,
        scratch: TransformScratch
    ) {
        let even = scratch.bytes(largest, 0).assumingMemoryBound(to: UInt8.self)
        let odd = scratch.bytes(largest, 1).assumingMemoryBound(to: UInt8.self)
        var current = source
        for (place, transform) in transforms.enumerated() {
            // Each has numbers of its own: one more at the end of the list changes nothing before it.
            var random = RandomStream(
                seed: seed, purpose: .augmentation, epoch: UInt32(epoch), id: UInt64(sample) | UInt64(place) << 48)
            let next = place == transforms.count - 1 ? target : place.isMultiple(of: 2) ? even : odd
            transform.apply(
                current, place == 0 ? input : shapes[place - 1], to: next, scratch: scratch, &random)
            current = UnsafePointer(next)
        }
        if transforms.isEmpty { target.update(from: source, count: input.count) }
    }
}

extension RandomStream {
    /// A uniform number between two.
    mutating func next(from low: Double, to high: Double) -> Double { low + (high - low) * Double(nextUniform()) }

    /// Whether an event of this probability happens.
    mutating func happens(_ probability: Double) -> Bool { Double(nextUniform()) < probability }

    /// A whole number in 0 … last.
    mutating func next(upTo last: Int) -> Int { Int(next(below: UInt32(last + 1))) }
}
