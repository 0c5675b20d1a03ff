package import Layers
internal import Tensors

/// The trained parameters in pieces that a thread updates at a time: at most 4,096 elements, all of one parameter, in
/// order.
package struct UpdateBlocks: Sendable {
    package struct Block: Sendable {
        /// Its number in the list of trained parameters.
        package let parameter: Int
        package let start: Int
        package let count: Int
    }

    package let blocks: [Block]
    package let parameters: [Parameter]
    /// The blocks of each trained parameter.
    package let ranges: [Range<Int>]

    package init(_ list: ParameterList) {
        parameters = list.trained
        var blocks: [Block] = []
        ranges = parameters.enumerated().map { number, parameter in
            let first = blocks.count
            let cut = VectorBlocks(elements: parameter.count)
            blocks += (0..<cut.count).map { block in
                Block(parameter: number, start: parameter.offset + cut[block].lowerBound, count: cut[block].count)
            }
            return first..<blocks.count
        }
        self.blocks = blocks
    }
}
