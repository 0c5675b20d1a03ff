internal import Tensors

/// What the operations of one group work on: a worker's region, the step's weights, and where its gradients go.
struct LaneFrame {
    let region: UnsafeMutableRawPointer
    let group: LaneGroup
    let weights: UnsafePointer<Float>
    let leaf: LaneLeaf

    func floats(_ offset: Int) -> UnsafeMutablePointer<Float> {
        (region + offset).assumingMemoryBound(to: Float.self)
    }

    func argmax(_ offset: Int) -> UnsafeMutablePointer<UInt16> {
        (region + offset).assumingMemoryBound(to: UInt16.self)
    }
}

/// The gradient of one leaf, on its way up the tree inside its unit.
///
/// Leaves come in order. Where the tree ends, the sum is the unit's. Each layer's part goes up as soon as it is
/// computed, while it is in the cache.
struct LaneLeaf {
    private let kernels: KernelSet
    private let carries: Int
    private let vectors: UnsafeMutablePointer<Float>
    private let stride: Int
    private let destination: UnsafeMutablePointer<Float>

    /// `number` counts the unit's leaves. `vectors` are the leaf's own and one for each of `levels` levels.
    init(
        _ kernels: KernelSet, number: Int, levels: Int, vectors: UnsafeMutablePointer<Float>, stride: Int,
        total: UnsafeMutablePointer<Float>
    ) {
        self.kernels = kernels
        carries = BinaryTree.subtreesCompleted(byLeaf: number)
        self.vectors = vectors
        self.stride = stride
        destination = carries == levels ? total : vectors + (carries + 1) * stride
    }

    /// Where the leaf's gradient is written.
    var gradient: UnsafeMutablePointer<Float> { carries == 0 ? destination : vectors }

    /// Adds elements that are complete to those of the leaves before.
    func finish(_ offset: Int, count: Int) {
        for level in 0..<carries {
            kernels.add(
                vectors + (level + 1) * stride + offset, vectors + offset, count: count,
                into: (level + 1 == carries ? destination : vectors) + offset)
        }
    }

    /// The leaf of a group without images.
    func finishEmpty(count: Int) {
        gradient.update(repeating: 0, count: count)
        finish(0, count: count)
    }
}
