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
