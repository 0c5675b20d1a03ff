package import Tensors

/// Adds channels of zeros in front of and behind those of every image.
///
/// Shapes: x [N, C, …] → y [N, before + C + after, …]. Source: torch.nn.functional.pad along the channels.
package struct ChannelPad: SingleInputLayer {
    package let before, after: Int

    package init(before: Int, after: Int) {
        self.before = before
        self.after = after
    }

    package var typeName: String { "ChannelPad" }
    package func parameters(for input: Shape) -> [ParameterDescription] { [] }
    package func multiplyAdds(for input: Shape) -> Int { 0 }
    package func operation(for inputs: [Shape]) -> Operation {
        .channelPadding(before: before, after: after)
    }
    package func demand(for site: PlanSite) -> MemoryDemand { MemoryDemand() }

    package func outputShape(for input: Shape) throws -> Shape {
        guard input.rank >= 1 else { throw ShapeMismatch("ChannelPad takes [C, …], found \(input)") }
        return Shape([before + input[0] + after] + input.dimensions.dropFirst())
    }

    package func forwardPasses(at site: BoundSite) -> [Pass] {
        let (context, chunks, range) = (site.context, chunks(at: site.plan), range(in: site.plan))
        let total = site.plan.output.count
        return [
            Pass("\(site.plan.path) forward", units: chunks.units) { unit, _ in
                for slot in chunks.slots(of: unit, counts: context.counts) {
                    let y = site.y + slot * total
                    y.update(repeating: 0, count: range.lowerBound)
                    (y + range.lowerBound).update(from: site.x + slot * range.count, count: range.count)
                    (y + range.upperBound).update(repeating: 0, count: total - range.upperBound)
                }
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        let (context, chunks, range) = (site.context, chunks(at: site.plan), range(in: site.plan))
        let total = site.plan.output.count
        return [
            Pass("\(site.plan.path) backward", units: chunks.units) { unit, _ in
                for slot in chunks.slots(of: unit, counts: context.counts) {
                    (dx + slot * range.count).update(from: dy + slot * total + range.lowerBound, count: range.count)
                }
            }
        ]
    }

    /// Where x lies in one sample of y.
    private func range(in site: PlanSite) -> Range<Int> {
        let start = before * (site.input.count / max(1, site.input[0]))
        return start..<start + site.input.count
    }

    private func chunks(at site: PlanSite) -> ImageChunks {
        ImageChunks(
            shards: site.shards, imagesPerShard: site.imagesPerShard, imagesPerChunk: max(1, 32_768 / site.output.count)
        )
    }
}
