internal import Tensors

/// A chain of layers as steps of lane kernels, activations and pairwise pooling joined to the step before them.
///
/// Values are numbered 0 (the image) … n, step i makes value i + 1 of value i.
struct LaneProgram {
    enum Kind {
        /// Pooled: followed by the maximum over 2 × 2.
        case convolution(LaneConvolution, isPooled: Bool)
        case affine(LaneAffine)
        case maximum(LaneWindow)
        case average(LaneWindow, countsPadding: Bool)
        case activation
    }

    struct Step {
        /// "conv1", or "conv1 relu1 pool1" for what was joined.
        var path: String
        var kind: Kind
        /// Of the step itself, or joined to it.
        var activation = LaneActivation.none
        let inputCount: Int
        /// Elements of one image behind the step, and behind its convolution.
        var outputCount: Int
        let unpooledCount: Int
        /// In the vector of parameters: weights, then biases.
        let parameterOffset, weightCount, biasCount: Int

        var biasOffset: Int? { biasCount > 0 ? parameterOffset + weightCount : nil }
        var hasParameters: Bool { weightCount > 0 }

        /// What has to be undone by whoever computes the gradient of the step's output, before the step's own backward pass.
        var activationOwedByConsumer: LaneActivation {
            switch kind {
            case .convolution(_, isPooled: false), .affine: activation
            default: .none
            }
        }
    }

    private(set) var steps: [Step] = []

    /// More channels fill vectors without help from other images, and gradients that are written once for every sixteen
    /// images must stay in a cache.
    static let maximumChannels = 64
    static let maximumParameters = 1 << 18
    static let maximumBytesOfGroup = 4 << 20

    /// Whether the network is small and every layer has its lane kernel; a matter of its description and loss alone.
    static func takes(_ network: Network, loss: Loss) -> Bool {
        guard loss == .crossEntropy(), network.parameterList.trainedCount <= maximumParameters,
            network.parameterList.trainedCount == network.parameterList.count,
            let program = LaneProgram(network)
        else { return false }
        let images = network.stages.flatMap { $0.inputs + [$0.output] }.filter { $0.rank == 3 }
        let elements = program.steps.reduce(network.description.input.count) { $0 + $1.outputCount }
        return images.allSatisfy { $0[0] <= maximumChannels }
            && elements * LaneKernels.laneCount * MemoryLayout<Float>.stride <= maximumBytesOfGroup
    }

    /// nil where a layer has no lane kernel, where the layers are no chain, or where nothing is to be trained.
    init?(_ network: Network) {
        guard network.description.input.rank == 3 else { return nil }
        for (index, stage) in network.stages.enumerated() {
            guard stage.inputValues == [index], let form = stage.layer.laneForm(for: stage.inputs[0]) else {
                return nil
            }
            append(form, of: stage, in: network)
        }
        guard steps.contains(where: \.hasParameters) else { return nil }
    }

    private mutating func append(_ form: LaneForm, of stage: Network.Stage, in network: Network) {
        let last = steps.indices.last
        switch form {
        case .sameValues:
            return
        case .activation(let activation):
            if let last, steps[last].hasParameters, case .none = steps[last].activation {
                steps[last].activation = activation
                steps[last].path += " \(stage.path)"
                return
            }
            append(.activation, activation, of: stage, in: network)
        case .maximum(let window, let isPairs):
            // A maximum may be taken before a function that never falls.
            if let last, isPairs, case .convolution(let convolution, isPooled: false) = steps[last].kind {
                steps[last].kind = .convolution(convolution, isPooled: true)
                steps[last].outputCount = stage.output.count
                steps[last].path += " \(stage.path)"
                return
            }
            append(.maximum(window), of: stage, in: network)
        case .average(let window, let countsPadding):
            append(.average(window, countsPadding: countsPadding), of: stage, in: network)
        case .convolution(let convolution, _):
            append(.convolution(convolution, isPooled: false), of: stage, in: network)
        case .affine(let affine, _):
            append(.affine(affine), of: stage, in: network)
        }
    }

    private mutating func append(
        _ kind: Kind, _ activation: LaneActivation = .none, of stage: Network.Stage, in network: Network
    ) {
        let parameters = stage.parameters.map { network.parameterList.parameters[$0] }
        steps.append(
            Step(
                path: stage.path, kind: kind, activation: activation, inputCount: stage.inputs[0].count,
                outputCount: stage.output.count, unpooledCount: stage.output.count,
                parameterOffset: parameters.first?.offset ?? 0, weightCount: parameters.first?.count ?? 0,
                biasCount: parameters.count > 1 ? parameters[1].count : 0))
    }

    /// Whether parameters lie before a value, so that its gradient is of use.
    func dependsOnParameters(_ value: Int) -> Bool { steps[..<value].contains(where: \.hasParameters) }

    /// What the input gradient of a step is multiplied with.
    func activationBefore(_ index: Int) -> LaneActivation {
        index == 0 ? .none : steps[index - 1].activationOwedByConsumer
    }
}
