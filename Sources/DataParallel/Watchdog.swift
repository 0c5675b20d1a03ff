internal import Foundation
internal import Synchronization
package import Tensors

/// A thread of every rank that notices when the rank makes no progress, and says where and, if it can see it, why.
///
/// It warns after `warnSeconds` without a beat, and ends the process with code 70 after `stopSeconds`: an exit of one rank
/// makes mpirun end the others. Saving a checkpoint may take six times as long, since rank 0 alone works then, unless a
/// rank of this host is stopped. It ends at once when a rank of the same host that this one waits for has died. It makes no
/// MPI calls, because the training thread may be stuck inside one.
package final class Watchdog {
    package struct Limits: Equatable, Sendable {
        package var warnSeconds: Int
        package var stopSeconds: Int

        package init(warnSeconds: Int = 60, stopSeconds: Int = 600) {
            self.warnSeconds = warnSeconds
            self.stopSeconds = stopSeconds
        }
    }

    /// A rank on this host.
    package struct Neighbour: Sendable {
        let rank: Int
        let process: pid_t
    }

    /// Shared with the thread, which may outlive this object by a tenth of a second.
    private let stop = StopFlag()

    /// The other ranks of this host, found by asking all for host and process number. Collective.
    package static func neighbours(of communicator: any Communicator) throws -> [Neighbour] {
        let host = RankAgreement.hostName()
        let all = try communicator.allGather(Array("\(getpid()) \(host)".utf8))
        return all.enumerated().compactMap { rank, bytes in
            let words = String(decoding: bytes, as: UTF8.self).split(separator: " ", maxSplits: 1)
            guard rank != communicator.rank, words.count == 2, words[1] == host, let process = pid_t(words[0])
            else { return nil }
            return Neighbour(rank: rank, process: process)
        }
    }

    /// Starts to watch. Throws: `ThreadError`: a run that nobody watches could hang for ever.
    package init(activity: Activity, rank: Int, neighbours: [Neighbour], limits: Limits) throws(ThreadError) {
        let name = "[rank \(rank)@\(RankAgreement.hostName())]"
        let observer = Observer(activity: activity, name: name, neighbours: neighbours, limits: limits)
        let stop = stop
        try SystemThread("watchdog") {
            var observer = observer
            while !stop.isSet.load(ordering: .relaxed) {
                usleep(100_000)
                observer.look()
            }
        }.detach()
    }

    deinit {
        stop.isSet.store(true, ordering: .relaxed)
    }
}

private final class StopFlag: Sendable {
    let isSet = Atomic<Bool>(false)
}

/// What the watchdog's thread remembers from one look to the next.
private struct Observer: Sendable {
    let activity: Activity
    let name: String
    let neighbours: [Watchdog.Neighbour]
    let limits: Watchdog.Limits
    private var last: Activity.Snapshot
    private var since = ContinuousClock.now
    private var warnings = 0

    init(activity: Activity, name: String, neighbours: [Watchdog.Neighbour], limits: Watchdog.Limits) {
        self.activity = activity
        self.name = name
        self.neighbours = neighbours
        self.limits = limits
        last = activity.snapshot
    }

    mutating func look() {
        let now = activity.snapshot
        if now != last {
            last = now
            since = .now
            warnings = 0
            return
        }
        let seconds =
            Double((ContinuousClock.now - since).components.seconds)
            + Double((ContinuousClock.now - since).components.attoseconds) * 1e-18
        if now.call != .none { lookAtNeighbours(now, seconds: seconds) }
        // Whoever is stopped does not save.
        let patience = now.phase == .saving && stoppedNeighbours().isEmpty ? 6 : 1
        if seconds >= Double(limits.stopSeconds * patience) {
            end(
                "no progress for \(Int(seconds)) s: \(now.words)\(suspects()). Ending this run; with --run-dir and its folder it goes on",
                code: 70)
        }
        if seconds >= Double(limits.warnSeconds * (warnings + 1)) {
            warnings += 1
            say("warning: no progress for \(Int(seconds)) s: \(now.words)\(suspects())")
        }
    }

    /// A rank that waits in a call for one that is gone will wait for ever.
    private func lookAtNeighbours(_ now: Activity.Snapshot, seconds: Double) {
        // Ranks leave one after the other at the end of a run; that is no death.
        guard now.phase != .ending, seconds >= 0.3 else { return }
        if let dead = neighbours.first(where: { state(of: $0) == nil }) {
            end(
                "rank \(dead.rank) (process \(dead.process)) has died: \(now.words); with --run-dir and its "
                    + "folder the run goes on", code: 70)
        }
        if StopSignals.isTerminating, seconds >= 0.5 {
            end("told to terminate while waiting: \(now.words); another rank has probably died", code: 143)
        }
    }

    /// "; rank 1 (process 123) is stopped".
    private func suspects() -> String {
        stoppedNeighbours().map { "; rank \($0.rank) (process \($0.process)) is stopped" }.joined()
    }

    private func stoppedNeighbours() -> [Watchdog.Neighbour] {
        neighbours.filter { state(of: $0) == "T" || state(of: $0) == "t" }
    }

    /// The letter of /proc/N/stat; nil when the process is gone or a zombie.
    private func state(of neighbour: Watchdog.Neighbour) -> Character? {
        guard let stat = try? String(contentsOfFile: "/proc/\(neighbour.process)/stat", encoding: .utf8),
            let name = stat.lastIndex(of: ")"), let state = stat[name...].dropFirst(2).first
        else { return nil }
        return state == "Z" || state == "X" ? nil : state
    }

    private func say(_ text: String) {
        Array("\(name) \(text)\n".utf8).withUnsafeBytes { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private func end(_ text: String, code: Int32) -> Never {
        say(text)
        _exit(code)
    }
}
