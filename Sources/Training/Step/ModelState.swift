package import Layers

/// The weights of a network and what its optimizer keeps for each of them: one vector each, all in the order of the
/// network's parameter list.
///
/// Memory: allocated once, 64-byte aligned, owned here.
package final class ModelState {
    package let parameterList: ParameterList
    package let weights: UnsafeMutableBufferPointer<Float>
    /// The vectors that the optimizer keeps of the trained parameters, with the names that a checkpoint files them under.
    package let optimizerVectors: [(name: String, vector: UnsafeMutableBufferPointer<Float>)]
    /// The exponential moving average of weights and buffers, if one is kept.
    package let average: UnsafeMutableBufferPointer<Float>?
    /// How many updates the weights have seen, and how many of them each trained parameter has missed, since it was frozen.
    package var updates = 0
    package var updatesMissed: [Int]

    package init(parameterList: ParameterList, optimizerVectors names: [String] = [], averages: Bool = false) {
        self.parameterList = parameterList
        weights = Self.vector(parameterList.count)
        average = averages ? Self.vector(parameterList.count) : nil
        optimizerVectors = names.map { ($0, Self.vector(parameterList.trainedCount)) }
        updatesMissed = parameterList.trained.map { _ in 0 }
    }

    deinit {
        weights.deallocate()
        average?.deallocate()
        for kept in optimizerVectors { kept.vector.deallocate() }
    }

    /// The first weights of a run, and an optimizer that has seen nothing.
    package func initialize(seed: UInt64) {
        parameterList.initialize(weights, seed: seed)
        _ = average?.update(from: weights)
        for kept in optimizerVectors { kept.vector.update(repeating: 0) }
        updates = 0
        for index in updatesMissed.indices { updatesMissed[index] = 0 }
    }

    /// Takes over what a state of the same network holds in which other layers were frozen. For what is trained from now on the
    /// optimizer begins anew.
    func takeOver(_ former: ModelState) {
        let pairs = Array(zip(parameterList.parameters, former.parameterList.parameters))
        func copy(
            _ own: Parameter, _ source: UnsafeMutableBufferPointer<Float>, _ other: Parameter,
            _ target: UnsafeMutableBufferPointer<Float>
        ) {
            _ = UnsafeMutableBufferPointer(rebasing: target[own.range])
                .update(from: UnsafeMutableBufferPointer(rebasing: source[other.range]))
        }
        for (own, other) in pairs {
            copy(own, former.weights, other, weights)
            if let source = former.average, let target = average { copy(own, source, other, target) }
            guard own.isTrained, other.isTrained else { continue }
            for (kept, source) in zip(optimizerVectors, former.optimizerVectors) {
                copy(own, source.vector, other, kept.vector)
            }
        }
        var missed = former.updatesMissed.makeIterator()
        updatesMissed = pairs.compactMap { own, other in
            let before = other.isTrained ? missed.next() : former.updates
            return own.isTrained ? before : nil
        }
        updates = former.updates
    }

    /// What layers keep with the weights and change themselves.
    var buffers: UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: weights[parameterList.parameterCount...])
    }

    /// What evaluations score: the average if one is kept.
    package var evaluated: UnsafeMutableBufferPointer<Float> { average ?? weights }

    /// The weights' `weights_sha256`.
    package func weightsDigest() -> String { digest(of: weights) }

    /// The average's digest, made like the weights'.
    package func averageDigest() -> String? { average.map(digest) }

    private func digest(of vector: UnsafeMutableBufferPointer<Float>) -> String {
        var digest = WeightsDigest()
        for parameter in parameterList.parameters {
            digest.add(
                key: parameter.key, shape: parameter.shape,
                values: UnsafeBufferPointer(rebasing: UnsafeBufferPointer(vector)[parameter.range]))
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
