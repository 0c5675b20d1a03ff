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
    /// Bytes this rank has sent to others since it started.
    var bytesSent: Int { get }

    /// Sends `outgoing` to `peer` while receiving as many bytes as `incoming` holds from it.
    func exchange(_ outgoing: UnsafeRawBufferPointer, _ incoming: UnsafeMutableRawBufferPointer, with peer: Int) throws
    /// Copies the root's bytes to every rank; all pass buffers of one size.
    func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws
    /// Gathers one block of equal size from each rank, in rank order, on every rank.
    func allGather(_ block: UnsafeRawBufferPointer, into blocks: UnsafeMutableRawBufferPointer) throws
    func barrier() throws
    /// Ends all ranks at once with this exit code; for failures that only this rank knows of.
    func abort(exitCode: Int32) -> Never
}
