/// Who reads which value of a network.
struct ValueGraph {
    /// Stages that read each value, ascending; a stage that reads it twice is there twice.
    let consumers: [[Int]]
    /// Whether trained parameters lie before each value, so that its gradient is of use.
    let dependsOnParameters: [Bool]
    private let stages: [Network.Stage]

    init(_ stages: [Network.Stage]) {
        var consumers = [[Int]](repeating: [], count: stages.count + 1)
        var depends = [Bool](repeating: false, count: stages.count + 1)
        for (index, stage) in stages.enumerated() {
            for value in stage.inputValues { consumers[value].append(index) }
            depends[index + 1] = stage.isTrained || stage.inputValues.contains { depends[$0] }
        }
        self.consumers = consumers
        dependsOnParameters = depends
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

    init(_ graph: ValueGraph, _ stages: [Network.Stage], _ demands: [MemoryDemand]) {
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
                        && !Self.isReadBackwards(input, stages, demands)
                }
            values.append(shares ? values[input] : index + 1)
            gradients.append(shares ? gradients[input] : index + 1)
        }
        ofValues = values
        ofGradients = gradients
    }

    /// Whether the stage that makes this value, or one whose bytes it shares, reads it in its backward pass.
    private static func isReadBackwards(_ value: Int, _ stages: [Network.Stage], _ demands: [MemoryDemand]) -> Bool {
        guard value > 0 else { return false }
        if demands[value - 1].backwardReadsOutput { return true }
        return demands[value - 1].sharing == .sameBytes
            && isReadBackwards(stages[value - 1].inputValues[0], stages, demands)
    }
}
