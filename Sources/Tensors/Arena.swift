internal import Glibc

/// Zeroed memory from the operating system, 2 MiB aligned pages where the system grants them.
///
/// Memory: pages are first touched by whoever writes them. Released in deinit. Throws: `OutOfMemory`.
package final class Arena {
    package struct OutOfMemory: Error, CustomStringConvertible {
        package let byteCount: Int
        package var description: String { "the system grants no \(byteCount / 1_048_576) MiB of memory" }
    }

    package let base: UnsafeMutableRawPointer
    package let byteCount: Int

    package init(byteCount: Int) throws {
        let hugePage = 2 << 20
        let rounded = max(4096, byteCount > hugePage ? (byteCount + hugePage - 1) & ~(hugePage - 1) : byteCount)
        guard let pages = mmap(nil, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            pages != MAP_FAILED
        else { throw OutOfMemory(byteCount: rounded) }
        if rounded > hugePage { madvise(pages, rounded, MADV_HUGEPAGE) }
        base = pages
        self.byteCount = rounded
    }

    deinit {
        munmap(base, byteCount)
    }

    package func pointer<T>(at offset: Int, as type: T.Type = T.self) -> UnsafeMutablePointer<T> {
        (base + offset).assumingMemoryBound(to: type)
    }
}

/// Places buffers of known lifetimes in one arena, so that buffers which never live at once share their bytes.
///
/// Greedy by size: the largest buffer first, each at the lowest offset where no buffer alive at the same time lies.
/// The result depends only on the requests and their order.
package struct ArenaLayout {
    package struct Buffer: Sendable {
        fileprivate let index: Int
    }

    private struct Request {
        let byteCount: Int
        let lifetime: ClosedRange<Int>
    }

    private var requests: [Request] = []
    /// Cache lines, and the width of the widest vector.
    private static let alignment = 64

    package init() {}

    /// Asks for a buffer that is alive from the first to the last step of `lifetime`, both included. No system has
    /// `Int.largestProduct` bytes: what is larger counts as that.
    package mutating func request(byteCount: Int, lifetime: ClosedRange<Int>) -> Buffer {
        precondition(byteCount >= 0, "negative size \(byteCount)")
        let byteCount = min(byteCount, Int.largestProduct)
        let rounded = max(Self.alignment, (byteCount + Self.alignment - 1) & ~(Self.alignment - 1))
        requests.append(Request(byteCount: rounded, lifetime: lifetime))
        return Buffer(index: requests.count - 1)
    }

    /// The offset of every buffer, and the size of the arena that holds them.
    package func solve() -> Solution {
        var offsets = [Int](repeating: 0, count: requests.count)
        var placed: [Int] = []
        var total = 0
        let order = requests.indices.sorted {
            (requests[$0].byteCount, $1) > (requests[$1].byteCount, $0)
        }
        for index in order {
            let request = requests[index]
            let neighbours = placed.filter { requests[$0].lifetime.overlaps(request.lifetime) }
                .sorted { offsets[$0] < offsets[$1] }
            var offset = 0
            for other in neighbours {
                if offset + request.byteCount <= offsets[other] { break }
                offset = max(offset, offsets[other] + requests[other].byteCount)
            }
            offsets[index] = offset
            total = max(total, offset + request.byteCount)
            placed.append(index)
        }
        return Solution(offsets: offsets, byteCount: total)
    }

    package struct Solution: Sendable {
        private let offsets: [Int]
        package let byteCount: Int

        fileprivate init(offsets: [Int], byteCount: Int) {
            self.offsets = offsets
            self.byteCount = byteCount
        }

        package subscript(_ buffer: Buffer) -> Int { offsets[buffer.index] }
    }
}
