/// The part of the gradient tree that lies inside one rank: its shards are contiguous and a power of two, so they are
/// a whole subtree. Neighbours are added first, the lower shard is the left operand.
package enum ShardTree {
    /// Adds buffers of one length, one per shard in shard order; the sum is left in the first.
    ///
    /// Memory: overwrites the others with partial sums; allocates nothing.
    /// Traps: a number of shards that is not a power of two; unequal lengths.
    package static func combine<Element: TreeElement>(_ shards: [UnsafeMutableBufferPointer<Element>]) {
        precondition(shards.count.isPowerOfTwo, "a tree over \(shards.count) shards")
        let count = shards[0].count
        precondition(shards.allSatisfy { $0.count == count }, "shards of unequal length: \(shards.map(\.count))")
        // The whole tree per block, so that partial sums stay in the first-level cache.
        let block = 2048
        for start in stride(from: 0, to: count, by: block) {
            let length = min(block, count - start)
            var distance = 1
            while distance < shards.count {
                for shard in stride(from: 0, to: shards.count, by: 2 * distance) {
                    guard let lower = shards[shard].baseAddress, let upper = shards[shard + distance].baseAddress else {
                        continue
                    }
                    Element.add(upper: upper + start, toLower: lower + start, count: length)
                }
                distance *= 2
            }
        }
    }
}

/// The same tree when shards are finished one after another: a binary counter that holds at most one partial sum per
/// level, so log₂(shards) + 1 buffers do for any number of shards.
///
/// Use: write shard v's gradient to `leaf`, call `push()`; after the last shard read `total`; `reset()` for the next step.
/// Memory: allocated when made, 64-byte aligned; a step allocates nothing.
package final class ShardAccumulator<Element: TreeElement> {
    package let count: Int
    package let shards: Int
    private var pushed = 0
    /// `slots[level]` holds the sum of 2^level shards when bit `level` of `pushed` is set; the last slot is the leaf.
    private var slots: [UnsafeMutablePointer<Element>]
    private let storage: UnsafeMutableRawPointer

    package init(count: Int, shards: Int) {
        precondition(shards.isPowerOfTwo, "a tree over \(shards) shards")
        self.count = count
        self.shards = shards
        let levels = shards.trailingZeroBitCount + 1
        let stride = (count * MemoryLayout<Element>.stride + 63) / 64 * 64
        storage = .allocate(byteCount: max(64, stride * (levels + 1)), alignment: 64)
        // One slot per level that can be occupied while shards are missing, and the leaf: levels 0 ... log₂(shards).
        slots = (0...levels).map { [storage] slot in
            (storage + slot * stride).bindMemory(to: Element.self, capacity: count)
        }
        for slot in slots { slot.initialize(repeating: .zero, count: count) }
    }

    deinit {
        storage.deallocate()
    }

    /// Where the next shard's gradient is written; holds garbage before.
    package var leaf: UnsafeMutableBufferPointer<Element> {
        UnsafeMutableBufferPointer(start: slots[slots.count - 1], count: count)
    }

    /// Takes the leaf as the next shard in order. Traps when all shards were pushed already.
    package func push() {
        precondition(pushed < shards, "shard \(pushed) pushed to a tree of \(shards)")
        var level = 0
        var carrier = slots.count - 1
        while pushed & (1 << level) != 0 {
            Element.add(upper: slots[carrier], toLower: slots[level], count: count)
            carrier = level
            level += 1
        }
        slots.swapAt(level, carrier)
        pushed += 1
    }

    /// The sum over all shards; valid until `reset()`. Traps while shards are missing.
    package var total: UnsafeMutableBufferPointer<Element> {
        precondition(pushed == shards, "\(pushed) of \(shards) shards pushed")
        return UnsafeMutableBufferPointer(start: slots[shards.trailingZeroBitCount], count: count)
    }

    package func reset() {
        pushed = 0
    }
}

extension Int {
    var isPowerOfTwo: Bool { self > 0 && nonzeroBitCount == 1 }
}
