internal import Files
internal import Glibc

/// What killed MPI runs of this user leave on this host, and its removal.
///
/// Open MPI makes a session folder `ompi.<host>.<user>/pid.<launcher>` and one shared segment
/// `vader_segment.<host>.<user>.<job>.<rank>` per rank. An end by SIGKILL leaves both, and segments of 4 MiB and more
/// stay in memory until the machine restarts.
///
/// Removed is only what carries this host's name and belongs to this user, and whose owner is gone. A process number says
/// little about that: containers that share these folders number their processes each for itself. But a launcher keeps
/// files of its session open for writing, and a rank its segment, and the kernel tells by refusing a lease. So what is removed is
/// a session folder that has such files, none of them in use, when no process here has its launcher's number either; a
/// session folder without any when it is older than a minute; a segment not in use when its session is such a folder, or
/// when it is older than a minute and no session that lives names its job.
/// Never throws: what cannot be read or removed stays, and the next start tries again.
package struct Leftovers: Equatable, Sendable {
    package var sharedMemory = "/dev/shm"
    /// Where Open MPI makes its session folders.
    package var temporary: String
    package var processes = "/proc"
    /// This host's name as Open MPI may write it: whole, and without its domain.
    package var hosts: Set<String>
    package var user: UInt32 = getuid()
    /// Seconds since 1970.
    package var now: Int = time(nil)
    /// A segment of an unknown session may be one whose session folder is yet to come.
    package var graceSeconds = 60

    package init(environment: [String: String]) {
        // Open MPI asks in this order.
        temporary = ["TMPDIR", "TEMP", "TMP"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? "/tmp"
        let name = RankAgreement.hostName()
        hosts = [name, String(name.prefix { $0 != "." })]
    }

    /// Removes what may go. Returns: the paths removed, sorted.
    @discardableResult
    package func remove() -> [String] {
        let all = hosts.flatMap { sessions(below: "\(temporary)/ompi.\($0).\(user)") }
        let ended = all.filter { !$0.isAlive }
        let live = Set(all.filter { $0.isAlive }.flatMap { $0.jobs })
        let endedJobs = Set(ended.flatMap { $0.jobs })
        let segments = Self.entries(of: sharedMemory).filter { name in
            guard let job = job(ofSegment: name), !live.contains(job),
                let status = status("\(sharedMemory)/\(name)", type: S_IFREG)
            else { return false }
            return endedJobs.contains(job) || isOld(status)
        }.map { "\(sharedMemory)/\($0)" }
        var removed: [String] = []
        for session in ended where (try? Folder.removeTree(session.path)) != nil { removed.append(session.path) }
        // Ranks outlive a killed launcher for a moment.
        for segment in segments where !Self.isInUse(segment) && unlink(segment) == 0 { removed.append(segment) }
        return removed.sorted()
    }

    private struct Session {
        let path: String
        let isAlive: Bool
        /// Numbers of the jobs it holds, as its shared files are named.
        let jobs: [UInt32]
    }

    private func sessions(below folder: String) -> [Session] {
        // /tmp is everyone's: a folder of another user, or a link, is not looked into.
        guard status(folder, type: S_IFDIR) != nil else { return [] }
        return Self.entries(of: folder).compactMap { name in
            let path = "\(folder)/\(name)"
            guard name.hasPrefix("pid."), let launcher = Self.number(name.dropFirst(4), radix: 10),
                let status = status(path, type: S_IFDIR)
            else { return nil }
            let stores = Self.entries(of: path).filter { $0.hasPrefix("pmix_dstor_") }.map { "\(path)/\($0)" }
            let shared = stores.flatMap { store in Self.entries(of: store).map { (store: store, name: $0) } }
            let jobs = shared.filter { $0.name.hasPrefix("smseg-") }
                .compactMap { Self.number($0.name.dropFirst("smseg-".count).prefix { $0 != "-" }, radix: 10) }
            let isAlive =
                exists("\(processes)/\(launcher)") || (shared.isEmpty && !isOld(status))
                || shared.contains { Self.isInUse("\($0.store)/\($0.name)") }
            return Session(path: path, isAlive: isAlive, jobs: jobs)
        }
    }

    /// The job in the name of a segment of this host and user; nil for every other name.
    private func job(ofSegment name: String) -> UInt32? {
        for host in hosts {
            let start = "vader_segment.\(host).\(user)."
            guard name.hasPrefix(start) else { continue }
            let parts = name.dropFirst(start.count).split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 2, Self.number(parts[1], radix: 10) != nil else { continue }
            return Self.number(parts[0], radix: 16)
        }
        return nil
    }

    private func isOld(_ status: stat) -> Bool { now - status.st_mtim.tv_sec > graceSeconds }

    /// Whether any process, in whatever container, has this file open or mapped for writing; also when that cannot be told.
    private static func isInUse(_ path: String) -> Bool {
        // From <fcntl.h>, where they hide behind _GNU_SOURCE, which Swift's import of the C library does not set.
        let (setSignal, setLease): (Int32, Int32) = (10, 1024)
        guard
            let file = try? systemCall("open", path, { open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC) })
        else { return true }
        defer { close(file) }
        // Whoever opens the file while the lease is held breaks it; the signal for that would otherwise be deadly.
        guard fcntl(file, setSignal, SIGURG) == 0, fcntl(file, setLease, F_RDLCK) == 0 else { return true }
        _ = fcntl(file, setLease, F_UNLCK)
        return false
    }

    private func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 || errno != ENOENT
    }

    /// The status of a path of this type and this user; nil otherwise.
    private func status(_ path: String, type: mode_t) -> stat? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == type, status.st_uid == user else { return nil }
        return status
    }

    /// Digits only: `UInt32("+5")` is 5.
    private static func number(_ text: Substring, radix: Int) -> UInt32? {
        guard text.allSatisfy(\.isHexDigit) else { return nil }
        return UInt32(text, radix: radix)
    }

    private static func entries(of path: String) -> [String] {
        (try? Folder(path, followingLinks: false).names()) ?? []
    }
}
