internal import Glibc

/// What a command prints; output that is lost is a failure of the command, unlike a line of a run.
package enum StandardOutput {
    /// Prints a text and a line's end.
    ///
    /// Throws: `Failure(.inputOutput)`; without words when the reader has gone, which is no news to who closed the pipe.
    package static func line(_ text: String) throws(Failure) { try write(text + "\n") }

    /// Throws: as `line`.
    package static func write(_ text: String) throws(Failure) {
        let problem = StandardStream.write(text, to: STDOUT_FILENO)
        guard problem != 0 else { return }
        throw Failure(
            .inputOutput,
            problem == EPIPE
                ? ""
                : "standard output: "
                    + (problem == EBADF ? "is closed" : "write: \(String(cString: strerror(problem)))"))
    }

    /// Prints a line that may be lost.
    package static func note(_ text: String) { _ = StandardStream.write(text + "\n", to: STDOUT_FILENO) }
}

/// What the user is told of a failure; where that cannot be said, the exit code still is.
package enum StandardError {
    package static func line(_ text: String) { _ = StandardStream.write(text + "\n", to: STDERR_FILENO) }
}

/// Descriptors 0, 1 and 2.
package enum StandardStream {
    /// Call before anything is opened.
    ///
    /// A closed descriptor becomes /dev/null, opened the wrong way round: the next file must not get its number, and what
    /// is written there is still known to be lost. A closed pipe becomes an error of the write.
    package static func prepare() {
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) < 0 {
            _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
        signal(SIGPIPE, SIG_IGN)
        // What a parent has blocked, as some do by accident, would never ask this process to stop. The other requests to
        // stop are held back until their handlers are there.
        var requests = sigset_t()
        sigemptyset(&requests)
        for signal in [SIGINT, SIGTERM] { sigaddset(&requests, signal) }
        pthread_sigmask(SIG_UNBLOCK, &requests, nil)
    }

    /// Writes all of a text. Returns 0, or errno of the write that failed.
    package static func write(_ text: String, to descriptor: Int32) -> Int32 {
        var text = text
        return text.withUTF8 { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
                if count >= 0 {
                    done += count
                } else if errno == EAGAIN {
                    // Someone else has made the terminal or pipe non-blocking.
                    var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    _ = poll(&wait, 1, -1)
                } else if errno != EINTR {
                    return errno
                }
            }
            return 0
        }
    }
}
