internal import Tensors

/// How a stage of a plan is computed: memory that it needs, and its passes.
package protocol StageWork: Sendable {
    /// What the operations need in memory besides inputs, output and their gradients.
    func demand(for site: PlanSite) throws -> MemoryDemand
    /// The passes that compute y from x.
    func forwardPasses(at site: BoundSite) throws -> [Pass]
    /// The passes that compute the gradients of x (where `site.dx` is not nil) and of the parameters from that of y.
    func backwardPasses(at site: BoundSite) throws -> [Pass]
    /// The passes that compute y again, to the same bits, for backward passes that read it. They add nothing to the layer's
    /// statistics and exchange nothing.
    func restoringPasses(at site: BoundSite) throws -> [Pass]
}

extension StageWork {
    package func demand(for site: PlanSite) -> MemoryDemand { MemoryDemand() }
    package func restoringPasses(at site: BoundSite) throws -> [Pass] { try forwardPasses(at: site) }
}

/// One stage of a plan: a layer of the network, a few of them at once, or a change of layout.
struct PlanStage: Sendable {
    let path: String
    let work: any StageWork
    /// The place in the network of the layer that it is or, of several, of the first one.
    let number: Int
    /// What it takes, numbered as in `StageProgram`, and one sample of each.
    let inputValues: [Int]
    let inputs: [Shape]
    let output: Shape
    /// Indices into the network's parameter list.
    let parameters: Range<Int>
    /// Whether its parameters stay as they are, and whether it has others.
    let isFrozen, isTrained: Bool
    let statisticCount, statisticOffset: Int

    /// Computes a layer, or more than that, in another way.
    init(
        _ stage: Network.Stage, number: Int, work: any StageWork, inputValues: [Int], inputs: [Shape], output: Shape
    ) {
        path = stage.path
        self.work = work
        self.number = number
        (self.inputValues, self.inputs, self.output) = (inputValues, inputs, output)
        parameters = stage.parameters
        (isFrozen, isTrained) = (stage.isFrozen, stage.isTrained)
        (statisticCount, statisticOffset) = (stage.statisticCount, stage.statisticOffset)
    }

    /// Without parameters.
    init(path: String, number: Int, work: any StageWork, input: Int, shape: Shape) {
        self.path = path
        self.work = work
        self.number = number
        (inputValues, inputs, output) = ([input], [shape], shape)
        parameters = 0..<0
        (isFrozen, isTrained) = (false, false)
        (statisticCount, statisticOffset) = (0, 0)
    }
}

/// What a plan computes, stage after stage. Values are numbered: 0 is what comes in, i + 1 what stage i makes.
struct StageProgram: Sendable {
    /// One sample of what comes in.
    let input: Shape
    var stages: [PlanStage] = []

    func shape(ofValue value: Int) -> Shape { value == 0 ? input : stages[value - 1].output }

    init(input: Shape) { self.input = input }

    /// The part's layers as they are.
    init(_ network: Network, _ part: NetworkPart) {
        let range = part.stages(of: network)
        input = network.shape(ofValue: range.lowerBound)
        stages = range.map { number in
            let stage = network.stages[number]
            return PlanStage(
                stage, number: number, work: stage.layer,
                inputValues: stage.inputValues.map { $0 - range.lowerBound }, inputs: stage.inputs,
                output: stage.output)
        }
    }
}
