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
        /// Whether gradients of its parameters are asked for.
        let isTrained: Bool

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

    /// nil where the network is not small, where a layer has no lane kernel or the layers are no chain, and where there are no
    /// parameters or there are buffers: a matter of the network's description and loss alone.
    init?(_ network: Network, loss: Loss) {
        guard loss == .crossEntropy(), network.description.input.rank == 3,
            network.parameterList.parameterCount <= Self.maximumParameters,
            network.parameterList.parameterCount == network.parameterList.count
        else { return nil }
        for (index, stage) in network.stages.enumerated() {
            guard stage.inputValues == [index], join(stage, in: network) else { return nil }
        }
        guard steps.contains(where: \.hasParameters) else { return nil }
        let images = network.stages.flatMap { $0.inputs + [$0.output] }.filter { $0.rank == 3 }
        let elements = steps.reduce(network.description.input.count) { $0 + $1.outputCount }
        guard images.allSatisfy({ $0[0] <= Self.maximumChannels }),
            elements * KernelSet.laneCount * MemoryLayout<Float>.stride <= Self.maximumBytesOfGroup
        else { return nil }
    }

    /// Adds a layer as a step, or to the step before it; false where no kernel computes it.
    private mutating func join(_ stage: Network.Stage, in network: Network) -> Bool {
        switch stage.operation {
        case .reshape:
            return true
        case .activation(let function):
            guard let activation = LaneActivation(function) else { return false }
            guard let last = steps.last, last.hasParameters, case .none = last.activation else {
                add(.activation, activation, of: stage, in: network)
                return true
            }
            steps[steps.count - 1].activation = activation
            steps[steps.count - 1].path += " \(stage.path)"
        case .pooling(let function, .sliding(let window, ceilMode: false)):
            // The kernels number the place of a maximum in 16 bits.
            let places = window.axes.reduce(1) { Int.product($0, $1.kernel) }
            guard let lanes = LaneWindow(window), function != .maximum || places <= 1 << 16 else { return false }
            return join(function, lanes, isPairs: window.isPairs, of: stage, in: network)
        case .convolution(let padded, _):
            let convolution = padded.convolution
            guard convolution.groups == 1, padded.padding == nil, let window = LaneWindow(convolution.window) else {
                return false
            }
            let lanes = LaneConvolution(window: window, outChannels: convolution.outChannels)
            add(.convolution(lanes, isPooled: false), of: stage, in: network)
        case .affine(let affine, _):
            add(.affine(LaneAffine(inputs: affine.inputs, outputs: affine.outputs)), of: stage, in: network)
        default:
            return false
        }
        return true
    }

    private mutating func join(
        _ function: PoolingFunction, _ window: LaneWindow, isPairs: Bool, of stage: Network.Stage, in network: Network
    ) -> Bool {
        switch function {
        case .minimum:
            return false
        case .mean(let countsPadding):
            add(.average(window, countsPadding: countsPadding), of: stage, in: network)
        case .maximum:
            // A maximum may be taken before a function that never falls.
            guard isPairs, let last = steps.last, case .convolution(let convolution, isPooled: false) = last.kind else {
                add(.maximum(window), of: stage, in: network)
                return true
            }
            steps[steps.count - 1].kind = .convolution(convolution, isPooled: true)
            steps[steps.count - 1].outputCount = stage.output.count
            steps[steps.count - 1].path += " \(stage.path)"
        }
        return true
    }

    private mutating func add(
        _ kind: Kind, _ activation: LaneActivation = .none, of stage: Network.Stage, in network: Network
    ) {
        let parameters = stage.parameters.map { network.parameterList.parameters[$0] }
        steps.append(
            Step(
                path: stage.path, kind: kind, activation: activation, inputCount: stage.inputs[0].count,
                outputCount: stage.output.count, unpooledCount: stage.output.count,
                parameterOffset: parameters.first?.offset ?? 0, weightCount: parameters.first?.count ?? 0,
                biasCount: parameters.count > 1 ? parameters[1].count : 0, isTrained: stage.isTrained))
    }

    /// Whether trained parameters lie before a value, so that its gradient is of use.
    func dependsOnParameters(_ value: Int) -> Bool { steps[..<value].contains(where: \.isTrained) }

    /// What the input gradient of a step is multiplied with.
    func activationBefore(_ index: Int) -> LaneActivation {
        index == 0 ? .none : steps[index - 1].activationOwedByConsumer
    }
}

extension LaneActivation {
    /// nil where the kernels have no such function.
    fileprivate init?(_ activation: Activation) {
        switch activation {
        case .relu: self = .relu
        case .tanh: self = .tanh
        default: return nil
        }
    }
}

extension Window {
    /// Whether windows of 2 × 2 neither overlap nor leave anything out but a last row or column.
    fileprivate var isPairs: Bool { axes.allSatisfy { $0.kernel == 2 && $0.stride == 2 && $0.before == 0 } }
}

extension LaneWindow {
    /// The same window over images in lanes; nil where no kernel takes it.
    ///
    /// Padding of a kernel's width or more would put outputs beside the image, which the kernels do not expect.
    fileprivate init?(_ window: Window) {
        guard window.axes.count == 2, !window.isFlipped else { return nil }
        for axis in window.axes {
            let after = (axis.output - 1) * axis.stride + axis.kernel - axis.before - axis.input
            guard axis.dilation == 1, axis.before < axis.kernel, after < axis.kernel else { return nil }
        }
        self.init(channels: window.channels, height: window.axes[0], width: window.axes[1])
    }
}
