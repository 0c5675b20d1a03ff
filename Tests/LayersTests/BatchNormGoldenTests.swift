import Testing

@testable import Layers
@testable import Tensors

/// Sums are taken in float64, so results are off PyTorch's float64 by a few roundings to float32; in a constant channel
/// or far from 0 the rounding of x − mean is scaled by the inverse deviation.
@Suite("Batch normalisation against PyTorch")
struct BatchNormGoldenTests {
    @Test(
        "33 cases: shards against PyTorch slice by slice, the whole batch, partial batches, evaluation; statistics after a step"
    )
    func cases() throws {
        var agreement = Agreement("batch normalisation", forward: 5e-7, gradients: 1e-6)
        for golden in try GoldenCases("batchnorm").all {
            agreement.countCase()
            if try golden.text("mode") == "evaluation" {
                try checkEvaluation(golden, &agreement)
            } else {
                try checkTraining(golden, &agreement)
            }
        }
        agreement.report(expecting: 33)
    }

    /// PyTorch's slices are our shards; its whole batch is one shard, and any number of shards with global statistics.
    private func checkTraining(_ golden: GoldenCases.Case, _ agreement: inout Agreement) throws {
        let (samples, slice) = (try golden.shape("x")[0], try golden.number("slice_samples"))
        let slices = (samples + slice - 1) / slice
        for shards in [slices, slices.nextPowerOfTwo, 2 * slices.nextPowerOfTwo] where shards.isPowerOfTwo {
            for threads in [1, 3] {
                let arrangement = LayerProbe.Arrangement(shards: shards, imagesPerShard: slice, threads: threads)
                try check(golden, arrangement, .shard, &agreement)
            }
        }
        guard slices == 1 else { return }
        for arrangement in LayerProbe.Arrangement.covering(samples) {
            try check(golden, arrangement, .global, &agreement)
        }
    }

    private func check(
        _ golden: GoldenCases.Case, _ arrangement: LayerProbe.Arrangement, _ statistics: BatchStatistics,
        _ agreement: inout Agreement
    ) throws {
        let input = Shape(Array(try golden.shape("x").dropFirst()))
        let parameters = try parameters(golden)
        let result = try LayerProbe(layer(golden), input: input, arrangement, batchStatistics: statistics)
            .run(x: golden.floats("x"), dy: golden.floats("dy"), parameters: parameters)
        let place = "\(golden.name), \(arrangement), \(statistics)"
        agreement.check(.forward, result.y, try golden.floats("y"), "\(place): y")
        agreement.check(.gradient, result.dx, try golden.floats("dx"), "\(place): dx")
        agreement.check(.gradient, result.gradients[0], try golden.floats("dweight"), "\(place): dweight")
        agreement.check(.gradient, result.gradients[1], try golden.floats("dbias"), "\(place): dbias")
        #expect(result.gradients[2...].joined().allSatisfy { $0.isNaN }, "\(place): buffers have no gradient")
        #expect(Array(result.parameters[..<2]) == Array(parameters[..<2]), "\(place): weights stay as they are")
        agreement.check(
            .forward, result.parameters[2], try golden.floats("running_mean_after"), "\(place): running mean")
        agreement.check(
            .forward, result.parameters[3], try golden.floats("running_var_after"), "\(place): running variance")
    }

    private func checkEvaluation(_ golden: GoldenCases.Case, _ agreement: inout Agreement) throws {
        let shape = try golden.shape("x")
        for arrangement in LayerProbe.Arrangement.covering(shape[0]) {
            for overwrites in [false, true] {
                let probe = try LayerProbe(
                    layer(golden), input: Shape(Array(shape.dropFirst())), arrangement, overwritesInput: overwrites,
                    isTraining: false)
                let result = try probe.run(
                    x: golden.floats("x"), dy: golden.floats("dy"), parameters: parameters(golden))
                agreement.check(.forward, result.y, try golden.floats("y"), "\(golden.name), \(arrangement): y")
                #expect(try result.parameters == parameters(golden), "\(golden.name): statistics stay as they are")
            }
        }
    }

    @Test("one value a channel: y is the shift, no gradient reaches x, and the running variance moves towards 0")
    func oneValue() throws {
        let probe = try LayerProbe(BatchNorm1d(), input: [2], .init(shards: 1, imagesPerShard: 1, threads: 1))
        let result = try probe.run(x: [3, -4], dy: [1, 2], parameters: [[1, 2], [0.5, -0.5], [0, 0], [1, 1]])
        #expect(result.y == [0.5, -0.5])
        #expect(result.dx == [0, 0])
        #expect(Array(result.gradients[..<2]) == [[0, 0], [1, 2]])
        #expect(Array(result.parameters[2...]) == [[0.3, -0.4], [0.9, 0.9]])
    }

    private func parameters(_ golden: GoldenCases.Case) throws -> [[Float]] {
        try ["weight", "bias", "running_mean", "running_var"].map { try golden.floats($0) }
    }

    private func layer(_ golden: GoldenCases.Case) throws -> any Layer {
        let (epsilon, momentum) = (try golden.real("eps"), try golden.real("momentum"))
        switch try golden.shape("x").count {
        case 2, 3: return BatchNorm1d(epsilon: epsilon, momentum: momentum)
        case 4: return BatchNorm2d(epsilon: epsilon, momentum: momentum)
        default: return BatchNorm3d(epsilon: epsilon, momentum: momentum)
        }
    }
}

extension Int {
    fileprivate var isPowerOfTwo: Bool { self > 0 && self & (self - 1) == 0 }
    fileprivate var nextPowerOfTwo: Int {
        var power = 1
        while power < self { power *= 2 }
        return power
    }
}
