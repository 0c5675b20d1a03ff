/// A vector cut into blocks of neighbouring elements: what a thread takes at a time, and what norms are added over.
package struct VectorBlocks: Sendable {
    /// Elements of a block. It is part of how a norm is defined.
    package static let length = 4_096

    package let elements: Int
    package let length: Int

    package init(elements: Int, length: Int = VectorBlocks.length) {
        self.elements = elements
        self.length = length
    }

    package var count: Int { (elements + length - 1) / length }

    /// The elements of a block; the last one may be short.
    package subscript(block: Int) -> Range<Int> { block * length..<min((block + 1) * length, elements) }
}
