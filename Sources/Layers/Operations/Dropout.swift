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
    package func operation(for inputs: [Shape]) -> Operation { .dropout(probability: mask.probability) }

    private func isIdentity(_ site: PlanSite) -> Bool { !site.isTraining || mask.probability == 0 }

    package func demand(for site: PlanSite) -> MemoryDemand {
        var demand = MemoryDemand()
        demand.sharing = isIdentity(site) ? .sameBytes : .mayOverwriteInput
        if !isIdentity(site) { demand.savedBytes = Int.product(site.slots, site.input.count) }
        return demand
    }

    package func forwardPasses(at site: BoundSite) -> [Pass] {
        if isIdentity(site.plan) { return site.copyPasses("forward", from: site.x, to: site.y) }
        let (context, count, mask) = (site.context, site.plan.input.count, mask)
        let masks = site.saved.assumingMemoryBound(to: UInt8.self)
        let layer = site.plan.number
        return [
            site.pass("forward", elementsPerImage: count) { slots in
                let random = context.randomness!
                for slot in slots {
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
        if isIdentity(site.plan) { return site.copyPasses("backward", from: dy, to: dx) }
        let (count, mask) = (site.plan.input.count, mask)
        let masks = site.saved.assumingMemoryBound(to: UInt8.self)
        return [
            site.pass("backward", elementsPerImage: count) { slots in
                let start = slots.lowerBound * count
                mask.apply(masks + start, to: dy + start, count: slots.count * count, y: dx + start)
            }
        ]
    }
}
