internal import Glibc

/// A lock on an open file that ends with its holder, however that ends, and that other hosts and containers see too where
/// the file system has locks.
package enum FileLock {
    package enum Outcome: Equatable {
        case held
        case heldByAnother
        /// The file system has no locks, or no more of them.
        case impossible(SystemError)
    }

    /// Takes the lock without waiting.
    package static func take(_ descriptor: Int32, _ path: String) -> Outcome { lock(descriptor, path, LOCK_EX) }

    /// Whether someone holds the lock. Looking is in no other look's way, and in a `take`'s for a moment only.
    package static func isHeld(_ descriptor: Int32, _ path: String) -> Bool {
        lock(descriptor, path, LOCK_SH) == .heldByAnother
    }

    private static func lock(_ descriptor: Int32, _ path: String, _ kind: Int32) -> Outcome {
        do {
            try systemCall("flock", path) { flock(descriptor, kind | LOCK_NB) }
            return .held
        } catch {
            // CIFS says EACCES.
            return [EWOULDBLOCK, EACCES].contains(error.number) ? .heldByAnother : .impossible(error)
        }
    }
}
