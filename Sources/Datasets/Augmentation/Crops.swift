internal import CImages
package import Tensors

/// What lies beyond an image's edge.
package enum PaddingFill: Equatable, Sendable {
    case constant(UInt8)
    /// Mirrored at the edge pixel, which is not repeated.
    case reflect
    /// The edge pixel.
    case edge
}

/// A part of the image, padded first, at a random place.
package struct RandomCrop: Transform {
    package let height: Int
    package let width: Int
    package let padding: Int
    package let fill: PaddingFill

    package init(height: Int, width: Int, padding: Int = 0, fill: PaddingFill = .constant(0)) {
        (self.height, self.width, self.padding, self.fill) = (height, width, padding, fill)
    }

    package func outputShape(for input: ImageShape) throws(TransformError) -> ImageShape {
        guard height <= input.height + 2 * padding, width <= input.width + 2 * padding else {
            throw TransformError(
                "RandomCrop to \(height)×\(width) of images \(input.height)×\(input.width) with padding \(padding), expected no more "
                    + "than \(input.height + 2 * padding)×\(input.width + 2 * padding)")
        }
        guard fill != .reflect || padding < min(input.height, input.width) else {
            throw TransformError("RandomCrop with padding \(padding) reflected, expected less than the image's sides")
        }
        return ImageShape(height: height, width: width, channels: input.channels)
    }

    package func apply(
        _ source: UnsafePointer<UInt8>, _ shape: ImageShape, to target: UnsafeMutablePointer<UInt8>,
        scratch: TransformScratch, _ random: inout RandomStream
    ) {
        let top = random.next(upTo: shape.height + 2 * padding - height) - padding
        let left = random.next(upTo: shape.width + 2 * padding - width) - padding
        crop(source, shape, to: target, top: top, left: left)
    }

    /// The crop whose corner lies at a place of the image, which may be outside.
    func crop(
        _ source: UnsafePointer<UInt8>, _ shape: ImageShape, to target: UnsafeMutablePointer<UInt8>, top: Int, left: Int
    ) {
        let channels = shape.channels
        for row in 0..<height {
            let line = target + row * width * channels
            guard let y = place(top + row, of: shape.height) else {
                line.update(repeating: background, count: width * channels)
                continue
            }
            for column in 0..<width {
                let pixel = line + column * channels
                if let x = place(left + column, of: shape.width) {
                    pixel.update(from: source + (y * shape.width + x) * channels, count: channels)
                } else {
                    pixel.update(repeating: background, count: channels)
                }
            }
        }
    }

    private var background: UInt8 { if case .constant(let value) = fill { value } else { 0 } }

    /// The pixel of the image that stands at a place of its padded axis; nil for the background.
    private func place(_ place: Int, of extent: Int) -> Int? {
        if (0..<extent).contains(place) { return place }
        switch fill {
        case .constant: return nil
        case .edge: return place < 0 ? 0 : extent - 1
        case .reflect: return place < 0 ? -place : 2 * (extent - 1) - place
        }
    }
}

/// A part of random size and aspect at a random place, resized with antialiasing.
package struct RandomResizedCrop: Transform {
    package let height: Int
    package let width: Int
    /// Bounds of the part's area, as a share of the image's, and of its width over its height.
    package let scale: ClosedRange<Double>
    package let ratio: ClosedRange<Double>
    private static let attempts = 10

    package init(
        height: Int, width: Int, scale: ClosedRange<Double> = 0.08...1, ratio: ClosedRange<Double> = 3.0 / 4...4.0 / 3
    ) {
        (self.height, self.width, self.scale, self.ratio) = (height, width, scale, ratio)
    }

    package func outputShape(for input: ImageShape) -> ImageShape {
        ImageShape(height: height, width: width, channels: input.channels)
    }

    package func apply(
        _ source: UnsafePointer<UInt8>, _ shape: ImageShape, to target: UnsafeMutablePointer<UInt8>,
        scratch: TransformScratch, _ random: inout RandomStream
    ) {
        resizedCrop(source, shape, to: target, part: draw(shape, &random), scratch: scratch)
    }

    struct Part: Equatable {
        var top, left, height, width: Int
    }

    private func draw(_ shape: ImageShape, _ random: inout RandomStream) -> Part {
        let area = Double(shape.height * shape.width)
        let logarithms = (Power.logarithm(ratio.lowerBound), Power.logarithm(ratio.upperBound))
        for _ in 0..<Self.attempts {
            let wanted = area * random.next(from: scale.lowerBound, to: scale.upperBound)
            let aspect = Power.exponential(random.next(from: logarithms.0, to: logarithms.1))
            let width = Int((wanted * aspect).squareRoot().rounded(.toNearestOrEven))
            let height = Int((wanted / aspect).squareRoot().rounded(.toNearestOrEven))
            guard (1...shape.width).contains(width), (1...shape.height).contains(height) else { continue }
            let top = random.next(upTo: shape.height - height)
            return Part(top: top, left: random.next(upTo: shape.width - width), height: height, width: width)
        }
        // The largest part in the middle whose aspect is allowed.
        let aspect = Double(shape.width) / Double(shape.height)
        var part = Part(top: 0, left: 0, height: shape.height, width: shape.width)
        if aspect < ratio.lowerBound {
            part.height = Int((Double(part.width) / ratio.lowerBound).rounded(.toNearestOrEven))
        } else if aspect > ratio.upperBound {
            part.width = Int((Double(part.height) * ratio.upperBound).rounded(.toNearestOrEven))
        }
        part.top = (shape.height - part.height) / 2
        part.left = (shape.width - part.width) / 2
        return part
    }

    func resizedCrop(
        _ source: UnsafePointer<UInt8>, _ shape: ImageShape, to target: UnsafeMutablePointer<UInt8>, part: Part,
        scratch: TransformScratch
    ) {
        // Cut out first: the filter must not reach beyond the part.
        let rowBytes = part.width * shape.channels
        let cut = scratch.bytes(part.height * rowBytes, TransformScratch.cutOut).assumingMemoryBound(to: UInt8.self)
        for row in 0..<part.height {
            let start = ((part.top + row) * shape.width + part.left) * shape.channels
            (cut + row * rowBytes).update(from: source + start, count: rowBytes)
        }
        Resizing(height: height, width: width).apply(
            UnsafePointer(cut), ImageShape(height: part.height, width: part.width, channels: shape.channels),
            to: target,
            scratch: scratch)
    }
}

/// Another size, by Pillow's antialiased bilinear filter.
struct Resizing {
    let height: Int
    let width: Int

    func apply(
        _ source: UnsafePointer<UInt8>, _ shape: ImageShape, to target: UnsafeMutablePointer<UInt8>,
        scratch: TransformScratch
    ) {
        let (h, w, c) = (Int32(shape.height), Int32(shape.width), Int32(shape.channels))
        let box = CImages_Box(left: 0, top: 0, right: Float(w), bottom: Float(h))
        let bytes = CImages_resizeScratchBytes(h, w, c, box, Int32(height), Int32(width), CImages_bilinear)
        CImages_resize(
            source, h, w, c, box, target, Int32(height), Int32(width), CImages_bilinear,
            scratch.bytes(bytes, TransformScratch.filter))
    }
}
