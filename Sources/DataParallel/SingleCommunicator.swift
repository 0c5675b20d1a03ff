internal import Glibc

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
