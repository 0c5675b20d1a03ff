internal import Tensors

/// Decides where every value, gradient and scratch buffer of a plan lies, by when each is alive.
///
/// Time runs over the stages forward (0 ..< n), the loss (n) and the stages backward (stage i at 2n − i). Values are
/// numbered as in `StageProgram`.
struct PlanMemory {
    private let program: StageProgram
    private let parameters: ParameterList
    private let sites: [PlanSite]
    private let workspaceStride: Int
    /// Buffers by value; values that share bytes share a buffer.
    private let values: [ArenaLayout.Buffer?]
    /// nil for values whose gradient nobody asks for.
    private let gradients: [ArenaLayout.Buffer?]
    /// Buffers by stage and input, where the gradient cannot be written to its place but is added to it.
    private let addends: [[ArenaLayout.Buffer?]]
    private let saved, forwardScratch, partialGradients: [ArenaLayout.Buffer]
    private let workspace: ArenaLayout.Buffer
    private let solution: ArenaLayout.Solution

    var byteCount: Int { solution.byteCount }

    init(_ program: StageProgram, _ request: PlanRequest) throws {
        let stages = program.stages
        let count = stages.count
        let (shards, imagesPerShard, mode) = (request.shards, request.imagesPerShard, request.mode)
        let (isTraining, goesBack) = (mode.isTraining, mode.hasBackward)
        let slots = shards * imagesPerShard
        let graph = ValueGraph(stages, keptValue: mode.keptValue, ofImage: mode == .fragmentTraining)
        let sites = stages.indices.map { index in
            PlanSite(
                path: stages[index].path, number: stages[index].number, inputs: stages[index].inputs,
                output: stages[index].output,
                shards: shards, imagesPerShard: imagesPerShard,
                needsInputGradients: stages[index].inputValues.map { goesBack && graph.needsGradient[$0] },
                isTraining: isTraining, trainsParameters: isTraining && stages[index].isTrained,
                batchStatistics: !isTraining || stages[index].isFrozen && stages[index].statisticCount == 0
                    ? nil : request.options.batchStatistics)
        }
        self.sites = sites
        let hasBackward = stages.indices.map { goesBack && graph.needsGradient[$0 + 1] && $0 + 1 != mode.keptValue }
        let demands = try stages.indices.map { index in
            var demand = try stages[index].work.demand(for: sites[index])
            if !hasBackward[index] {
                (demand.backwardReadsInput, demand.backwardReadsOutput) = (false, false)
                demand.partialGradientBytes = 0
            }
            return demand
        }
        let sharing = ValueSharing(graph, stages, demands, keptValue: mode.keptValue)

        var layout = ArenaLayout()
        func bytes(_ value: Int) -> Int {
            Int.product(slots, program.shape(ofValue: value).count, MemoryLayout<Float>.stride)
        }

        // A value is alive from the stage that makes it to the last pass that reads it, forward or backward.
        let lifetimes: [ClosedRange<Int>?] = (0...stages.count).map { value in
            var last = value
            for consumer in graph.consumers[value] {
                last = max(last, consumer)
                if demands[consumer].backwardReadsInput { last = max(last, 2 * count - consumer) }
            }
            if value > 0, demands[value - 1].backwardReadsOutput { last = max(last, 2 * count - value + 1) }
            // The logits, and the value that is asked for, stay for whoever reads them after the run.
            if goesBack, value == count || value == mode.keptValue { last = 2 * count }
            return max(0, value - 1)...max(last, max(0, value - 1))
        }
        values = Self.buffers(sharing.ofValues, lifetimes: lifetimes, bytes: bytes, in: &layout)

        // A gradient is alive from the first backward pass that writes it to the one that consumes it.
        let gradientLifetimes: [ClosedRange<Int>?] = (0...stages.count).map { value in
            guard goesBack, graph.needsGradient[value] else { return nil }
            let first = value == count ? count : 2 * count - (graph.consumers[value].last ?? count)
            return first...2 * count - value + 1
        }
        gradients = Self.buffers(sharing.ofGradients, lifetimes: gradientLifetimes, bytes: bytes, in: &layout)
        addends = stages.enumerated().map { index, stage in
            stage.inputValues.enumerated().map { place, value in
                guard gradientLifetimes[value] != nil, !graph.writesGradientFirst(stage: index, input: place) else {
                    return nil
                }
                return layout.request(byteCount: bytes(value), lifetime: 2 * count - index...2 * count - index)
            }
        }
        saved = demands.enumerated().map { index, demand in
            layout.request(
                byteCount: demand.savedBytes, lifetime: index...(hasBackward[index] ? 2 * count - index : index))
        }
        forwardScratch = demands.enumerated().map { index, demand in
            layout.request(byteCount: demand.forwardBytes, lifetime: index...index)
        }
        partialGradients = demands.enumerated().map { index, demand in
            layout.request(byteCount: demand.partialGradientBytes, lifetime: 2 * count - index...2 * count - index)
        }
        // One workspace a worker serves all stages, forward and backward.
        workspaceStride = demands.map { ($0.workspaceBytes + 63) & ~63 }.max() ?? 0
        workspace = layout.request(byteCount: Int.product(workspaceStride, request.threads), lifetime: 0...2 * count)
        solution = layout.solve()
        self.program = program
        parameters = request.network.parameterList
    }

    /// One buffer for each group of values that share bytes, as large as the largest and alive as long as any.
    private static func buffers(
        _ groups: [Int], lifetimes: [ClosedRange<Int>?], bytes: (Int) -> Int, in layout: inout ArenaLayout
    ) -> [ArenaLayout.Buffer?] {
        var byGroup: [Int: ArenaLayout.Buffer] = [:]
        for group in Set(groups).sorted() {
            let members = groups.indices.filter { groups[$0] == group && lifetimes[$0] != nil }
            let alive = members.compactMap { lifetimes[$0] }
            guard let first = alive.map(\.lowerBound).min(), let last = alive.map(\.upperBound).max() else { continue }
            byGroup[group] = layout.request(byteCount: members.map(bytes).max() ?? 0, lifetime: first...last)
        }
        return groups.indices.map { lifetimes[$0] == nil ? nil : byGroup[groups[$0]] }
    }

    func input(in arena: Arena) -> UnsafeMutablePointer<Float> { value(0, in: arena) }

    func logits(in arena: Arena) -> UnsafeMutablePointer<Float> {
        value(program.stages.count, in: arena)
    }

    /// A value that is kept, and its gradient.
    func kept(_ value: Int, in arena: Arena) -> (
        value: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>
    )? {
        gradients[value].map { (self.value(value, in: arena), arena.pointer(at: solution[$0])) }
    }

    private func value(_ value: Int, in arena: Arena) -> UnsafeMutablePointer<Float> {
        guard let buffer = values[value] else { preconditionFailure("value \(value) lies outside the plan") }
        return arena.pointer(at: solution[buffer])
    }

    func logitsGradient(in arena: Arena) -> UnsafeMutablePointer<Float>? {
        gradients[gradients.count - 1].map { arena.pointer(at: solution[$0]) }
    }

    /// The memory of a stage, and the additions that bring its input gradients to their places afterwards.
    func site(_ index: Int, in arena: Arena, context: StepContext) -> (site: BoundSite, additions: [GradientAddition]) {
        let stage = program.stages[index]
        func pointer(_ buffer: ArenaLayout.Buffer?) -> UnsafeMutablePointer<Float>? {
            buffer.map { arena.pointer(at: solution[$0]) }
        }
        var additions: [GradientAddition] = []
        let inputGradients = stage.inputValues.enumerated().map { place, value in
            let target = pointer(gradients[value])
            guard let target, let addend = pointer(addends[index][place]) else { return target }
            additions.append(GradientAddition(target: target, addend: addend, count: stage.inputs[place].count))
            return addend
        }
        let site = BoundSite(
            plan: sites[index], context: context, xs: stage.inputValues.compactMap { pointer(values[$0]) },
            y: value(index + 1, in: arena), dxs: inputGradients,
            dy: pointer(gradients[index + 1]), saved: arena.base + solution[saved[index]],
            forwardScratch: arena.base + solution[forwardScratch[index]],
            partialGradients: arena.base + solution[partialGradients[index]],
            workspace: arena.base + solution[workspace], workspaceStride: workspaceStride,
            parameterOffsets: stage.parameters.map { self.parameters.parameters[$0].offset },
            statisticOffset: stage.statisticOffset)
        return (site, additions)
    }
}

/// A gradient that arrives at a value which has one already: the value has several consumers.
struct GradientAddition {
    let target: UnsafeMutablePointer<Float>
    let addend: UnsafeMutablePointer<Float>
    /// Elements of one image.
    let count: Int
}
