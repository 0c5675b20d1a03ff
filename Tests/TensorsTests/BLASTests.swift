import Testing

@testable import Tensors

@Suite("OpenBLAS")
struct BLASTests {
    @Test("is asked for our instructions where it has chosen kernels without them, and left alone otherwise")
    func cores() {
        #expect(BLAS.wantedCore(kernelSet: "avx512", chosen: "Prescott") == "SkylakeX")
        #expect(BLAS.wantedCore(kernelSet: "avx512", chosen: "Generic") == "SkylakeX")
        #expect(BLAS.wantedCore(kernelSet: "avx2", chosen: "Nehalem") == "Haswell")
        #expect(BLAS.wantedCore(kernelSet: "portable", chosen: "Prescott") == nil)
        for chosen in ["SkylakeX", "Haswell", "Zen", "Cooperlake", "Sapphirerapids", "a later one"] {
            for kernelSet in KernelSet.names { #expect(BLAS.wantedCore(kernelSet: kernelSet, chosen: chosen) == nil) }
        }
    }

    @Test("names its kernels, and gives each thread of a pool a buffer, also when that was asked for before")
    func buffers() throws {
        try BLAS.load()
        #expect(!BLAS.coreName.isEmpty && BLAS.configuration.contains("OpenBLAS"))
        for threads in [1, 3, 2] { try BLAS.requireRoom(threads: threads) }
        let (side, products) = (48, 64)
        let matrix = (0..<side * side).map { Float($0 % 7) - 3 }
        let results = UnsafeMutableBufferPointer<Float>.allocate(capacity: products * side * side)
        defer { results.deallocate() }
        results.initialize(repeating: .nan)
        try ThreadPool(threads: 3).run(products) { unit, _ in
            BLAS.multiply(
                matrix, leadingDimension: side, matrix, leadingDimension: side, m: side, n: side, k: side,
                into: results.baseAddress! + unit * side * side, leadingDimension: side)
        }
        let first = Array(results[..<(side * side)])
        for unit in 1..<products {
            #expect(Array(results[unit * side * side..<(unit + 1) * side * side]) == first, "\(unit)")
        }
        #expect(first[side + 2] == (0..<side).reduce(0) { $0 + matrix[side + $1] * matrix[$1 * side + 2] })
    }

    @Test("multiplies what is plain, transposed and part of a larger matrix, adds, and knows empty sums")
    func products() throws {
        try BLAS.load()
        let (m, n, k, stride) = (3, 4, 5, 8)
        let a = (0..<stride * stride).map { Float(($0 * 5) % 11) - 5 }
        let b = (0..<stride * stride).map { Float(($0 * 3) % 13) - 6 }
        for transposesA in [false, true] {
            for transposesB in [false, true] {
                var c = [Float](repeating: 1, count: m * stride)
                let before = c
                for adding in [false, true] {
                    BLAS.multiply(
                        a, transposesA ? .transposed : .plain, leadingDimension: stride, b,
                        transposesB ? .transposed : .plain, leadingDimension: stride, m: m, n: n, k: k, into: &c,
                        leadingDimension: stride, adding: adding)
                }
                for (row, column) in (0..<m).flatMap({ row in (0..<stride).map { (row, $0) } }) {
                    let sum = (0..<k).reduce(Float(0)) { sum, inner in
                        sum + (transposesA ? a[inner * stride + row] : a[row * stride + inner])
                            * (transposesB ? b[column * stride + inner] : b[inner * stride + column])
                    }
                    // Small whole numbers: exact. Written, then added; what lies beside the product stays.
                    let place = row * stride + column
                    #expect(c[place] == (column < n ? 2 * sum : before[place]), "\(row), \(column)")
                }
            }
        }
        var c: [Float] = [7, 8]
        BLAS.multiply(
            a, leadingDimension: 1, b, leadingDimension: 1, m: 1, n: 2, k: 0, into: &c, leadingDimension: 2,
            adding: true)
        #expect(c == [7, 8])
        BLAS.multiply(a, leadingDimension: 1, b, leadingDimension: 1, m: 1, n: 2, k: 0, into: &c, leadingDimension: 2)
        #expect(c == [0, 0])
    }
}
