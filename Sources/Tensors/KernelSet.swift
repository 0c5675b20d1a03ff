package import CKernels
internal import Glibc

/// Everything that one family of processors provides: kernels over sixteen images at once, one in each lane of a vector, and
/// over plain arrays.
///
/// Layouts in lanes: a value is [sample, 16], a weight as PyTorch's; CKernels_table.h says what each kernel computes. One set
/// repeats bit for bit; over plain arrays all sets give the same bits, in lanes they agree to 1e-5 relative.
package struct KernelSet: Equatable, @unchecked Sendable {
    // A constant table of functions, which nobody writes.
    package let table: UnsafePointer<CKernels_Set>

    package static let laneCount = Int(CKernels_laneCount)
    /// All sets of this program, the widest first.
    package static let names = Array(
        sequence(state: Int32(0)) { number in
            defer { number += 1 }
            return CKernels_set(number).map { String(cString: $0.pointee.name) }
        })
    /// Names the set that is used instead of the widest this processor runs.
    package static let variable = "SWIFT_TRAIN_ISA"

    /// The widest set of this processor, or the one that the environment names.
    package static var inUse: KernelSet { KernelSet(CKernels_setInUse()) }

    /// The sets that this processor runs, the widest first.
    package static var runnable: [KernelSet] { names.compactMap(named) }

    /// nil where the processor cannot run that set, or where there is none of that name.
    package static func named(_ name: String) -> KernelSet? { CKernels_setNamed(name).map(KernelSet.init) }

    /// What the environment asks for in vain: a name without a set that runs here. An empty one asks for nothing.
    package static var refusedName: String? {
        guard let value = getenv(variable), value.pointee != 0 else { return nil }
        let name = String(cString: value)
        return named(name) == nil ? name : nil
    }

    /// A table made elsewhere, laid out as `CKernels_Set`; it outlives the set.
    package init(table: UnsafeRawPointer) {
        self.init(table.assumingMemoryBound(to: CKernels_Set.self))
    }

    private init(_ table: UnsafePointer<CKernels_Set>) { self.table = table }

    package var name: String { String(cString: table.pointee.name) }

    /// Whether products and the additions behind them round once in lanes. Sets that are alike in it give the same bits there.
    package var fusesInLanes: Bool { name != "portable" }

    /// sum = a + b; sum may be one of them.
    package func add(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int, into sum: UnsafeMutablePointer<Float>
    ) {
        table.pointee.add_f32(a, b, Int64(count), sum)
    }

    /// y = activation(x), element by element; y may be x. `count` is a multiple of 16.
    package func activate(
        _ activation: LaneActivation, x: UnsafePointer<Float>, count: Int, y: UnsafeMutablePointer<Float>
    ) {
        table.pointee.activation_f32_forward(activation.c, x, Int64(count), y)
    }

    /// dx = dy · activation′ from y; dx may be dy.
    package func activationBackward(
        _ activation: LaneActivation, y: UnsafePointer<Float>, dy: UnsafePointer<Float>, count: Int,
        dx: UnsafeMutablePointer<Float>
    ) {
        table.pointee.activation_f32_backward(activation.c, y, dy, Int64(count), dx)
    }

    /// Softmax cross-entropy: writes the group's scores and, unless `dlogits` is nil, the gradient of the summed loss.
    package func crossEntropy(
        of group: LaneGroup, logits: UnsafePointer<Float>, classes: Int, dlogits: UnsafeMutablePointer<Float>?
    ) {
        table.pointee.crossEntropy_f32(group.lanes, logits, Int64(classes), group.scores, dlogits)
    }
}

/// What a lane kernel applies to what it computes.
package enum LaneActivation: Sendable {
    case none, relu, tanh

    var c: CKernels_Activation {
        switch self {
        case .none: CKernels_activationNone
        case .relu: CKernels_activationReLU
        case .tanh: CKernels_activationTanh
        }
    }
}
