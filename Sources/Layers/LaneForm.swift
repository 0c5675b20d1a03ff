package import Tensors

/// A layer as kernels over images in lanes compute it.
package enum LaneForm {
    case convolution(LaneConvolution, hasBias: Bool)
    case affine(LaneAffine, hasBias: Bool)
    case activation(LaneActivation)
    /// `isPairs`: windows of 2 × 2 that neither overlap nor leave anything out but a last row or column.
    case maximum(LaneWindow, isPairs: Bool)
    case average(LaneWindow, countsPadding: Bool)
    /// The values stay as they are: only their shape changes.
    case sameValues
}

extension LaneWindow {
    /// The same window over images in lanes; nil where no kernel takes it.
    ///
    /// Padding of a kernel's width or more would put outputs beside the image, which the kernels do not expect.
    init?(_ window: Window) {
        guard window.axes.count == 2, !window.isFlipped else { return nil }
        for axis in window.axes {
            let after = (axis.output - 1) * axis.stride + axis.kernel - axis.before - axis.input
            guard axis.dilation == 1, axis.before < axis.kernel, after < axis.kernel else { return nil }
        }
        self.init(channels: window.channels, height: window.axes[0], width: window.axes[1])
    }

    /// The windows of a pooling layer; nil where they do not fit or have not two axes.
    init?(channels: Int, extents: [Int], kernel: Extents, stride: Extents, padding: Extents) {
        guard extents.count == 2, let kernel = try? kernel.resolved(rank: 2),
            let stride = try? stride.resolved(rank: 2), let padding = try? padding.resolved(rank: 2)
        else { return nil }
        var axes: [Window.Axis] = []
        for axis in 0..<2 {
            guard
                let output = try? WindowArithmetic.pooledExtent(
                    input: extents[axis], kernel: kernel[axis], stride: stride[axis], padding: padding[axis])
            else { return nil }
            axes.append(
                Window.Axis(
                    input: extents[axis], kernel: kernel[axis], stride: stride[axis], dilation: 1,
                    before: padding[axis], output: output))
        }
        self.init(Window(channels: channels, axes: axes))
    }
}
