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
    package static func take(_ descriptor: Int32, _ path: String) -> Outcome {
        do {
            try systemCall("flock", path) { flock(descriptor, LOCK_EX | LOCK_NB) }
            return .held
        } catch {
            // CIFS says EACCES.
            return [EWOULDBLOCK, EACCES].contains(error.number) ? .heldByAnother : .impossible(error)
        }
    }
}
