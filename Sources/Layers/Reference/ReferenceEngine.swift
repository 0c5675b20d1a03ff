internal import Tensors

/// The reference engine: every layer by itself over values [slots, sample], with reference kernels and matrix products.
struct ReferenceEngine: PlanEngine {
    private let request: PlanRequest
    private let memory: PlanMemory

    init(_ request: PlanRequest) throws {
        self.request = request
        memory = try PlanMemory(
            network: request.network, imagesPerShard: request.imagesPerShard, shards: request.shards,
            mode: request.mode, options: request.options, threads: request.threads)
    }

    var name: String { "reference (OpenBLAS \(BLAS.coreName))" }
    var byteCount: Int { memory.byteCount }

    func compile(in arena: Arena, context: StepContext, input: PixelConversion) throws -> CompiledPlan {
        let (network, imagesPerShard, shards) = (request.network, request.imagesPerShard, request.shards)
        var forward = [Self.inputPass(input, into: memory.input(in: arena), imagesPerShard, shards, context)]
        var backward: [Pass] = []
        for index in request.options.part.stages(of: network) {
            let (site, additions) = memory.site(index, in: arena, context: context)
            forward += try network.stages[index].layer.forwardPasses(at: site)
            if request.mode.hasBackward {
                let passes = try network.stages[index].layer.backwardPasses(at: site)
                backward.insert(contentsOf: passes + additions.map { Self.additionPass($0, at: site) }, at: 0)
            }
        }
        let logits = memory.logits(in: arena)
        if case .front = request.options.part { return CompiledPlan(passes: forward, logits: logits) }
        if let value = request.mode.keptValue, let kept = memory.kept(value, in: arena),
            let dlogits = memory.logitsGradient(in: arena)
        {
            let seed = Self.logitPass(
                dlogits: dlogits, classes: network.description.classes, imagesPerShard, shards, context)
            return CompiledPlan(passes: forward + [seed] + backward, logits: logits, kept: kept)
        }
        let loss = Self.lossPass(
            request.options.loss, logits: logits, dlogits: memory.logitsGradient(in: arena),
            classes: network.description.classes, imagesPerShard, shards, context)
        return CompiledPlan(passes: forward + [loss] + backward, logits: logits)
    }

    private static func inputPass(
        _ input: PixelConversion, into planes: UnsafeMutablePointer<Float>, _ imagesPerShard: Int, _ shards: Int,
        _ context: StepContext
    ) -> Pass {
        let chunks = ImageChunks(shards: shards, imagesPerShard: imagesPerShard, imagesPerChunk: 8)
        let count = input.channels * input.area
        return Pass("input", units: chunks.units) { unit, _ in
            for slot in chunks.slots(of: unit, counts: context.counts) {
                input.convert(context.images + slot * input.imageByteCount, to: planes + slot * count)
            }
        }
    }

    private static func additionPass(_ addition: GradientAddition, at site: BoundSite) -> Pass {
        site.pass("gradient sum", elementsPerImage: addition.count) { slots in
            let start = slots.lowerBound * addition.count
            ElementwiseSum.sum(
                addition.target + start, addition.addend + start, count: slots.count * addition.count,
                into: addition.target + start)
        }
    }

    /// The gradient of each label's own logit.
    private static func logitPass(
        dlogits: UnsafeMutablePointer<Float>, classes: Int, _ imagesPerShard: Int, _ shards: Int, _ context: StepContext
    ) -> Pass {
        Pass("logit", units: shards) { shard, _ in
            for slot in shard * imagesPerShard..<(shard + 1) * imagesPerShard {
                (dlogits + slot * classes).update(repeating: 0, count: classes)
                dlogits[slot * classes + Int(context.labels[slot])] = 1
            }
            context.scores[shard] = Score()
        }
    }

    private static func lossPass(
        _ loss: Loss, logits: UnsafeMutablePointer<Float>, dlogits: UnsafeMutablePointer<Float>?, classes: Int,
        _ imagesPerShard: Int,
        _ shards: Int, _ context: StepContext
    ) -> Pass {
        Pass("loss", units: shards) { shard, _ in
            let slot = shard * imagesPerShard
            context.scores[shard] = loss.score(
                logits: logits + slot * classes, labels: context.labels + slot,
                targets: context.targets.map { $0 + slot * classes }, samples: Int(context.counts[shard]),
                classes: classes, dlogits: dlogits.map { $0 + slot * classes }, losses: context.losses + slot)
        }
    }
}
