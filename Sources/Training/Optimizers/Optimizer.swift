internal import Layers
internal import Tensors

/// What turns a mean gradient into a change of the weights.
///
/// An update is `prepare`, once, and then `apply` for every block, by any thread and in any order. Nothing is allocated.
package protocol Optimizer: AnyObject {
    /// Takes the numbers of the next update, and whatever the optimizer must know of all gradients.
    func prepare(_ update: Update)
    /// Updates the weights and the optimizer's own vectors of one block, whose first elements `vectors` points at.
    func apply(to block: UpdateBlocks.Block, _ vectors: OptimizerVectors)
    /// Raises bounds of the largest magnitudes to those after the prepared update of a trained parameter, whose mean gradient
    /// has no element beyond `gradient`; returns a bound of every other number on the way. NaN where there is none.
    func bound(gradient: Double, parameter: Int, _ magnitudes: inout Magnitudes) -> Double
}

/// The numbers of one update.
package struct Update: Sendable {
    /// Counted from 1 since the beginning of the run; steps that were left out do not count.
    package let number: Int
    package let learningRate: Double
    /// What the gradients have still to be multiplied by.
    package let gradientScale: Float
}

/// What an update changes: the weights and the running sums that the optimizer keeps of them, by what they are.
package struct OptimizerVectors {
    package let weights: UnsafeMutablePointer<Float>
    /// nil where the optimizer keeps none.
    package var means, squares, velocities: UnsafeMutablePointer<Float>?

    package static func + (vectors: OptimizerVectors, offset: Int) -> OptimizerVectors {
        OptimizerVectors(
            weights: vectors.weights + offset, means: vectors.means.map { $0 + offset },
            squares: vectors.squares.map { $0 + offset }, velocities: vectors.velocities.map { $0 + offset })
    }
}

/// Bounds of the largest magnitude in each of the vectors of an update; 0 where there is none.
package struct Magnitudes: Sendable {
    package var weights = 0.0, means = 0.0, squares = 0.0, velocities = 0.0

    /// The larger of each two; NaN if one is.
    func largest(_ other: Magnitudes) -> Magnitudes {
        func larger(_ a: Double, _ b: Double) -> Double { a.isNaN || a > b ? a : b }
        return Magnitudes(
            weights: larger(weights, other.weights), means: larger(means, other.means),
            squares: larger(squares, other.squares), velocities: larger(velocities, other.velocities))
    }

    /// At least each of them; NaN if one is.
    var sum: Double { weights + means + squares + velocities }

    mutating func scale(by factor: Double) {
        weights *= factor
        means *= factor
        squares *= factor
        velocities *= factor
    }
}

/// A running sum that an optimizer keeps, one element for each trained one.
package struct OptimizerVector: Sendable {
    /// What a checkpoint files it under: PyTorch's name, except that its momentum_buffer is `momentum` here.
    package let name: String
    let place: any WritableKeyPath<OptimizerVectors, UnsafeMutablePointer<Float>?> & Sendable

    init(_ name: String, _ place: any WritableKeyPath<OptimizerVectors, UnsafeMutablePointer<Float>?> & Sendable) {
        self.name = name
        self.place = place
    }

    static let momentum = OptimizerVector("momentum", \.velocities)
}

/// The vectors that an optimizer works on, and what its numbers are for each trained parameter.
struct OptimizerMemory {
    let blocks: UpdateBlocks
    let gradients: UnsafePointer<Float>
    let vectors: OptimizerVectors
    let pool: ThreadPool
    private let decays: [Double]
    /// What the learning rate is multiplied by.
    private let rateFactors: [Double]
    private let state: ModelState

    /// `state` keeps the vectors of `options`.
    init(
        _ options: Configuration.Optimizer, blocks: UpdateBlocks, gradients: UnsafePointer<Float>, state: ModelState,
        pool: ThreadPool
    ) {
        self.pool = pool
        self.blocks = blocks
        self.gradients = gradients
        var vectors = OptimizerVectors(weights: state.weights.baseAddress!)
        for (vector, kept) in zip(options.vectors, state.optimizerVectors) {
            vectors[keyPath: vector.place] = kept.vector.baseAddress
        }
        self.vectors = vectors
        self.state = state
        decays = blocks.parameters.map(options.weightDecay(of:))
        rateFactors = blocks.parameters.map(options.rateFactor(of:))
    }

    func weightDecay(of parameter: Int) -> Double { decays[parameter] }

    /// An update as it is for one parameter, which counts only those that it takes part in.
    func update(_ update: Update, of parameter: Int) -> Update {
        Update(
            number: update.number - state.updatesMissed[parameter],
            learningRate: update.learningRate * rateFactors[parameter], gradientScale: update.gradientScale)
    }
}
