internal import Diagnostics
internal import Glibc

/// Numbered pieces of work on several threads; their results are used in order, by the calling thread.
///
/// A piece has one of the buffers to itself from `take` to the end of `use`, so at most `buffers.count` pieces are on their way.
/// `take` runs in the order of the pieces, one at a time, unless `takesInOrder` is false; `work` on all threads at once. The
/// first error in the order of the pieces is thrown, after all threads have ended.
///
/// `@unchecked Sendable`: `mutex` guards everything that changes; a buffer belongs to one thread at a time.
final class OrderedWork<Buffer: AnyObject>: @unchecked Sendable {
    typealias Step = (_ piece: Int, _ buffer: Buffer) throws -> Void

    private let count: Int
    private let buffers: [Buffer]
    private let takesInOrder: Bool
    private let take: Step
    private let work: Step

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    /// Pieces begun, taken and used.
    private var begun = 0
    private var taken = 0
    private var used = 0
    private var finished: [Int: Result<Void, any Error>] = [:]
    private var isStopping = false

    private init(count: Int, buffers: [Buffer], takesInOrder: Bool, take: @escaping Step, work: @escaping Step) {
        self.count = count
        self.buffers = buffers
        self.takesInOrder = takesInOrder
        self.take = take
        self.work = work
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    static func run(
        _ count: Int, threads: Int, buffers: [Buffer], takesInOrder: Bool, take: @escaping Step, work: @escaping Step,
        use: Step
    ) throws {
        let state = OrderedWork(count: count, buffers: buffers, takesInOrder: takesInOrder, take: take, work: work)
        var handles: [pthread_t] = []
        defer {
            state.locked { state.isStopping = true }
            for handle in handles { pthread_join(handle, nil) }
        }
        for _ in 0..<min(threads, max(count, 1)) {
            let start = ThreadStart { state.workUntilDone() }
            switch start.begin() {
            case .success(let handle): handles.append(handle)
            case .failure(let failure): if handles.isEmpty { throw failure }
            }
        }
        for piece in 0..<count {
            try state.waitForResult(of: piece).get()
            try use(piece, buffers[piece % buffers.count])
            state.locked { state.used = piece + 1 }
        }
    }

    private func workUntilDone() {
        while let piece = begin() {
            let buffer = buffers[piece % buffers.count]
            let result = Result {
                if takesInOrder {
                    guard waitForTurn(piece) else { return }
                    // Nothing is taken after an error.
                    do { try take(piece, buffer) } catch {
                        locked { isStopping = true }
                        throw error
                    }
                    locked { taken = piece + 1 }
                } else {
                    try take(piece, buffer)
                }
                try work(piece, buffer)
            }
            locked { finished[piece] = result }
        }
    }

    /// The next piece, once its buffer is free.
    private func begin() -> Int? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while begun < count, begun >= used + buffers.count, !isStopping { pthread_cond_wait(changed, mutex) }
        guard begun < count, !isStopping else { return nil }
        begun += 1
        return begun - 1
    }

    /// False when the turn never comes.
    private func waitForTurn(_ piece: Int) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while taken != piece, !isStopping { pthread_cond_wait(changed, mutex) }
        return taken == piece
    }

    private func waitForResult(of piece: Int) -> Result<Void, any Error> {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let result = finished.removeValue(forKey: piece) { return result }
            pthread_cond_wait(changed, mutex)
        }
    }

    private func locked(_ change: () -> Void) {
        pthread_mutex_lock(mutex)
        change()
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(mutex)
    }
}

/// What a new thread runs.
private final class ThreadStart: @unchecked Sendable {
    private let body: () -> Void

    init(_ body: @escaping () -> Void) { self.body = body }

    func begin() -> Result<pthread_t, Failure> {
        let argument = Unmanaged.passRetained(self)
        var handle = pthread_t()
        let code = pthread_create(
            &handle, nil,
            { argument in
                Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            }, argument.toOpaque())
        guard code == 0 else {
            argument.release()
            return .failure(
                Failure(.inputOutput, "the system refuses a thread: \(String(cString: strerror(code)))"))
        }
        return .success(handle)
    }
}
