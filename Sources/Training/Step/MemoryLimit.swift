internal import Diagnostics
internal import Foundation
internal import Report

/// How many bytes the surroundings leave a process.
struct MemoryLimit {
    let bytes: Int
    /// "of physical memory and swap"
    let name: String

    /// Throws: `Failure(.internalError)` with all numbers when the parts together are more than any limit allows.
    ///
    /// `localRanks` processes of this host share its memory.
    static func check(_ parts: [(name: String, bytes: Int)], localRanks: Int) throws {
        let need = parts.reduce(0) { $0 + min($1.bytes, Int.largestProduct) }
        guard let limit = all(localRanks: localRanks).min(by: { $0.bytes < $1.bytes }), need > limit.bytes else {
            return
        }
        let largest = parts.sorted { $0.bytes > $1.bytes }.prefix(3).filter { $0.bytes > 0 }
        let share = localRanks > 1 ? " for each of the \(localRanks) ranks on this host" : ""
        throw Failure(
            .internalError,
            "\(words(need)) of memory are needed (\(largest.map { "\($0.name) \(words($0.bytes))" }.joined(separator: ", "))), "
                + "there are \(words(limit.bytes)) \(limit.name)\(share). Take a smaller network, a lower batch_size or checkpoint_activations: auto",
            isLocal: true)
    }

    static func all(localRanks: Int, withSwap: Bool = true) -> [MemoryLimit] {
        let swap = withSwap ? memoryInfo("SwapTotal:") ?? 0 : 0
        var limits: [MemoryLimit] = []
        if let physical = memoryInfo("MemTotal:") {
            limits.append(
                MemoryLimit(
                    bytes: (physical + swap) / localRanks, name: "of physical memory\(withSwap ? " and swap" : "")"))
        }
        if let group = groupBytes(swap: swap) {
            limits.append(MemoryLimit(bytes: group / localRanks, name: "in this control group (memory.max)"))
        }
        var addresses = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &addresses) == 0, addresses.rlim_cur < UInt(Int.max) {
            let used = (firstWord("/proc/self/statm").flatMap { Int($0) } ?? 0) * sysconf(Int32(_SC_PAGESIZE))
            limits.append(
                MemoryLimit(bytes: max(0, Int(addresses.rlim_cur) - used), name: "of address space left (ulimit -v)"))
        }
        return limits
    }

    /// A line of /proc/meminfo, in bytes.
    private static func memoryInfo(_ key: String) -> Int? {
        let lines = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8))?.split(separator: "\n") ?? []
        return lines.first { $0.hasPrefix(key) }?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
            .map { $0 * 1024 }
    }

    /// The tightest limit of the control groups that this process is in, with the swap that they allow.
    private static func groupBytes(swap: Int) -> Int? {
        let lines = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8))?.split(separator: "\n") ?? []
        var found: [Int] = []
        for line in lines {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let isUnified = fields[1].isEmpty
            guard isUnified || fields[1].split(separator: ",").contains("memory") else { continue }
            let root = isUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory"
            var path = String(fields[2])
            while true {
                let folder = root + (path == "/" ? "" : path)
                let name = isUnified ? "memory.max" : "memory.limit_in_bytes"
                if let bytes = firstWord("\(folder)/\(name)").flatMap({ Int($0) }), bytes < Int.largestProduct {
                    let swapped = isUnified ? firstWord("\(folder)/memory.swap.max").flatMap { Int($0) } ?? swap : swap
                    found.append(bytes + min(swapped, swap))
                }
                if path == "/" || path.isEmpty { break }
                path = (path as NSString).deletingLastPathComponent
            }
        }
        return found.min()
    }

    private static func firstWord(_ path: String) -> Substring? {
        (try? String(contentsOfFile: path, encoding: .utf8))?.split(whereSeparator: \.isWhitespace).first
    }

    private static func words(_ bytes: Int) -> String {
        bytes >= Int.largestProduct ? "more than 1,000,000 GB" : NumberText.gigabytes(bytes)
    }
}
