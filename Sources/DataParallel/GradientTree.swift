internal import Tensors

/// The part of the gradient tree that lies between ranks: adds every rank's vectors and leaves the same bits on all.
///
/// Ranks exchange with the rank at distance 1, 2, 4 … in that order. At each level a pair halves its segment: both send
/// the half they give up and add what they receive to the half they keep. Then the finished pieces travel back the same
/// way. Rank numbers are shard numbers divided by a power of two, so the tree of the ranks continues `BinaryTree`'s, and
/// each element is `lower subtree + upper subtree` all the way up: the number of ranks, the place of an element in the
/// vector and the split of the vector into calls do not show in its bits.
///
/// Traffic: at most 2(R − 1)/R of the vectors' bytes sent per rank and call, plus one element per level for odd lengths.
/// Memory: scratch of half the vectors, made once; `allReduce` allocates nothing (the in-process twin's mailboxes do).
/// Source: recursive halving and doubling, Thakur, Rabenseifner and Gropp 2005, with the distances in ascending order.
package final class GradientTree {
    package let gradientCapacity: Int
    package let statisticCapacity: Int
    private let communicator: any Communicator
    private let incoming: UnsafeMutableRawPointer
    private let outgoing: UnsafeMutableRawPointer

    /// Up to this many bytes of segment both vectors share one message; beyond, copying costs more than a second message.
    private static let mergedBytes = 64 << 10

    /// Traps: a number of ranks that is not a power of two (`ShardLayout` refuses it with a message before).
    package init(communicator: any Communicator, gradientCount: Int, statisticCount: Int) {
        precondition(communicator.size.isPowerOfTwo, "a tree over \(communicator.size) ranks")
        self.communicator = communicator
        gradientCapacity = gradientCount
        statisticCapacity = statisticCount
        let alone = communicator.size == 1
        let half =
            (gradientCount + 1) / 2 * MemoryLayout<Float>.stride + (statisticCount + 1) / 2
            * MemoryLayout<Double>.stride
        incoming = .allocate(byteCount: alone ? 64 : half + 64, alignment: 64)
        outgoing = .allocate(byteCount: alone ? 64 : min(half, Self.mergedBytes) + 64, alignment: 64)
    }

    deinit {
        incoming.deallocate()
        outgoing.deallocate()
    }

    /// Replaces both vectors by their sums over all ranks. Collective; all ranks pass the same lengths.
    ///
    /// Traps: vectors longer than announced. Throws: the communicator's errors.
    package func allReduce(
        gradients: UnsafeMutableBufferPointer<Float>, statistics: UnsafeMutableBufferPointer<Double>
    ) throws {
        precondition(gradients.count <= gradientCapacity, "\(gradients.count) gradients, \(gradientCapacity) announced")
        precondition(
            statistics.count <= statisticCapacity, "\(statistics.count) statistics, \(statisticCapacity) announced")
        let levels = communicator.size.trailingZeroBitCount
        for level in 0..<levels { try reduce(level, gradients, statistics) }
        for level in (0..<levels).reversed() { try gather(level, gradients, statistics) }
    }

    private func reduce(
        _ level: Int, _ gradients: UnsafeMutableBufferPointer<Float>, _ statistics: UnsafeMutableBufferPointer<Double>
    ) throws {
        let floats = Halves(count: gradients.count, level: level, rank: communicator.rank)
        let doubles = Halves(count: statistics.count, level: level, rank: communicator.rank)
        let peer = communicator.rank ^ (1 << level)

        // Doubles first keeps both aligned.
        let doublesIn = bytes(doubles.keep, Double.self)
        let arrivedDoubles = UnsafeMutableRawBufferPointer(start: incoming, count: doublesIn)
        let arrivedFloats = UnsafeMutableRawBufferPointer(
            start: incoming + doublesIn, count: bytes(floats.keep, Float.self))
        if merges(floats, doubles) {
            let message = pack(gradients, floats.give, statistics, doubles.give)
            let arrived = UnsafeMutableRawBufferPointer(start: incoming, count: doublesIn + arrivedFloats.count)
            try communicator.exchange(message, arrived, with: peer)
        } else {
            if floats.whole > 0 {
                try communicator.exchange(raw(gradients, floats.give), arrivedFloats, with: peer)
            }
            if doubles.whole > 0 {
                try communicator.exchange(raw(statistics, doubles.give), arrivedDoubles, with: peer)
            }
        }
        let isLower = peer < communicator.rank
        if let own = kept(statistics, doubles.keep) {
            let other = arrivedDoubles.baseAddress!.assumingMemoryBound(to: Double.self)
            ElementwiseSum.sum(
                isLower ? other : own, isLower ? own : other, count: doubles.keep.count, into: own)
        }
        if let own = kept(gradients, floats.keep) {
            let other = arrivedFloats.baseAddress!.assumingMemoryBound(to: Float.self)
            ElementwiseSum.sum(isLower ? other : own, isLower ? own : other, count: floats.keep.count, into: own)
        }
    }

    private func gather(
        _ level: Int, _ gradients: UnsafeMutableBufferPointer<Float>, _ statistics: UnsafeMutableBufferPointer<Double>
    ) throws {
        let floats = Halves(count: gradients.count, level: level, rank: communicator.rank)
        let doubles = Halves(count: statistics.count, level: level, rank: communicator.rank)
        let peer = communicator.rank ^ (1 << level)
        if merges(floats, doubles) {
            let message = pack(gradients, floats.keep, statistics, doubles.keep)
            let doublesIn = bytes(doubles.give, Double.self)
            let floatsIn = bytes(floats.give, Float.self)
            let arrived = UnsafeMutableRawBufferPointer(start: incoming, count: doublesIn + floatsIn)
            try communicator.exchange(message, arrived, with: peer)
            mutableRaw(statistics, doubles.give).copyMemory(from: .init(start: incoming, count: doublesIn))
            mutableRaw(gradients, floats.give).copyMemory(from: .init(start: incoming + doublesIn, count: floatsIn))
        } else {
            if floats.whole > 0 {
                try communicator.exchange(raw(gradients, floats.keep), mutableRaw(gradients, floats.give), with: peer)
            }
            if doubles.whole > 0 {
                try communicator.exchange(
                    raw(statistics, doubles.keep), mutableRaw(statistics, doubles.give), with: peer)
            }
        }
    }

    /// Whether both vectors travel in one message; a pair decides alike, because it shares the segment.
    private func merges(_ floats: Halves, _ doubles: Halves) -> Bool {
        let whole = floats.whole * MemoryLayout<Float>.stride + doubles.whole * MemoryLayout<Double>.stride
        return floats.whole > 0 && doubles.whole > 0 && whole <= Self.mergedBytes
    }

    private func pack(
        _ gradients: UnsafeMutableBufferPointer<Float>, _ floats: Range<Int>,
        _ statistics: UnsafeMutableBufferPointer<Double>, _ doubles: Range<Int>
    ) -> UnsafeRawBufferPointer {
        let first = raw(statistics, doubles)
        let second = raw(gradients, floats)
        let message = UnsafeMutableRawBufferPointer(start: outgoing, count: first.count + second.count)
        message.copyMemory(from: first)
        UnsafeMutableRawBufferPointer(rebasing: message[first.count...]).copyMemory(from: second)
        return UnsafeRawBufferPointer(message)
    }

    /// nil for nothing.
    private func kept<Element>(
        _ vector: UnsafeMutableBufferPointer<Element>, _ keep: Range<Int>
    ) -> UnsafeMutablePointer<Element>? {
        keep.isEmpty ? nil : vector.baseAddress.map { $0 + keep.lowerBound }
    }

    private func bytes<Element>(_ range: Range<Int>, _: Element.Type) -> Int {
        range.count * MemoryLayout<Element>.stride
    }

    private func raw<Element>(_ vector: UnsafeMutableBufferPointer<Element>, _ range: Range<Int>)
        -> UnsafeRawBufferPointer
    {
        UnsafeRawBufferPointer(mutableRaw(vector, range))
    }

    private func mutableRaw<Element>(
        _ vector: UnsafeMutableBufferPointer<Element>, _ range: Range<Int>
    ) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: vector[range]))
    }
}

/// What a rank keeps and gives up at one level. The pair shares the segment, as all lower bits of its ranks are equal.
private struct Halves {
    let keep: Range<Int>
    let give: Range<Int>
    var whole: Int { keep.count + give.count }

    init(count: Int, level: Int, rank: Int) {
        var segment = 0..<count
        var other = 0..<0
        for bit in 0...level {
            let middle = segment.lowerBound + segment.count / 2
            let isUpper = rank & (1 << bit) != 0
            other = isUpper ? segment.lowerBound..<middle : middle..<segment.upperBound
            segment = isUpper ? middle..<segment.upperBound : segment.lowerBound..<middle
        }
        keep = segment
        give = other
    }
}
