package import Tensors

/// What a layer computes for inputs of given shapes, in the words of the field: what engines, summaries and exporters match
/// on.
package enum Operation: Sendable {
    /// Cross-correlation, or convolution where its window is flipped; margins of zeros belong to the window.
    case convolution(PaddedConvolution, hasBias: Bool)
    /// The transpose of this convolution, whose output is its input.
    case transposedConvolution(Convolution, hasBias: Bool)
    /// y = weight · x + bias.
    case affine(Affine, hasBias: Bool)
    case pooling(PoolingFunction, PoolingWindows)
    /// Every channel to mean 0 and variance 1, then scaled and shifted; `momentum` is that of the running statistics.
    case batchNormalization(epsilon: Double, momentum: Double)
    case activation(Activation)
    /// Over the channels of every place.
    case softmax
    case dropout(probability: Double)
    /// The sum of values of one shape.
    case add
    /// Values stacked along the channels.
    case concatenation
    /// Channels of zeros in front of and behind the others.
    case channelPadding(before: Int, after: Int)
    /// Margins around every image.
    case padding(ImagePadding)
    /// The same elements in the same order under another shape.
    case reshape
    /// Anything else: only the layer itself knows.
    case opaque
}

/// What a pooling makes of the values in a window.
package enum PoolingFunction: Equatable, Sendable {
    case maximum
    case minimum
    /// Over the places of the padded input, or over those of the input.
    case mean(countsPadding: Bool)
}

/// Which windows a pooling takes.
package enum PoolingWindows: Sendable {
    /// Of one kernel that moves by a stride. With `ceilMode` the last one may reach beyond the padded input.
    case sliding(Window, ceilMode: Bool)
    /// About equal parts of the input, `output` along each axis.
    case adaptive(input: [Int], output: [Int])
}

extension Operation {
    /// Which places of its input one place of the output depends on.
    package var reception: Reception {
        switch self {
        case .activation, .add, .batchNormalization, .channelPadding, .concatenation, .dropout, .padding, .reshape,
            .softmax:
            return .place
        case .affine:
            return .everything
        case .convolution(let padded, _):
            return .windows(padded.convolution.window.axes.map(Reception.Window.init))
        case .pooling(_, .sliding(let window, _)):
            let windows = window.axes.map(Reception.Window.init)
            let isWhole = zip(window.axes, windows).allSatisfy { $0.output == 1 && $0.input == $1.reach }
            return isWhole ? .everything : .windows(windows)
        case .pooling(_, .adaptive(let input, let output)):
            if output.allSatisfy({ $0 == 1 }) { return .everything }
            guard zip(input, output).allSatisfy({ $0 % $1 == 0 }) else { return .varying }
            return .windows(zip(input, output).map { .init(reach: $0 / $1, stride: $0 / $1) })
        case .opaque, .transposedConvolution:
            return .varying
        }
    }
}

/// Which places of a layer's input one place of its output depends on.
package enum Reception: Equatable, Sendable {
    /// The same place.
    case place
    /// A window along each axis.
    case windows([Window])
    /// All of them.
    case everything
    /// Windows that differ from place to place.
    case varying

    package struct Window: Equatable, Sendable {
        /// Places from the first to the last.
        package let reach: Int
        /// Places between the windows of neighbouring outputs.
        package let stride: Int

        package init(reach: Int, stride: Int) {
            self.reach = reach
            self.stride = stride
        }

        fileprivate init(_ axis: Tensors.Window.Axis) {
            reach = WindowArithmetic.reach(kernel: axis.kernel, dilation: axis.dilation)
            stride = axis.stride
        }
    }
}
