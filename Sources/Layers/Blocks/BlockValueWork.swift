internal import Tensors

/// Images from planes to blocks of channels, or back.
struct LayoutWork: StageWork {
    let layout: BlockLayout
    let toBlocks: Bool

    func forwardPasses(at site: BoundSite) -> [Pass] {
        [pass("forward", at: site, from: site.x, to: site.y, toBlocks: toBlocks)]
    }

    func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        return [pass("backward", at: site, from: dy, to: dx, toBlocks: !toBlocks)]
    }

    private func pass(
        _ name: String, at site: BoundSite, from source: UnsafeMutablePointer<Float>,
        to target: UnsafeMutablePointer<Float>, toBlocks: Bool
    ) -> Pass {
        let (layout, count) = (layout, site.plan.input.count)
        return site.pass(name, elementsPerImage: count) { slots in
            for slot in slots {
                let (from, to) = (source + slot * count, target + slot * count)
                if toBlocks { layout.blocks(from, into: to) } else { layout.planes(from, into: to) }
            }
        }
    }
}

/// Channels of zeros around those of images in blocks.
struct BlockChannelPadWork: StageWork {
    let layout: BlockLayout
    let before: Int

    func forwardPasses(at site: BoundSite) -> [Pass] {
        let (layout, before, padded) = (layout, before, site.plan.output[0])
        let (inCount, outCount) = (site.plan.input.count, site.plan.output.count)
        return [
            site.pass("forward", elementsPerImage: outCount) { slots in
                for slot in slots {
                    layout.pad(before: before, padded: padded, site.x + slot * inCount, into: site.y + slot * outCount)
                }
            }
        ]
    }

    func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        let (layout, before, padded) = (layout, before, site.plan.output[0])
        let (inCount, outCount) = (site.plan.input.count, site.plan.output.count)
        return [
            site.pass("backward", elementsPerImage: outCount) { slots in
                for slot in slots {
                    layout.unpad(before: before, padded: padded, dy + slot * outCount, into: dx + slot * inCount)
                }
            }
        ]
    }
}

/// ReLU of values in any layout, sixteen elements at a time; in place where the plan allows it.
struct RectifierWork: StageWork {
    let kernels: KernelSet

    func demand(for site: PlanSite) -> MemoryDemand {
        var demand = MemoryDemand()
        demand.sharing = .mayOverwriteInput
        demand.backwardReadsOutput = true
        return demand
    }

    func forwardPasses(at site: BoundSite) -> [Pass] {
        let (count, kernels) = (site.plan.input.count, kernels)
        return [
            site.pass("forward", elementsPerImage: count) { slots in
                let start = slots.lowerBound * count
                kernels.activate(.relu, x: site.x + start, count: slots.count * count, y: site.y + start)
            }
        ]
    }

    func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        let (count, kernels) = (site.plan.input.count, kernels)
        return [
            site.pass("backward", elementsPerImage: count) { slots in
                let start = slots.lowerBound * count
                kernels.activationBackward(
                    .relu, y: site.y + start, dy: dy + start, count: slots.count * count, dx: dx + start)
            }
        ]
    }
}

/// Pooling of images in blocks of channels: maximum or mean.
struct BlockPoolingWork: StageWork {
    let pooling: Pooling
    let takesMaximum: Bool
    let kernels: KernelSet

    func demand(for site: PlanSite) -> MemoryDemand {
        var demand = MemoryDemand()
        if takesMaximum {
            demand.savedBytes = Int.product(site.slots, site.output.count, MemoryLayout<Int32>.stride)
        }
        return demand
    }

    func forwardPasses(at site: BoundSite) -> [Pass] {
        let (pooling, kernels, takesMaximum) = (pooling, kernels, takesMaximum)
        let (inCount, outCount) = (site.plan.input.count, site.plan.output.count)
        let argmax = site.saved.assumingMemoryBound(to: Int32.self)
        return [
            site.pass("forward", elementsPerImage: inCount) { slots in
                for slot in slots {
                    let (x, y) = (site.x + slot * inCount, site.y + slot * outCount)
                    if takesMaximum {
                        pooling.maximum(kernels, x: x, y: y, argmax: argmax + slot * outCount)
                    } else {
                        pooling.average(kernels, x: x, y: y)
                    }
                }
            }
        ]
    }

    func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        let (pooling, kernels, takesMaximum) = (pooling, kernels, takesMaximum)
        let (inCount, outCount) = (site.plan.input.count, site.plan.output.count)
        let argmax = site.saved.assumingMemoryBound(to: Int32.self)
        return [
            site.pass("backward", elementsPerImage: inCount) { slots in
                for slot in slots {
                    let (dy, dx) = (dy + slot * outCount, dx + slot * inCount)
                    if takesMaximum {
                        pooling.maximumBackward(kernels, dy: dy, argmax: argmax + slot * outCount, dx: dx)
                    } else {
                        pooling.averageBackward(kernels, dy: dy, dx: dx)
                    }
                }
            }
        ]
    }
}
