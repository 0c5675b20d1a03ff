internal import CKernels

/// Turns stored pixels [H, W, C] into planes [C, H, W] of normalised floats.
///
/// Bytes go through a table that holds float32((v / 255 − mean) / std), rounded after each operation, which is what
/// torchvision's ToTensor and Normalize compute. Float pixels are taken as they are: (v − mean) / std.
package struct PixelConversion: Sendable {
    package enum PixelType: Sendable {
        case uint8
        case float32

        package var byteCount: Int { self == .uint8 ? 1 : 4 }
    }

    package let pixelType: PixelType
    package let channels, area: Int
    private let mean, std, table: [Float]

    /// `mean` and `std` have one value a channel, in units of 0…1; (0, 1) changes nothing.
    package init(pixelType: PixelType, image: Shape, mean: [Float], std: [Float]) {
        precondition(image.rank >= 3, "an image of shape \(image), expected [C, H, W] or [C, D, H, W]")
        precondition(mean.count == image[0] && std.count == image[0], "\(mean.count) means for \(image[0]) channels")
        self.pixelType = pixelType
        channels = image[0]
        area = image.dimensions.dropFirst().reduce(1, *)
        self.mean = mean
        self.std = std
        table = zip(mean, std).flatMap { mean, std in (0..<256).map { (Float($0) / 255 - mean) / std } }
    }

    package var imageByteCount: Int { channels * area * pixelType.byteCount }

    package func convert(_ pixels: UnsafeRawPointer, to planes: UnsafeMutablePointer<Float>) {
        switch pixelType {
        case .uint8:
            KernelSet.inUse.table.pointee.planes_u8_forward(
                pixels.assumingMemoryBound(to: UInt8.self), table, Int64(channels), Int64(area), planes)
        case .float32:
            KernelSet.inUse.table.pointee.planes_f32_forward(
                pixels.assumingMemoryBound(to: Float.self), mean, std, Int64(channels), Int64(area), planes)
        }
    }

    /// The images of a group to one value [C, H, W, 16]; lanes without an image hold zeros.
    package func convert(_ group: LaneGroup, _ kernels: KernelSet, to values: UnsafeMutablePointer<Float>) {
        switch pixelType {
        case .uint8:
            kernels.table.pointee.pixels_u8_forward(group.lanes, table, Int64(channels), Int64(area), values)
        case .float32:
            kernels.table.pointee.pixels_f32_forward(
                group.lanes, mean, std, Int64(channels), Int64(area), values)
        }
    }
}
