internal import CKernels

/// The sums and maps of batch normalisation for one channel of a group of images.
///
/// Shapes: the channel has `area` elements in each of `images` images, `stride` elements apart. Numerics: float64 inside,
/// in an order fixed by these numbers. Source: Ioffe, Szegedy 2015; the sums are taken around a centre, Chan et al. 1983.
package struct ChannelNormalization: Sendable {
    package let images, stride, area: Int

    package init(images: Int, stride: Int, area: Int) {
        self.images = images
        self.stride = stride
        self.area = area
    }

    /// Elements of the channel in these images.
    package var count: Int { images * area }

    /// Σ (x − centre) and Σ (x − centre)².
    package func sums(_ x: UnsafePointer<Float>, around centre: Double) -> (first: Double, second: Double) {
        var sums = (0.0, 0.0)
        withUnsafeMutableBytes(of: &sums) {
            CKernels_centredSums_f32__reference(
                x, Int64(images), Int64(stride), Int64(area), centre,
                $0.baseAddress!.assumingMemoryBound(to: Double.self))
        }
        return sums
    }

    /// Σ dy and Σ dy · (x − mean).
    package func gradientSums(
        _ x: UnsafePointer<Float>, dy: UnsafePointer<Float>, mean: Double
    ) -> (first: Double, second: Double) {
        var sums = (0.0, 0.0)
        withUnsafeMutableBytes(of: &sums) {
            CKernels_gradientSums_f32__reference(
                x, dy, Int64(images), Int64(stride), Int64(area), mean,
                $0.baseAddress!.assumingMemoryBound(to: Double.self))
        }
        return sums
    }

    /// y = (x − mean) · scale + shift.
    package func forward(
        _ x: UnsafePointer<Float>, mean: Double, scale: Double, shift: Double, y: UnsafeMutablePointer<Float>
    ) {
        CKernels_normalize_f32_forward__reference(
            x, Int64(images), Int64(stride), Int64(area), mean, scale, shift, y)
    }

    /// dx = (dy − gradientMean − (x − mean) · slope) · scale; dx may be dy.
    package func backward(
        _ x: UnsafePointer<Float>, dy: UnsafePointer<Float>, mean: Double, gradientMean: Double, slope: Double,
        scale: Double, dx: UnsafeMutablePointer<Float>
    ) {
        CKernels_normalize_f32_backward__reference(
            x, dy, Int64(images), Int64(stride), Int64(area), mean, gradientMean, slope, scale, dx)
    }
}
