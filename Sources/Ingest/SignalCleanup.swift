internal import Glibc
internal import Synchronization

/// The files that a deadly signal removes on its way: outputs under way, each under its temporary name.
///
/// A handler may interrupt anything, and other threads go on while it runs. So there is a fixed table that is never freed, and
/// whoever moves an entry from `armed` owns it: `end` to empty it, or the handler to remove its file, after which nobody touches
/// it again. The handler is installed once, for signals that would otherwise end the process by themselves; one that
/// is ignored (nohup) or that something else handles (a training that stops at a step boundary) stays as it is.
enum SignalCleanup {
    /// A file under way; given back by `end`. Beyond the size of the table, or for a path too long to exist, it holds nothing.
    struct Claim {
        fileprivate let entry: Int?
    }

    static let capacity = 16

    /// From here on the file goes when the process is ended by a signal.
    static func begin(removing path: String) -> Claim {
        let entries = table
        _ = handlers
        guard path.utf8.count < Entry.pathBytes else { return Claim(entry: nil) }
        let free = (0..<capacity).first { entries[$0].move(from: .free, to: .claimed) }
        guard let free else { return Claim(entry: nil) }
        _ = path.withCString { strcpy(entries[free].path, $0) }
        entries[free].set(.armed)
        return Claim(entry: free)
    }

    static func end(_ claim: Claim) {
        guard let entry = claim.entry, table[entry].move(from: .armed, to: .claimed) else { return }
        table[entry].set(.free)
    }

    /// Made before the handlers stand. What guards it is each entry's state.
    nonisolated(unsafe) private static let table: UnsafeMutablePointer<Entry> = {
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: capacity)
        for entry in 0..<capacity { (entries + entry).initialize(to: Entry()) }
        return entries
    }()

    private static let handlers: Void = {
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU] {
            var old = sigaction()
            guard sigaction(signal, nil, &old) == 0, old.__sigaction_handler.sa_handler == nil else { continue }
            var new = sigaction()
            new.__sigaction_handler.sa_handler = { signal in
                let entries = SignalCleanup.table
                for entry in 0..<SignalCleanup.capacity where entries[entry].move(from: .armed, to: .removing) {
                    unlink(entries[entry].path)
                }
                // The default action came back when the handler began; it runs when the handler returns.
                raise(signal)
            }
            new.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
            sigaction(signal, &new, nil)
        }
    }()

    private struct Entry: ~Copyable {
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
