@testable import Layers
@testable import Tensors

/// Small networks of everything that lane kernels do, drawn at random: the same ones in every run.
enum RandomNetworks {
    static func draw(_ number: Int) -> ModelDescription {
        var draws = PropertyDraws(id: 700 + UInt64(number))
        while true {
            let model = candidate(&draws, number)
            // Windows may be larger than what is left of the image.
            if (try? Network(model)) != nil { return model }
        }
    }

    private static func candidate(_ draws: inout PropertyDraws, _ number: Int) -> ModelDescription {
        let input: Shape = [draws.integer(in: 1...3), draws.integer(in: 5...17), draws.integer(in: 5...17)]
        let classes = draws.integer(in: 2...11)
        var model = ModelDescription(name: "random \(number)", input: input, classes: classes)
        if draws.integer(in: 0...5) == 0 { model.append("pool0", AvgPool2d(kernel: 2, stride: 1, padding: 1)) }
        for block in 1...draws.integer(in: 1...3) {
            let kernel = [draws.integer(in: 1...5), draws.integer(in: 1...5)]
            let stride = draws.element(of: [1, 1, 1, 2, 3])
            let padding: Padding = draws.element(of: [
                0, .symmetric(Extents(kernel.map { $0 / 2 })), .full,
                .sides([(before: 0, after: min(1, kernel[0] - 1)), (before: kernel[1] / 2, after: 0)]),
            ])
            model.append(
                "conv\(block)",
                Conv2d(
                    outChannels: draws.integer(in: 1...9), kernel: Extents(kernel), stride: Extents(stride),
                    padding: padding, bias: draws.integer(in: 0...3) > 0))
            appendFunctions(to: &model, block, &draws)
        }
        model.append("flatten", Flatten())
        for layer in 0..<draws.integer(in: 0...2) {
            model.append("fc\(layer)", Linear(outputs: draws.integer(in: 1...40), bias: draws.integer(in: 0...3) > 0))
            if let function = function(&draws) { model.append("function\(layer)", function) }
        }
        model.append("last", Linear(outputs: classes))
        // Logits that went through a function as well.
        if draws.integer(in: 0...9) == 0 { model.append("end", ActivationLayer(.tanh)) }
        return model
    }

    private static func function(_ draws: inout PropertyDraws) -> (any Layer)? {
        draws.element(of: [ActivationLayer(.relu) as (any Layer)?, ActivationLayer(.tanh), ActivationLayer(.relu), nil])
    }

    /// A function, a pooling, both in either order, or neither.
    private static func appendFunctions(
        to model: inout ModelDescription, _ block: Int, _ draws: inout PropertyDraws
    ) {
        let poolings: [(any Layer)?] = [
            MaxPool2d(kernel: 2), MaxPool2d(kernel: 2), MaxPool2d(kernel: 3, stride: 2, padding: 1),
            MaxPool2d(kernel: [2, 3], stride: 1), AvgPool2d(kernel: 2), AvgPool2d(kernel: 3, stride: 2, padding: 1),
            AvgPool2d(kernel: 3, stride: 1, padding: 1, countIncludePad: false), nil, nil,
        ]
        var layers = [function(&draws), draws.element(of: poolings)].compactMap { $0 }
        if draws.integer(in: 0...3) == 0 { layers.reverse() }
        if draws.integer(in: 0...7) == 0 { layers.append(ActivationLayer(.tanh)) }
        for (place, layer) in layers.enumerated() { model.append("block\(block).\(place)", layer) }
    }
}
