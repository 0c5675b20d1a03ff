internal import Tensors

/// A network rewritten for values in blocks of sixteen channels where there are kernels for them, and as it is elsewhere, with
/// changes of layout where the two meet.
///
/// What is claimed depends on a layer's own shape alone, and what is joined gives the bits that its parts give one after the
/// other: a part of a network computes what the whole one computes there.
struct BlockProgram {
    private(set) var stages: StageProgram
    /// Whether something is left that OpenBLAS multiplies.
    private(set) var usesBLAS = false
    private let network: Network
    private let kernels: KernelSet
    private let convolution: ConvolutionChoice
    private let range: Range<Int>
    /// Kernels that take planes make no gradient of them.
    private let needsImageGradient: Bool
    /// Stages that read each value of the network, inside the part.
    private let consumers: [Int: [Int]]
    /// Where the program has a value of the network.
    private var places: [Int: Places] = [:]
    /// Normalisations that wait for the addition that they are joined with, by its stage.
    private var waiting: [Int: Int] = [:]
    private var joined: Set<Int> = []

    private enum Layout {
        case planes, blocks
    }

    private struct Places {
        var planes: Int?
        var blocks: Int?
    }

    /// Throws: `ShapeMismatch`.
    init(
        _ network: Network, _ part: NetworkPart, _ kernels: KernelSet, convolution: ConvolutionChoice,
        needsImageGradient: Bool = false
    ) throws {
        self.network = network
        self.kernels = kernels
        self.convolution = convolution
        self.needsImageGradient = needsImageGradient
        range = part.stages(of: network)
        stages = StageProgram(input: network.shape(ofValue: range.lowerBound))
        var consumers: [Int: [Int]] = [:]
        for number in range {
            for value in network.stages[number].inputValues { consumers[value, default: []].append(number) }
        }
        self.consumers = consumers
        place(range.lowerBound, at: 0, .planes)
        for number in range where !joined.contains(number) { try rewrite(number) }
        let output = planes(of: range.upperBound)
        precondition(output == stages.stages.count, "the program ends elsewhere than the network")
    }

    // ---- Layers

    private mutating func rewrite(_ number: Int) throws {
        let stage = network.stages[number]
        let input = stage.inputs[0]
        switch stage.operation {
        case .convolution(let padded, let hasBias):
            let takesImage = stage.inputValues[0] == 0 && !needsImageGradient
            guard var convolution = BlockConvolution(padded, takesPlanes: takesImage) else { break }
            switch self.convolution {
            case .direct: break
            case .winograd: convolution.isWinograd = convolution.allowsWinograd
            case .auto: convolution.isWinograd = convolution.gainsByWinograd
            }
            let takesPlanes = !Self.fillsBlocks(input)
            let from = takesPlanes ? planes(of: stage.inputValues[0]) : blocks(of: stage.inputValues[0])
            let work = BlockConvolutionWork(convolution: convolution, hasBias: hasBias, kernels: kernels)
            append(number, work, [from], .blocks)
            return
        case .affine(let affine, let hasBias):
            let work = DenseWork(affine: DenseAffine(affine, kernels), hasBias: hasBias)
            append(number, work, [planes(of: stage.inputValues[0])], .planes)
            return
        case .batchNormalization where Self.fillsBlocks(input):
            guard let addition = onlyReader(of: number + 1), case .add = network.stages[addition].operation,
                waiting[addition] == nil
            else {
                normalize(number, with: nil, until: number + 1)
                return
            }
            waiting[addition] = number
            return
        case .add:
            if let normalization = waiting[number] {
                let added = stage.inputValues.first { $0 != normalization + 1 }
                normalize(normalization, with: added, until: number + 1)
                return
            }
            let hasBlocks = stage.inputValues.contains { places[$0]?.blocks != nil }
            let inputs = stage.inputValues.map { hasBlocks ? blocks(of: $0) : planes(of: $0) }
            append(number, stage.layer, inputs, hasBlocks ? .blocks : .planes)
            return
        case .activation(let function):
            let isFast = function == .relu && input.count % KernelSet.laneCount == 0
            let work: any StageWork = isFast ? RectifierWork(kernels: kernels) : stage.layer
            let place = places[stage.inputValues[0]]
            let layout = place?.blocks != nil ? Layout.blocks : .planes
            let from = layout == .blocks ? blocks(of: stage.inputValues[0]) : planes(of: stage.inputValues[0])
            append(number, work, [from], layout)
            return
        case .pooling(let function, _):
            guard let layer = stage.layer as? any PoolingLayer, Self.fillsBlocks(input), function != .minimum else {
                break
            }
            let pooling = try layer.pooling(on: input)
            guard pooling.numbersFit else { break }
            let work = BlockPoolingWork(pooling: pooling, takesMaximum: function == .maximum, kernels: kernels)
            append(number, work, [blocks(of: stage.inputValues[0])], .blocks)
            return
        case .channelPadding(let before, _):
            guard Self.fillsBlocks(input), Self.fillsBlocks(stage.output) else { break }
            let work = BlockChannelPadWork(layout: layout(of: input), before: before)
            append(number, work, [blocks(of: stage.inputValues[0])], .blocks)
            return
        default: break
        }
        switch stage.operation {
        case .convolution, .transposedConvolution: usesBLAS = true
        default: break
        }
        append(number, stage.layer, stage.inputValues.map { planes(of: $0) }, .planes)
    }

    /// A normalisation, what is added to it, and the ReLU behind both.
    private mutating func normalize(_ number: Int, with added: Int?, until value: Int) {
        let stage = network.stages[number]
        guard case .batchNormalization(let epsilon, _) = stage.operation else { return }
        var (value, isRectified) = (value, false)
        if let reader = onlyReader(of: value), case .activation(.relu) = network.stages[reader].operation {
            joined.insert(reader)
            (value, isRectified) = (reader + 1, true)
        }
        let work = BlockNormWork(epsilon: epsilon, adds: added != nil, isRectified: isRectified, kernels: kernels)
        let inputs = [blocks(of: stage.inputValues[0])] + (added.map { [blocks(of: $0)] } ?? [])
        append(number, work, inputs, .blocks, value: value)
    }

    /// The one stage that reads a value, once; nil for a value that the part ends in.
    private func onlyReader(of value: Int) -> Int? {
        guard value != range.upperBound, let readers = consumers[value], readers.count == 1 else { return nil }
        return readers[0]
    }

    // ---- Values

    private static func fillsBlocks(_ shape: Shape) -> Bool {
        shape.rank == 3 && shape[0] % KernelSet.laneCount == 0
    }

    private func layout(of shape: Shape) -> BlockLayout {
        BlockLayout(channels: shape[0], area: shape.count / shape[0], kernels)
    }

    private mutating func append(
        _ number: Int, _ work: any StageWork, _ inputs: [Int], _ layout: Layout, value: Int? = nil
    ) {
        let stage = network.stages[number]
        stages.stages.append(
            PlanStage(
                stage, number: number, work: work, inputValues: inputs, inputs: inputs.map(stages.shape(ofValue:)),
                output: network.shape(ofValue: value ?? number + 1)))
        place(value ?? number + 1, at: stages.stages.count, layout)
    }

    /// Where there is one place a channel, or there are no channels, both layouts are the same.
    private mutating func place(_ value: Int, at place: Int, _ layout: Layout) {
        let shape = network.shape(ofValue: value)
        let isBoth = Self.fillsBlocks(shape) && shape.count == shape[0]
        if layout == .planes || isBoth { places[value, default: Places()].planes = place }
        if layout == .blocks || isBoth { places[value, default: Places()].blocks = place }
    }

    private mutating func planes(of value: Int) -> Int {
        places[value]?.planes ?? move(value, .planes, from: places[value]?.blocks)
    }

    private mutating func blocks(of value: Int) -> Int {
        places[value]?.blocks ?? move(value, .blocks, from: places[value]?.planes)
    }

    private mutating func move(_ value: Int, _ layout: Layout, from place: Int?) -> Int {
        guard let place else { preconditionFailure("value \(value) is read before it is made") }
        let shape = network.shape(ofValue: value)
        let path = value == 0 ? "input" : network.stages[value - 1].path
        stages.stages.append(
            PlanStage(
                path: "\(path) layout", number: max(0, value - 1),
                work: LayoutWork(layout: self.layout(of: shape), toBlocks: layout == .blocks), input: place,
                shape: shape))
        self.place(value, at: stages.stages.count, layout)
        return stages.stages.count
    }
}
