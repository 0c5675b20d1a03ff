internal import Tensors

/// Decides where every value, gradient and scratch buffer of a plan lies, by when each is alive.
///
/// Time runs over the stages forward (0 ..< n), the loss (n) and the stages backward (stage i at 2n − i).
struct PlanMemory {
    private let network: Network
    private let mode: ExecutionPlan.Mode
    private let sites: [PlanSite]
    private let demands: [MemoryDemand]
    private let threads: Int
    /// Slots by value: 0 is the input, i + 1 the output of stage i. Values that share bytes share a slot.
    private let values: [ArenaLayout.Slot]
    private let gradients: [ArenaLayout.Slot?]
    private let saved, partialGradients, workspaces: [ArenaLayout.Slot]
    private let solution: ArenaLayout.Solution

    var byteCount: Int { solution.byteCount }

    init(network: Network, imagesPerShard: Int, shards: Int, mode: ExecutionPlan.Mode, threads: Int) throws {
        let stages = network.stages
        let count = stages.count
        let isTraining = mode == .training
        let firstTrained = stages.firstIndex { !$0.parameters.isEmpty } ?? count
        let sites = stages.enumerated().map { index, stage in
            PlanSite(
                path: stage.path, input: stage.input, output: stage.output, shards: shards,
                imagesPerShard: imagesPerShard, needsInputGradient: isTraining && index > firstTrained,
                isTraining: isTraining)
        }
        let demands = try zip(stages, sites).map { try $0.layer.demand(for: $1) }
        let slots = shards * imagesPerShard

        // Which stages put their output where their input lies.
        let shares = demands.indices.map { index in
            switch demands[index].sharing {
            case .ownOutput: false
            case .sameBytes: true
            case .mayOverwriteInput:
                !demands[index].backwardReadsInput
                    && (index == 0 || !Self.isReadBackwards(outputOf: index - 1, demands))
            }
        }
        // A storage is a run of values that share bytes; it is alive until the last pass that reads one of them.
        var storageOfValue = [0]
        for index in stages.indices {
            storageOfValue.append(shares[index] ? storageOfValue[index] : storageOfValue[index] + 1)
        }
        let storageCount = storageOfValue[count] + 1
        var bytes = [Int](repeating: 0, count: storageCount)
        var firstUse = [Int](repeating: Int.max, count: storageCount)
        var lastUse = [Int](repeating: 0, count: storageCount)
        var lastGradientUse = [Int](repeating: 0, count: storageCount)
        for value in 0...count {
            let storage = storageOfValue[value]
            let shape = value == 0 ? network.description.input : stages[value - 1].output
            bytes[storage] = max(bytes[storage], slots * shape.count * MemoryLayout<Float>.stride)
            firstUse[storage] = min(firstUse[storage], max(0, value - 1))
            lastUse[storage] = max(lastUse[storage], value)
            if isTraining, value < count, demands[value].backwardReadsInput {
                lastUse[storage] = max(lastUse[storage], 2 * count - value)
            }
            if isTraining, value > 0 {
                if demands[value - 1].backwardReadsOutput {
                    lastUse[storage] = max(lastUse[storage], 2 * count - value + 1)
                }
                lastGradientUse[storage] = max(lastGradientUse[storage], 2 * count - value + 1)
            }
        }
        // The logits stay for whoever asks for them after the run.
        lastUse[storageCount - 1] = isTraining ? 2 * count : count
        // The gradient of a storage is written by the stage after its last value and read by the stage before its first.
        var firstGradientUse = [Int](repeating: 0, count: storageCount)
        for value in 0...count { firstGradientUse[storageOfValue[value]] = 2 * count - value }

        var layout = ArenaLayout()
        let storageSlots = (0..<storageCount).map {
            layout.request(byteCount: bytes[$0], lifetime: firstUse[$0]...max(firstUse[$0], lastUse[$0]))
        }
        let gradientSlots: [ArenaLayout.Slot?] = (0..<storageCount).map {
            guard isTraining, lastGradientUse[$0] >= firstGradientUse[$0] else { return nil }
            return layout.request(byteCount: bytes[$0], lifetime: firstGradientUse[$0]...lastGradientUse[$0])
        }
        values = storageOfValue.map { storageSlots[$0] }
        gradients = storageOfValue.map { gradientSlots[$0] }
        saved = demands.enumerated().map { index, demand in
            layout.request(byteCount: demand.savedBytes, lifetime: index...(isTraining ? 2 * count - index : index))
        }
        partialGradients = demands.enumerated().map { index, demand in
            layout.request(byteCount: demand.partialGradientBytes, lifetime: 2 * count - index...2 * count - index)
        }
        // A workspace serves the forward and the backward passes of its stage; one buffer serves all stages.
        let widest = demands.map { Self.roundedToLine($0.workspaceBytes) }.max() ?? 0
        let workspace = layout.request(byteCount: widest * threads, lifetime: 0...2 * count)
        workspaces = demands.map { _ in workspace }
        solution = layout.solve()
        self.network = network
        self.mode = mode
        self.sites = sites
        self.demands = demands
        self.threads = threads
    }

    /// Whether the stage that makes this output, or one it shares bytes with, reads it in its backward pass.
    private static func isReadBackwards(outputOf index: Int, _ demands: [MemoryDemand]) -> Bool {
        if demands[index].backwardReadsOutput { return true }
        return demands[index].sharing == .sameBytes && index > 0 && isReadBackwards(outputOf: index - 1, demands)
    }

    private static func roundedToLine(_ bytes: Int) -> Int { (bytes + 63) & ~63 }

    func input(in arena: Arena) -> UnsafeMutablePointer<Float> { arena.pointer(at: solution[values[0]]) }

    func logits(in arena: Arena) -> UnsafeMutablePointer<Float> {
        arena.pointer(at: solution[values[values.count - 1]])
    }

    func logitsGradient(in arena: Arena) -> UnsafeMutablePointer<Float>? {
        gradients[gradients.count - 1].map { arena.pointer(at: solution[$0]) }
    }

    func site(_ index: Int, in arena: Arena, context: StepContext) -> BoundSite {
        let widest = demands.map { Self.roundedToLine($0.workspaceBytes) }.max() ?? 0
        return BoundSite(
            plan: sites[index], context: context, x: arena.pointer(at: solution[values[index]]),
            y: arena.pointer(at: solution[values[index + 1]]),
            dx: sites[index].needsInputGradient ? gradients[index].map { arena.pointer(at: solution[$0]) } : nil,
            dy: gradients[index + 1].map { arena.pointer(at: solution[$0]) },
            saved: arena.base + solution[saved[index]],
            partialGradients: arena.base + solution[partialGradients[index]],
            workspace: arena.base + solution[workspaces[index]], workspaceStride: widest,
            parameterOffsets: network.stages[index].parameters.map { network.parameterList.parameters[$0].offset })
    }
}
