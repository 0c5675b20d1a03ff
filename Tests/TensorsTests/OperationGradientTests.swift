import CKernels
import Testing

@testable import Tensors

/// The double kernels come from the same source as the float ones, so what is proven here holds for both.
@Suite("Gradients of every operation against finite differences in double")
struct OperationGradientTests {
    private func doubles(_ randoms: inout Randoms, _ count: Int) -> [Double] { randoms.floats(count).map(Double.init) }

    @Test("convolution of one to three dimensions: image, weight; its transpose is its input gradient")
    func convolution() throws {
        var randoms = Randoms(41)
        for index in 0..<40 {
            let groups = randoms.int(1...2)
            let window = try UnfoldingTests.randomWindow(&randoms, channels: groups * randoms.int(1...2))
            let outChannels = groups * randoms.int(1...2)
            var extents = window.c
            var filters = CKernels_Filters(outChannels: Int64(outChannels), groups: Int64(groups))
            let (inputs, outputs) = (window.channels * window.inputVolume, outChannels * window.outputVolume)
            let weights = outChannels * window.patchCount / groups
            guard inputs * outputs < 20_000 else { continue }
            let (x, weight) = (doubles(&randoms, inputs), doubles(&randoms, weights))
            let bias = doubles(&randoms, outChannels)
            func forward(_ x: [Double], _ weight: [Double]) -> [Double] {
                var y = [Double](repeating: .nan, count: outputs)
                CKernels_convolution_f64_forward__reference(&extents, &filters, x, weight, bias, &y)
                return y
            }
            expectGradient("convolution \(index), x", at: x, outputs: outputs, &randoms) {
                forward($0, weight)
            } backward: { x, dy in
                var dx = [Double](repeating: .nan, count: x.count)
                CKernels_convolution_f64_inputGradient__reference(&extents, &filters, dy, weight, &dx)
                return dx
            }
            expectGradient("convolution \(index), weight", at: weight, outputs: outputs, &randoms) {
                forward(x, $0)
            } backward: { weight, dy in
                var dweight = [Double](repeating: 0, count: weight.count)
                CKernels_convolution_f64_addWeightGradient__reference(&extents, &filters, x, dy, &dweight)
                return dweight
            }
            expectGradient(
                "transposed convolution \(index), x", at: doubles(&randoms, outputs), outputs: inputs, &randoms
            ) {
                var image = [Double](repeating: .nan, count: inputs)
                CKernels_convolution_f64_inputGradient__reference(&extents, &filters, $0, weight, &image)
                return image
            } backward: { _, dimage in
                var dx = [Double](repeating: .nan, count: outputs)
                CKernels_convolution_f64_forward__reference(&extents, &filters, dimage, weight, nil, &dx)
                return dx
            }
        }
    }

    @Test("unfolding and folding")
    func unfolding() throws {
        var randoms = Randoms(42)
        for _ in 0..<10 {
            let window = try UnfoldingTests.randomWindow(&randoms, channels: 2)
            var extents = window.c
            let (image, columns) = (2 * window.inputVolume, window.patchCount * window.outputVolume)
            guard image * columns < 40_000 else { continue }
            func unfold(_ x: [Double]) -> [Double] {
                var y = [Double](repeating: .nan, count: columns)
                CKernels_unfold_f64__reference(&extents, x, &y)
                return y
            }
            func fold(_ x: [Double]) -> [Double] {
                var y = [Double](repeating: .nan, count: image)
                CKernels_fold_f64__reference(&extents, x, &y)
                return y
            }
            expectGradient("unfold", at: doubles(&randoms, image), outputs: columns, &randoms, forward: unfold) {
                fold($1)
            }
            expectGradient("fold", at: doubles(&randoms, columns), outputs: image, &randoms, forward: fold) {
                unfold($1)
            }
        }
    }

    @Test("padding that reflects, replicates, goes round and writes a value", arguments: PaddingMode.allCases)
    func padding(_ mode: PaddingMode) throws {
        var randoms = Randoms(43)
        let byMode: [PaddingMode: [Int32]] = [
            .reflect: [2, 1, 0, 1, 2, 3, 2], .replicate: [0, 0, 0, 1, 2, 3, 3], .circular: [2, 3, 0, 1, 2, 3, 0],
            .zeros: [-1, -1, 0, 1, 2, 3, -1],
        ]
        let sources = try #require(byMode[mode])
        let single: [Int32] = [0]
        single.withUnsafeBufferPointer { single in
            sources.withUnsafeBufferPointer { sources in
                var extents = CKernels_Padding(
                    channels: 2, input: (1, 4, 4), padded: (1, 7, 7),
                    sources: (single.baseAddress, sources.baseAddress, sources.baseAddress), value: 0)
                expectGradient("\(mode)", at: doubles(&randoms, 32), outputs: 98, &randoms) {
                    var y = [Double](repeating: .nan, count: 98)
                    CKernels_pad_f64__reference(&extents, $0, &y)
                    return y
                } backward: { x, dy in
                    var dx = [Double](repeating: .nan, count: x.count)
                    CKernels_unpad_f64__reference(&extents, dy, &dx)
                    return dx
                }
            }
        }
    }

    @Test("maximum, minimum and average pooling over overlapping, cut and dilated windows")
    func pooling() {
        var randoms = Randoms(44)
        // Distinct values, so that no difference crosses a tie.
        let x: [Double] = (0..<60).map { (index: Int) -> Double in Double(index * 37 % 60) / 10 }
        let single = [CKernels_Span(first: 0, last: 1, step: 1, divisor: 1)]
        let rows = [(0, 2, 1, 3), (1, 4, 1, 3), (3, 5, 1, 3)].map(span)
        let columns = [(0, 3, 2, 2), (1, 6, 2, 3), (5, 6, 1, 2)].map(span)
        single.withUnsafeBufferPointer { single in
            rows.withUnsafeBufferPointer { rows in
                columns.withUnsafeBufferPointer { columns in
                    var extents = CKernels_Pooling(
                        channels: 2, input: (1, 5, 6), output: (1, 3, 3),
                        spans: (single.baseAddress, rows.baseAddress, columns.baseAddress))
                    var argmax = [Int32](repeating: 0, count: 18)
                    for sign: Int32 in [1, -1] {
                        expectGradient("extreme \(sign)", at: x, outputs: 18, &randoms) {
                            var y = [Double](repeating: .nan, count: 18)
                            CKernels_extremePool_f64_forward__reference(&extents, sign, $0, &y, &argmax)
                            return y
                        } backward: { x, dy in
                            var y = dy
                            var dx = [Double](repeating: .nan, count: x.count)
                            CKernels_extremePool_f64_forward__reference(&extents, sign, x, &y, &argmax)
                            CKernels_extremePool_f64_backward__reference(&extents, dy, argmax, &dx)
                            return dx
                        }
                    }
                    expectGradient("average", at: x, outputs: 18, &randoms) {
                        var y = [Double](repeating: .nan, count: 18)
                        CKernels_averagePool_f64_forward__reference(&extents, $0, &y)
                        return y
                    } backward: { x, dy in
                        var dx = [Double](repeating: .nan, count: x.count)
                        CKernels_averagePool_f64_backward__reference(&extents, dy, &dx)
                        return dx
                    }
                }
            }
        }
    }

    private func span(_ first: Int, _ last: Int, _ step: Int, _ divisor: Int) -> CKernels_Span {
        CKernels_Span(first: Int32(first), last: Int32(last), step: Int32(step), divisor: Int32(divisor))
    }

    @Test("softmax, and every activation of the table")
    func activations() {
        typealias Forward = (UnsafePointer<Double>, Int64, UnsafeMutablePointer<Double>) -> Void
        typealias Backward = (UnsafePointer<Double>, UnsafePointer<Double>, Int64, UnsafeMutablePointer<Double>) -> Void
        var cases: [(name: String, readsInput: Bool, forward: Forward, backward: Backward)] = [
            (
                "softmax", false, { CKernels_softmax_f64_forward__reference($0, 4, $1 / 4, $2) },
                { CKernels_softmax_f64_backward__reference($0, $1, 4, $2 / 4, $3) }
            )
        ]
        for number in Activation.all.indices {
            let row = CKernels_elementwiseFunction(Int32(number)).pointee
            cases.append(
                (
                    String(cString: row.function), row.readsInput != 0, { row.forward_f64(0.2, $0, $1, $2) },
                    { row.backward_f64(0.2, $0, $1, $2, $3) }
                ))
        }
        var randoms = Randoms(45)
        // Away from 0, where ReLU has its kink.
        let x: [Double] = (0..<40).map { (index: Int) -> Double in Double(index - 20) / 4 + 0.1 }
        for (name, readsInput, forward, backward) in cases {
            expectGradient(name, at: x, outputs: x.count, &randoms) {
                var y = [Double](repeating: .nan, count: $0.count)
                forward($0, Int64($0.count), &y)
                return y
            } backward: { x, dy in
                var y = x
                if !readsInput { forward(x, Int64(x.count), &y) }
                var dx = [Double](repeating: .nan, count: x.count)
                backward(y, dy, Int64(x.count), &dx)
                return dx
            }
        }
    }

    @Test("normalisation: the statistics move with the values")
    func normalization() {
        var randoms = Randoms(46)
        let (images, area, gain) = (3, 5, 1.7)
        let count = Double(images * area)
        func statistics(_ x: [Double]) -> (mean: Double, inverse: Double) {
            var sums = [0.0, 0.0]
            CKernels_centredSums_f64__reference(x, Int64(images), Int64(area), Int64(area), 0.3, &sums)
            let shift = sums[0] / count
            return (0.3 + shift, 1 / (sums[1] / count - shift * shift + 1e-5).squareRoot())
        }
        expectGradient("normalisation", at: doubles(&randoms, images * area), outputs: images * area, &randoms) { x in
            let (mean, inverse) = statistics(x)
            var y = x
            CKernels_normalize_f64_forward__reference(
                x, Int64(images), Int64(area), Int64(area), mean, gain * inverse, 0.4, &y)
            return y
        } backward: { x, dy in
            let (mean, inverse) = statistics(x)
            var sums = [0.0, 0.0]
            CKernels_gradientSums_f64__reference(x, dy, Int64(images), Int64(area), Int64(area), mean, &sums)
            var dx = dy
            CKernels_normalize_f64_backward__reference(
                x, dy, Int64(images), Int64(area), Int64(area), mean, sums[0] / count,
                sums[1] / count * inverse * inverse, gain * inverse, &dx)
            return dx
        }
    }

    @Test("losses: cross-entropy with smoothing, class weights and soft targets; squared error")
    func losses() {
        var randoms = Randoms(47)
        let (samples, classes) = (3, 4)
        let labels: [Int32] = [2, 0, 3]
        let targets = (0..<samples * classes).map { _ in Double(randoms.float(0...1)) }
        let weights: [Float] = [0.5, 1, 2, 0]
        weights.withUnsafeBufferPointer { weights in
            for (smoothing, hasWeights, isSoft) in [
                (0, false, false), (0.1, false, false), (0, true, false), (0.2, true, false), (0, false, true),
                (0.1, true, true),
            ] {
                var options = CKernels_CrossEntropy(
                    labelSmoothing: smoothing, classWeights: hasWeights ? weights.baseAddress : nil)
                func run(_ x: [Double], _ dx: inout [Double]) -> Double {
                    var score = CKernels_Score()
                    targets.withUnsafeBufferPointer {
                        CKernels_crossEntropy_f64__reference(
                            &options, x, labels, isSoft ? $0.baseAddress : nil, Int64(samples), Int64(classes), &score,
                            &dx,
                            nil)
                    }
                    return score.loss
                }
                expectGradient(
                    "cross-entropy \(smoothing) \(hasWeights) \(isSoft)", at: doubles(&randoms, samples * classes),
                    outputs: 1, &randoms
                ) { x in
                    var dx = x
                    return [run(x, &dx)]
                } backward: { x, dy in
                    var dx = x
                    _ = run(x, &dx)
                    return dx.map { $0 * dy[0] }
                }
            }
        }
        expectGradient("squared error", at: doubles(&randoms, 12), outputs: 1, &randoms) { x in
            var score = CKernels_Score()
            CKernels_squaredError_f64__reference(x, labels, nil, 3, 4, &score, nil, nil)
            return [score.loss]
        } backward: { x, dy in
            var (score, dx) = (CKernels_Score(), x)
            CKernels_squaredError_f64__reference(x, labels, nil, 3, 4, &score, &dx, nil)
            return dx.map { $0 * dy[0] }
        }
    }

    @Test("masks of dropout")
    func masks() {
        var randoms = Randoms(48)
        let mask: [UInt8] = [1, 0, 0, 1, 1, 0]
        func apply(_ x: [Double]) -> [Double] {
            var y = x
            CKernels_masked_f64__reference(x, mask, 2, 6, &y)
            return y
        }
        expectGradient("mask", at: doubles(&randoms, 6), outputs: 6, &randoms, forward: apply) { apply($1) }
    }
}
