internal import CKernels

/// The floating-point limit of this processor, measured.
package enum PeakMeasurement {
    /// GFLOP/s of fused multiply-adds in float32 with all threads of a pool at once; the best of some short runs.
    ///
    /// `now` is a clock in seconds.
    package static func fusedMultiplyAddRate(pool: ThreadPool, now: () -> Double) -> Double {
        let operations = UnsafeMutablePointer<Double>.allocate(capacity: pool.threads)
        operations.initialize(repeating: 0, count: pool.threads)
        defer { operations.deallocate() }
        var best = 0.0
        for _ in 0..<5 {
            let start = now()
            pool.run(pool.threads) { unit, _ in
                var sink: Float = 0
                CKernels_widestSet().pointee.multiplyAdds_f32(1_000_000, operations + unit, &sink)
            }
            let seconds = now() - start
            best = max(best, (0..<pool.threads).reduce(0) { $0 + operations[$1] } / seconds * 1e-9)
        }
        return best
    }
}
