internal import CKernels

/// Which elements of a sample a dropout layer keeps, drawn from the sample's own random numbers.
///
/// Element i is kept when its 32 random bits are at least probability · 2³². The numbers depend on seed, epoch, sample and
/// layer alone. Source: Srivastava et al. 2014, scaled in training as torch.nn.Dropout does.
package struct DropoutMask: Sendable {
    package let probability: Double
    private let threshold: UInt64

    /// Traps: a probability outside 0...1.
    package init(probability: Double) {
        precondition((0...1).contains(probability), "dropout with probability \(probability)")
        self.probability = probability
        threshold = UInt64((probability * 0x1p32).rounded())
    }

    /// What kept elements are multiplied with; 0 where none is kept.
    package var scale: Float { probability == 1 ? 0 : Float(1 / (1 - probability)) }

    /// Traps: a sample number of 2⁴⁰ or more, a layer number of 2²⁴ or more.
    package func draw(
        seed: UInt64, epoch: UInt32, sample: Int64, layer: Int, count: Int, into mask: UnsafeMutablePointer<UInt8>
    ) {
        precondition(sample >= 0 && sample < 1 << 40 && layer < 1 << 24, "sample \(sample), layer \(layer)")
        var stream = RandomStream(
            seed: seed, purpose: .dropout, epoch: epoch, id: UInt64(sample) | UInt64(layer) << 40)
        for index in 0..<count { mask[index] = UInt64(stream.nextUInt32()) >= threshold ? 1 : 0 }
    }

    /// y = x · scale where the mask is 1, else 0; y may be x. The backward pass is the same map of dy.
    package func apply(
        _ mask: UnsafePointer<UInt8>, to x: UnsafePointer<Float>, count: Int, y: UnsafeMutablePointer<Float>
    ) {
        CKernels_masked_f32__reference(x, mask, scale, Int64(count), y)
    }
}
