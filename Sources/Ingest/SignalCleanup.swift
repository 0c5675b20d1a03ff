internal import Glibc
internal import Synchronization

/// The files that a deadly signal removes on its way: outputs under way, each under its temporary name.
///
/// A handler may interrupt anything, and other threads go on while it runs. So there is a fixed table that is never freed, and
/// whoever moves a slot from `armed` owns it: `end` to empty it, or the handler to remove its file, after which nobody touches
/// it again. The handler is installed once, for signals that would otherwise end the process by themselves; one that
/// is ignored (nohup) or that something else handles (a training that stops at a step boundary) stays as it is.
enum SignalCleanup {
    /// A file under way; given back by `end`. Beyond the size of the table, or for a path too long to exist, it holds nothing.
    struct Claim {
        fileprivate let slot: Int?
    }

    static let capacity = 16

    /// From here on the file goes when the process is ended by a signal.
    static func begin(removing path: String) -> Claim {
        let slots = table
        _ = handlers
        guard path.utf8.count < Slot.pathBytes else { return Claim(slot: nil) }
        let free = (0..<capacity).first { slots[$0].move(from: .free, to: .claimed) }
        guard let free else { return Claim(slot: nil) }
        _ = path.withCString { strcpy(slots[free].path, $0) }
        slots[free].set(.armed)
        return Claim(slot: free)
    }

    static func end(_ claim: Claim) {
        guard let slot = claim.slot, table[slot].move(from: .armed, to: .claimed) else { return }
        table[slot].set(.free)
    }

    /// Made before the handlers stand. What guards it is each slot's state.
    nonisolated(unsafe) private static let table: UnsafeMutablePointer<Slot> = {
        let slots = UnsafeMutablePointer<Slot>.allocate(capacity: capacity)
        for slot in 0..<capacity { (slots + slot).initialize(to: Slot()) }
        return slots
    }()

    private static let handlers: Void = {
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU] {
            var old = sigaction()
            guard sigaction(signal, nil, &old) == 0, old.__sigaction_handler.sa_handler == nil else { continue }
            var new = sigaction()
            new.__sigaction_handler.sa_handler = { signal in
                let slots = SignalCleanup.table
                for slot in 0..<SignalCleanup.capacity where slots[slot].move(from: .armed, to: .removing) {
                    unlink(slots[slot].path)
                }
                // The default action came back when the handler began; it runs when the handler returns.
                raise(signal)
            }
            new.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
            sigaction(signal, &new, nil)
        }
    }()

    private struct Slot: ~Copyable {
        enum State: Int { case free, claimed, armed, removing }

        /// PATH_MAX.
        static let pathBytes = 4096

        /// A C string, written while `claimed` and read while `removing`.
        let path = UnsafeMutablePointer<CChar>.allocate(capacity: pathBytes)
        private let state = Atomic<Int>(State.free.rawValue)

        func move(from old: State, to new: State) -> Bool {
            state.compareExchange(expected: old.rawValue, desired: new.rawValue, ordering: .acquiringAndReleasing)
                .exchanged
        }

        func set(_ new: State) { state.store(new.rawValue, ordering: .releasing) }
    }
}
