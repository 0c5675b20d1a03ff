/// A communicator that notes every call in an `Activity`, so that a watchdog can say where a rank hangs.
package final class WatchedCommunicator: Communicator {
    package let activity: Activity
    private let inner: any Communicator

    package init(_ inner: any Communicator, activity: Activity) {
        self.inner = inner
        self.activity = activity
    }

    package var rank: Int { inner.rank }
    package var size: Int { inner.size }
    package var localRank: Int { inner.localRank }
    package var localSize: Int { inner.localSize }
    package var bytesSent: Int { inner.bytesSent }

    package func exchange(
        _ outgoing: UnsafeRawBufferPointer, _ incoming: UnsafeMutableRawBufferPointer, with peer: Int
    ) throws {
        try watched(.exchange, peer: peer) { try inner.exchange(outgoing, incoming, with: peer) }
    }

    package func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
        try watched(.broadcast) { try inner.broadcast(bytes, from: root) }
    }

    package func allGather(_ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer) throws {
        try watched(.allGather) { try inner.allGather(part, into: whole) }
    }

    package func barrier() throws {
        try watched(.barrier) { try inner.barrier() }
    }

    package func finalize() throws {
        activity.enter(.ending, step: 0)
        try inner.finalize()
    }

    package func abort(exitCode: Int32) -> Never { inner.abort(exitCode: exitCode) }

    private func watched(_ call: Activity.Call, peer: Int = -1, _ body: () throws -> Void) throws {
        activity.begin(call, peer: peer)
        defer { activity.end() }
        try body()
    }
}
