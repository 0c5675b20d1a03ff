internal import CKernels
internal import Glibc
internal import Synchronization

/// The threads of one rank: runs numbered units of work, the calling thread among the workers.
///
/// Which worker takes which unit is left to chance, so a unit must write only what belongs to it, and whatever adds up
/// across units does so afterwards in unit order. Running allocates nothing.
package final class ThreadPool {
    /// Called with the unit and with the worker, 0 ..< threads; one worker runs one unit at a time.
    package typealias Body = (_ unit: Int, _ worker: Int) -> Void

    package let threads: Int
    private let shared = SharedState()
    private var workers: [SystemThread] = []

    /// Starts `threads − 1` workers beside the calling thread. Throws: `ThreadError` when the system refuses one.
    package init(threads: Int) throws(ThreadError) {
        precondition(threads >= 1, "a pool of \(threads) threads")
        self.threads = threads
        for worker in 1..<threads {
            do throws(ThreadError) {
                workers.append(
                    try SystemThread("worker \(worker) of \(threads)") { [shared] in shared.work(as: worker) })
            } catch {
                shutDown()
                throw error
            }
        }
    }

    deinit {
        shutDown()
    }

    /// Runs units 0 ..< count and returns when all are done.
    package func run(_ count: Int, _ body: @escaping Body) {
        if workers.isEmpty || count <= 1 {
            for unit in 0..<count { body(unit, 0) }
            return
        }
        shared.start(body, units: count, workers: workers.count)
        shared.takeUnits(body, worker: 0)
        shared.waitForWorkers()
    }

    private func shutDown() {
        shared.stop()
        for worker in workers { worker.join() }
        workers = []
    }
}

/// What the workers and the caller share. `body` and `units` are written by the caller while no worker runs a job, and
/// published by the release of `generation`; workers read them after acquiring it, and `pending` returns them.
private final class SharedState: @unchecked Sendable {
    private var body: ThreadPool.Body?
    private var units = 0
    private var stopping = false
    private let generation = Atomic<Int>(0)
    private let nextUnit = Atomic<Int>(0)
    private let pending = Atomic<Int>(0)
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let wakeUp: UnsafeMutablePointer<pthread_cond_t>

    /// About 20 µs: longer than the gap between two operations of a step, shorter than a scheduler's time slice, so
    /// that ranks which share a core do not starve each other.
    private static let spins = 1_000

    init() {
        mutex = .allocate(capacity: 1)
        wakeUp = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(wakeUp, nil)
    }

    deinit {
        pthread_cond_destroy(wakeUp)
        pthread_mutex_destroy(mutex)
        wakeUp.deallocate()
        mutex.deallocate()
    }

    func start(_ body: @escaping ThreadPool.Body, units: Int, workers: Int) {
        self.body = body
        self.units = units
        nextUnit.store(0, ordering: .relaxed)
        pending.store(workers, ordering: .relaxed)
        announce()
    }

    func stop() {
        stopping = true
        announce()
    }

    private func announce() {
        pthread_mutex_lock(mutex)
        generation.add(1, ordering: .releasing)
        pthread_cond_broadcast(wakeUp)
        pthread_mutex_unlock(mutex)
    }

    func takeUnits(_ body: ThreadPool.Body, worker: Int) {
        let count = units
        while true {
            let unit = nextUnit.add(1, ordering: .relaxed).oldValue
            if unit >= count { return }
            body(unit, worker)
        }
    }

    func waitForWorkers() {
        var spins = 0
        while pending.load(ordering: .acquiring) > 0 {
            spins += 1
            if spins < Self.spins { CKernels_pause() } else { sched_yield() }
        }
        body = nil
    }

    func work(as worker: Int) {
        var seen = 0
        while true {
            seen = waitForGeneration(after: seen)
            if stopping { return }
            if let body { takeUnits(body, worker: worker) }
            pending.subtract(1, ordering: .releasing)
        }
    }

    private func waitForGeneration(after seen: Int) -> Int {
        for _ in 0..<Self.spins {
            let now = generation.load(ordering: .acquiring)
            if now != seen { return now }
            CKernels_pause()
        }
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while generation.load(ordering: .acquiring) == seen { pthread_cond_wait(wakeUp, mutex) }
        return generation.load(ordering: .acquiring)
    }
}
