package import Tensors

/// Maximum over windows of every channel.
///
/// Shapes: x [N, C, H, W] → y [N, C, P, Q], P = (H + 2·padding − kernel) / stride + 1, rounded down; Q likewise.
/// Source: layout and defaults of torch.nn.MaxPool2d; padding is at most half the kernel.
package struct MaxPool2d: Layer {
    package let kernel, stride, padding: Int

    package init(kernel: Int, stride: Int? = nil, padding: Int = 0) {
        self.kernel = kernel
        self.stride = stride ?? kernel
        self.padding = padding
    }

    package var typeName: String { "MaxPool2d" }

    package func outputShape(for input: Shape) throws -> Shape {
        guard input.rank == 3 else { throw ShapeMismatch("MaxPool2d takes [C, H, W], found \(input)") }
        guard padding * 2 <= kernel else {
            throw ShapeMismatch("MaxPool2d: padding \(padding) is more than half the kernel \(kernel)")
        }
        let window = try window(on: input)
        return [input[0], window.outputHeight, window.outputWidth]
    }

    package func parameters(for input: Shape) -> [ParameterDescription] { [] }
    package func multiplyAdds(for input: Shape) -> Int { 0 }

    package func demand(for site: PlanSite) -> MemoryDemand {
        var demand = MemoryDemand()
        demand.savedBytes = site.slots * site.output.count * MemoryLayout<UInt16>.stride
        return demand
    }

    package func forwardPasses(at site: BoundSite) throws -> [Pass] {
        let pooling = try pooling(on: site.plan.input)
        let (context, chunks) = (site.context, chunks(at: site.plan))
        let (inCount, outCount) = (site.plan.input.count, site.plan.output.count)
        let winners = site.saved.assumingMemoryBound(to: UInt16.self)
        return [
            Pass("\(site.plan.path) forward", units: chunks.units) { unit, _ in
                for slot in chunks.slots(of: unit, counts: context.counts) {
                    pooling.forward(
                        x: site.x + slot * inCount, y: site.y + slot * outCount, winners: winners + slot * outCount)
                }
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) throws -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        let pooling = try pooling(on: site.plan.input)
        let (context, chunks) = (site.context, chunks(at: site.plan))
        let (inCount, outCount) = (site.plan.input.count, site.plan.output.count)
        let winners = site.saved.assumingMemoryBound(to: UInt16.self)
        return [
            Pass("\(site.plan.path) backward", units: chunks.units) { unit, _ in
                for slot in chunks.slots(of: unit, counts: context.counts) {
                    pooling.backward(
                        dy: dy + slot * outCount, winners: winners + slot * outCount, dx: dx + slot * inCount)
                }
            }
        ]
    }

    private func window(on input: Shape) throws -> Window2d {
        do {
            return try Window2d(
                image: input, kernel: (kernel, kernel), stride: (stride, stride), padding: (padding, padding))
        } catch {
            throw ShapeMismatch("MaxPool2d on \(input): \(error)")
        }
    }

    private func pooling(on input: Shape) throws -> MaxPooling2d { MaxPooling2d(window: try window(on: input)) }

    private func chunks(at site: PlanSite) -> ImageChunks {
        ImageChunks(shards: site.shards, imagesPerShard: site.imagesPerShard, imagesPerChunk: 8)
    }
}
