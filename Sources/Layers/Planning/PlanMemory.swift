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
    /// Where values lie for the backward passes that are computed again for these.
    private let restored: [ArenaLayout.Buffer?]
    private let restorations: [Restoration?]
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
                // Nothing backward keeps what the output would be computed from.
                demand.restoresOutput = false
            }
            return demand
        }
        let sharing = ValueSharing(graph, stages, demands, keptValue: mode.keptValue)
        let restorations = Restoration.all(stages, graph, demands, sharing, isTraining: isTraining)
        self.restorations = restorations

        var layout = ArenaLayout()
        func bytes(_ value: Int) -> Int {
            Int.product(slots, program.shape(ofValue: value).count, MemoryLayout<Float>.stride)
        }

        // A value is alive from the stage that makes it to the last pass that reads it, forward or backward.
        let lifetimes: [ClosedRange<Int>?] = (0...stages.count).map { value in
            var last = value
            for consumer in graph.consumers[value] {
                last = max(last, consumer)
                if let again = restorations[consumer + 1] { last = max(last, again.time) }
            }
            if restorations[value] == nil {
                last = max(last, Restoration.backwardReads(of: value, stages, graph, demands).max() ?? last)
            }
            // The logits, and the value that is asked for, stay for whoever reads them after the run.
            if goesBack, value == count || value == mode.keptValue { last = 2 * count }
            return max(0, value - 1)...max(last, max(0, value - 1))
        }
        values = Self.buffers(sharing.ofValues, lifetimes: lifetimes, bytes: bytes, in: &layout)
        restored = restorations.enumerated().map { value, restoration in
            restoration.map { layout.request(byteCount: bytes(value), lifetime: $0.time...$0.last) }
        }

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

    /// The values that are computed again before the backward passes of a stage.
    func restorations(before stage: Int) -> [Int] {
        restorations.indices.filter { restorations[$0]?.time == 2 * program.stages.count - stage }
    }

    /// The memory of a stage in its passes forward, or in those backward, and the additions that bring its input gradients to
    /// their places afterwards.
    func site(
        _ index: Int, isBackward: Bool, in arena: Arena, context: StepContext
    ) -> (site: BoundSite, additions: [GradientAddition]) {
        let stage = program.stages[index]
        func place(_ value: Int) -> UnsafeMutablePointer<Float>? {
            pointer((isBackward ? restored[value] : nil) ?? values[value])
        }
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
            plan: sites[index], context: context, xs: stage.inputValues.compactMap(place),
            y: place(index + 1) ?? value(index + 1, in: arena), dxs: inputGradients,
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

/// A value that is computed again for the backward passes: between the passes forward and these its bytes are free.
struct Restoration {
    /// When: with the first backward pass that reads it, as `PlanMemory` counts time.
    let time: Int
    /// The last backward pass that reads it.
    let last: Int

    /// By value. What a restored value is computed from stays in memory, so that none is restored from another one.
    static func all(
        _ stages: [PlanStage], _ graph: ValueGraph, _ demands: [MemoryDemand], _ sharing: ValueSharing, isTraining: Bool
    ) -> [Restoration?] {
        var all = [Restoration?](repeating: nil, count: stages.count + 1)
        guard isTraining else { return all }
        for (index, stage) in stages.enumerated() where demands[index].restoresOutput {
            let value = index + 1
            let reads = backwardReads(of: value, stages, graph, demands)
            guard let first = reads.min(), let last = reads.max(), value < stages.count,
                stage.inputValues.allSatisfy({ all[$0] == nil }),
                sharing.ofValues.count(where: { $0 == sharing.ofValues[value] }) == 1
            else { continue }
            all[value] = Restoration(time: first, last: last)
        }
        return all
    }

    /// When backward passes read a value.
    static func backwardReads(
        of value: Int, _ stages: [PlanStage], _ graph: ValueGraph, _ demands: [MemoryDemand]
    ) -> [Int] {
        let end = 2 * stages.count
        var times = graph.consumers[value].filter { consumer in
            let demand = demands[consumer]
            return demand.backwardReadsInput
                && (demand.backwardReadsOtherInputs || stages[consumer].inputValues[0] == value)
        }.map { end - $0 }
        if value > 0, demands[value - 1].backwardReadsOutput { times.append(end - value + 1) }
        return times
    }
}
