internal import Tensors

/// An engine that computes stage after stage over values [slots, sample]: the layers themselves, with reference kernels and matrix
/// products, or a network rewritten for blocks of channels.
struct StagedEngine: PlanEngine {
    let name: String
    let usesBLAS: Bool
    private let request: PlanRequest
    private let program: StageProgram
    private let memory: PlanMemory

    static func reference(_ request: PlanRequest) throws -> StagedEngine {
        try StagedEngine(
            request, StageProgram(request.network, request.options.part), name: referenceName, usesBLAS: true)
    }

    static func blocks(_ request: PlanRequest) throws -> StagedEngine {
        let program = try BlockProgram(
            request.network, request.options.part, request.options.kernels ?? .inUse,
            convolution: request.options.convolution, needsImageGradient: request.mode == .fragmentTraining)
        return try StagedEngine(
            request, program.stages, name: program.usesBLAS ? "blocks, \(referenceName)" : "blocks",
            usesBLAS: program.usesBLAS)
    }

    private static var referenceName: String { "reference (OpenBLAS \(BLAS.coreName))" }

    private init(_ request: PlanRequest, _ program: StageProgram, name: String, usesBLAS: Bool) throws {
        self.name = name
        self.usesBLAS = usesBLAS
        self.request = request
        self.program = program
        memory = try PlanMemory(program, request)
    }

    var arithmetic: String { usesBLAS ? "OpenBLAS \(BLAS.coreName)" : "the same on every processor" }
    var byteCount: Int { memory.byteCount }
    var segments: Int { memory.segments }

    func compile(in arena: Arena, context: StepContext, input: PixelConversion) throws -> CompiledPlan {
        let (imagesPerShard, shards) = (request.imagesPerShard, request.shards)
        var forward = [Self.inputPass(input, into: memory.input(in: arena), imagesPerShard, shards, context)]
        var backward: [Pass] = []
        for event in memory.schedule.events {
            let work = program.stages[event.stage].work
            let (site, additions) = memory.site(event, in: arena, context: context)
            switch event.kind {
            case .forward: forward += try work.forwardPasses(at: site)
            case .again, .restoring: backward += try work.restoringPasses(at: site)
            case .backward:
                backward += try work.backwardPasses(at: site) + additions.map { Self.additionPass($0, at: site) }
            }
        }
        let logits = memory.logits(in: arena)
        if case .front = request.options.part {
            guard request.mode == .fragmentTraining, let gradient = memory.logitsGradient(in: arena) else {
                return CompiledPlan(passes: forward, logits: logits)
            }
            let count = program.shape(ofValue: program.stages.count).count
            let seed = Self.onesPass(gradient, count: count, imagesPerShard, shards, context)
            return CompiledPlan(passes: forward + [seed] + backward, logits: logits)
        }
        if let value = request.mode.keptValue, let kept = memory.kept(value, in: arena),
            let dlogits = memory.logitsGradient(in: arena)
        {
            let seed = Self.logitPass(
                logits: logits, dlogits: dlogits, classes: request.network.description.classes, imagesPerShard, shards,
                context)
            return CompiledPlan(passes: forward + [seed] + backward, logits: logits, kept: kept)
        }
        let loss = Self.lossPass(
            request.options.loss, logits: logits, dlogits: memory.logitsGradient(in: arena),
            classes: request.network.description.classes, imagesPerShard, shards, context)
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

    /// Ones as the gradient of what the last stage makes, `count` values an image.
    private static func onesPass(
        _ gradient: UnsafeMutablePointer<Float>, count: Int, _ imagesPerShard: Int, _ shards: Int,
        _ context: StepContext
    ) -> Pass {
        Pass("ones", units: shards) { shard, _ in
            (gradient + shard * imagesPerShard * count).update(repeating: 1, count: imagesPerShard * count)
            context.scores[shard] = Score()
        }
    }

    /// The gradient of each label's own logit; of the largest one, the first of equals, where the label is below 0.
    private static func logitPass(
        logits: UnsafePointer<Float>, dlogits: UnsafeMutablePointer<Float>, classes: Int, _ imagesPerShard: Int,
        _ shards: Int, _ context: StepContext
    ) -> Pass {
        Pass("logit", units: shards) { shard, _ in
            for slot in shard * imagesPerShard..<(shard + 1) * imagesPerShard {
                let row = logits + slot * classes
                let label = Int(context.labels[slot])
                let logit = label >= 0 ? label : (1..<classes).reduce(0) { row[$1] > row[$0] ? $1 : $0 }
                (dlogits + slot * classes).update(repeating: 0, count: classes)
                dlogits[slot * classes + logit] = 1
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
