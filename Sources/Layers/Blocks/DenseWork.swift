internal import Tensors

/// A linear layer of any size: every pass reads the weights once, whatever the batch.
struct DenseWork: StageWork {
    let affine: DenseAffine
    let hasBias: Bool

    /// Rows of the weights, or columns, of a unit.
    private static let rowsPerUnit = 48
    private static let columnsPerUnit = 512

    func demand(for site: PlanSite) -> MemoryDemand { .affine(at: site, outputs: affine.outputs) }

    func forwardPasses(at site: BoundSite) -> [Pass] {
        let (context, affine) = (site.context, affine)
        let weightOffset = site.parameterOffsets[0]
        let biasOffset = hasBias ? site.parameterOffsets[1] : nil
        return [
            partPass("forward", at: site, of: affine.outputs, length: Self.rowsPerUnit) { rows, slots in
                affine.forward(
                    rows: rows, samples: slots.count, x: site.x + slots.lowerBound * affine.inputs,
                    weight: context.weights + weightOffset, bias: biasOffset.map { context.weights + $0 },
                    y: site.y + slots.lowerBound * affine.outputs)
            }
        ]
    }

    func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy else { return [] }
        let (context, affine) = (site.context, affine)
        let weightOffset = site.parameterOffsets[0]
        var passes: [Pass] = []
        if site.plan.trainsParameters {
            passes.append(
                site.affineGradientPass(dy: dy, outputs: affine.outputs, hasBias: hasBias, affine.weightGradient))
        }
        guard let dx = site.dx else { return passes }
        passes.append(
            partPass("input gradient", at: site, of: affine.inputs, length: Self.columnsPerUnit) { columns, slots in
                affine.inputGradient(
                    columns: columns, samples: slots.count, dy: dy + slots.lowerBound * affine.outputs,
                    weight: context.weights + weightOffset, dx: dx + slots.lowerBound * affine.inputs)
            })
        return passes
    }

    /// A pass whose units take a part of the weights for all samples that are present, in as few runs as there are.
    private func partPass(
        _ name: String, at site: BoundSite, of count: Int, length: Int,
        _ body: @escaping (_ part: Range<Int>, _ slots: Range<Int>) -> Void
    ) -> Pass {
        let (context, shards, images) = (site.context, site.plan.shards, site.plan.imagesPerShard)
        return Pass("\(site.plan.path) \(name)", units: (count + length - 1) / length) { unit, _ in
            let part = unit * length..<min((unit + 1) * length, count)
            var shard = 0
            while shard < shards {
                let first = shard * images
                while shard + 1 < shards, Int(context.counts[shard]) == images { shard += 1 }
                let end = shard * images + Int(context.counts[shard])
                if end > first { body(part, first..<end) }
                shard += 1
            }
        }
    }
}
