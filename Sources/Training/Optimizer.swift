internal import Layers
internal import Tensors

/// What turns a mean gradient into a change of the weights.
///
/// An update is `prepare`, once, and then `apply` for every block, by any thread and in any order. Nothing is allocated.
package protocol Optimizer: AnyObject {
    /// Takes the numbers of the next update, and whatever the optimizer must know of all gradients.
    func prepare(_ update: Update)
    /// Updates the weights and the optimizer's own vectors of one block.
    func apply(to block: UpdateBlocks.Block)
}

/// The numbers of one update.
package struct Update: Sendable {
    /// Counted from 1 since the beginning of the run; steps that were left out do not count.
    package let number: Int
    package let learningRate: Double
    /// What the gradients have still to be multiplied by.
    package let gradientScale: Float
}

/// The vectors that an optimizer works on, and what each parameter's weight decay is.
struct OptimizerMemory {
    let blocks: UpdateBlocks
    let gradients: UnsafePointer<Float>
    let state: ModelState
    /// One for each trained parameter.
    let decays: [Double]

    init(
        _ options: Configuration.Optimizer, blocks: UpdateBlocks, gradients: UnsafePointer<Float>, state: ModelState
    ) {
        self.blocks = blocks
        self.gradients = gradients
        self.state = state
        decays = blocks.parameters.map { options.weightDecay(of: $0.role) }
    }

    var weights: UnsafeMutablePointer<Float> { state.weights.baseAddress! }

    func slot(_ name: String) -> UnsafeMutablePointer<Float>? {
        state.optimizerSlots.first { $0.name == name }?.vector.baseAddress
    }
}

extension Configuration.Optimizer {
    /// The optimizer of these options over the state, whose slots have been made for it, and the sums of the gradients.
    func make(
        blocks: UpdateBlocks, gradients: UnsafePointer<Float>, state: ModelState, pool: ThreadPool
    ) -> any Optimizer {
        let memory = OptimizerMemory(self, blocks: blocks, gradients: gradients, state: state)
        switch name {
        case .sgd: return StochasticGradientDescent(self, memory)
        case .adam, .adamw: return Adam(self, memory)
        case .rmsprop: return RMSprop(self, memory)
        case .lars: return LARS(self, memory, pool: pool)
        }
    }
}
