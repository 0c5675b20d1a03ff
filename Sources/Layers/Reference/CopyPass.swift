internal import Tensors

/// Moves a value to where its other shape lies; nothing where both lie in one place.
enum CopyPass {
    static func passes(
        _ name: String, from source: UnsafeMutablePointer<Float>, to target: UnsafeMutablePointer<Float>,
        _ site: BoundSite
    ) -> [Pass] {
        guard source != target else { return [] }
        let chunks = ImageChunks(
            shards: site.plan.shards, imagesPerShard: site.plan.imagesPerShard,
            imagesPerChunk: max(1, 32_768 / site.plan.output.count))
        let (context, count) = (site.context, site.plan.output.count)
        return [
            Pass(name, units: chunks.units) { unit, _ in
                let slots = chunks.slots(of: unit, counts: context.counts)
                (target + slots.lowerBound * count).update(
                    from: source + slots.lowerBound * count, count: slots.count * count)
            }
        ]
    }
}
