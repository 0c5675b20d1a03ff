internal import CKernels
internal import Layers
internal import Tensors

extension OptimizerSetting {
    static let trust = OptimizerSetting(
        "trust", "how far a parameter may move in a step, as a share of its norm", .positive, \.optimizer.trust)
}

extension OptimizerKind {
    package static let lars = OptimizerKind(
        name: "lars", settings: [.learningRate, .momentum, .trust, .weightDecay], setDefaults: { $0.learningRate = 1 },
        undecayed: [.bias, .normalization], vectors: { _ in [.momentum] }, make: LARS.init)
}

/// Layer-wise adaptive rate scaling: each parameter moves at the global rate times trust · |w| / (|g| + decay · |w|).
/// Biases and parameters of normalisations move at the global rate, without decay. A parameter whose weights or gradient
/// are all 0 moves at the global rate too, with its decay: the ratio has no meaning there, and says nothing of a gradient
/// that is a little above 0. So do optax.lars and NVIDIA's LARC; the paper leaves it open.
///
/// Numerics: norms in float64 over blocks of 4,096 elements of a parameter, in order, the blocks in a binary tree.
/// Source: You, Gitman and Ginsburg 2017, "Large batch training of convolutional networks", algorithm 1.
final class LARS: Optimizer {
    private let options: Configuration.Optimizer
    private let memory: OptimizerMemory
    /// Σ w² and Σ g² of every block.
    private let weightSquares: UnsafeMutableBufferPointer<Double>
    private let gradientSquares: UnsafeMutableBufferPointer<Double>
    /// Of every trained parameter, in this update.
    private let rates: UnsafeMutableBufferPointer<Double>
    /// The longest step of any element in this update, the velocity left aside.
    private var longestStep = 0.0
    private var update = Update(number: 1, learningRate: 0, gradientScale: 1)
    private let squaresBody: ThreadPool.Body

    init(_ options: Configuration.Optimizer, _ memory: OptimizerMemory) {
        self.options = options
        self.memory = memory
        let weights = memory.vectors.weights
        let (blocks, gradients) = (memory.blocks.blocks, memory.gradients)
        let weightSquares = UnsafeMutableBufferPointer<Double>.allocate(capacity: blocks.count)
        let gradientSquares = UnsafeMutableBufferPointer<Double>.allocate(capacity: blocks.count)
        weightSquares.initialize(repeating: 0)
        gradientSquares.initialize(repeating: 0)
        rates = .allocate(capacity: memory.blocks.parameters.count)
        rates.initialize(repeating: 0)
        squaresBody = { number, _ in
            let block = blocks[number]
            weightSquares[number] = SumOfSquares.ofBlock(weights + block.start, count: block.count)
            gradientSquares[number] = SumOfSquares.ofBlock(gradients + block.start, count: block.count)
        }
        (self.weightSquares, self.gradientSquares) = (weightSquares, gradientSquares)
    }

    deinit {
        weightSquares.deallocate()
        gradientSquares.deallocate()
        rates.deallocate()
    }

    func prepare(_ update: Update) {
        self.update = update
        memory.pool.run(weightSquares.count, squaresBody)
        longestStep = 0
        for number in rates.indices {
            let range = memory.blocks.ranges[number]
            let decay = memory.weightDecay(of: number)
            let weightNorm = norm(weightSquares, range)
            let gradientNorm = norm(gradientSquares, range) * Double(update.gradientScale)
            rates[number] = memory.update(update, of: number).learningRate
            if memory.blocks.parameters[number].role == .weight {
                rates[number] *= localRate(weightNorm: weightNorm, gradientNorm: gradientNorm, weightDecay: decay)
            }
            let step = rates[number] * (gradientNorm + decay * weightNorm)
            if step > longestStep || step.isNaN { longestStep = step }
        }
    }

    /// trust · |w| / (|g| + decay · |w|): how far a parameter may move, relative to its size; 1 where either norm is 0,
    /// with or without decay.
    func localRate(weightNorm: Double, gradientNorm: Double, weightDecay: Double) -> Double {
        guard weightNorm > 0, gradientNorm > 0 else { return 1 }
        return options.trust * weightNorm / (gradientNorm + weightDecay * weightNorm)
    }

    private func norm(_ squares: UnsafeMutableBufferPointer<Double>, _ range: Range<Int>) -> Double {
        SumOfSquares.join(UnsafeMutableBufferPointer(rebasing: squares[range])).squareRoot()
    }

    func apply(to block: UpdateBlocks.Block, _ vectors: OptimizerVectors) {
        // A rate beyond float32 belongs to a gradient that is next to nothing: infinity times its zeros would be NaN.
        var rule = CKernels_LARS(
            rate: Float(min(rates[block.parameter], Double(Float.greatestFiniteMagnitude))),
            momentum: Float(options.momentum), weightDecay: Float(memory.weightDecay(of: block.parameter)),
            gradientScale: update.gradientScale)
        KernelSet.inUse.table.pointee.lars_f32(
            &rule, memory.gradients + block.start, Int64(block.count), vectors.weights, vectors.velocities)
    }

    func bound(gradient: Double, parameter: Int, _ magnitudes: inout Magnitudes) -> Double {
        magnitudes.velocities = options.momentum * magnitudes.velocities + longestStep
        magnitudes.weights += magnitudes.velocities
        return gradient + memory.weightDecay(of: parameter) * magnitudes.weights
    }
}
