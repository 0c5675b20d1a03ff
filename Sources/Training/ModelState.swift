package import Layers

/// The weights of a network and what its optimizer keeps for each of them: one vector each, all in the order of the
/// network's parameter list.
///
/// Memory: allocated once, 64-byte aligned, owned here.
package final class ModelState {
    package let parameterList: ParameterList
    package let weights: UnsafeMutableBufferPointer<Float>
    /// Of the trained parameters: stochastic gradient descent's velocity (torch.optim.SGD calls it the momentum buffer).
    package let velocities: UnsafeMutableBufferPointer<Float>

    /// The optimizer's vectors with the names that a checkpoint files them under.
    package var optimizerSlots: [(name: String, vector: UnsafeMutableBufferPointer<Float>)] {
        [("momentum", velocities)]
    }

    package init(parameterList: ParameterList) {
        self.parameterList = parameterList
        weights = Self.vector(parameterList.count)
        velocities = Self.vector(parameterList.trainedCount)
    }

    deinit {
        weights.deallocate()
        velocities.deallocate()
    }

    /// The first weights of a run, and an optimizer that has seen nothing.
    package func initialize(seed: UInt64) {
        parameterList.initialize(weights, seed: seed)
        velocities.update(repeating: 0)
    }

    /// The weights' `weights_sha256`.
    package func weightsDigest() -> String {
        var digest = WeightsDigest()
        for parameter in parameterList.parameters {
            digest.add(
                key: parameter.key, shape: parameter.shape,
                values: UnsafeBufferPointer(rebasing: UnsafeBufferPointer(weights)[parameter.range]))
        }
        return digest.hexadecimal()
    }

    private static func vector(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(64, count * 4), alignment: 64)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
        return UnsafeMutableBufferPointer(
            start: bytes.baseAddress!.assumingMemoryBound(to: Float.self), count: count)
    }
}
