internal import CKernels

/// Normalisation of one block of sixteen channels over a group of images, `stride` elements from image to image.
///
/// Means, scales and their like are sixteen doubles. Numerics: sums and terms in double, in an order that the extents fix, the
/// same bits on every kernel set.
package struct BlockNormalization: Sendable {
    private let kernels: KernelSet
    private let images, stride, area: Int64

    package init(_ kernels: KernelSet, images: Int, stride: Int, area: Int) {
        self.kernels = kernels
        (self.images, self.stride, self.area) = (Int64(images), Int64(stride), Int64(area))
    }

    /// Σ (x − centre) and behind it Σ (x − centre)²: 32 doubles.
    package func sums(
        _ x: UnsafePointer<Float>, around centres: UnsafePointer<Double>, into sums: UnsafeMutablePointer<Double>
    ) {
        kernels.table.pointee.blockNorm_f32_sums(images, stride, area, x, centres, sums)
    }

    /// y = (x − mean) · scale + shift, then + `added`, then ReLU.
    package func forward(
        _ x: UnsafePointer<Float>, means: UnsafePointer<Double>, scales: UnsafePointer<Double>,
        shifts: UnsafePointer<Double>, adding added: UnsafePointer<Float>?, isRectified: Bool,
        y: UnsafeMutablePointer<Float>
    ) {
        kernels.table.pointee.blockNorm_f32_forward(
            images, stride, area, x, means, scales, shifts, added, isRectified ? 1 : 0, y)
    }

    /// Σ dz and behind it Σ dz · (x − mean), where dz is dy, with `y` only where that is positive; `passed` takes dz.
    package func gradientSums(
        _ x: UnsafePointer<Float>, dy: UnsafePointer<Float>, rectified y: UnsafePointer<Float>?,
        means: UnsafePointer<Double>, passed: UnsafeMutablePointer<Float>?, into sums: UnsafeMutablePointer<Double>
    ) {
        kernels.table.pointee.blockNorm_f32_gradientSums(images, stride, area, x, dy, y, means, passed, sums)
    }

    /// dx = ((dy − gradientMean) − (x − mean) · slope) · scale.
    package func backward(
        _ x: UnsafePointer<Float>, dy: UnsafePointer<Float>, means: UnsafePointer<Double>,
        gradientMeans: UnsafePointer<Double>, slopes: UnsafePointer<Double>, scales: UnsafePointer<Double>,
        dx: UnsafeMutablePointer<Float>
    ) {
        kernels.table.pointee.blockNorm_f32_backward(
            images, stride, area, x, dy, means, gradientMeans, slopes, scales, dx)
    }
}
