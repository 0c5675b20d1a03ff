internal import Foundation
internal import Report

/// What limits the cores of a rank besides the machine: its affinity mask, the cgroup's quota of a container, a batch system's or
/// a user's variables.
package struct CoreLimits: Equatable, Sendable {
    /// One limit, in words that name where it comes from.
    package struct Limit: Equatable, Sendable {
        package let cores: Double
        package let source: String
    }

    /// The share of the container's quota, where there is one.
    package let quotaCores: Double?
    /// For each rank, the strictest first; never empty.
    package let all: [Limit]

    /// The default number of threads: what the strictest limit leaves, in whole cores.
    package var threads: Int { max(1, Int(all[0].cores)) }
    /// What decided that, nil when it is the machine's cores or the mask alone.
    package var reason: String? { all[0].source == Self.machine ? nil : all[0].source }

    private static let machine = "cores"

    /// `root` holds the system's /proc and /sys.
    package init(
        online: Int, inMask: Int, localRanks: Int, environment: [String: String], root: String = ""
    ) {
        var limits = [Limit(cores: Double(min(inMask, max(1, online / localRanks))), source: Self.machine)]
        let ranks = localRanks == 1 ? "" : " for \(localRanks) ranks"
        let quota = Self.quota(root: root)
        quotaCores = quota.map { $0.cores / Double(localRanks) }
        if let quota, let quotaCores {
            limits.append(
                Limit(
                    cores: quotaCores,
                    source: "\(quota.source) = \(NumberText.decimal(quota.cores, 2)) cores\(ranks)"))
        }
        // OMP_NUM_THREADS may list a number for each level.
        for (name, sharing) in [("SLURM_CPUS_PER_TASK", 1), ("OMP_NUM_THREADS", 1), ("NSLOTS", localRanks)] {
            let value = environment[name]?.split(separator: ",").first.map { $0.trimmingCharacters(in: .whitespaces) }
            guard let value, let cores = Int(value), cores > 0 else { continue }
            limits.append(
                Limit(cores: Double(cores) / Double(sharing), source: "\(name)=\(cores)\(sharing > 1 ? ranks : "")"))
        }
        // The sort is stable: of equal limits the machine's comes first.
        all = limits.sorted { max(1, $0.cores.rounded(.down)) < max(1, $1.cores.rounded(.down)) }
    }

    /// The cores of the strictest quota of this process's cgroup and of those around it; nil without one.
    static func quota(root: String) -> Limit? {
        func text(_ path: String) -> String? {
            (try? String(contentsOfFile: root + path, encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        var found: [Limit] = []
        for line in (text("/proc/self/cgroup") ?? "").split(separator: "\n") {
            // "0::/path" of version 2; "4:cpu,cpuacct:/path" of version 1.
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let isVersion2 = fields[0] == "0" && fields[1].isEmpty
            guard isVersion2 || fields[1].split(separator: ",").contains("cpu") else { continue }
            let mounts =
                isVersion2
                ? ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] : ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"]
            // Inside a container the path may be the host's; its last existing part is then the mount itself.
            var names = fields[2].split(separator: "/")
            while true {
                for mount in mounts {
                    let folder = ([Substring(mount)] + names).joined(separator: "/")
                    let file = isVersion2 ? "cpu.max" : "cpu.cfs_quota_us"
                    let words =
                        isVersion2
                        ? text("\(folder)/\(file)")
                        : text("\(folder)/\(file)").flatMap { quota in
                            text("\(folder)/cpu.cfs_period_us").map { "\(quota) \($0)" }
                        }
                    let numbers = (words ?? "").split(separator: " ").map { Double($0) }
                    // "max 100000" and "-1 100000" are no limit.
                    guard numbers.count == 2, let quota = numbers[0], let period = numbers[1], quota > 0, period > 0
                    else { continue }
                    found.append(Limit(cores: quota / period, source: "the cgroup's \(file)"))
                }
                if names.isEmpty { break }
                names.removeLast()
            }
        }
        return found.min { $0.cores < $1.cores }
    }
}
