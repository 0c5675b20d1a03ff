internal import COpenBLAS

/// OpenBLAS, always with one thread: the threads of a rank call it, each for units of its own.
package enum BLAS {
    /// The kernel set that OpenBLAS has chosen for this processor ("SkylakeX"). Part of what makes results repeat.
    package static let coreName = String(cString: openblas_get_corename())
    /// Version and build options, as OpenBLAS words them.
    package static let configuration = String(cString: openblas_get_config())

    /// Keeps OpenBLAS from starting threads of its own; call before the first product.
    package static func useOneThread() {
        openblas_set_num_threads(1)
    }

    /// The largest extent of a matrix.
    package static let largestExtent = Int(CInt.max)

    package enum Operand {
        case plain
        case transposed

        fileprivate var code: CBLAS_TRANSPOSE { self == .plain ? CblasNoTrans : CblasTrans }
    }

    /// C = op(A) · op(B), or C += op(A) · op(B); row-major, op(A) [m, k], op(B) [k, n], C [m, n].
    ///
    /// The leading dimensions are those of A, B and C as they are stored. An empty inner extent gives zeros.
    /// Numerics: one chain per element, fixed by the extents and by `coreName`.
    package static func multiply(
        _ a: UnsafePointer<Float>, _ operandA: Operand = .plain, leadingDimension lda: Int,
        _ b: UnsafePointer<Float>, _ operandB: Operand = .plain, leadingDimension ldb: Int,
        m: Int, n: Int, k: Int,
        into c: UnsafeMutablePointer<Float>, leadingDimension ldc: Int, adding: Bool = false
    ) {
        if k == 0 {
            if !adding { for row in 0..<m { (c + row * ldc).update(repeating: 0, count: n) } }
            return
        }
        cblas_sgemm(
            CblasRowMajor, operandA.code, operandB.code, CInt(m), CInt(n), CInt(k), 1, a, CInt(lda), b, CInt(ldb),
            adding ? 1 : 0, c, CInt(ldc))
    }
}
