internal import Tensors

/// The engine for small networks: sixteen images in the sixteen lanes of a vector, one group of images after the other from
/// the pixels to the gradients, so that values never leave the cache of the core that made them.
struct LaneEngine: PlanEngine {
    private let request: PlanRequest
    private let program: LaneProgram
    private let groups: LaneGroups
    private let memory: LaneMemory
    private let kernels: KernelSet
    /// Elements of the gradient vector that a unit of the tree joins: a quarter of a first-level cache.
    private static let blockLength = 2_048

    init(_ program: LaneProgram, _ request: PlanRequest) {
        let groups = LaneGroups(
            shards: request.shards, imagesPerShard: request.imagesPerShard, mode: request.mode)
        self.request = request
        self.program = program
        self.groups = groups
        memory = LaneMemory(program, groups, request)
        kernels = request.options.kernels ?? .inUse
    }

    var name: String { "lanes (\(kernels.name))" }
    var arithmetic: String { "lanes \(kernels.fusesInLanes ? "with" : "without") fused multiply-adds" }
    var usesBLAS: Bool { false }
    var byteCount: Int { memory.byteCount }
    var segments: Int { 1 }

    func compile(in arena: Arena, context: StepContext, input: PixelConversion) -> CompiledPlan {
        let operations = LaneOperations(
            program, memory, kernels, input: input, classes: request.network.description.classes,
            transposed: arena.pointer(at: memory.transposed), lanesPerShard: groups.lanesPerShard, lanes: groups.lanes,
            mode: request.mode)
        var passes: [Pass] = []
        if !operations.preparations.isEmpty { passes.append(Self.preparationPass(operations, context)) }
        passes.append(groupPass(operations, in: arena, context, imageByteCount: input.imageByteCount))
        if request.mode == .training, groups.units > 1 { passes.append(treePass(in: arena, context)) }
        passes.append(scorePass(in: arena, context))
        return CompiledPlan(passes: passes, logits: arena.pointer(at: memory.logits))
    }

    private static func preparationPass(_ operations: LaneOperations, _ context: StepContext) -> Pass {
        // One unit: waking a thread costs more than reversing a few thousand weights.
        Pass("weights", units: 1) { _, _ in
            for prepare in operations.preparations { prepare(context.weights) }
        }
    }

    private func groupPass(
        _ operations: LaneOperations, in arena: Arena, _ context: StepContext, imageByteCount: Int
    ) -> Pass {
        let (groups, memory, kernels) = (groups, memory, kernels)
        let isTraining = request.mode == .training
        let trainedCount = request.network.parameterList.trainedCount
        let classes = request.network.description.classes
        let logits: UnsafeMutablePointer<Float> = arena.pointer(at: memory.logits)
        let marks: UnsafeMutablePointer<UInt8> = arena.pointer(at: memory.marks)
        let lastValue = memory.values[program.steps.count]
        return Pass("groups of images", units: groups.units) { unit, worker in
            let region = arena.base + worker * memory.regionStride
            let group = LaneGroup(at: region + memory.group)
            let vectors = (region + memory.leafGradients).assumingMemoryBound(to: Float.self)
            let unitGradients: UnsafeMutablePointer<Float> = arena.pointer(at: memory.unitGradients)
            for number in 0..<groups.leavesPerUnit {
                let leaf = LaneLeaf(
                    kernels, number: number, levels: groups.levels, vectors: vectors, stride: memory.gradientStride,
                    total: groups.units == 1 && isTraining
                        ? context.gradients : unitGradients + unit * memory.gradientStride)
                let place = unit * groups.leavesPerUnit + number
                guard groups.fill(group, leaf: place, context: context, imageByteCount: imageByteCount) else {
                    if isTraining { leaf.finishEmpty(count: trainedCount) }
                    continue
                }
                let frame = LaneFrame(region: region, group: group, weights: context.weights, leaf: leaf)
                for operation in operations.forward { operation(frame) }
                operations.loss(frame)
                for lane in 0..<groups.lanes {
                    guard let slot = groups.slot(leaf: place, lane: lane, counts: context.counts) else { continue }
                    let (own, row) = (frame.floats(lastValue) + lane, logits + slot * classes)
                    for index in 0..<classes { row[index] = own[index * KernelSet.laneCount] }
                    let score = group.score(ofLane: lane)
                    context.losses[slot] = score.loss
                    marks[slot] = (score.isCorrect1 ? 1 : 0) | (score.isCorrect5 ? 2 : 0)
                }
                for operation in operations.backward { operation(frame) }
            }
        }
    }

    /// Joins the gradients of the units.
    private func treePass(in arena: Arena, _ context: StepContext) -> Pass {
        let (kernels, stride, units) = (kernels, memory.gradientStride, groups.units)
        let blocks = VectorBlocks(elements: request.network.parameterList.trainedCount, length: Self.blockLength)
        let gradients: UnsafeMutablePointer<Float> = arena.pointer(at: memory.unitGradients)
        return Pass("gradient tree", units: blocks.count) { number, _ in
            let block = blocks[number]
            BinaryTree.sum(
                leafArrays: gradients + block.lowerBound, leaves: units, stride: stride, count: block.count,
                into: context.gradients + block.lowerBound, kernels: kernels)
        }
    }

    /// Adds up what the loss said of each image, in the order of the slots.
    private func scorePass(in arena: Arena, _ context: StepContext) -> Pass {
        let (shards, imagesPerShard) = (request.shards, request.imagesPerShard)
        let marks: UnsafeMutablePointer<UInt8> = arena.pointer(at: memory.marks)
        return Pass("score", units: 1) { _, _ in
            for shard in 0..<shards {
                var score = Score()
                for slot in shard * imagesPerShard..<shard * imagesPerShard + Int(context.counts[shard]) {
                    score.loss += context.losses[slot]
                    score.divisor += 1
                    score.samples += 1
                    score.correct1 += Double(marks[slot] & 1)
                    score.correct5 += Double(marks[slot] >> 1)
                }
                context.scores[shard] = score
            }
        }
    }
}
