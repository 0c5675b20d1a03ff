@testable import Layers
@testable import Tensors

/// Small networks of everything that kernels over blocks of channels do, with layers between them that only the reference engine
/// computes, drawn at random: the same ones in every run.
enum BlockNetworks {
    static func draw(_ number: Int) -> ModelDescription {
        var draws = PropertyDraws(id: 9_000 + UInt64(number))
        while true {
            let model = candidate(&draws, number)
            // Windows may be larger than what is left of the image.
            if (try? Network(model)) != nil { return model }
        }
    }

    private static func candidate(_ draws: inout PropertyDraws, _ number: Int) -> ModelDescription {
        let input: Shape = [draws.element(of: [1, 3, 16]), draws.integer(in: 7...19), draws.integer(in: 7...19)]
        var model = ModelDescription(name: "blocks \(number)", input: input, classes: draws.integer(in: 2...11))
        var channels = 0
        for stage in 1...draws.integer(in: 1...3) {
            channels = 16 * draws.integer(in: 1...3)
            model.append("conv\(stage)", convolution(channels, &draws))
            appendSome(&model, "stage\(stage)", &draws)
            if draws.integer(in: 0...2) > 0 { appendResidual(&model, "block\(stage)", channels, &draws) }
        }
        if draws.integer(in: 0...1) == 0 { model.append("gap", AdaptiveAvgPool2d(output: 1)) }
        model.append("flatten", Flatten())
        if draws.integer(in: 0...1) == 0 {
            model.append("fc", Linear(outputs: draws.integer(in: 1...40), bias: draws.integer(in: 0...1) == 0))
            model.append("fcrelu", ActivationLayer(.relu))
        }
        model.append("last", Linear(outputs: model.classes))
        return model
    }

    private static func convolution(_ channels: Int, _ draws: inout PropertyDraws) -> Conv2d {
        let kernel = draws.element(of: [1, 3, 3, 5])
        return Conv2d(
            outChannels: channels, kernel: .init(kernel), stride: draws.element(of: [1, 1, 2]),
            dilation: draws.element(of: [1, 1, 2]), padding: .symmetric(.init(draws.integer(in: 0...kernel / 2 + 1))),
            bias: draws.integer(in: 0...1) == 0)
    }

    /// Layers that kernels compute, and some that they do not.
    private static func appendSome(_ model: inout ModelDescription, _ path: String, _ draws: inout PropertyDraws) {
        let layers: [[any Layer]] = [
            [BatchNorm2d(), ActivationLayer(.relu)], [BatchNorm2d()], [ActivationLayer(.relu)],
            [ActivationLayer(.tanh)],
            [MaxPool2d(kernel: 3, stride: 2, padding: 1)], [AvgPool2d(kernel: 2)], [ChannelPad(before: 8, after: 8)],
            [MinPool2d(kernel: 2, stride: 1)], [ChannelPad(before: 1, after: 2), ChannelPad(before: 13, after: 0)], [],
        ]
        for (round, run) in (0...1).map({ ($0, draws.element(of: layers)) }) {
            for (place, layer) in run.enumerated() { model.append("\(path).\(round).\(place)", layer) }
        }
    }

    /// y = ReLU(normalised convolution + shortcut), in the forms that networks have.
    private static func appendResidual(
        _ model: inout ModelDescription, _ path: String, _ channels: Int, _ draws: inout PropertyDraws
    ) {
        let start = model.append("\(path).conv1", Conv2d(outChannels: 32, kernel: 1))
        model.append("\(path).conv2", Conv2d(outChannels: 32, kernel: 3, padding: 1, bias: false))
        let main = draws.integer(in: 0...3) > 0 ? model.append("\(path).bn2", BatchNorm2d()) : model.last
        var shortcut = start
        if draws.integer(in: 0...1) == 0 {
            model.append("\(path).down", Conv2d(outChannels: 32, kernel: 1), from: start)
            shortcut = model.append("\(path).bn", BatchNorm2d())
        }
        let groups = draws.integer(in: 0...3) == 0
        if draws.integer(in: 0...1) == 0 {
            model.append("\(path).add", ResidualAdd(), from: main, shortcut)
        } else {
            model.append("\(path).add", ResidualAdd(), from: shortcut, main)
        }
        if draws.integer(in: 0...2) > 0 { model.append("\(path).relu", ActivationLayer(.relu)) }
        if groups { model.append("\(path).grouped", Conv2d(outChannels: 32, kernel: 3, padding: 1, groups: 4)) }
    }
}
