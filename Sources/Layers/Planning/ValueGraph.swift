/// Who reads which value of a program.
struct ValueGraph {
    /// Stages that read each value, ascending; a stage that reads it twice is there twice.
    let consumers: [[Int]]
    /// Whether the gradient of each value is of use: trained parameters lie before it, or it depends on the value whose
    /// gradient is asked for.
    let needsGradient: [Bool]
    private let stages: [PlanStage]

    /// `keptValue`: the one value whose gradient is asked for, instead of those of parameters; `ofImage`: that of the image too.
    init(_ stages: [PlanStage], keptValue: Int? = nil, ofImage: Bool = false) {
        var consumers = [[Int]](repeating: [], count: stages.count + 1)
        var depends = [Bool](repeating: false, count: stages.count + 1)
        if let keptValue { depends[keptValue] = true }
        if ofImage { depends[0] = true }
        for (index, stage) in stages.enumerated() {
            for value in stage.inputValues { consumers[value].append(index) }
            let hasTrained = stage.isTrained && keptValue == nil
            depends[index + 1] = depends[index + 1] || hasTrained || stage.inputValues.contains { depends[$0] }
        }
        self.consumers = consumers
        needsGradient = depends
        self.stages = stages
    }

    /// Backward passes run from the last stage to the first, and a stage's inputs in order: the first to reach a value
    /// writes its gradient, the others are added in that order.
    func writesGradientFirst(stage: Int, input: Int) -> Bool {
        let value = stages[stage].inputValues[input]
        guard consumers[value].last == stage else { return false }
        return stages[stage].inputValues.firstIndex(of: value) == input
    }
}

/// Which values share the bytes of another one; the same for their gradients.
struct ValueSharing {
    /// Group numbers by value; equal ones share bytes.
    let ofValues: [Int]
    let ofGradients: [Int]

    /// `keptValue` is read after the run, so that nothing may overwrite it.
    init(_ graph: ValueGraph, _ stages: [PlanStage], _ demands: [MemoryDemand], keptValue: Int? = nil) {
        var values = [0]
        var gradients = [0]
        for (index, stage) in stages.enumerated() {
            let input = stage.inputValues[0]
            let isOnlyReader = graph.consumers[input] == [index]
            let shares =
                switch demands[index].sharing {
                case .ownOutput: false
                // Where others read x too, its gradient is a sum, which cannot be the gradient of y.
                case .sameBytes: isOnlyReader
                case .mayOverwriteInput:
                    isOnlyReader && !demands[index].backwardReadsInput
                        && !Self.isReadLater(input, stages, demands, keptValue)
                }
            values.append(shares ? values[input] : index + 1)
            gradients.append(shares ? gradients[input] : index + 1)
        }
        ofValues = values
        ofGradients = gradients
    }

    /// Whether the stage that makes this value, or one whose bytes it shares, reads it in its backward pass, or someone does
    /// after the run.
    private static func isReadLater(
        _ value: Int, _ stages: [PlanStage], _ demands: [MemoryDemand], _ keptValue: Int?
    ) -> Bool {
        if value == keptValue { return true }
        guard value > 0 else { return false }
        if demands[value - 1].backwardReadsOutput { return true }
        return demands[value - 1].sharing == .sameBytes
            && isReadLater(stages[value - 1].inputValues[0], stages, demands, keptValue)
    }
}
