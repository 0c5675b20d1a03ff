import Testing

@testable import Layers
@testable import Models
@testable import Tensors

@Suite("Filters")
struct FilterTests {
    @Test("every kernel has a name of its own, and sums to what its kind sums to")
    func kernels() throws {
        #expect(Set(FilterKernel.names).count == FilterKernel.names.count)
        let sums: [String: Float] = [
            "identity": 1, "diagonal-1": 1, "diagonal-2": 1, "sharpen": 1, "emboss": 1, "gaussian": 1, "box": 1,
        ]
        for name in FilterKernel.names {
            let kernel = try FilterKernel(name)
            let sum = kernel.values.reduce(0, +)
            #expect(abs(sum - (sums[name] ?? 0)) < 1e-6, "\(name): \(sum)")
        }
        #expect(try FilterKernel("1,0,-1;2,0,-2").values == [1, 0, -1, 2, 0, -2])
        #expect(try FilterKernel("box:5").values.allSatisfy { $0 == 0.04 })
    }

    @Test("a Gaussian has the ratios of its formula, in even sizes too")
    func gaussian() throws {
        let seven = try FilterKernel("gaussian:7:1.8708287")
        // exp(−(x² + y²) / 7), as a tutorial draws it.
        #expect(abs(seven.values[0] / seven.values[24] - 0.07642629) < 1e-6)
        let even = try FilterKernel("gaussian:2:1")
        #expect(even.values.allSatisfy { $0 == 0.25 })
        #expect(try FilterKernel("gaussian:3:1e-3").values == FilterKernel("identity").values)
        let vanished = #expect(throws: FilterKernel.Mistake.self) { try FilterKernel("gaussian:2:0.01") }
        #expect(vanished?.reason.contains("a deviation of 0.01 leaves nothing at any of 2×2 places") == true)
        #expect(throws: FilterKernel.Mistake.self) { try FilterKernel("gaussian:3:0") }
        #expect(throws: FilterKernel.Mistake.self) { try FilterKernel("gaussian:3:1:1") }
        #expect(throws: FilterKernel.Mistake.self) { try FilterKernel("1,2;nan,3") }
    }

    @Test("colour channels are filtered by themselves, and windows as columns give the same")
    func channels() throws {
        try BLAS.load()
        let pool = try ThreadPool(threads: 1)
        var filter = ImageFilter()
        filter.kernel = try FilterKernel("1,2;3,4")
        let gray = (0..<20).map { Float($0 * 7 % 5) }
        // The second channel is twice the first, the third nothing.
        let colour: [Float] = gray.flatMap { (value: Float) -> [Float] in [value, 2 * value, 0] }
        let one = try filter.steps(of: gray, [1, 4, 5], pool: pool)[0]
        let three = try filter.steps(of: colour, [3, 4, 5], pool: pool)[0]
        #expect(one.shape == [1, 3, 4] && three.shape == [3, 3, 4])
        let doubled = one.values.map { 2 * $0 }
        let expected: [Float] = one.values + doubled + [Float](repeating: 0, count: 12)
        #expect(three.values == expected)
        (filter.stride, filter.dilation, filter.flipsKernel) = (2, 2, true)
        let strided = try filter.steps(of: gray, [1, 4, 5], pool: pool)[0]
        let columns = try ImageColumns(
            of: gray, height: 4, width: 5, filter, kernel: try FilterKernel("1,2;3,4"), pool: pool)
        #expect(columns.product == strided.values && columns.rows == 4 && columns.columns == 2)
        let first: Float = 4 * gray[0] + 3 * gray[2] + 2 * gray[10] + gray[12]
        #expect(strided.values[0] == first)
    }

    @Test("places that no window reaches are counted with margins and with ceil_mode")
    func unusedPlaces() throws {
        try BLAS.load()
        let pool = try ThreadPool(threads: 1)
        func unused(_ extent: Int, size: Int, stride: Int, padding: Int, ceil: Bool) throws -> [Int] {
            var filter = ImageFilter()
            var pooling = ImageFilter.Pool(.max, size: size, stride: stride)
            (pooling.padding, pooling.ceilMode) = (padding, ceil)
            filter.pool = pooling
            let pixels = [Float](repeating: 1, count: extent * extent)
            return try filter.steps(of: pixels, [1, extent, extent], pool: pool)[0].unused
        }
        #expect(try unused(5, size: 2, stride: 2, padding: 0, ceil: false) == [1, 1])
        #expect(try unused(5, size: 2, stride: 2, padding: 0, ceil: true) == [0, 0])
        // Windows at −1 … 1 and 1 … 3: what is left over is the margin.
        #expect(try unused(4, size: 3, stride: 2, padding: 1, ceil: false) == [0, 0])
        #expect(try unused(6, size: 3, stride: 3, padding: 1, ceil: false) == [1, 1])
        // The second window would begin outside, and is not taken.
        #expect(try unused(3, size: 1, stride: 3, padding: 0, ceil: true) == [2, 2])
        #expect(try unused(3, size: 1, stride: 3, padding: 0, ceil: false) == [2, 2])
    }

    @Test("what does not fit on an image is refused")
    func refusals() throws {
        try BLAS.load()
        let pool = try ThreadPool(threads: 1)
        var filter = ImageFilter()
        #expect(try filter.steps(of: [1], [1, 1, 1], pool: pool).isEmpty)
        filter.kernel = try FilterKernel("box:2")
        #expect(throws: ShapeMismatch.self) { try filter.steps(of: [1], [1, 1, 1], pool: pool) }
        (filter.isTransposed, filter.padding) = (true, .same)
        #expect(throws: ShapeMismatch.self) { try filter.steps(of: [1], [1, 1, 1], pool: pool) }
        (filter.padding, filter.flipsKernel) = (.valid, true)
        #expect(throws: ShapeMismatch.self) { try filter.steps(of: [1], [1, 1, 1], pool: pool) }
    }
}
