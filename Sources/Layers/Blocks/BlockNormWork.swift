internal import Tensors

/// Batch normalisation of images in blocks of channels, with the addition and the ReLU that follow it in one pass.
///
/// The result is rounded behind each of the three, so that joining them changes no bit. A unit is a channel block of a shard.
struct BlockNormWork: StageWork {
    let epsilon: Double
    /// Whether a second value is added.
    let adds: Bool
    let isRectified: Bool
    let kernels: KernelSet

    private static let block = KernelSet.laneCount

    func demand(for site: PlanSite) -> MemoryDemand {
        var demand = BatchNormMemory.demand(for: site)
        demand.backwardReadsOutput = isRectified
        demand.workspaceBytes = 4 * Self.block * MemoryLayout<Double>.stride
        demand.backwardReadsOtherInputs = false
        demand.restoresOutput = site.batchStatistics != nil
        return demand
    }

    func forwardPasses(at site: BoundSite) -> [Pass] {
        let arithmetic = Arithmetic(self, site)
        let work = arithmetic.work
        let name = "\(site.plan.path) forward"
        switch site.plan.batchStatistics {
        case nil:
            return [arithmetic.pass(name) { arithmetic.normalizeByRunning($0) }]
        case .shard:
            return [
                arithmetic.pass(name) { unit in
                    arithmetic.sum(unit)
                    for channel in unit.channels {
                        work.resolve(unit.shard, channel, like: unit.shard, samples: work.samples(of: unit.shard))
                    }
                    arithmetic.normalize(unit, like: unit.shard)
                }
            ]
        case .global:
            let exchange = {
                try work.addStatisticsOverRanks()
                for channel in 0..<work.channels {
                    work.resolve(0, channel, like: nil, samples: work.memory.shared[2 * work.channels])
                }
            }
            return [
                arithmetic.pass("\(name): sums", exchange: exchange) { arithmetic.sum($0) },
                arithmetic.pass(name) { arithmetic.normalize($0, like: 0) },
            ]
        }
    }

    func restoringPasses(at site: BoundSite) -> [Pass] {
        guard let statistics = site.plan.batchStatistics else { return forwardPasses(at: site) }
        let arithmetic = Arithmetic(self, site)
        let isShared = statistics == .global
        return [
            arithmetic.pass("\(site.plan.path) forward again") { unit in
                arithmetic.normalize(unit, like: isShared ? 0 : unit.shard)
            }
        ]
    }

    func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy else { return [] }
        let arithmetic = Arithmetic(self, site)
        let work = arithmetic.work
        let name = "\(site.plan.path) backward"
        let tree =
            site.plan.trainsParameters
            ? [PartialGradients(leaves: site.plan.shards, count: 2 * work.channels).pass(at: site)] : []
        switch site.plan.batchStatistics {
        case nil:
            return [arithmetic.pass(name) { arithmetic.passBackByRunning($0, dy: dy) }]
        case .shard:
            let pass = arithmetic.pass(name) { unit in
                arithmetic.sumGradients(unit, dy: dy, like: unit.shard)
                arithmetic.inputGradient(
                    unit, dy: dy, like: unit.shard, sums: work.memory.gradientSums(unit.shard),
                    samples: work.samples(of: unit.shard))
            }
            return [pass] + tree
        case .global:
            let sums = arithmetic.pass("\(name): sums", exchange: { try work.addGradientSumsOverRanks() }) {
                arithmetic.sumGradients($0, dy: dy, like: 0)
            }
            let gradients = arithmetic.pass(name) {
                arithmetic.inputGradient(
                    $0, dy: dy, like: 0, sums: work.memory.sharedGradientSums,
                    samples: work.memory.shared[2 * work.channels])
            }
            return [sums, gradients] + tree
        }
    }

    /// One channel block of one shard.
    fileprivate struct Unit {
        let shard: Int
        let channels: Range<Int>
        let worker: Int
    }

    fileprivate struct Arithmetic {
        let work: BatchNormWork
        private let layer: BlockNormWork
        private let site: BoundSite
        /// Where the gradient goes that has passed the ReLU: to what was added, or where it is.
        private let passed: UnsafeMutablePointer<Float>?

        init(_ layer: BlockNormWork, _ site: BoundSite) {
            work = BatchNormWork(site, epsilon: layer.epsilon)
            self.layer = layer
            self.site = site
            let added = layer.adds ? site.dxs[1] : nil
            passed = added ?? (layer.isRectified ? site.dy : nil)
        }

        func pass(
            _ name: String, exchange: (() throws -> Void)? = nil, _ body: @escaping (Unit) -> Void
        ) -> Pass {
            let blocks = work.channels / block
            return Pass(name, units: site.plan.shards * blocks, exchange: exchange) { number, worker in
                let first = number % blocks * block
                body(Unit(shard: number / blocks, channels: first..<first + block, worker: worker))
            }
        }

        private func group(_ unit: Unit) -> BlockNormalization {
            BlockNormalization(
                layer.kernels, images: Int(site.context.counts[unit.shard]), stride: work.count, area: work.area)
        }

        private func start(_ unit: Unit) -> Int { work.start(unit.shard, unit.channels.lowerBound) }

        /// Doubles of the worker's own: `part` of four times sixteen.
        private func scratch(_ unit: Unit, _ part: Int) -> UnsafeMutablePointer<Double> {
            let base = site.workspace + unit.worker * site.workspaceStride
            return base.assumingMemoryBound(to: Double.self) + part * block
        }

        /// One number for each channel of the unit.
        private func fill(
            _ unit: Unit, _ part: Int, _ value: (_ channel: Int) -> Double
        ) -> UnsafeMutablePointer<Double> {
            let numbers = scratch(unit, part)
            for channel in unit.channels { numbers[channel - unit.channels.lowerBound] = value(channel) }
            return numbers
        }

        func sum(_ unit: Unit) {
            let centres = fill(unit, 0) { work.parameter(2, $0) }
            let sums = scratch(unit, 1)
            group(unit).sums(site.x + start(unit), around: centres, into: sums)
            let statistics = work.statistics(unit.shard)
            for (place, channel) in unit.channels.enumerated() {
                statistics[channel] = sums[place]
                statistics[work.channels + channel] = sums[block + place]
            }
        }

        func normalize(_ unit: Unit, like source: Int) {
            let inverse = work.memory.inverseDeviation(source)
            write(
                unit, means: work.memory.mean(source) + unit.channels.lowerBound,
                scales: fill(unit, 0) { work.parameter(0, $0) * inverse[$0] })
        }

        func normalizeByRunning(_ unit: Unit) {
            write(unit, means: fill(unit, 2) { work.parameter(2, $0) }, scales: fill(unit, 0, runningScale))
        }

        private func write(_ unit: Unit, means: UnsafePointer<Double>, scales: UnsafePointer<Double>) {
            let at = start(unit)
            group(unit).forward(
                site.x + at, means: means, scales: scales, shifts: fill(unit, 1) { work.parameter(1, $0) },
                adding: layer.adds ? site.xs[1] + at : nil, isRectified: layer.isRectified, y: site.y + at)
        }

        private func runningScale(_ channel: Int) -> Double {
            work.parameter(0, channel) / (work.parameter(3, channel) + layer.epsilon).squareRoot()
        }

        func sumGradients(_ unit: Unit, dy: UnsafePointer<Float>, like source: Int) {
            let (at, sums) = (start(unit), scratch(unit, 0))
            group(unit).gradientSums(
                site.x + at, dy: dy + at, rectified: layer.isRectified ? site.y + at : nil,
                means: work.memory.mean(source) + unit.channels.lowerBound, passed: passed.map { $0 + at }, into: sums)
            for (place, channel) in unit.channels.enumerated() {
                work.take(gradientSums: (sums[place], sums[block + place]), unit.shard, channel, like: source)
            }
        }

        func inputGradient(
            _ unit: Unit, dy: UnsafePointer<Float>, like source: Int, sums: UnsafePointer<Double>, samples: Double
        ) {
            guard let dx = site.dx, samples > 0 else { return }
            let at = start(unit)
            let elements = samples * Double(work.area)
            let inverse = work.memory.inverseDeviation(source)
            group(unit).backward(
                site.x + at, dy: (passed.map { UnsafePointer($0) } ?? dy) + at,
                means: work.memory.mean(source) + unit.channels.lowerBound,
                gradientMeans: fill(unit, 0) { sums[$0] / elements },
                slopes: fill(unit, 1) { sums[work.channels + $0] / elements * inverse[$0] * inverse[$0] },
                scales: fill(unit, 2) { work.parameter(0, $0) * inverse[$0] }, dx: dx + at)
        }

        /// dx = dz · weight / deviation, where the statistics do not depend on x.
        func passBackByRunning(_ unit: Unit, dy: UnsafeMutablePointer<Float>) {
            let (at, count) = (start(unit), work.area * block)
            if let passed {
                for image in 0..<Int(site.context.counts[unit.shard]) {
                    let place = at + image * work.count
                    if layer.isRectified {
                        layer.kernels.activationBackward(
                            .relu, y: site.y + place, dy: dy + place, count: count, dx: passed + place)
                    } else {
                        (passed + place).update(from: dy + place, count: count)
                    }
                }
            }
            guard let dx = site.dx else { return }
            let zeros = fill(unit, 1) { _ in 0 }
            group(unit).forward(
                (passed ?? dy) + at, means: zeros, scales: fill(unit, 0, runningScale), shifts: zeros, adding: nil,
                isRectified: false, y: dx + at)
        }
    }
}

private let block = KernelSet.laneCount
