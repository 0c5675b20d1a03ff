internal import Glibc

/// A group of processes (ranks) that run the same program in step and move bytes between each other.
///
/// Every operation is collective unless it names a peer: all ranks call it in the same order. Only bytes move here;
/// all arithmetic on them is ours (`GradientTree`), so that its order does not depend on the library underneath.
package protocol Communicator: AnyObject {
    /// This process, 0 ..< size.
    var rank: Int { get }
    var size: Int { get }
    /// This process among those on the same host, and how many those are.
    var localRank: Int { get }
    var localSize: Int { get }
    /// Bytes of payload this rank has handed to others since it started: a broadcast counts once per receiver.
    var bytesSent: Int { get }

    /// Sends `outgoing` to `peer` while receiving as many bytes as `incoming` holds from it; both may differ in length.
    func exchange(_ outgoing: UnsafeRawBufferPointer, _ incoming: UnsafeMutableRawBufferPointer, with peer: Int) throws
    /// Copies the root's bytes to every rank; all pass buffers of one size.
    func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws
    /// Gathers one part of equal size from each rank, in rank order, on every rank.
    func allGather(_ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer) throws
    func barrier() throws
    /// Says goodbye to the other ranks; collective, the last call.
    func finalize() throws
    /// Ends all ranks at once with this exit code; for failures that only this rank knows of.
    func abort(exitCode: Int32) -> Never
}

extension Communicator {
    /// Gives every rank the root's bytes, whose number only the root knows.
    package func broadcast(_ bytes: [UInt8], from root: Int) throws -> [UInt8] {
        var count = Int64(bytes.count)
        try withUnsafeMutableBytes(of: &count) { try broadcast($0, from: root) }
        var result = rank == root ? bytes : [UInt8](repeating: 0, count: Int(count))
        try result.withUnsafeMutableBytes { try broadcast($0, from: root) }
        return result
    }

    /// Gathers parts whose sizes differ from rank to rank, in rank order, on every rank.
    package func allGather(_ part: [UInt8]) throws -> [[UInt8]] {
        let counts = try allGather(values: [Int64(part.count)]).map { Int($0) }
        let longest = counts.max() ?? 0
        let all = try allGather(values: part + [UInt8](repeating: 0, count: longest - part.count))
        return (0..<size).map { Array(all[$0 * longest..<$0 * longest + counts[$0]]) }
    }

    /// Gathers as many values from each rank, in rank order, on every rank.
    package func allGather<Value: BitwiseCopyable>(values: [Value]) throws -> [Value] {
        guard let any = values.first else { return [] }
        var all = [Value](repeating: any, count: values.count * size)
        try values.withUnsafeBytes { part in
            try all.withUnsafeMutableBytes { try allGather(part, into: $0) }
        }
        return all
    }

    /// The sum over the ranks in rank order, on every rank.
    package func sum(_ value: Double) throws -> Double { try allGather(values: [value]).reduce(0, +) }

    /// The largest over the ranks, on every rank.
    package func largest(_ value: Double) throws -> Double { try allGather(values: [value]).max() ?? value }
}

/// The only rank there is. Never touches MPI, whose start alone costs a quarter of a second and opens sockets.
package final class SingleCommunicator: Communicator {
    package let rank = 0
    package let size = 1
    package let localRank = 0
    package let localSize = 1
    package let bytesSent = 0

    package init() {}

    package func exchange(
        _ outgoing: UnsafeRawBufferPointer, _ incoming: UnsafeMutableRawBufferPointer, with peer: Int
    ) throws {
        preconditionFailure("exchange with rank \(peer) in a world of one")
    }

    package func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
        precondition(root == 0, "broadcast from rank \(root) in a world of one")
    }

    package func allGather(_ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer) throws {
        precondition(whole.count == part.count, "\(whole.count) bytes for one part of \(part.count)")
        whole.copyMemory(from: part)
    }

    package func barrier() throws {}

    package func finalize() throws {}

    package func abort(exitCode: Int32) -> Never {
        exit(exitCode)
    }
}
