import Foundation
import HDF5
import Tensors
import Testing

@testable import Datasets

/// One case of the golden file: an image, what was done to it, and what torchvision made of it.
private struct GoldenCase {
    let name: String
    let input: [UInt8]
    let shape: ImageShape
    let output: [UInt8]
    let outputShape: ImageShape
    let attributes: [String: HDF5Value]

    static func all() throws -> [GoldenCase] {
        let url = try #require(
            Bundle.module.url(forResource: "augmentation", withExtension: "h5", subdirectory: "Golden"))
        let file = try HDF5File.open(url.path)
        return try file.children(of: "/").map { name in
            let input = try file.dataset("/\(name)/input")
            let output = try file.dataset("/\(name)/output")
            let names = try file.attributeNames(on: "/\(name)")
            let attributes = try names.compactMap { key in try file.attribute(key, on: "/\(name)").map { (key, $0) } }
            return GoldenCase(
                name: name, input: try input.readAll(as: UInt8.self), shape: Self.shape(input.shape),
                output: try output.readAll(as: UInt8.self), outputShape: Self.shape(output.shape),
                attributes: Dictionary(uniqueKeysWithValues: attributes))
        }
    }

    var kind: String { String(name.dropFirst(4)) }

    func number(_ key: String) throws -> Double {
        guard case .real(let value)? = attributes[key] else { throw TransformError("\(name) has no \(key)") }
        return value
    }

    func numbers(_ key: String) throws -> [Double] {
        guard case .reals(let values)? = attributes[key] else { throw TransformError("\(name) has no \(key)") }
        return values
    }

    func text(_ key: String) throws -> String {
        guard case .string(let value)? = attributes[key] else { throw TransformError("\(name) has no \(key)") }
        return value
    }

    private static func shape(_ extents: [Int]) -> ImageShape {
        ImageShape(height: extents[0], width: extents[1], channels: extents[2])
    }

    /// What our transform makes of the input with the same parameters.
    func computed() throws -> [UInt8] {
        let target = UnsafeMutablePointer<UInt8>.allocate(capacity: outputShape.count)
        defer { target.deallocate() }
        try input.withUnsafeBufferPointer { try run($0.baseAddress!, target) }
        return Array(UnsafeBufferPointer(start: target, count: outputShape.count))
    }

    private func run(_ source: UnsafePointer<UInt8>, _ target: UnsafeMutablePointer<UInt8>) throws {
        let scratch = TransformScratch()
        var random = RandomStream(seed: 1, purpose: .augmentation, id: 1)
        switch kind {
        case "rotate":
            let interpolation = try #require(Interpolation(rawValue: try text("interpolation")))
            RandomRotation(degrees: 0...0, interpolation: interpolation, fill: UInt8(try number("fill")))
                .rotate(source, shape, to: target, degrees: try number("degrees"))
        case "affine":
            let interpolation = try #require(Interpolation(rawValue: try text("interpolation")))
            let (shift, shear) = (try numbers("translate"), try numbers("shear"))
            AffineMap(
                degrees: try number("degrees"), translate: (shift[0], shift[1]), scale: try number("scale"),
                shear: (shear[0], shear[1]), shape
            ).apply(source, shape, to: target, interpolation, fill: UInt8(try number("fill")))
        case "brightness", "contrast", "saturation", "hue":
            target.update(from: source, count: shape.count)
            let factor = try number("factor")
            switch kind {
            case "brightness": ColorJitter.adjustBrightness(target, shape, factor)
            case "contrast": ColorJitter.adjustContrast(target, shape, factor)
            case "saturation": ColorJitter.adjustSaturation(target, shape, factor)
            default: ColorJitter.adjustHue(target, shape, factor)
            }
        case "resized_crop":
            let part = try numbers("part").map { Int($0) }
            RandomResizedCrop(height: outputShape.height, width: outputShape.width).resizedCrop(
                source, shape, to: target, part: .init(top: part[0], left: part[1], height: part[2], width: part[3]),
                scratch: scratch)
        case "crop":
            let fill: PaddingFill =
                switch try text("mode") {
                case "edge": .edge
                case "reflect": .reflect
                default: .constant(UInt8(try number("fill")))
                }
            let corner = try numbers("corner").map { Int($0) }
            RandomCrop(
                height: outputShape.height, width: outputShape.width, padding: Int(try number("padding")), fill: fill
            ).crop(source, shape, to: target, top: corner[0], left: corner[1])
        case "horizontal":
            RandomHorizontalFlip(probability: 1).apply(source, shape, to: target, scratch: scratch, &random)
        case "vertical":
            RandomVerticalFlip(probability: 1).apply(source, shape, to: target, scratch: scratch, &random)
        default: throw TransformError("\(name): no such transform")
        }
    }
}

@Suite("Augmentation")
struct AugmentationTests {
    @Test("every transform gives torchvision's bytes for the same parameters")
    func equalsTorchvision() throws {
        var different: [String] = []
        let cases = try GoldenCase.all()
        for golden in cases {
            let found = try golden.computed()
            let largest = zip(found, golden.output).map { abs(Int($0) - Int($1)) }.max() ?? 0
            let count = zip(found, golden.output).count { $0 != $1 }
            if found != golden.output {
                different.append("\(golden.name): \(count) of \(found.count) bytes, by \(largest)")
            }
        }
        #expect(cases.count > 100)
        #expect(different.isEmpty, "\(different.joined(separator: "\n"))")
    }

    private static let list: [any Transform] = [
        RandomHorizontalFlip(), RandomVerticalFlip(), RandomRotation(degrees: -10...10),
        RandomCrop(height: 20, width: 24, padding: 4), RandomResizedCrop(height: 16, width: 12),
        RandomAffine(
            degrees: -5...5, translate: (0.1, 0.1), scale: 0.9...1.1, shear: (-5...5, -5...5), interpolation: .bilinear),
        ColorJitter(brightness: 0.6...1.4, contrast: 0.6...1.4, saturation: 0.6...1.4, hue: -0.1...0.1),
        RandomErasing(probability: 1, value: [1, 2, 3]),
    ]

    private func augmented(_ augmentation: Augmentation, seed: UInt64 = 7, epoch: Int, sample: Int) -> [UInt8] {
        let source = (0..<augmentation.input.count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 7) }
        let target = UnsafeMutablePointer<UInt8>.allocate(capacity: augmentation.output.count)
        defer { target.deallocate() }
        augmentation.apply(source, to: target, seed: seed, epoch: epoch, sample: sample, scratch: TransformScratch())
        return Array(UnsafeBufferPointer(start: target, count: augmentation.output.count))
    }

    @Test("what is done depends on seed, epoch and sample, and on nothing else")
    func isPure() throws {
        let augmentation = try Augmentation(Self.list, input: ImageShape(height: 24, width: 28, channels: 3))
        #expect(augmentation.output == ImageShape(height: 16, width: 12, channels: 3))
        let first = augmented(augmentation, epoch: 3, sample: 11)
        #expect(augmented(augmentation, epoch: 3, sample: 11) == first)
        #expect(augmented(augmentation, epoch: 4, sample: 11) != first)
        #expect(augmented(augmentation, epoch: 3, sample: 12) != first)
        #expect(augmented(augmentation, seed: 8, epoch: 3, sample: 11) != first)
    }

    @Test("one more transform at the end changes nothing before it")
    func streamsAreTheirOwn() throws {
        let shape = ImageShape(height: 24, width: 28, channels: 3)
        let short = try Augmentation(Array(Self.list.prefix(4)), input: shape)
        // Erasing nothing: the image before it comes through.
        let long = try Augmentation(Self.list.prefix(4) + [RandomErasing(probability: 0)], input: shape)
        for sample in 0..<8 {
            #expect(augmented(short, epoch: 0, sample: sample) == augmented(long, epoch: 0, sample: sample))
        }
    }

    @Test("flips happen as often as they are asked for")
    func frequency() throws {
        let augmentation = try Augmentation(
            [RandomHorizontalFlip(probability: 0.3)], input: ImageShape(height: 1, width: 2, channels: 1))
        let flips = (0..<10_000).count { augmented(augmentation, epoch: 0, sample: $0) != [0, 31] }
        // Three standard deviations of a binomial count.
        #expect(abs(flips - 3_000) < 140)
    }

    @Test("images that a transform cannot take are refused with their sizes")
    func refusals() {
        let shape = ImageShape(height: 8, width: 8, channels: 2)
        #expect(throws: TransformError.self) {
            try Augmentation([RandomCrop(height: 11, width: 8, padding: 1)], input: shape)
        }
        #expect(throws: TransformError.self) { try Augmentation([ColorJitter()], input: shape) }
        #expect(throws: TransformError.self) { try Augmentation([RandomErasing(value: [1, 2, 3])], input: shape) }
    }
}
