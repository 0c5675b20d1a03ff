package import DataParallel
internal import Diagnostics
internal import Foundation
internal import Tensors

/// Ranks as threads of one process: the twin of MPI for tests of everything that depends on the number of ranks.
///
/// `@unchecked Sendable`: `mailboxes` and `gone` are guarded by `condition`; the rest never changes.
package final class InProcessWorld: @unchecked Sendable {
    package let size: Int
    private let condition = NSCondition()
    /// Messages on their way, from · size + to; first in, first out.
    private var mailboxes: [[[UInt8]]]
    private var gone: Set<Int> = []

    package init(size: Int) {
        precondition(size > 0, "a world of \(size) ranks")
        self.size = size
        mailboxes = Array(repeating: [], count: size * size)
    }

    /// Runs `body` once per rank, each on its own thread; returns the results in rank order.
    ///
    /// Throws: the error of the lowest rank that failed by itself; ranks that only found their peer gone come last.
    package func run<T: Sendable>(_ body: @escaping @Sendable (any Communicator) throws -> T) throws -> [T] {
        let results = self.results(body)
        var secondary: (any Error)?
        for case .failure(let error) in results {
            if error is PeerGone {
                secondary = secondary ?? error
            } else {
                throw error
            }
        }
        if let secondary { throw secondary }
        return try results.map { try $0.get() }
    }

    /// Like `run`, with every rank's own outcome.
    package func results<T: Sendable>(
        _ body: @escaping @Sendable (any Communicator) throws -> T
    ) -> [Result<T, any Error>] {
        let outcomes = Outcomes<T>(size: size)
        for rank in 0..<size {
            do {
                try SystemThread("rank \(rank)") {
                    let outcome = Result { try body(InProcessCommunicator(world: self, rank: rank)) }
                    self.leave(rank)
                    outcomes.set(outcome, rank: rank)
                }.detach()
            } catch {
                leave(rank)
                outcomes.set(.failure(error), rank: rank)
            }
        }
        return outcomes.wait()
    }

    fileprivate func send(_ bytes: [UInt8], from source: Int, to target: Int) {
        condition.lock()
        defer { condition.unlock() }
        mailboxes[source * size + target].append(bytes)
        condition.broadcast()
    }

    fileprivate func receive(from source: Int, to target: Int) throws -> [UInt8] {
        condition.lock()
        defer { condition.unlock() }
        let box = source * size + target
        while mailboxes[box].isEmpty {
            if gone.contains(source) { throw PeerGone(rank: target, peer: source) }
            condition.wait()
        }
        return mailboxes[box].removeFirst()
    }

    private func leave(_ rank: Int) {
        condition.lock()
        defer { condition.unlock() }
        gone.insert(rank)
        condition.broadcast()
    }
}

/// A rank waited for a peer whose thread had already ended.
package struct PeerGone: Error, CustomStringConvertible {
    package let rank: Int
    package let peer: Int
    package var description: String { "rank \(rank) waited for rank \(peer), which had ended" }
}

/// One rank of an `InProcessWorld`; used on its own thread only.
private final class InProcessCommunicator: Communicator {
    let rank: Int
    let size: Int
    var localRank: Int { rank }
    var localSize: Int { size }
    private(set) var bytesSent = 0
    private let world: InProcessWorld

    init(world: InProcessWorld, rank: Int) {
        self.world = world
        self.rank = rank
        size = world.size
    }

    func exchange(
        _ outgoing: UnsafeRawBufferPointer, _ incoming: UnsafeMutableRawBufferPointer, with peer: Int
    ) throws {
        precondition(peer != rank && (0..<size).contains(peer), "rank \(rank) exchanges with rank \(peer) of \(size)")
        send(outgoing, to: peer)
        try receive(into: incoming, from: peer)
    }

    func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
        if rank == root {
            for peer in 0..<size where peer != root { send(UnsafeRawBufferPointer(bytes), to: peer) }
        } else {
            try receive(into: bytes, from: root)
        }
    }

    func allGather(_ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer) throws {
        precondition(whole.count == part.count * size, "\(whole.count) bytes for \(size) parts of \(part.count)")
        for peer in 0..<size where peer != rank { send(part, to: peer) }
        for source in 0..<size {
            let place = UnsafeMutableRawBufferPointer(
                rebasing: whole[source * part.count..<(source + 1) * part.count])
            if source == rank {
                place.copyMemory(from: part)
            } else {
                try receive(into: place, from: source)
            }
        }
    }

    func barrier() throws {
        let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        try allGather(UnsafeRawBufferPointer(nothing), into: nothing)
    }

    func finalize() throws {}

    func abort(exitCode: Int32) -> Never {
        exit(exitCode)
    }

    private func send(_ bytes: UnsafeRawBufferPointer, to peer: Int) {
        world.send(Array(bytes), from: rank, to: peer)
        bytesSent += bytes.count
    }

    private func receive(into buffer: UnsafeMutableRawBufferPointer, from peer: Int) throws {
        let message = try world.receive(from: peer, to: rank)
        guard message.count == buffer.count else {
            throw Failure(
                .internalError, "rank \(rank) got \(message.count) bytes from rank \(peer), expected \(buffer.count)")
        }
        message.withUnsafeBytes { buffer.copyMemory(from: $0) }
    }
}

/// Collects one outcome per thread. `@unchecked Sendable`: `values` is guarded by `condition`.
private final class Outcomes<T: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    private var values: [Result<T, any Error>?]

    init(size: Int) {
        values = Array(repeating: nil, count: size)
    }

    func set(_ outcome: Result<T, any Error>, rank: Int) {
        condition.lock()
        defer { condition.unlock() }
        values[rank] = outcome
        condition.signal()
    }

    func wait() -> [Result<T, any Error>] {
        condition.lock()
        defer { condition.unlock() }
        while values.contains(where: { $0 == nil }) { condition.wait() }
        return values.compactMap { $0 }
    }
}
