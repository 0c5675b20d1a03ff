internal import Glibc

/// What killed MPI runs of this user leave on this host, and its removal.
///
/// Open MPI makes a session folder `ompi.<host>.<user>/pid.<launcher>` and one shared segment
/// `vader_segment.<host>.<user>.<job>.<rank>` per rank. An end by SIGKILL leaves both, and segments of 4 MiB and more
/// stay in memory until the machine restarts.
///
/// Removed is only what carries this host's name and belongs to this user, that no process has mapped, and whose owner is
/// gone: a session folder when its launcher's process does not exist; a segment when its session is such a folder, or
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
            return endedJobs.contains(job) || now - status.st_mtim.tv_sec > graceSeconds
        }.map { "\(sharedMemory)/\($0)" }
        // Almost every start ends here, without a look at the processes.
        guard !ended.isEmpty || !segments.isEmpty else { return [] }

        // Ranks outlive a killed launcher for a moment and still use its folder.
        let mapped = mappedFiles()
        var removed: [String] = []
        for session in ended where !mapped.contains(where: { $0.hasPrefix(session.path + "/") }) {
            if Self.removeTree(session.path) { removed.append(session.path) }
        }
        for segment in segments where !mapped.contains(segment) && unlink(segment) == 0 {
            removed.append(segment)
        }
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
                status(path, type: S_IFDIR) != nil
            else { return nil }
            let jobs = Self.entries(of: path).filter { $0.hasPrefix("pmix_dstor_") }
                .flatMap { Self.entries(of: "\(path)/\($0)") }
                .filter { $0.hasPrefix("smseg-") }
                .compactMap { Self.number($0.dropFirst("smseg-".count).prefix { $0 != "-" }, radix: 10) }
            return Session(path: path, isAlive: exists("\(processes)/\(launcher)"), jobs: jobs)
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

    /// Files of the two folders that any readable process has mapped.
    private func mappedFiles() -> Set<String> {
        var files: Set<String> = []
        for name in Self.entries(of: processes) where Self.number(name[...], radix: 10) != nil {
            guard let maps = fopen("\(processes)/\(name)/maps", "re") else { continue }
            defer { fclose(maps) }
            var line: UnsafeMutablePointer<CChar>?
            var capacity = 0
            defer { free(line) }
            while getline(&line, &capacity, maps) > 0 {
                // Address, permissions, offset, device, inode, then the path: the only field with a slash.
                guard let line, let start = strchr(line, CInt(UInt8(ascii: "/"))) else { continue }
                let path = String(cString: start).prefix { $0 != "\n" }
                if path.hasPrefix(sharedMemory + "/vader_segment.") || path.hasPrefix(temporary + "/ompi.") {
                    files.insert(String(path))
                }
            }
        }
        return files
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
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        return folder < 0 ? [] : entries(ofFolder: folder)
    }

    /// Names in an open folder, which is closed.
    private static func entries(ofFolder folder: Int32) -> [String] {
        guard let stream = fdopendir(folder) else {
            close(folder)
            return []
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: $0.pointee)) {
                    String(cString: $0)
                }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private static func removeTree(_ path: String) -> Bool {
        removeContents(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
        return rmdir(path) == 0
    }

    /// Follows no link, so nothing outside the folder can be reached.
    private static func removeContents(_ folder: Int32) {
        guard folder >= 0 else { return }
        defer { close(folder) }
        for name in entries(ofFolder: dup(folder)) where unlinkat(folder, name, 0) != 0 {
            removeContents(openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
            _ = unlinkat(folder, name, AT_REMOVEDIR)
        }
    }
}
