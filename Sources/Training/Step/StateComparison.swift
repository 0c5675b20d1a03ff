package import DataParallel
internal import Diagnostics
internal import Tensors

/// Proves from time to time that all ranks hold the same weights and optimizer state.
package enum StateComparison {
    /// Compares 64 bits of every tensor. Collective.
    ///
    /// Throws: `Failure(.ranksDisagree)` naming the first tensor that differs and the ranks; the same on every rank.
    package static func check(_ state: ModelState, step: Int, over communicator: any Communicator) throws {
        guard communicator.size > 1 else { return }
        let average = state.average.map { [("the average of ", $0)] } ?? []
        let vectors = [("", state.weights)] + average + state.optimizerVectors.map { ($0.name + " of ", $0.vector) }
        let hashes = vectors.map { VectorHash.of(UnsafeBufferPointer($0.1)) }
        let all = try gather(hashes, over: communicator)
        guard all.contains(where: { $0 != all[0] }) else { return }
        // Only now, tensor by tensor, for the message.
        for (index, (name, vector)) in vectors.enumerated() where all.contains(where: { $0[index] != all[0][index] }) {
            let parameters = state.parameterList.parameters(of: vector.count)
            let perTensor = try gather(
                parameters.map { VectorHash.of(UnsafeBufferPointer(rebasing: UnsafeBufferPointer(vector)[$0.range])) },
                over: communicator)
            for (number, parameter) in parameters.enumerated() {
                let values = perTensor.map { $0[number] }
                guard let other = values.firstIndex(where: { $0 != values[0] }) else { continue }
                throw Failure(
                    .ranksDisagree,
                    "after step \(step) \(name)\(parameter.key) differs between rank 0 and rank \(other), "
                        + "expected the same bits on all ranks. Memory of one of the hosts may be faulty; resume from the last "
                        + "checkpoint, which was compared before it was saved")
            }
        }
    }

    private static func gather(_ values: [UInt64], over communicator: any Communicator) throws -> [[UInt64]] {
        let all = try communicator.allGather(values: values)
        return (0..<communicator.size).map { Array(all[$0 * values.count..<($0 + 1) * values.count]) }
    }
}
