import Glibc
import Synchronization
import Testing

@testable import Tensors

@Suite("Thread pool")
struct ThreadPoolTests {
    @Test("every unit runs exactly once, on a worker that exists, run after run", arguments: 1...4)
    func everyUnitOnce(threads: Int) throws {
        let pool = try ThreadPool(threads: threads)
        let hits = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: 1_000)
        let workers = UnsafeMutableBufferPointer<Int>.allocate(capacity: 1_000)
        defer {
            hits.deallocate()
            workers.deallocate()
        }
        // A unit writes only what belongs to it; running it twice or not at all leaves a count other than one.
        let body: ThreadPool.Body = { unit, worker in
            hits[unit] += 1
            workers[unit] = worker
        }
        for count in [0, 1, 2, 7, 1_000] {
            for _ in 0..<200 {
                hits.initialize(repeating: 0)
                workers.initialize(repeating: 0)
                pool.run(count, body)
                guard hits[..<count].allSatisfy({ $0 == 1 }), hits[count...].allSatisfy({ $0 == 0 }),
                    workers.allSatisfy({ (0..<threads).contains($0) })
                else {
                    Issue.record("\(count) units on \(threads) threads ran \(Array(hits[..<count])) times")
                    return
                }
            }
        }
    }

    @Test("a worker runs one unit at a time", arguments: [2, 4])
    func oneUnitAWorker(threads: Int) throws {
        let pool = try ThreadPool(threads: threads)
        let busy = UnsafeMutableBufferPointer<Int>.allocate(capacity: threads * 16)
        busy.initialize(repeating: 0)
        defer { busy.deallocate() }
        let clashes = Atomic<Int>(0)
        for _ in 0..<50 {
            pool.run(200) { _, worker in
                if busy[worker * 16] != 0 { clashes.add(1, ordering: .relaxed) }
                busy[worker * 16] += 1
                for _ in 0..<100 where busy[worker * 16] != 1 { clashes.add(1, ordering: .relaxed) }
                busy[worker * 16] -= 1
            }
        }
        #expect(clashes.load(ordering: .relaxed) == 0)
    }

    @Test("what one run writes the next run reads")
    func visibility() throws {
        let pool = try ThreadPool(threads: 4)
        let values = UnsafeMutableBufferPointer<Int>.allocate(capacity: 64)
        values.initialize(repeating: 0)
        defer { values.deallocate() }
        for _ in 0..<200 {
            pool.run(64) { unit, _ in values[unit] += 1 }
            let next = values[0]
            pool.run(32) { unit, _ in
                values[unit] = values[63 - unit]
            }
            guard values.allSatisfy({ $0 == next }) else {
                Issue.record("\(Array(values)), expected \(next) everywhere")
                return
            }
        }
    }

    @Test("pools come and go without waiting for work that never comes")
    func lifetimes() throws {
        for round in 0..<50 {
            let pool = try ThreadPool(threads: 1 + round % 4)
            let sum = Atomic<Int>(0)
            pool.run(round % 5) { unit, _ in sum.add(unit + 1, ordering: .relaxed) }
            #expect(sum.load(ordering: .relaxed) == (0..<round % 5).reduce(0) { $0 + $1 + 1 })
        }
    }

    @Test("a thread that the system refuses is an error at once, alone and in a pool")
    func refused() async {
        await #expect(processExitsWith: .success) {
            // Less address space than a stack needs.
            var limit = rlimit(rlim_cur: 1 << 20, rlim_max: .max)
            setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
            var refusals: [ThreadError] = []
            do throws(ThreadError) { try SystemThread("alone") {}.detach() } catch { refusals.append(error) }
            do throws(ThreadError) { _ = try ThreadPool(threads: 2) } catch { refusals.append(error) }
            limit.rlim_cur = limit.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
            let words = refusals.map(\.description)
            exit(words.count == 2 && words[0].contains("'alone'") && words[1].contains("ulimit -v") ? 0 : 1)
        }
    }
}
