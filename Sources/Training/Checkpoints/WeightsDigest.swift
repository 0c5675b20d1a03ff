internal import Digests
package import Tensors

/// `weights_sha256`: what two runs compare to see that they hold the same weights.
///
/// SHA-256 over the parameters in list order: key, NUL, "float32", NUL, rank and extents as little-endian int64, and the
/// little-endian bytes in PyTorch's layout.
package struct WeightsDigest: ~Copyable {
    private var hash = SHA256()

    package init() {}

    package mutating func add(key: String, shape: Shape, values: UnsafeBufferPointer<Float>) {
        precondition(values.count == shape.count, "\(values.count) values of shape \(shape)")
        hash.update(key)
        hash.update("\0float32\0")
        let extents = [shape.rank] + shape.dimensions
        extents.map { Int64($0).littleEndian }.withUnsafeBytes { hash.update($0) }
        hash.update(UnsafeRawBufferPointer(values))
    }

    package consuming func hexadecimal() -> String { hash.hexadecimal() }
}
