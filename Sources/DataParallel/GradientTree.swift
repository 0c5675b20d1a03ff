internal import Tensors

/// The part of the gradient tree that lies between ranks: adds every rank's vectors and leaves the same bits on all.
///
/// `ExchangeSchedule` says who adds what; here the bytes move and the additions are done. Each element is `lower subtree + upper
/// subtree` all the way up: the number of ranks, the place of an element in the vector and the split of the vector into calls do
/// not show in its bits.
///
/// Memory: scratch of half a vector and 128 KiB, made once; `allReduce` allocates nothing (the in-process twin's mailboxes do).
package final class GradientTree {
    package let gradientCapacity: Int
    package let statisticCapacity: Int
    /// Vectors that a rank brings to a sum: one for each of its largest subtrees.
    package let rows: Int
    private let communicator: any Communicator
    private let actions: [ExchangeSchedule.Action]
    private let incoming: UnsafeMutableRawPointer
    private let outgoing: UnsafeMutableRawPointer

    private typealias Piece = ExchangeSchedule.Piece

    /// Up to this many bytes, both ways, all pieces of both vectors share one message; beyond, copying costs more than further
    /// messages.
    private static let mergedBytes = 64 << 10
    /// Bounds of halved vectors are off by less than an element for each halving.
    private static let roundingBytes = 64 * MemoryLayout<Double>.stride

    /// Traps: a layout of other ranks than the communicator's.
    package init(
        communicator: any Communicator, layout: ShardLayout, gradientCount: Int, statisticCount: Int
    ) {
        precondition(
            layout.ranks == communicator.size && layout.rank == communicator.rank,
            "a tree of rank \(layout.rank) of \(layout.ranks) on rank \(communicator.rank) of \(communicator.size)")
        self.communicator = communicator
        gradientCapacity = gradientCount
        statisticCapacity = statisticCount
        rows = layout.subtrees.count
        let isAlone = layout.ranks == 1
        actions =
            isAlone ? [] : ExchangeSchedule(shards: layout.shards, ranks: layout.ranks).actions[layout.rank]
        let half =
            (gradientCount + 1) / 2 * MemoryLayout<Float>.stride + (statisticCount + 1) / 2
            * MemoryLayout<Double>.stride
        incoming = .allocate(
            byteCount: isAlone ? 64 : max(half, Self.mergedBytes) + Self.roundingBytes, alignment: 64)
        outgoing = .allocate(byteCount: isAlone ? 64 : Self.mergedBytes, alignment: 64)
    }

    deinit {
        incoming.deallocate()
        outgoing.deallocate()
    }

    /// Replaces the first row of both by the sum over all ranks' rows; the others hold nonsense afterwards. Collective; all
    /// ranks pass the same lengths.
    ///
    /// Traps: vectors longer than announced, other rows than the rank has subtrees. Throws: the communicator's errors.
    package func allReduce(gradients: VectorRows<Float>, statistics: VectorRows<Double>) throws {
        precondition(gradients.count <= gradientCapacity, "\(gradients.count) gradients, \(gradientCapacity) announced")
        precondition(
            statistics.count <= statisticCapacity, "\(statistics.count) statistics, \(statisticCapacity) announced")
        precondition(
            (gradients.count == 0 || gradients.rows == rows) && (statistics.count == 0 || statistics.rows == rows),
            "\(gradients.rows) and \(statistics.rows) rows for \(rows) subtrees")
        for action in actions {
            switch action {
            case .meet(let meeting): try meet(meeting, gradients, statistics)
            case .add(let lower, let upper, let span):
                add(lower, upper, span, of: statistics)
                add(lower, upper, span, of: gradients)
            case .move(let piece):
                move(piece, in: statistics)
                move(piece, in: gradients)
            }
        }
    }

    private func meet(
        _ meeting: ExchangeSchedule.Meeting, _ gradients: VectorRows<Float>, _ statistics: VectorRows<Double>
    ) throws {
        let traffic = Traffic(meeting, gradients.count, statistics.count)
        if traffic.messages > 1, traffic.bytes <= Self.mergedBytes {
            try meetAtOnce(meeting, gradients, statistics)
        } else {
            for (send, receive) in zip(meeting.sends, meeting.receives) {
                try exchange(send, receive, of: gradients, meeting)
                try exchange(send, receive, of: statistics, meeting)
            }
        }
    }

    /// What a meeting moves both ways, and in how many messages; both ranks find the same.
    private struct Traffic {
        var bytes = 0
        var messages = 0

        init(_ meeting: ExchangeSchedule.Meeting, _ gradients: Int, _ statistics: Int) {
            for (send, receive) in zip(meeting.sends, meeting.receives) {
                count(send, receive, gradients, MemoryLayout<Float>.stride)
                count(send, receive, statistics, MemoryLayout<Double>.stride)
            }
        }

        private mutating func count(_ send: Piece, _ receive: Piece, _ length: Int, _ stride: Int) {
            let elements = send.span.elements(of: length).count + receive.span.elements(of: length).count
            bytes += elements * stride
            messages += elements > 0 ? 1 : 0
        }
    }

    /// One piece of one vector, straight from and, where nothing is added, into its place.
    private func exchange<Element: Summand>(
        _ send: Piece, _ receive: Piece, of vectors: VectorRows<Element>, _ meeting: ExchangeSchedule.Meeting
    ) throws {
        let (out, into) = (part(send, of: vectors), part(receive, of: vectors))
        guard out.count + into.count > 0 else { return }
        guard meeting.adds else {
            return try communicator.exchange(
                UnsafeRawBufferPointer(out), UnsafeMutableRawBufferPointer(into), with: meeting.peer)
        }
        let arrived = UnsafeMutableRawBufferPointer(
            start: incoming, count: into.count * MemoryLayout<Element>.stride)
        try communicator.exchange(UnsafeRawBufferPointer(out), arrived, with: meeting.peer)
        take(UnsafeRawPointer(incoming), into, meeting)
    }

    /// All pieces of both vectors in one message: the statistics first, which keeps both aligned.
    private func meetAtOnce(
        _ meeting: ExchangeSchedule.Meeting, _ gradients: VectorRows<Float>, _ statistics: VectorRows<Double>
    ) throws {
        var (sent, expected) = (0, 0)
        for piece in meeting.sends { pack(piece, of: statistics, at: &sent) }
        for piece in meeting.sends { pack(piece, of: gradients, at: &sent) }
        for piece in meeting.receives {
            expected += piece.span.elements(of: statistics.count).count * MemoryLayout<Double>.stride
            expected += piece.span.elements(of: gradients.count).count * MemoryLayout<Float>.stride
        }
        try communicator.exchange(
            UnsafeRawBufferPointer(start: outgoing, count: sent),
            UnsafeMutableRawBufferPointer(start: incoming, count: expected), with: meeting.peer)
        var read = 0
        for piece in meeting.receives { unpack(piece, of: statistics, at: &read, meeting) }
        for piece in meeting.receives { unpack(piece, of: gradients, at: &read, meeting) }
    }

    private func pack<Element>(_ piece: Piece, of vectors: VectorRows<Element>, at offset: inout Int) {
        let source = UnsafeRawBufferPointer(part(piece, of: vectors))
        UnsafeMutableRawBufferPointer(start: outgoing + offset, count: source.count).copyMemory(from: source)
        offset += source.count
    }

    private func unpack<Element: Summand>(
        _ piece: Piece, of vectors: VectorRows<Element>, at offset: inout Int, _ meeting: ExchangeSchedule.Meeting
    ) {
        let target = part(piece, of: vectors)
        take(UnsafeRawPointer(incoming + offset), target, meeting)
        offset += target.count * MemoryLayout<Element>.stride
    }

    /// Adds what has arrived to what lies in its place, or puts it there.
    private func take<Element: Summand>(
        _ arrived: UnsafeRawPointer, _ target: UnsafeMutableBufferPointer<Element>, _ meeting: ExchangeSchedule.Meeting
    ) {
        guard let own = target.baseAddress, target.count > 0 else { return }
        let other = arrived.assumingMemoryBound(to: Element.self)
        if !meeting.adds {
            own.update(from: other, count: target.count)
        } else if meeting.peer < communicator.rank {
            Element.sum(other, own, count: target.count, into: own)
        } else {
            Element.sum(own, other, count: target.count, into: own)
        }
    }

    private func add<Element: Summand>(
        _ lower: Int, _ upper: Int, _ span: ExchangeSchedule.Span, of vectors: VectorRows<Element>
    ) {
        let own = part(Piece(vector: lower, span: span), of: vectors)
        guard let left = own.baseAddress,
            let right = part(Piece(vector: upper, span: span), of: vectors).baseAddress, own.count > 0
        else { return }
        Element.sum(left, right, count: own.count, into: left)
    }

    private func move<Element>(_ piece: Piece, in vectors: VectorRows<Element>) {
        let source = part(piece, of: vectors)
        _ = part(Piece(vector: 0, span: piece.span), of: vectors).update(from: source)
    }

    private func part<Element>(
        _ piece: Piece, of vectors: VectorRows<Element>
    ) -> UnsafeMutableBufferPointer<Element> {
        let elements = piece.span.elements(of: vectors.count)
        guard !elements.isEmpty else { return UnsafeMutableBufferPointer(start: nil, count: 0) }
        return UnsafeMutableBufferPointer(rebasing: vectors[piece.vector][elements])
    }
}

/// What is added element by element.
private protocol Summand: BitwiseCopyable {
    static func sum(
        _ left: UnsafePointer<Self>, _ right: UnsafePointer<Self>, count: Int, into sum: UnsafeMutablePointer<Self>)
}

extension Float: Summand {
    static func sum(
        _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, count: Int, into sum: UnsafeMutablePointer<Float>
    ) {
        ElementwiseSum.sum(left, right, count: count, into: sum)
    }
}

extension Double: Summand {
    static func sum(
        _ left: UnsafePointer<Double>, _ right: UnsafePointer<Double>, count: Int,
        into sum: UnsafeMutablePointer<Double>
    ) {
        ElementwiseSum.sum(left, right, count: count, into: sum)
    }
}
