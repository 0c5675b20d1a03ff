/// A convolution of an image that is first extended by other values than zeros, or not at all.
///
/// Shapes: as `Convolution`, whose window lies on the extended image; x and dx are the image itself.
/// Memory: `workspace` holds `workspaceCount` floats and is overwritten; nothing is allocated.
package struct PaddedConvolution: Sendable {
    package let convolution: Convolution
    /// nil where the margins are zeros.
    package let padding: ImagePadding?

    package init(_ convolution: Convolution, padding: ImagePadding?) {
        self.convolution = convolution
        self.padding = padding
    }

    package var workspaceCount: Int { convolution.workspaceCount + (padding?.paddedCount ?? 0) }

    package func forward(
        x: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        y: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>
    ) {
        convolution.forward(x: extended(x, workspace), weight: weight, bias: bias, y: y, workspace: workspace)
    }

    package func addWeightGradient(
        x: UnsafePointer<Float>, dy: UnsafePointer<Float>, dweight: UnsafeMutablePointer<Float>,
        dbias: UnsafeMutablePointer<Float>?, workspace: UnsafeMutablePointer<Float>
    ) {
        convolution.addWeightGradient(
            x: extended(x, workspace), dy: dy, dweight: dweight, dbias: dbias, workspace: workspace)
    }

    package func inputGradient(
        dy: UnsafePointer<Float>, weight: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>,
        workspace: UnsafeMutablePointer<Float>
    ) {
        guard let padding else {
            convolution.inputGradient(dy: dy, weight: weight, dx: dx, workspace: workspace)
            return
        }
        let extended = workspace + convolution.workspaceCount
        convolution.inputGradient(dy: dy, weight: weight, dx: extended, workspace: workspace)
        padding.unpad(extended, into: dx)
    }

    /// The image with its margins, behind the columns in the workspace.
    private func extended(_ x: UnsafePointer<Float>, _ workspace: UnsafeMutablePointer<Float>) -> UnsafePointer<Float> {
        guard let padding else { return x }
        let extended = workspace + convolution.workspaceCount
        padding.pad(x, into: extended)
        return UnsafePointer(extended)
    }
}
