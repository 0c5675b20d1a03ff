package import Tensors

package typealias BatchNorm1d = BatchNorm<OneAxis>
package typealias BatchNorm2d = BatchNorm<TwoAxes>
package typealias BatchNorm3d = BatchNorm<ThreeAxes>

/// Normalises every channel to mean 0 and variance 1 over a group of samples, then scales and shifts it.
///
/// Shapes: x [N, C, …] (also [N, C] in one dimension) · weight [C] · bias [C] · running_mean [C] · running_var [C] → y as x.
/// Training takes mean and biased variance of the samples of each logical shard, or of the whole batch
/// (`BatchStatistics`); evaluation takes the running statistics, and so does training where the layer is frozen and leaves
/// them alone. A single value in a channel has variance 0.
/// Buffers: running = (1 − momentum) · running + momentum · (mean, unbiased variance) of the whole batch, once a step.
/// Numerics: sums in float64 around the running mean before the step, in an order fixed by shard and shape.
/// Source: layout and defaults of torch.nn.BatchNorm2d; Ioffe, Szegedy 2015.
package struct BatchNorm<Rank: SpatialRank>: SingleInputLayer {
    package let epsilon, momentum: Double

    package init(epsilon: Double = 1e-5, momentum: Double = 0.1) {
        self.epsilon = epsilon
        self.momentum = momentum
    }

    package var typeName: String { "BatchNorm\(Rank.suffix)" }

    package func outputShape(for input: Shape) throws -> Shape {
        if Rank.rank == 1 && input.rank == 1 { return input }
        try Rank.check(input, for: typeName)
        return input
    }

    package func parameters(for input: Shape) -> [ParameterDescription] {
        let shape: Shape = [input[0]]
        return [
            ParameterDescription("weight", shape, .normalization, .constant(1)),
            ParameterDescription("bias", shape, .normalization, .constant(0)),
            ParameterDescription("running_mean", shape, .buffer, .constant(0)),
            ParameterDescription("running_var", shape, .buffer, .constant(1)),
        ]
    }

    package func operation(for inputs: [Shape]) -> Operation {
        .batchNormalization(epsilon: epsilon, momentum: momentum)
    }

    package func demand(for site: PlanSite) -> MemoryDemand { BatchNormMemory.demand(for: site) }

    package func forwardPasses(at site: BoundSite) -> [Pass] {
        guard let statistics = site.plan.batchStatistics else { return [runningPass(at: site)] }
        let work = BatchNormWork(site, epsilon: epsilon)
        let name = "\(site.plan.path) forward"
        switch statistics {
        case .shard:
            return [
                Pass(name, units: work.units) { unit, _ in
                    work.forEachChannel(of: unit) { shard, channel in
                        work.sum(shard, channel)
                        work.resolve(shard, channel, like: shard, samples: work.samples(of: shard))
                        work.normalize(shard, channel, like: shard)
                    }
                }
            ]
        case .global:
            let sums = Pass(
                "\(name): sums", units: work.units,
                exchange: {
                    try work.addStatisticsOverRanks()
                    for channel in 0..<work.channels {
                        work.resolve(0, channel, like: nil, samples: work.memory.shared[2 * work.channels])
                    }
                }
            ) { unit, _ in
                work.forEachChannel(of: unit) { shard, channel in work.sum(shard, channel) }
            }
            return [
                sums,
                Pass(name, units: work.units) { unit, _ in
                    work.forEachChannel(of: unit) { shard, channel in work.normalize(shard, channel, like: 0) }
                },
            ]
        }
    }

    package func restoringPasses(at site: BoundSite) -> [Pass] {
        guard let statistics = site.plan.batchStatistics else { return [runningPass(at: site)] }
        let work = BatchNormWork(site, epsilon: epsilon)
        return [
            Pass("\(site.plan.path) forward again", units: work.units) { unit, _ in
                work.forEachChannel(of: unit) { shard, channel in
                    work.normalize(shard, channel, like: statistics == .global ? 0 : shard)
                }
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy else { return [] }
        guard let statistics = site.plan.batchStatistics else {
            return site.dx.map { [runningBackwardPass(at: site, dy: dy, dx: $0)] } ?? []
        }
        let work = BatchNormWork(site, epsilon: epsilon)
        let name = "\(site.plan.path) backward"
        let tree =
            site.plan.trainsParameters
            ? [PartialGradients(leaves: site.plan.shards, count: 2 * work.channels).pass(at: site)] : []
        switch statistics {
        case .shard:
            let pass = Pass(name, units: work.units) { unit, _ in
                work.forEachChannel(of: unit) { shard, channel in
                    work.sumGradients(shard, channel, dy: dy, like: shard)
                    work.inputGradient(
                        shard, channel, dy: dy, like: shard, sums: work.memory.gradientSums(shard),
                        samples: work.samples(of: shard))
                }
            }
            return [pass] + tree
        case .global:
            let sums = Pass("\(name): sums", units: work.units, exchange: { try work.addGradientSumsOverRanks() }) {
                unit, _ in
                work.forEachChannel(of: unit) { shard, channel in work.sumGradients(shard, channel, dy: dy, like: 0) }
            }
            let gradients = Pass(name, units: work.units) { unit, _ in
                work.forEachChannel(of: unit) { shard, channel in
                    work.inputGradient(
                        shard, channel, dy: dy, like: 0, sums: work.memory.sharedGradientSums,
                        samples: work.memory.shared[2 * work.channels])
                }
            }
            return [sums, gradients] + tree
        }
    }

    /// y from x by the running statistics.
    private func runningPass(at site: BoundSite) -> Pass {
        runningPass("forward", at: site, from: site.x, to: site.y) { ($0.mean, $0.shift) }
    }

    /// dx = dy · weight / deviation, where the statistics do not depend on x.
    private func runningBackwardPass(
        at site: BoundSite, dy: UnsafeMutablePointer<Float>, dx: UnsafeMutablePointer<Float>
    ) -> Pass {
        runningPass("backward", at: site, from: dy, to: dx) { _ in (0, 0) }
    }

    /// target = (source − mean) · weight / deviation + shift, by the running statistics of each channel; `terms` says what
    /// mean and shift are.
    private func runningPass(
        _ name: String, at site: BoundSite, from source: UnsafeMutablePointer<Float>,
        to target: UnsafeMutablePointer<Float>,
        _ terms: @escaping ((mean: Double, shift: Double)) -> (mean: Double, shift: Double)
    ) -> Pass {
        let (context, epsilon) = (site.context, epsilon)
        let (channels, count) = (site.plan.input[0], site.plan.input.count)
        let offsets = site.parameterOffsets
        return site.pass(name, elementsPerImage: count) { slots in
            let area = count / channels
            let group = ChannelNormalization(images: slots.count, stride: count, area: area)
            let values = offsets.map4 { context.weights + $0 }
            for channel in 0..<channels {
                let start = slots.lowerBound * count + channel * area
                let deviation = (Double(values.3[channel]) + epsilon).squareRoot()
                let (mean, shift) = terms((Double(values.2[channel]), Double(values.1[channel])))
                group.forward(
                    source + start, mean: mean, scale: Double(values.0[channel]) / deviation, shift: shift,
                    y: target + start)
            }
        }
    }

    package func statisticCount(for input: Shape) -> Int { 2 * input[0] }

    package func updateBuffers(
        for input: Shape, statistics: UnsafePointer<Double>, samples: Double,
        parameters: [UnsafeMutablePointer<Float>]
    ) {
        let channels = input[0]
        let count = samples * Double(input.count / max(1, channels))
        guard count > 0 else { return }
        for channel in 0..<channels {
            let centre = Double(parameters[2][channel])
            let shift = statistics[channel] / count
            let squares = max(0, statistics[channels + channel] - shift * statistics[channel])
            let variance = squares / max(1, count - 1)
            parameters[2][channel] = Float((1 - momentum) * centre + momentum * (centre + shift))
            parameters[3][channel] = Float((1 - momentum) * Double(parameters[3][channel]) + momentum * variance)
        }
    }
}

extension [Int] {
    /// Four values without an array.
    fileprivate func map4<T>(_ body: (Int) -> T) -> (T, T, T, T) {
        (body(self[0]), body(self[1]), body(self[2]), body(self[3]))
    }
}
