internal import CSignals
internal import Glibc
internal import Synchronization

/// Stop requests by signal: USR1, USR2, TERM, INT, HUP and XCPU set a flag that the training loop reads at step boundaries. A
/// second INT ends the process at once.
///
/// The handler does nothing else, besides an answer to INT, because a handler may interrupt anything, also a save. From the
/// program's first instruction until `release` the signals wait (`CSignals`), so that none is lost or fatal before the handlers
/// stand.
package enum StopSignals {
    /// Installs the handlers. Call before MPI is initialised, which would otherwise keep the default action.
    ///
    /// A signal that was ignored from the start (nohup) stays ignored; but INT, which shells ignore for every job of a script
    /// that they start in the background. A reader of our lines that goes away (PIPE) ends nothing.
    package static func install() {
        // The first access makes the globals; a handler must not be the one to do that.
        _ = requestCount.load(ordering: .relaxed)
        _ = terminationCount.load(ordering: .relaxed)
        _ = interruptCount.load(ordering: .relaxed)
        _ = (wholeSecondsToStop.load(ordering: .relaxed), statusLineShown.load(ordering: .relaxed))
        for signal in [SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP, SIGXCPU] where signal == SIGINT || !isIgnored(signal)
        {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { signal in
                if signal == SIGINT {
                    guard interruptCount.add(1, ordering: .relaxed).oldValue == 0 else {
                        say("ended without saving\n")
                        _exit(128 + SIGINT)
                    }
                    answer()
                }
                if signal == SIGTERM { terminationCount.add(1, ordering: .relaxed) }
                requestCount.add(1, ordering: .relaxed)
            }
            action.sa_flags = SA_RESTART
            sigaction(signal, &action, nil)
        }
        signal(SIGPIPE, SIG_IGN)
    }

    /// Lets the signals come that have waited since the start. Call when the handlers stand, or when there will be none.
    package static func release() { CSignals_release() }

    /// Makes a write beyond the limit on file sizes fail with an error, instead of ending the process.
    package static func keepFileSizeLimitFromKilling() { signal(SIGXFSZ, SIG_IGN) }

    /// Whether anyone has asked this process to stop.
    package static var isRequested: Bool { requestCount.load(ordering: .relaxed) > 0 }
    /// Whether this process has been told to terminate, as mpirun tells the other ranks when one has died.
    package static var isTerminating: Bool { terminationCount.load(ordering: .relaxed) > 0 }

    /// How long a stop takes from the request on, as far as that is known: a step and a save.
    package static var secondsToStop: Double {
        get { Double(wholeSecondsToStop.load(ordering: .relaxed)) }
        set {
            let isCountable = newValue.isFinite && newValue >= 0
            wholeSecondsToStop.store(isCountable ? Int(min(newValue, 1e9).rounded()) : 0, ordering: .relaxed)
        }
    }

    /// Whether the cursor stands behind a line that is drawn over again and again; the answer to INT takes its place.
    package static var hasStatusLine: Bool {
        get { statusLineShown.load(ordering: .relaxed) }
        set { statusLineShown.store(newValue, ordering: .relaxed) }
    }

    private static func isIgnored(_ signal: Int32) -> Bool {
        var action = sigaction()
        guard sigaction(signal, nil, &action) == 0 else { return false }
        // SIG_IGN is the address 1.
        return action.__sigaction_handler.sa_handler.map { unsafeBitCast($0, to: Int.self) } == 1
    }
}

/// "stopping after this step, about 4 s; again ends without saving", from inside a handler: nothing is allocated.
private func answer() {
    if statusLineShown.load(ordering: .relaxed) { say("\r\u{1B}[K") }
    say("stopping after this step")
    let seconds = wholeSecondsToStop.load(ordering: .relaxed)
    if seconds > 0 {
        say(", about ")
        var unit = 1
        while seconds / unit >= 10 { unit *= 10 }
        while unit > 0 {
            sayDigit(seconds / unit % 10)
            unit /= 10
        }
        say(" s")
    }
    say("; again ends without saving\n")
}

private func sayDigit(_ digit: Int) {
    let digits: StaticString = "0123456789"
    _ = write(STDERR_FILENO, digits.utf8Start + digit, 1)
}

/// Writes words from inside a handler.
private func say(_ words: StaticString) {
    let error = errno
    _ = write(STDERR_FILENO, words.utf8Start, words.utf8CodeUnitCount)
    errno = error
}

private let requestCount = Atomic<Int>(0)
private let terminationCount = Atomic<Int>(0)
private let interruptCount = Atomic<Int>(0)
private let wholeSecondsToStop = Atomic<Int>(0)
private let statusLineShown = Atomic<Bool>(false)
