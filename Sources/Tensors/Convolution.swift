internal import CKernels

/// Cross-correlation of one image with K kernels in one to three dimensions, by unfolding and one matrix product a group.
///
/// Shapes: x [C, input] · weight [K, C/groups, kernel] · bias [K] → y [K, output].
/// Memory: `workspace` holds C · kernel × outputs floats and is overwritten; nothing is allocated.
/// Numerics: float32; an element's chain is fixed by the extents and by BLAS's kernel set.
/// Source: layout and definition of torch.nn.functional.conv2d; unfolding after Chellapilla et al. 2006.
package struct Convolution: Sendable {
    package let window: Window
    package let outChannels: Int
    package let groups: Int

    /// Traps: channels that the groups do not divide.
    package init(window: Window, outChannels: Int, groups: Int = 1) {
        precondition(
            window.channels % groups == 0 && outChannels % groups == 0,
            "\(groups) groups of \(window.channels) and \(outChannels) channels")
        self.window = window
        self.outChannels = outChannels
        self.groups = groups
    }

    package var workspaceCount: Int { Int.product(window.patchCount, window.outputVolume) }
    package var weightCount: Int { Int.product(outChannels, groupPatch) }
    /// The largest extent of the matrices that are multiplied.
    package var largestExtent: Int { max(window.patchCount, window.outputVolume, outChannels) }

    /// Rows of the unfolded image, and output channels, of one group.
    private var groupPatch: Int { window.patchCount / groups }
    private var groupOutputs: Int { outChannels / groups }

    package func forward(
        x: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        y: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>
    ) {
        window.unfold(x, into: workspace)
        let area = window.outputVolume
        if let bias { CKernels_fillRows_f32__reference(bias, Int64(outChannels), Int64(area), y) }
        for group in 0..<groups {
            BLAS.multiply(
                weight + group * groupOutputs * groupPatch, leadingDimension: groupPatch,
                workspace + group * groupPatch * area, leadingDimension: area, m: groupOutputs, n: area, k: groupPatch,
                into: y + group * groupOutputs * area, leadingDimension: area, adding: bias != nil)
        }
    }

    /// Adds one image's part to the gradients of weight and bias.
    package func addWeightGradient(
        x: UnsafePointer<Float>, dy: UnsafePointer<Float>, dweight: UnsafeMutablePointer<Float>,
        dbias: UnsafeMutablePointer<Float>?, workspace: UnsafeMutablePointer<Float>
    ) {
        window.unfold(x, into: workspace)
        let area = window.outputVolume
        for group in 0..<groups {
            BLAS.multiply(
                dy + group * groupOutputs * area, leadingDimension: area, workspace + group * groupPatch * area,
                .transposed, leadingDimension: area, m: groupOutputs, n: groupPatch, k: area,
                into: dweight + group * groupOutputs * groupPatch, leadingDimension: groupPatch, adding: true)
        }
        if let dbias { Self.addBiasGradient(dy: dy, channels: outChannels, area: area, dbias: dbias) }
    }

    /// dx [C, input] from dy [K, output].
    package func inputGradient(
        dy: UnsafePointer<Float>, weight: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>,
        workspace: UnsafeMutablePointer<Float>
    ) {
        let area = window.outputVolume
        for group in 0..<groups {
            BLAS.multiply(
                weight + group * groupOutputs * groupPatch, .transposed, leadingDimension: groupPatch,
                dy + group * groupOutputs * area, leadingDimension: area, m: groupPatch, n: area, k: groupOutputs,
                into: workspace + group * groupPatch * area, leadingDimension: area)
        }
        window.fold(workspace, into: dx)
    }

    /// dbias[k] += Σ dy[k, …].
    package static func addBiasGradient(
        dy: UnsafePointer<Float>, channels: Int, area: Int, dbias: UnsafeMutablePointer<Float>
    ) {
        CKernels_addRowSums_f32__reference(dy, Int64(channels), Int64(area), dbias)
    }

    /// y[k, …] += bias[k].
    package static func addBias(
        _ bias: UnsafePointer<Float>, channels: Int, area: Int, to y: UnsafeMutablePointer<Float>
    ) {
        for channel in 0..<channels {
            for index in channel * area..<(channel + 1) * area { y[index] += bias[channel] }
        }
    }
}
