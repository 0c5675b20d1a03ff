import CKernelCases
import Testing

@testable import Tensors

/// Every row of the kernel table against loops that follow its definition word by word, over random shapes and values.
@Suite("Kernels compute their definitions")
struct KernelTests {
    private static let rows = 0..<CKernelCases_count()
    private static let rounds: Int32 = 40

    @Test("on every set of this processor", arguments: KernelSet.runnable.map(\.name), rows)
    func row(set: String, row: Int32) {
        let difference = CKernelCases_check(set, row, Self.rounds, 1).map { String(cString: $0) }
        #expect(difference == nil, "\(set)")
    }

    @Test("which are the portable one and those before it in the table")
    func sets() {
        #expect(KernelSet.runnable.map(\.name).last == "portable" && KernelSet.names.last == "portable")
        #expect(Set(KernelSet.names).count == KernelSet.names.count)
        #expect(KernelSet.names.contains(KernelSet.inUse.name))
    }
}
