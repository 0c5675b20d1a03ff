package import Tensors

/// Zeroes elements at random in training and scales the others by 1 / (1 − probability); nothing in evaluation.
///
/// Which elements is a function of seed, epoch, sample and the layer's place in the network. Source: torch.nn.Dropout.
package struct Dropout: SingleInputLayer {
    package let mask: DropoutMask

    /// Traps: a probability outside 0...1.
    package init(probability: Double = 0.5) {
        mask = DropoutMask(probability: probability)
    }

    package var typeName: String { "Dropout" }
    package func outputShape(for input: Shape) -> Shape { input }
    package func parameters(for input: Shape) -> [ParameterDescription] { [] }
    package func multiplyAdds(for input: Shape) -> Int { 0 }
    package func operation(for inputs: [Shape]) -> Operation { .dropout(probability: mask.probability) }

    private func isIdentity(_ site: PlanSite) -> Bool { !site.isTraining || mask.probability == 0 }

    package func demand(for site: PlanSite) -> MemoryDemand {
        var demand = MemoryDemand()
        demand.sharing = isIdentity(site) ? .sameBytes : .mayOverwriteInput
        if !isIdentity(site) { demand.savedBytes = Int.product(site.slots, site.input.count) }
        return demand
    }

    package func forwardPasses(at site: BoundSite) -> [Pass] {
        if isIdentity(site.plan) { return CopyPass.passes("\(site.plan.path) forward", from: site.x, to: site.y, site) }
        let (context, chunks, count, mask) = (site.context, chunks(at: site.plan), site.plan.input.count, mask)
        let masks = site.saved.assumingMemoryBound(to: UInt8.self)
        let layer = site.plan.number
        return [
            Pass("\(site.plan.path) forward", units: chunks.units) { unit, _ in
                let random = context.randomness!
                for slot in chunks.slots(of: unit, counts: context.counts) {
                    let own = masks + slot * count
                    mask.draw(
                        seed: random.seed, epoch: random.epoch, sample: random.ids[slot], layer: layer, count: count,
                        into: own)
                    mask.apply(own, to: site.x + slot * count, count: count, y: site.y + slot * count)
                }
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        if isIdentity(site.plan) { return CopyPass.passes("\(site.plan.path) backward", from: dy, to: dx, site) }
        let (context, chunks, count, mask) = (site.context, chunks(at: site.plan), site.plan.input.count, mask)
        let masks = site.saved.assumingMemoryBound(to: UInt8.self)
        return [
            Pass("\(site.plan.path) backward", units: chunks.units) { unit, _ in
                let slots = chunks.slots(of: unit, counts: context.counts)
                let start = slots.lowerBound * count
                mask.apply(masks + start, to: dy + start, count: slots.count * count, y: dx + start)
            }
        ]
    }

    private func chunks(at site: PlanSite) -> ImageChunks {
        ImageChunks(
            shards: site.shards, imagesPerShard: site.imagesPerShard,
            imagesPerChunk: max(1, 32_768 / max(1, site.input.count)))
    }
}
