package import Tensors

/// Extends every image on each side by zeros, by one value, or by places of its own.
///
/// Shapes: x [N, C, H, W] → y [N, C, before + H + after, before + W + after].
/// Source: torch.nn.ZeroPad2d, ConstantPad2d, ReflectionPad2d, ReplicationPad2d, CircularPad2d.
package struct Pad<Rank: SpatialRank>: SingleInputLayer {
    /// Outermost axis first.
    package let sides: [Padding.Side]
    package let mode: PaddingMode
    /// What `zeros` writes instead of 0.
    package let value: Float

    package init(sides: [Padding.Side], _ mode: PaddingMode, value: Float = 0) {
        self.sides = sides
        self.mode = mode
        self.value = value
    }

    package var typeName: String {
        let kind =
            switch mode {
            case .zeros: value == 0 ? "Zero" : "Constant"
            case .reflect: "Reflection"
            case .replicate: "Replication"
            case .circular: "Circular"
            }
        return "\(kind)Pad\(Rank.suffix)"
    }

    package func parameters(for input: Shape) -> [ParameterDescription] { [] }
    package func multiplyAdds(for input: Shape) -> Int { 0 }
    package func operation(for inputs: [Shape]) throws -> Operation { .padding(try padding(of: inputs[0])) }
    package func demand(for site: PlanSite) -> MemoryDemand { MemoryDemand() }

    package func outputShape(for input: Shape) throws -> Shape {
        let padding = try padding(of: input)
        return Shape([padding.channels] + padding.padded)
    }

    package func forwardPasses(at site: BoundSite) throws -> [Pass] {
        let padding = try padding(of: site.plan.input)
        let (context, chunks) = (site.context, chunks(at: site.plan))
        return [
            Pass("\(site.plan.path) forward", units: chunks.units) { unit, _ in
                for slot in chunks.slots(of: unit, counts: context.counts) {
                    padding.pad(site.x + slot * padding.inputCount, into: site.y + slot * padding.paddedCount)
                }
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) throws -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        let padding = try padding(of: site.plan.input)
        let (context, chunks) = (site.context, chunks(at: site.plan))
        return [
            Pass("\(site.plan.path) backward", units: chunks.units) { unit, _ in
                for slot in chunks.slots(of: unit, counts: context.counts) {
                    padding.unpad(dy + slot * padding.paddedCount, into: dx + slot * padding.inputCount)
                }
            }
        ]
    }

    /// Throws: `ShapeMismatch`.
    private func padding(of input: Shape) throws -> ImagePadding {
        try Rank.check(input, for: typeName)
        return try Rank.fitting(typeName, input) { () throws(WindowArithmetic.Misfit) in
            guard sides.count == Rank.rank else {
                throw WindowArithmetic.Misfit(description: "padding for \(sides.count) axes, expected \(Rank.rank)")
            }
            return try ImagePadding(
                image: input, sides: sides.map { ($0.before, $0.after) }, mode: mode, value: value)
        }
    }

    private func chunks(at site: PlanSite) -> ImageChunks {
        ImageChunks(
            shards: site.shards, imagesPerShard: site.imagesPerShard,
            imagesPerChunk: max(1, 32_768 / max(1, site.output.count)))
    }
}
