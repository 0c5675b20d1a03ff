internal import Tensors

/// Knows of an update before it is made whether it would leave the range of float32.
///
/// Bounds of the largest magnitudes follow the updates by arithmetic on a few numbers. Where they come near the end of the
/// range the vectors are measured, and where that does not help the update is tried on copies, block by block. The verdict
/// depends on state and gradients alone: it is the same on every rank. From its first verdict on nobody else changes the state.
/// Memory: the copy of a block for each worker, made once.
final class UpdateRange {
    /// No bound beyond it is taken for an answer.
    private static let safe = 0x1p120
    /// What weights and sums may grow to, so that the difference of two of them is in the range too.
    private static let largest = 0x1p126
    /// More than a bound can lose against numbers that are rounded.
    private static let rounding = 1 + 0x1p-20

    private let optimizer: any Optimizer
    private let blocks: UpdateBlocks
    private let pool: ThreadPool
    private var magnitudes: Magnitudes
    /// Σ x² of each block of weights, means, squares and velocities.
    private let sums: UnsafeMutablePointer<Double>
    private let copies: UnsafeMutablePointer<Float>
    private let measure, attempt: ThreadPool.Body

    init(_ optimizer: any Optimizer, _ memory: OptimizerMemory) {
        let (list, count) = (memory.blocks.blocks, memory.blocks.blocks.count)
        let (vectors, pool) = (memory.vectors, memory.pool)
        let room = VectorBlocks.length
        let sums = UnsafeMutablePointer<Double>.allocate(capacity: 4 * count)
        sums.initialize(repeating: 0, count: 4 * count)
        let copies = UnsafeMutablePointer<Float>.allocate(capacity: 4 * room * pool.threads)
        copies.initialize(repeating: 0, count: 4 * room * pool.threads)
        func note(_ number: Int, _ vectors: OptimizerVectors) {
            let elements = list[number].count
            sums[number] = SumOfSquares.ofBlock(vectors.weights, count: elements)
            sums[count + number] = vectors.means.map { SumOfSquares.ofBlock($0, count: elements) } ?? 0
            sums[2 * count + number] = vectors.squares.map { SumOfSquares.ofBlock($0, count: elements) } ?? 0
            sums[3 * count + number] = vectors.velocities.map { SumOfSquares.ofBlock($0, count: elements) } ?? 0
        }
        measure = { number, _ in note(number, vectors + list[number].start) }
        attempt = { number, worker in
            let own = copies + worker * 4 * room
            let (from, elements) = (vectors + list[number].start, list[number].count)
            let copy = OptimizerVectors(
                weights: own, means: from.means.map { _ in own + room },
                squares: from.squares.map { _ in own + 2 * room },
                velocities: from.velocities.map { _ in own + 3 * room })
            copy.weights.update(from: from.weights, count: elements)
            if let values = from.means { copy.means?.update(from: values, count: elements) }
            if let values = from.squares { copy.squares?.update(from: values, count: elements) }
            if let values = from.velocities { copy.velocities?.update(from: values, count: elements) }
            optimizer.apply(to: list[number], copy)
            note(number, copy)
        }
        self.optimizer = optimizer
        blocks = memory.blocks
        self.pool = pool
        self.sums = sums
        self.copies = copies
        magnitudes = Magnitudes(weights: .infinity)
    }

    deinit {
        sums.deallocate()
        copies.deallocate()
    }

    /// The first parameter that the prepared update would take out of the range, by its number among the trained ones; nil
    /// where the update may be made. `gradientNorm` is the mean gradient's.
    func firstParameterBeyond(gradientNorm: Double) -> Int? {
        if follow(gradientNorm) { return nil }
        pool.run(blocks.blocks.count, measure)
        magnitudes = measured
        if follow(gradientNorm) { return nil }
        pool.run(blocks.blocks.count, attempt)
        let count = blocks.blocks.count
        let limit = Self.largest * Self.largest
        let first = blocks.blocks.indices.first { block in
            (0..<4).contains { !(sums[$0 * count + block] <= limit) }
        }
        if let first { return blocks.blocks[first].parameter }
        magnitudes = measured
        return nil
    }

    /// Takes the bounds over the prepared update, unless they say nothing there.
    private func follow(_ gradientNorm: Double) -> Bool {
        var (next, way) = (Magnitudes(), 0.0)
        for parameter in blocks.parameters.indices {
            var own = magnitudes
            let bound = optimizer.bound(gradient: gradientNorm * Self.rounding, parameter: parameter, &own)
            next = next.largest(own)
            if bound.isNaN || bound > way { way = bound }
        }
        next.scale(by: Self.rounding)
        guard next.sum + way * Self.rounding <= Self.safe else { return false }
        magnitudes = next
        return true
    }

    /// No element is larger than its vector is long.
    private var measured: Magnitudes {
        let count = blocks.blocks.count
        func length(_ vector: Int) -> Double {
            (0..<count).reduce(0) { $0 + sums[vector * count + $1] }.squareRoot()
        }
        return Magnitudes(weights: length(0), means: length(1), squares: length(2), velocities: length(3))
    }
}
