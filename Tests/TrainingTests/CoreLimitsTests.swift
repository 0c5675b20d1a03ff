import Foundation
import TestSupport
import Testing

@testable import Training

@Suite("Limits on cores")
struct CoreLimitsTests {
    /// A system's files below a folder of their own.
    private func system(_ files: [String: String]) throws -> Scratch {
        let scratch = try Scratch()
        for (name, text) in files {
            let url = URL(fileURLWithPath: scratch.path + name)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try text.write(to: url, atomically: false, encoding: .utf8)
        }
        return scratch
    }

    @Test(
        "the strictest limit decides and is named",
        arguments: [
            ([:], [:], 1, 8, nil), ([:], [:], 2, 4, nil),
            ([:], ["SLURM_CPUS_PER_TASK": "2"], 1, 2, "SLURM_CPUS_PER_TASK=2"),
            ([:], ["OMP_NUM_THREADS": "3,1"], 2, 3, "OMP_NUM_THREADS=3"), ([:], ["OMP_NUM_THREADS": "64"], 1, 8, nil),
            ([:], ["OMP_NUM_THREADS": "many", "NSLOTS": "0"], 1, 8, nil),
            ([:], ["NSLOTS": "4"], 2, 2, "NSLOTS=4 for 2 ranks"),
            (
                [
                    "/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/cpu.max": "250000 100000\n",
                    "/sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
                ],
                [:], 1, 2, "the cgroup's cpu.max = 2.50 cores"
            ),
            (
                ["/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "50000 100000\n"], [:], 1, 1,
                "the cgroup's cpu.max = 0.50 cores"
            ),
            (
                [
                    "/proc/self/cgroup": "5:cpuacct,cpu:/docker/1\n0::/\n",
                    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000\n",
                    "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
                ],
                [:], 2, 2, "the cgroup's cpu.cfs_quota_us = 4.00 cores for 2 ranks"
            ),
            (
                [
                    "/proc/self/cgroup": "5:cpu:/\n", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                    "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
                ], [:], 1, 8, nil
            ),
            (["/proc/self/cgroup": "nonsense\n0::\n"], [:], 1, 8, nil),
        ] as [([String: String], [String: String], Int, Int, String?)])
    func strictest(files: [String: String], variables: [String: String], ranks: Int, threads: Int, reason: String?)
        throws
    {
        let scratch = try system(files)
        let limits = CoreLimits(online: 8, inMask: 8, localRanks: ranks, environment: variables, root: scratch.path)
        #expect(limits.threads == threads)
        #expect(limits.reason == reason)
    }

    @Test("a rank never takes more than its mask, and one of many still has a thread")
    func mask() {
        let none = [String: String]()
        #expect(CoreLimits(online: 2048, inMask: 3, localRanks: 1, environment: none, root: "/nowhere").threads == 3)
        #expect(CoreLimits(online: 2, inMask: 2, localRanks: 5, environment: none, root: "/nowhere").threads == 1)
    }
}
