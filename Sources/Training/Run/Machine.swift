internal import Diagnostics
internal import Digests
internal import Foundation
internal import Tensors

/// What this process runs on and was built from.
package enum Machine {
    package static let version = "0.1.0"

    /// Cores that this process may run on.
    package static func coresOfAffinityMask() -> Int {
        // sched_getaffinity hides behind _GNU_SOURCE, which Swift's import of the C library does not set.
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let mask = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed:") }?.dropFirst(13)
        let cores = mask?.compactMap(\.hexDigitValue).reduce(0) { $0 + $1.nonzeroBitCount } ?? 0
        return cores == 0 ? coresOnline() : min(cores, coresOnline())
    }

    package static func coresOnline() -> Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

    /// What limits the cores of each of the ranks on this host.
    package static func coreLimits(localRanks: Int) -> CoreLimits {
        CoreLimits(
            online: coresOnline(), inMask: coresOfAffinityMask(), localRanks: localRanks,
            environment: ProcessInfo.processInfo.environment)
    }

    /// All cores of the affinity mask for a process alone; its share of the cores among the ranks of a host; never more than
    /// the mask, the cgroup's quota and the batch system give.
    package static func defaultThreads(localRanks: Int) -> Int { coreLimits(localRanks: localRanks).threads }

    /// Threads that read ahead, unless the configuration says how many: as many as the rank has cores, since they sleep while
    /// there is nothing to read, up to eight.
    static func defaultReaders(localRanks: Int) -> Int { min(8, defaultThreads(localRanks: localRanks)) }

    package static func processorName() -> String {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
        return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown processor"
    }

    /// The kernels that compute, as far as they decide bits: those of small networks, those of all others, and OpenBLAS's.
    package static var kernelSet: String {
        "lanes \(KernelSet.inUse.name) + portable + OpenBLAS \(BLAS.coreName)"
    }

    /// Throws: `Failure(.usage)` where the environment names kernels that are not there or do not run here.
    package static func checkKernelSet() throws {
        guard let name = KernelSet.refusedName else { return }
        let runnable = KernelSet.runnable.map(\.name)
        let reason = KernelSet.names.contains(name) ? "which this processor cannot run" : "which is no kernel set"
        throw Failure(
            .usage,
            "\(KernelSet.variable) = \(name), \(reason); expected \(runnable.joined(separator: ", ")), or unset for the first "
                + "of them")
    }
    package static var libraries: String { BLAS.configuration }

    /// SHA-256 of the running program, to tell ranks with different binaries.
    package static func programDigest() -> String {
        guard let bytes = try? Data(contentsOf: URL(fileURLWithPath: "/proc/self/exe"), options: .alwaysMapped) else {
            return "unreadable"
        }
        return bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
    }

    /// The largest resident memory of this process so far, in bytes.
    package static func peakResidentBytes() -> Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1024
    }

    /// Seconds on a clock that never goes back.
    package static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
