internal import Diagnostics
internal import Digests
internal import Glibc
internal import Synchronization

/// Tells whether an open file still holds what it held when it was opened.
///
/// It looks at the size and times of the file (one system call); where these changed, the digest of the bytes in use is taken
/// again, and all is well if it is equal, since touching or linking a file changes no data. On network file systems the times of a
/// change by another host may arrive some seconds later; a change that keeps size and times, or comes in the same tick of the
/// clock (4 ms) as the start, is noticed at the next start that checks the pixels.
final class FileWatch: Sendable {
    let path: String
    /// Its own, closed at the end.
    let descriptor: Int32
    /// At the start.
    let identity: FileIdentity
    private let state: Mutex<State>

    private struct State {
        /// Of the last look that found nothing changed.
        var identity: FileIdentity
        var digest: String?
        var failure: Failure?
    }

    /// Keeps a copy of a descriptor. Throws: `Failure(.inputOutput)`.
    init(path: String, descriptor: Int32) throws {
        func failed(_ what: String) -> Failure {
            Failure(.inputOutput, "\(path): \(what): \(String(cString: strerror(errno)))", isLocal: true)
        }
        let own = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        guard own >= 0 else { throw failed("cannot keep it open") }
        guard let identity = FileIdentity(descriptor: own) else {
            close(own)
            throw failed("cannot be looked at")
        }
        self.path = path
        self.descriptor = own
        self.identity = identity
        state = Mutex(State(identity: identity))
    }

    deinit { close(descriptor) }

    /// Throws: `Failure(.badData)` when the file had not so many bytes at the start.
    func require(offset: Int, count: Int) throws {
        guard offset >= 0, count > 0, identity.byteCount - offset >= count else {
            throw Failure(
                .badData,
                "\(path): has \(identity.byteCount) bytes, expected \(offset + count); the file is truncated. "
                    + "Copy or convert it again.")
        }
    }

    func expect(digest: String) {
        state.withLock { $0.digest = digest }
    }

    /// `isLost`: whether reading has failed already; `currentDigest`: of the bytes in use, as they are now.
    ///
    /// Throws: `Failure(.inputOutput)`, and from then on each time.
    func confirm(isLost: () -> Bool = { false }, currentDigest: () -> String?) throws {
        let now = FileIdentity(descriptor: descriptor)
        try state.withLock { state in
            if let failure = state.failure { throw failure }
            if isLost() {
                state.failure = lost(now)
            } else if let now, now != state.identity {
                if now.byteCount == state.identity.byteCount, let digest = state.digest, digest == currentDigest() {
                    state.identity = now
                } else {
                    state.failure = isLost() || now.byteCount != state.identity.byteCount ? lost(now) : changed()
                }
            }
            if let failure = state.failure { throw failure }
        }
    }

    /// Reads a range of the file. Throws: `Failure(.inputOutput)` when it is not there any more.
    func read(_ count: Int, at offset: Int, to target: UnsafeMutableRawPointer) throws {
        var done = 0
        while done < count {
            let got = pread(descriptor, target + done, count - done, off_t(offset + done))
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { throw lost(FileIdentity(descriptor: descriptor)) }
            done += got
        }
    }

    private func lost(_ now: FileIdentity?) -> Failure {
        let (had, has) = (identity.byteCount, now?.byteCount ?? 0)
        guard had == has else {
            return Failure(
                .inputOutput,
                "\(path): was changed while it was in use: it has \(has) bytes, expected \(had). Put the file back, or "
                    + "convert it again")
        }
        return Failure(.inputOutput, "\(path): a part of it cannot be read any more; look at the disk or the server")
    }

    private func changed() -> Failure {
        Failure(
            .inputOutput,
            "\(path): was overwritten while it was in use: its images are no longer those of the start. Put the file back, "
                + "or convert it again")
    }
}
