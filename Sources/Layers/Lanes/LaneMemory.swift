internal import Tensors

/// Where the values of one group lie in a worker's region, and where everything else of a lane plan lies in the arena.
///
/// Every worker has a region of its own, small enough that a group's values stay in its core's cache from the first layer to
/// the last gradient. Time in a region runs over the steps forward (0 ..< n), the loss (n) and the steps backward (step i at
/// 2n − i).
struct LaneMemory {
    /// Byte offsets in a region, by value (0 is the image) or by step.
    let values: [Int]
    /// Nonsense where nobody asks for the gradient.
    let gradients: [Int]
    let argmax, unpooled: [Int]
    let group, workspace: Int
    /// Gradient vectors of a region: the leaf's own, then one for each level of the unit's tree.
    let leafGradients: Int
    /// Floats of one gradient vector.
    let gradientStride: Int
    let regionStride: Int

    /// Byte offsets in the arena.
    let unitGradients, transposed, logits, marks: Int
    /// Floats of each step's reversed weights before its own.
    let transposedOffsets: [Int]
    let byteCount: Int

    init(_ program: LaneProgram, _ groups: LaneGroups, _ request: PlanRequest) {
        let (steps, isTraining) = (program.steps, request.mode == .training)
        let count = steps.count
        let laneBytes = KernelSet.laneCount * MemoryLayout<Float>.stride
        var region = ArenaLayout()
        func elements(_ value: Int) -> Int { value == 0 ? steps[0].inputCount : steps[value - 1].outputCount }
        let always = 0...2 * count
        let valueBuffers = (0...count).map { value in
            let first = max(0, value - 1)
            return region.request(
                byteCount: elements(value) * laneBytes, lifetime: first...(isTraining ? 2 * count - value + 1 : value))
        }
        let gradientBuffers = (0...count).map { value in
            region.request(
                byteCount: isTraining && program.dependsOnParameters(value) ? elements(value) * laneBytes : 0,
                lifetime: 2 * count - value...2 * count - value + 1)
        }
        let argmaxBuffers = steps.enumerated().map { index, step in
            let bytes =
                switch step.kind {
                case .convolution(_, isPooled: true), .maximum: step.outputCount * laneBytes / 2
                default: 0
                }
            return region.request(byteCount: bytes, lifetime: index...(isTraining ? 2 * count - index : index))
        }
        let unpooledBuffers = steps.enumerated().map { index, step in
            var bytes = 0
            if case .convolution(_, isPooled: true) = step.kind, isTraining, program.dependsOnParameters(index) {
                bytes = step.unpooledCount * laneBytes
            }
            return region.request(byteCount: bytes, lifetime: 2 * count - index...2 * count - index)
        }
        let scratch = steps.map { step in
            switch step.kind {
            case .convolution(let convolution, _): convolution.workspaceCount
            case .affine(let affine): affine.workspaceCount
            default: 0
            }
        }
        let workspaceBuffer = region.request(
            byteCount: (scratch.max() ?? 0) * MemoryLayout<Float>.stride, lifetime: always)
        let groupBuffer = region.request(byteCount: LaneGroup.byteCount, lifetime: always)
        gradientStride = (request.network.parameterList.trainedCount + 15) & ~15
        let vectorBytes = gradientStride * MemoryLayout<Float>.stride
        let leafBuffer = region.request(
            byteCount: isTraining ? (groups.levels + 1) * vectorBytes : 0, lifetime: always)
        let solution = region.solve()
        values = valueBuffers.map { solution[$0] }
        gradients = gradientBuffers.map { solution[$0] }
        argmax = argmaxBuffers.map { solution[$0] }
        unpooled = unpooledBuffers.map { solution[$0] }
        workspace = solution[workspaceBuffer]
        group = solution[groupBuffer]
        leafGradients = solution[leafBuffer]
        regionStride = (solution.byteCount + 4095) & ~4095

        var floats = 0
        transposedOffsets = steps.map { step in
            defer { if case .convolution = step.kind { floats += (step.weightCount + 15) & ~15 } }
            return floats
        }
        let slots = request.shards * request.imagesPerShard
        unitGradients = request.threads * regionStride
        transposed = unitGradients + (isTraining && groups.units > 1 ? groups.units * vectorBytes : 0)
        logits = transposed + (isTraining ? floats * MemoryLayout<Float>.stride : 0)
        marks = (logits + slots * request.network.description.classes * MemoryLayout<Float>.stride + 63) & ~63
        byteCount = marks + slots
    }
}
