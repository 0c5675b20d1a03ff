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

    package func operation(for inputs: [Shape]) throws -> Operation { .padding(try padding(of: inputs[0])) }

    package func outputShape(for input: Shape) throws -> Shape {
        let padding = try padding(of: input)
        return Shape([padding.channels] + padding.padded)
    }

    package func forwardPasses(at site: BoundSite) throws -> [Pass] {
        let padding = try padding(of: site.plan.input)
        return [
            site.pass("forward", elementsPerImage: padding.paddedCount) { slots in
                for slot in slots {
                    padding.pad(site.x + slot * padding.inputCount, into: site.y + slot * padding.paddedCount)
                }
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) throws -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        let padding = try padding(of: site.plan.input)
        return [
            site.pass("backward", elementsPerImage: padding.paddedCount) { slots in
                for slot in slots {
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
}

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
    package func operation(for inputs: [Shape]) -> Operation {
        .channelPadding(before: before, after: after)
    }

    package func outputShape(for input: Shape) throws -> Shape {
        guard input.rank >= 1 else { throw ShapeMismatch("ChannelPad takes [C, …], found \(input)") }
        return Shape([before + input[0] + after] + input.dimensions.dropFirst())
    }

    package func forwardPasses(at site: BoundSite) -> [Pass] {
        let (range, total) = (range(in: site.plan), site.plan.output.count)
        return [
            site.pass("forward", elementsPerImage: total) { slots in
                for slot in slots {
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
        let (range, total) = (range(in: site.plan), site.plan.output.count)
        return [
            site.pass("backward", elementsPerImage: total) { slots in
                for slot in slots {
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
}
