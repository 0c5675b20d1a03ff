internal import CKernels

/// 64 bits of a vector, to compare copies of it on several ranks: not a digest, and no protection against malice.
package enum VectorHash {
    package static func of(_ values: UnsafeBufferPointer<Float>) -> UInt64 {
        guard let start = values.baseAddress else { return 0 }
        return start.withMemoryRebound(to: UInt32.self, capacity: values.count) {
            CKernels_hash($0, Int64(values.count))
        }
    }
}
