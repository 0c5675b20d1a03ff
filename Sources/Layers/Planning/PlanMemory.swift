internal import Tensors

/// Decides where every value, gradient and scratch buffer of a plan lies, by when each is alive.
///
/// Times are those of a `StepSchedule`. Values are numbered as in `StageProgram`.
struct PlanMemory {
    private let program: StageProgram
    private let parameters: ParameterList
    private let sites: [PlanSite]
    private let workspaceStride: Int
    let schedule: StepSchedule
    /// Segments that values are kept between.
    let segments: Int
    /// Buffers by version of the schedule; versions that share bytes share a buffer.
    private let versions: [ArenaLayout.Buffer]
    /// nil for values whose gradient nobody asks for.
    private let gradients: [ArenaLayout.Buffer?]
    /// Buffers by stage and input, where the gradient cannot be written to its place but is added to it.
    private let addends: [[ArenaLayout.Buffer?]]
    private let saved, forwardScratch, partialGradients: [ArenaLayout.Buffer]
    /// Buffers by stage, where it runs again: what it saves then, and its scratch.
    private let savedAgain, scratchAgain: [ArenaLayout.Buffer?]
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
        let segments = Segments(isTraining ? request.options.segments : 1, program, graph, demands)
        let schedule = StepSchedule(
            stages, graph, demands, sharing, segments, goesBack: goesBack, restores: isTraining,
            keptValue: mode.keptValue)
        self.schedule = schedule
        self.segments = segments.count

        var layout = ArenaLayout()
        func bytes(_ value: Int) -> Int {
            Int.product(slots, program.shape(ofValue: value).count, MemoryLayout<Float>.stride)
        }
        versions = Self.versions(schedule, sharing, demands, bytes: bytes, in: &layout)

        // A gradient is alive from the first backward pass that writes it to the one that consumes it.
        let gradientLifetimes: [ClosedRange<Int>?] = (0...stages.count).map { value in
            guard goesBack, graph.needsGradient[value] else { return nil }
            let first = graph.consumers[value].last.map { schedule.backward[$0] } ?? count
            return first...(value == 0 ? schedule.end + 1 : schedule.backward[value - 1])
        }
        gradients = Self.buffers(sharing.ofGradients, lifetimes: gradientLifetimes, bytes: bytes, in: &layout)
        addends = stages.enumerated().map { index, stage in
            stage.inputValues.enumerated().map { place, value in
                guard gradientLifetimes[value] != nil, !graph.writesGradientFirst(stage: index, input: place) else {
                    return nil
                }
                return layout.request(
                    byteCount: bytes(value), lifetime: schedule.backward[index]...schedule.backward[index])
            }
        }
        // What a stage saves when it runs again need not stay from the first time.
        saved = demands.enumerated().map { index, demand in
            let isSavedAgain = schedule.again[index] != nil && !demand.restoringReadsSaved
            let last = hasBackward[index] && !isSavedAgain ? schedule.backward[index] : index
            return layout.request(byteCount: demand.savedBytes, lifetime: index...last)
        }
        savedAgain = demands.enumerated().map { index, demand in
            guard let again = schedule.again[index], !demand.restoringReadsSaved else { return nil }
            return layout.request(byteCount: demand.savedBytes, lifetime: again...schedule.backward[index])
        }
        forwardScratch = demands.enumerated().map { index, demand in
            layout.request(byteCount: demand.forwardBytes, lifetime: index...index)
        }
        scratchAgain = demands.enumerated().map { index, demand in
            schedule.again[index].map { layout.request(byteCount: demand.forwardBytes, lifetime: $0...$0) }
        }
        partialGradients = demands.enumerated().map { index, demand in
            layout.request(
                byteCount: demand.partialGradientBytes, lifetime: schedule.backward[index]...schedule.backward[index])
        }
        // One workspace a worker serves all stages, forward and backward.
        workspaceStride = demands.map { ($0.workspaceBytes + 63) & ~63 }.max() ?? 0
        workspace = layout.request(byteCount: Int.product(workspaceStride, request.threads), lifetime: 0...schedule.end)
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

    /// One buffer for each version, those that share bytes aside: an output that may lie over its input does where nobody reads
    /// that later.
    private static func versions(
        _ schedule: StepSchedule, _ sharing: ValueSharing, _ demands: [MemoryDemand], bytes: (Int) -> Int,
        in layout: inout ArenaLayout
    ) -> [ArenaLayout.Buffer] {
        let all = schedule.versions
        var groups = Array(all.indices)
        var lifetimes = all.map { $0.made...$0.last }
        for event in schedule.events where event.kind == .forward || event.kind == .again {
            let (input, output) = (event.inputs[0], event.output)
            let group = groups[input]
            guard sharing.ofValues[all[input].value] == sharing.ofValues[all[output].value],
                demands[event.stage].sharing == .sameBytes || lifetimes[group].upperBound <= event.time
            else { continue }
            groups[output] = group
            lifetimes[group] =
                lifetimes[group].lowerBound...max(lifetimes[group].upperBound, lifetimes[output].upperBound)
        }
        let order = all.indices.sorted {
            (all[$0].kind == .forward ? 0 : 1, all[$0].value) < (all[$1].kind == .forward ? 0 : 1, all[$1].value)
        }
        var buffers: [Int: ArenaLayout.Buffer] = [:]
        for group in order where groups[group] == group {
            let largest = all.indices.filter { groups[$0] == group }.map { bytes(all[$0].value) }.max() ?? 0
            buffers[group] = layout.request(byteCount: largest, lifetime: lifetimes[group])
        }
        return groups.compactMap { buffers[$0] }
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

    /// A value as it was made first.
    private func value(_ value: Int, in arena: Arena) -> UnsafeMutablePointer<Float> {
        arena.pointer(at: solution[versions[value]])
    }

    func logitsGradient(in arena: Arena) -> UnsafeMutablePointer<Float>? {
        gradients[gradients.count - 1].map { arena.pointer(at: solution[$0]) }
    }

    /// The memory of a stage at an event, and the additions that bring its input gradients to their places after it.
    func site(
        _ event: StepSchedule.Event, in arena: Arena, context: StepContext
    ) -> (site: BoundSite, additions: [GradientAddition]) {
        let index = event.stage
        let stage = program.stages[index]
        func pointer(_ buffer: ArenaLayout.Buffer?) -> UnsafeMutablePointer<Float>? {
            buffer.map { arena.pointer(at: solution[$0]) }
        }
        func version(_ version: Int) -> UnsafeMutablePointer<Float> { arena.pointer(at: solution[versions[version]]) }
        let saved = event.kind == .forward ? saved[index] : savedAgain[index] ?? saved[index]
        let scratch = event.kind == .again ? scratchAgain[index] : nil
        var additions: [GradientAddition] = []
        let inputGradients = stage.inputValues.enumerated().map { place, value in
            let target = pointer(gradients[value])
            guard let target, let addend = pointer(addends[index][place]) else { return target }
            additions.append(GradientAddition(target: target, addend: addend, count: stage.inputs[place].count))
            return addend
        }
        let site = BoundSite(
            plan: sites[index], context: context, xs: event.inputs.map(version), y: version(event.output),
            dxs: inputGradients,
            dy: pointer(gradients[index + 1]), saved: arena.base + solution[saved],
            forwardScratch: arena.base + solution[scratch ?? forwardScratch[index]],
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
