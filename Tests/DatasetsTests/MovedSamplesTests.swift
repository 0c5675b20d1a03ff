import Tensors
import Testing

@testable import Datasets

/// Two images of 3×4 pixels, 1 … 12 and 101 … 112.
private final class TwoImages: SampleSource {
    let name = "two"
    let count = 2
    let height = 3
    let width = 4
    let channels = 1
    let pixelType = PixelType.uint8
    let labels: [Int32] = [0, 1]

    func fill(_ slot: UnsafeMutableRawPointer, sample: Int) throws {
        for pixel in 0..<12 {
            slot.storeBytes(of: UInt8(100 * sample + pixel + 1), toByteOffset: pixel, as: UInt8.self)
        }
    }

    func confirm() throws {}
}

@Suite("Moved images")
struct MovedSamplesTests {
    private func image(_ movement: Movement, sample: Int = 0) throws -> [UInt8] {
        let moved = MovedSamples(TwoImages(), movement)
        #expect(moved.count == 2 && moved.imageBytes == 12 && moved.labels == [0, 1] && moved.name == "two")
        var pixels = [UInt8](repeating: 255, count: 12)
        try pixels.withUnsafeMutableBytes { try moved.fill($0.baseAddress!, sample: sample) }
        return pixels
    }

    @Test("a shift moves whole pixels, and what comes in is black")
    func shift() throws {
        #expect(try image(Movement()) == Array(1...12))
        #expect(try image(Movement(right: 1, down: 1)) == [0, 0, 0, 0, 0, 1, 2, 3, 0, 5, 6, 7])
        #expect(try image(Movement(right: -2), sample: 1) == [103, 104, 0, 0, 107, 108, 0, 0, 111, 112, 0, 0])
        #expect(try image(Movement(down: -2)) == [9, 10, 11, 12, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    @Test("a turn is that of the augmentation, with its interpolation; half a turn reverses the pixels")
    func turn() throws {
        #expect(try image(Movement(degrees: 180)) == Array((1...12).reversed()))
        let rotation = RandomRotation(degrees: 0...0, interpolation: .bilinear)
        let shape = ImageShape(height: 3, width: 4, channels: 1)
        for degrees in [10.0, -10, 33.5] {
            var expected = [UInt8](repeating: 255, count: 12)
            rotation.rotate((1...12).map(UInt8.init), shape, to: &expected, degrees: -degrees)
            #expect(try image(Movement(degrees: degrees)) == expected)
        }
    }
}
