internal import Glibc
internal import Synchronization

/// Stop requests by signal: USR1, TERM and INT set a flag that the training loop reads at step boundaries. A second INT
/// ends the process at once.
///
/// The handler does nothing else, because a handler may interrupt anything, also a save.
package enum StopSignals {
    /// Installs the handlers. Call before MPI is initialised, which would otherwise keep the default action.
    package static func install() {
        // The first access makes the globals; a handler must not be the one to do that.
        _ = requestCount.load(ordering: .relaxed)
        _ = terminationCount.load(ordering: .relaxed)
        for signal in [SIGUSR1, SIGTERM, SIGINT] {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { signal in
                if signal == SIGINT, interruptCount.add(1, ordering: .relaxed).oldValue > 0 { _exit(128 + SIGINT) }
                if signal == SIGTERM { terminationCount.add(1, ordering: .relaxed) }
                requestCount.add(1, ordering: .relaxed)
            }
            action.sa_flags = SA_RESTART
            sigaction(signal, &action, nil)
        }
        _ = interruptCount.load(ordering: .relaxed)
    }

    /// Whether anyone has asked this process to stop.
    package static var isRequested: Bool { requestCount.load(ordering: .relaxed) > 0 }
    /// Whether this process has been told to terminate, as mpirun tells the other ranks when one has died.
    package static var isTerminating: Bool { terminationCount.load(ordering: .relaxed) > 0 }
}

private let requestCount = Atomic<Int>(0)
private let terminationCount = Atomic<Int>(0)
private let interruptCount = Atomic<Int>(0)
